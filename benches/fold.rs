//! What does a candle cost beside a loop that only adds up?
//!
//! Each figure has its floor in the same run: the same trades in plain `u64` sums, the quote volume cut to 64 bits and
//! nothing checked or named. The budgets: 5 ns a trade into 1 timeframe, 22 ns into 16.

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use std::hint::black_box;
use tapedeck::{
    candle::{FoldOptions, Link, LiveFold, fold_many},
    model::{Price, Quantity, Timeframe, Trade, UnixMillis},
};

/// 1m 3m 5m 7m 15m 30m 1h 2h 4h 6h 8h 12h 173m 1d 3d 30d.
const MINUTES: [u32; 16] = [1, 3, 5, 7, 15, 30, 60, 120, 240, 360, 480, 720, 173, 1_440, 4_320, 43_200];
/// As many as a ring holds: live trades are folded out of the cache.
const TRADES_HOT: usize = 8_192;
/// About a day of BTCUSDT: what an array of whole trades costs to read comes on top.
const TRADES_COLD: usize = 720_000;
/// 2026-10-01 00:00 UTC.
const START: i64 = 1_790_812_800_000;

/// A xorshift generator: the same trades in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A walk of about 500 trades a minute, most of which come in bursts inside a millisecond.
fn trades(count: usize) -> Vec<Trade> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut time, mut price, mut raw_id) = (START, 8_300_000_000_000_i64, 1u64);
    let trade = |id: u64| {
        let pause_ms = if random.below(10) < 7 { 0 } else { random.below(800) };
        time += pause_ms.cast_signed();
        price += (random.below(201).cast_signed() - 100) * 10_000_000;
        let raw_trades = 1 + random.below(4);
        raw_id += raw_trades;
        Trade {
            id,
            price: Price::from_units(price),
            quantity: Quantity::from_units((1 + random.below(2_000).cast_signed()) * 100_000),
            first_id: raw_id - raw_trades,
            last_id: raw_id - 1,
            time: UnixMillis::new(time),
            buyer_is_maker: random.below(2) == 0,
        }
    };
    (1..=count as u64).map(trade).collect()
}

/// The least that a candle can be.
#[derive(Clone, Copy, Default)]
struct Sums {
    end: u64,
    open: u64,
    high: u64,
    low: u64,
    close: u64,
    volume: u64,
    taker_buy_volume: u64,
    quote_volume: u64,
    trades: u64,
}

impl Sums {
    fn of(end: u64, price: u64) -> Self {
        Self { end, open: price, high: price, low: price, ..Self::default() }
    }

    fn push(&mut self, trade: &Trade) {
        let price = trade.price.units().cast_unsigned();
        let quantity = trade.quantity.units().cast_unsigned();
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.volume += quantity;
        self.taker_buy_volume += if trade.buyer_is_maker { 0 } else { quantity };
        self.quote_volume = self.quote_volume.wrapping_add(price.wrapping_mul(quantity) >> 32);
        self.trades += 1;
    }
}

/// Every trade into every timeframe, one after the other.
fn floor(lengths_ms: &[u64], trades: &[Trade]) -> Vec<Vec<Sums>> {
    let mut series: Vec<Vec<Sums>> = vec![Vec::new(); lengths_ms.len()];
    for (series, length_ms) in series.iter_mut().zip(lengths_ms) {
        let mut open = Sums::default();
        for trade in trades {
            let time = trade.time.get().cast_unsigned();
            if time >= open.end {
                series.push(open);
                open = Sums::of(time - time % length_ms + length_ms, trade.price.units().cast_unsigned());
            }
            open.push(trade);
        }
        series.push(open);
    }
    series
}

fn fold_live(trades: &[Trade]) -> usize {
    let mut fold = LiveFold::new(Timeframe::MINUTE, FoldOptions { grace_ms: 300, closed_max: 1_500 });
    let (mut events, mut closed) = (Vec::new(), 0);
    for trade in trades {
        fold.trade(trade, Link::Joins, &mut events);
        closed += events.len();
        events.clear();
    }
    closed
}

/// The floor does the same work, as far as it goes.
fn check(timeframe: Timeframe, length_ms: u64, trades: &[Trade]) {
    let (floor, folded) = (floor(&[length_ms], trades), fold_many(&[timeframe], trades));
    for (sums, candle) in floor[0][1..].iter().zip(&folded[0]) {
        let prices = [candle.open, candle.high, candle.low, candle.close].map(|price| price.units().cast_unsigned());
        assert_eq!([sums.open, sums.high, sums.low, sums.close], prices);
        let volumes = [candle.volume, candle.taker_buy_volume].map(|volume| u64::try_from(volume.units()).ok());
        assert_eq!([sums.volume, sums.taker_buy_volume].map(Some), volumes);
        assert_eq!((sums.end, sums.trades), (candle.close_time.get().cast_unsigned(), candle.trades));
    }
    assert_eq!(floor[0].len(), folded[0].len() + 1, "the floor begins with an empty candle");
}

fn compare(group: &mut BenchmarkGroup<'_, WallTime>, minutes: &[u32], trades: &[Trade]) {
    let timeframes: Vec<_> = minutes.iter().map(|n| Timeframe::minutes(*n).expect("in range")).collect();
    let lengths_ms: Vec<_> = minutes.iter().map(|n| u64::from(*n) * 60_000).collect();
    timeframes.iter().zip(&lengths_ms).for_each(|(timeframe, length_ms)| check(*timeframe, *length_ms, trades));
    group.bench_function("floor", |bencher| bencher.iter(|| floor(black_box(&lengths_ms), black_box(trades))));
    group.bench_function("fold_many", |bencher| bencher.iter(|| fold_many(black_box(&timeframes), black_box(trades))));
}

fn fold(criterion: &mut Criterion) {
    for (heat, count) in [("hot", TRADES_HOT), ("cold", TRADES_COLD)] {
        let trades = trades(count);
        for (name, minutes) in [("1", &MINUTES[..1]), ("16", &MINUTES[..])] {
            let mut group = criterion.benchmark_group(format!("fold {heat} into {name}"));
            group.throughput(Throughput::Elements(count as u64));
            compare(&mut group, minutes, &trades);
            group.finish();
        }
        let mut group = criterion.benchmark_group(format!("live fold {heat} into 1"));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("trade", |bencher| bencher.iter(|| fold_live(black_box(&trades))));
        group.finish();
    }
}

criterion_group!(benches, fold);
criterion_main!(benches);
