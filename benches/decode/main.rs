//! How long does one combined aggTrade frame take to become a trade, beside a scan that checks next to nothing and a typed serde reader?
//! And the frames of books, beside the latter?

mod book;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use std::hint::black_box;
use tapedeck::exchange::binance::{Decoder, Event};
use tapedeck::model::{Price, Quantity};

const FRAMES: usize = 4_096;

/// Frames as the venue writes them in 2026, all different, from a fixed seed.
fn frames() -> Vec<Vec<u8>> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let frame = |index: u64| {
        let (price, quantity) = (800_000 + below(60_000), format!("{}.{:03}", below(3), 1 + below(999)));
        let (id, first, time) = (3_477_868_433 + index, 8_153_634_393 + 2 * index, 1_791_382_992_338 + 13 * index);
        format!(
            "{{\"stream\":\"btcusdt@aggTrade\",\"data\":{{\"e\":\"aggTrade\",\"E\":{},\"a\":{id},\"s\":\"BTCUSDT\",\
             \"p\":\"{}.{}0\",\"q\":\"{quantity}\",\"nq\":\"{quantity}\",\"f\":{first},\"l\":{},\"T\":{time},\"m\":{},\"st\":1}}}}",
            time + 150,
            price / 10,
            price % 10,
            first + below(3),
            below(2) == 0,
        )
    };
    (0..FRAMES as u64).map(frame).map(String::into_bytes).collect()
}

/// A number's value, its digits after the point, and where it ends.
#[inline(always)]
fn digits(frame: &[u8], mut at: usize) -> (u64, usize, usize) {
    let (mut value, mut point) = (0u64, None);
    loop {
        match frame[at].wrapping_sub(b'0') {
            digit @ 0..=9 => value = value.wrapping_mul(10).wrapping_add(u64::from(digit)),
            _ if frame[at] == b'.' => point = Some(at + 1),
            _ => return (value, point.map_or(0, |point| at - point), at),
        }
        at += 1;
    }
}

/// The floor: finds the row, reads values by their keys' letters in any order, and checks no more than that it is the right kind
/// of row, that fields are parted by commas, and that id, time and price were there.
#[inline(always)]
fn scan(frame: &[u8]) -> Option<[u64; 8]> {
    const SCALE: [u64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let mut values = [0; 8];
    let mut at = memchr::memmem::find(frame, b"\"data\":{")? + 8;
    loop {
        let key = if *frame.get(at + 2)? == b'"' { frame[at + 1] } else { 0 };
        at += if key == 0 { 5 } else { 4 };
        match key {
            b'a' => (values[0], _, at) = digits(frame, at),
            b'f' => (values[1], _, at) = digits(frame, at),
            b'l' => (values[2], _, at) = digits(frame, at),
            b'T' => (values[3], _, at) = digits(frame, at),
            b'E' => (values[4], _, at) = digits(frame, at),
            b'p' | b'q' => {
                let (value, places, end) = digits(frame, at + 1);
                values[if key == b'p' { 5 } else { 6 }] = value.wrapping_mul(SCALE[places & 7]);
                at = end + 1;
            }
            b'm' => {
                values[7] = u64::from(*frame.get(at)? == b't');
                at += if values[7] == 1 { 4 } else { 5 };
            }
            b'e' if frame.get(at..at + 10)? == b"\"aggTrade\"" => at += 10,
            b'e' => return None,
            _ if *frame.get(at)? == b'"' => at += 2 + memchr::memchr(b'"', &frame[at + 1..])?,
            _ => (_, _, at) = digits(frame, at),
        }
        match frame.get(at)? {
            b',' => at += 1,
            b'}' => return (values[0] > 0 && values[3] > 0 && values[5] > 0).then_some(values),
            _ => return None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Row<'a>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    a: u64,
    s: &'a str,
    p: &'a str,
    q: &'a str,
    f: u64,
    l: u64,
    #[serde(rename = "T")]
    time: u64,
    m: bool,
}

fn typed(frame: &[u8]) -> Option<[u64; 8]> {
    let Row { event_time, a, s, p, q, f, l, time, m } = serde_json::from_slice::<Envelope<'_>>(frame).ok()?.data;
    black_box(s);
    let price = u64::try_from(Price::parse(p.as_bytes()).ok()?.units()).ok()?;
    let quantity = u64::try_from(Quantity::parse(q.as_bytes()).ok()?.units()).ok()?;
    Some([a, f, l, time, event_time, price, quantity, u64::from(m)])
}

fn ours(decoder: &mut Decoder, frame: &[u8]) -> Option<[u64; 8]> {
    let decoded = decoder.decode(frame).ok()?;
    let Event::AggTrade { trade, event_time, symbol } = decoded.event else { return None };
    black_box(&symbol);
    let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
    let (time, event_time) = (unsigned(trade.time.get()), unsigned(event_time.get()));
    let (price, quantity) = (unsigned(trade.price.units()), unsigned(trade.quantity.units()));
    let flag = u64::from(trade.buyer_is_maker);
    Some([trade.id, trade.first_id, trade.last_id, time, event_time, price, quantity, flag])
}

fn aggregate_trades(criterion: &mut Criterion) {
    let frames = frames();
    let mut decoder = Decoder::default();
    for frame in &frames {
        let read = ours(&mut decoder, frame);
        assert_eq!((scan(frame), typed(frame)), (read, read));
    }
    let mut group = criterion.benchmark_group("decode/aggTrade");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let xor = |sum: u64, values: [u64; 8]| values.into_iter().fold(sum, |sum, value| sum ^ value);
    group.bench_function("scan", |b| b.iter(|| frames.iter().filter_map(|frame| scan(black_box(frame))).fold(0, xor)));
    group.bench_function("decode", |b| {
        b.iter(|| frames.iter().filter_map(|frame| ours(&mut decoder, black_box(frame))).fold(0, xor));
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| frames.iter().filter_map(|frame| typed(black_box(frame))).fold(0, xor));
    });
    group.finish();
}

fn other_shapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/other");
    let shapes = [
        ("trade", include_str!("../../tests/fixtures/binance/trade.json")),
        ("kline", include_str!("../../tests/fixtures/binance/kline.json")),
        ("bookTicker", include_str!("../../tests/fixtures/binance/book_ticker.json")),
        ("markPriceUpdate", include_str!("../../tests/fixtures/binance/mark_price_array.json")),
        ("24hrTicker", include_str!("../../tests/fixtures/binance/ticker.json")),
        ("forceOrder", include_str!("../../tests/fixtures/binance/force_order_all.json")),
        (
            "undecoded",
            r#"{"stream":"btcusdt@miniTicker","data":{"e":"24hrMiniTicker","E":1569888003001,"s":"BTCUSDT"}}"#,
        ),
    ];
    let mut decoder = Decoder::default();
    for (name, frame) in shapes {
        let frame = frame.trim_end().as_bytes();
        group.bench_function(name, |b| {
            b.iter(|| decoder.decode(black_box(frame)).map(|decoded| decoded.event.event_time()).ok())
        });
    }
    group.finish();
}

criterion_group!(benches, aggregate_trades, book::books, other_shapes);
criterion_main!(benches);
