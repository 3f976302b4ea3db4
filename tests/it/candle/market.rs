//! What does a contract's tape look like, in which order does it arrive, and what are its candles by definition?

use proptest::{collection::vec, option, prelude::*};
use std::collections::BTreeMap;
use tapedeck::{
    market::Print,
    model::{Candle, Origin, Price, Quantity, QuoteVolume, Source, Timeframe, Trade, UnixMillis, Volume},
};

/// How long a missing id is waited for.
pub(crate) const REORDER_MS: i64 = 300;
/// The most prints of a generated tape.
pub(crate) const PRINTS_MAX: usize = 120;

/// How much later than the one before a print happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Later(i64),
    AtNextMinute,
    JustBeforeNextMinute,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Later(0)),
        6 => (1..200i64).prop_map(Step::Later),
        4 => (1..30_000i64).prop_map(Step::Later),
        2 => (60_000..400_000i64).prop_map(Step::Later),
        1 => (3_600_000..200_000_000i64).prop_map(Step::Later),
        2 => Just(Step::AtNextMinute),
        2 => Just(Step::JustBeforeNextMinute),
    ]
}

impl Step {
    fn from(self, time: i64) -> i64 {
        let next_minute = (time.div_euclid(60_000) + 1) * 60_000;
        match self {
            Self::Later(ms) => time + ms,
            Self::AtNextMinute => next_minute,
            Self::JustBeforeNextMinute => next_minute - 1,
        }
    }
}

/// Price and quantity in units, whether the buyer was the maker, and how many raw trades.
type Fill = (i64, i64, bool, u64);

fn fill() -> impl Strategy<Value = Fill> {
    let price = prop_oneof![8_300_000_000_000..8_400_000_000_000i64, 1..1_000i64, 1..=i64::MAX / 16];
    (price, prop_oneof![1..100_000_000_000i64, 1..=i64::MAX / 16], any::<bool>(), 1..9u64)
}

/// A tape with dense ids from `start` on; one id in ten is burnt, but never the first or the last.
fn tape(start: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<Print>> {
    let prints = vec((step(), fill(), prop::bool::weighted(0.1)), 2..PRINTS_MAX);
    (start, 1_600_000_000_000..1_800_000_000_000i64, prints).prop_map(|(start, mut time, prints)| {
        let (count, mut raw_id) = (prints.len(), 7 * start);
        let print =
            |(at, (step, (price, quantity, buyer_is_maker, raw_trades), is_burnt)): (usize, (Step, Fill, bool))| {
                let id = start + at as u64;
                if is_burnt && at > 0 && at + 1 < count {
                    return Print::Burnt(id);
                }
                time = step.from(time);
                let (first_id, last_id) = (raw_id, raw_id + raw_trades - 1);
                raw_id += raw_trades;
                let (price, quantity) = (Price::from_units(price), Quantity::from_units(quantity));
                Print::Trade(Trade {
                    id,
                    price,
                    quantity,
                    first_id,
                    last_id,
                    time: UnixMillis::new(time),
                    buyer_is_maker,
                })
            };
        prints.into_iter().enumerate().map(print).collect()
    })
}

/// A tape from its very first trade on, or from somewhere.
pub(crate) fn any_tape() -> impl Strategy<Value = Vec<Print>> {
    tape(prop_oneof![Just(1), 2..10u64, 2_000_000_000..5_000_000_000u64])
}

/// A tape as trades only.
pub(crate) fn any_trades() -> impl Strategy<Value = Vec<Trade>> {
    any_tape().prop_map(|prints| trades(&prints))
}

pub(crate) fn trades(prints: &[Print]) -> Vec<Trade> {
    prints.iter().filter_map(Print::as_trade).copied().collect()
}

pub(crate) fn timeframes() -> Vec<Timeframe> {
    let minutes = [1, 3, 5, 7, 15, 60, 173, 1_440, 2_850].map(|n| Timeframe::minutes(n).expect("in range"));
    let of_day = [7, 173].map(|n| Timeframe::minutes(n).expect("in range").with_origin(Origin::Day));
    minutes.into_iter().chain(of_day).chain([Timeframe::WEEK, Timeframe::MONTH]).collect()
}

pub(crate) fn any_timeframe() -> impl Strategy<Value = Timeframe> {
    prop::sample::select(timeframes())
}

/// How one print travels: time since the one before was sent, time on the way, and how much later a copy comes.
pub(crate) type Travel = (i64, i64, Option<i64>);

/// Journeys on which nothing overtakes by more than the window.
pub(crate) fn travels() -> impl Strategy<Value = Vec<Travel>> {
    let sent = prop_oneof![Just(0), 0..20i64, 0..1_000i64];
    vec((sent, 0..REORDER_MS, option::weighted(0.2, 0..3_000i64)), PRINTS_MAX)
}

/// The prints, and the copies of some, in the order in which they arrive, with the time.
pub(crate) fn arrivals(prints: &[Print], travels: &[Travel]) -> Vec<(i64, Print)> {
    let mut sent = 0;
    let mut arrivals = Vec::new();
    for (print, (later, way, copy)) in prints.iter().zip(travels) {
        sent += later;
        arrivals.push((sent + way, *print));
        arrivals.extend(copy.map(|copy| (sent + way + copy, *print)));
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

/// The candles of `trades` by definition: closed, complete, never revised.
pub(crate) fn naive(timeframe: Timeframe, trades: &[Trade]) -> Vec<Candle> {
    let mut buckets: BTreeMap<_, Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        buckets.entry(timeframe.bucket(trade.time)).or_default().push(trade);
    }
    buckets.into_iter().map(|(bucket, trades)| naive_candle(bucket, trades)).collect()
}

fn naive_candle((open_time, close_time): (UnixMillis, UnixMillis), mut trades: Vec<&Trade>) -> Candle {
    trades.sort_by_key(|trade| trade.id);
    let prices = || trades.iter().map(|trade| trade.price);
    let quantity = |trade: &Trade| i128::from(trade.quantity.units());
    let quote = |trade: &Trade| i128::from(trade.price.units()) * i128::from(trade.quantity.units());
    let bought = || trades.iter().filter(|trade| !trade.buyer_is_maker);
    Candle {
        open_time,
        close_time,
        open: prices().next().expect("a trade"),
        high: prices().max().expect("a trade"),
        low: prices().min().expect("a trade"),
        close: prices().next_back().expect("a trade"),
        volume: Volume::from_units(trades.iter().map(|trade| quantity(trade)).sum()),
        quote_volume: QuoteVolume::from_units(trades.iter().map(|trade| quote(trade)).sum()),
        taker_buy_volume: Volume::from_units(bought().map(|trade| quantity(trade)).sum()),
        taker_buy_quote_volume: QuoteVolume::from_units(bought().map(|trade| quote(trade)).sum()),
        trades: trades.len() as u64,
        raw_trades: trades.iter().map(|trade| trade.last_id - trade.first_id + 1).sum(),
        first_id: trades.iter().map(|trade| trade.id).min().expect("a trade"),
        last_id: trades.iter().map(|trade| trade.id).max().expect("a trade"),
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Trades,
    }
}
