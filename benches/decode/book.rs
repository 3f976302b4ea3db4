//! How long do changes and tops of books take, beside a typed serde reader that makes the same numbers?

use criterion::{Criterion, Throughput};
use serde::Deserialize;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tapedeck::exchange::binance::{Decoder, Event};
use tapedeck::model::{Level, Price, Quantity};

const FRAMES: usize = 512;
/// Levels a side of an update: the mean of a recorded day is about so many.
const LEVELS: u64 = 24;
/// Each reader is timed so often, by turns; the best run counts, since others disturb and none helps.
const RUNS: usize = 40;

/// Numbers from a fixed seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn level(&mut self) -> String {
        let (price, quantity) = (800_000 + self.below(60_000), self.below(3_000));
        format!("[\"{}.{}0\",\"{}.{:03}\"]", price / 10, price % 10, quantity / 1_000, quantity % 1_000)
    }

    fn side(&mut self) -> String {
        let count = self.below(2 * LEVELS);
        (0..count).map(|_| self.level()).collect::<Vec<_>>().join(",")
    }

    fn depth(&mut self, index: u64) -> String {
        let (first, last) = (11_757_092_616_793 + 1_000 * index, 11_757_092_617_654 + 1_000 * index);
        let (bids, asks) = (self.side(), self.side());
        format!(
            "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":1791382994616,\"T\":1791382994613,\
             \"s\":\"BTCUSDT\",\"ps\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\"pu\":{},\"b\":[{bids}],\"a\":[{asks}],\"st\":1}}}}",
            first - 132,
        )
    }

    fn ticker(&mut self, index: u64) -> String {
        let (price, bid, ask) = (800_000 + self.below(60_000), self.below(9_000), self.below(9_000));
        format!(
            "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"e\":\"bookTicker\",\"u\":{},\"s\":\"BTCUSDT\",\"ps\":\"BTCUSDT\",\
             \"b\":\"{}.{}0\",\"B\":\"{}.{:03}\",\"a\":\"{}.{}0\",\"A\":\"{}.{:03}\",\"T\":1791382994657,\"E\":1791382994658,\"st\":1}}}}",
            11_757_092_630_476 + index,
            price / 10,
            price % 10,
            bid / 1_000,
            bid % 1_000,
            (price + 1) / 10,
            (price + 1) % 10,
            ask / 1_000,
            ask % 1_000,
        )
    }
}

#[derive(Deserialize)]
struct Envelope<R> {
    data: R,
}

#[derive(Deserialize)]
struct Depth<'a> {
    #[serde(rename = "E")]
    event_time: i64,
    #[serde(rename = "T")]
    time: i64,
    s: &'a str,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "E")]
    event_time: i64,
    #[serde(rename = "T")]
    time: i64,
    s: &'a str,
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_quantity: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_quantity: &'a str,
}

fn level(price: &str, quantity: &str) -> Option<Level> {
    let (price, quantity) = (Price::parse(price.as_bytes()).ok()?, Quantity::parse(quantity.as_bytes()).ok()?);
    Some(Level { price, quantity })
}

fn sum(seed: u64, levels: impl Iterator<Item = Level>) -> u64 {
    let mix = |sum: u64, level: Level| {
        sum.rotate_left(5)
            ^ level.price.units().cast_unsigned()
            ^ level.quantity.units().cast_unsigned().rotate_left(32)
    };
    levels.fold(seed, mix)
}

fn typed_depth(frame: &[u8]) -> Option<u64> {
    let Depth { event_time, time, s, first, u, pu, b, a } =
        serde_json::from_slice::<Envelope<Depth<'_>>>(frame).ok()?.data;
    black_box((event_time, time, s));
    let levels: Option<Vec<Level>> = b.iter().chain(&a).map(|(price, quantity)| level(price, quantity)).collect();
    Some(sum(first ^ u ^ pu, levels?.into_iter()))
}

fn our_depth(decoder: &mut Decoder, frame: &[u8]) -> Option<u64> {
    let Event::Depth { symbol, update, event_time } = decoder.decode(frame).ok()?.event else { return None };
    black_box((event_time, update.time, &symbol));
    let seed = update.first_id ^ update.last_id ^ update.previous_id;
    Some(sum(seed, decoder.bids().iter().chain(decoder.asks()).copied()))
}

fn typed_ticker(frame: &[u8]) -> Option<u64> {
    let Ticker { event_time, time, s, u, b, bid_quantity, a, ask_quantity } =
        serde_json::from_slice::<Envelope<Ticker<'_>>>(frame).ok()?.data;
    black_box((event_time, time, s));
    Some(sum(u, [level(b, bid_quantity)?, level(a, ask_quantity)?].into_iter()))
}

fn our_ticker(decoder: &mut Decoder, frame: &[u8]) -> Option<u64> {
    let Event::BookTicker { symbol, ticker, event_time } = decoder.decode(frame).ok()?.event else { return None };
    black_box((event_time, ticker.time, &symbol));
    Some(sum(ticker.update_id, [ticker.bid, ticker.ask].into_iter()))
}

pub(crate) fn books(criterion: &mut Criterion) {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15);
    let depths: Vec<Vec<u8>> = (0..FRAMES as u64).map(|index| draws.depth(index).into_bytes()).collect();
    let tickers: Vec<Vec<u8>> = (0..FRAMES as u64).map(|index| draws.ticker(index).into_bytes()).collect();
    compare(criterion, "depthUpdate", &depths, our_depth, typed_depth);
    compare(criterion, "bookTicker", &tickers, our_ticker, typed_ticker);
}

fn compare(
    criterion: &mut Criterion,
    kind: &str,
    frames: &[Vec<u8>],
    ours: fn(&mut Decoder, &[u8]) -> Option<u64>,
    typed: fn(&[u8]) -> Option<u64>,
) {
    let mut decoder = Decoder::default();
    for frame in frames {
        let read = ours(&mut decoder, frame);
        assert!(read.is_some() && read == typed(frame), "{}", String::from_utf8_lossy(frame));
    }
    let mut our_pass = || frames.iter().filter_map(|frame| ours(&mut decoder, black_box(frame))).fold(0, |a, b| a ^ b);
    let mut typed_pass = || frames.iter().filter_map(|frame| typed(black_box(frame))).fold(0, |a, b| a ^ b);
    let (mut best_ours, mut best_typed) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        best_ours = best_ours.min(timed(&mut our_pass));
        best_typed = best_typed.min(timed(&mut typed_pass));
    }
    let nanos = |best: Duration| best.as_nanos() / frames.len() as u128;
    let hundredths = best_typed.as_nanos() * 100 / best_ours.as_nanos().max(1);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    eprintln!("{kind}: {} ns a frame, serde_json {} ns, ratio {whole}.{part:02}", nanos(best_ours), nanos(best_typed));
    let mut group = criterion.benchmark_group(format!("decode/{kind}"));
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("decode", |b| b.iter(&mut our_pass));
    group.bench_function("serde_json", |b| b.iter(&mut typed_pass));
    group.finish();
}

fn timed(pass: &mut impl FnMut() -> u64) -> Duration {
    let start = Instant::now();
    black_box(pass());
    start.elapsed()
}
