//! Are the simulated exchange's order books one book by every door, and do they break when they are told to?

use super::*;
use std::{collections::BTreeMap, time::Duration};
use tapedeck::{
    exchange::binance::{Decoder, Event, rest},
    model::{BookSnapshot, BookUpdate, Level},
    sim::{DepthFault, SnapshotFault, record},
};

/// A book as a client keeps it.
#[derive(Default)]
struct Kept {
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
    last_id: u64,
    is_joined: bool,
}

impl Kept {
    fn of(snapshot: &BookSnapshot) -> Self {
        let side = |levels: &[Level]| levels.iter().map(|level| (level.price, level.quantity)).collect();
        let (bids, asks) = (side(&snapshot.bids), side(&snapshot.asks));
        Self { bids, asks, last_id: snapshot.last_id, is_joined: false }
    }

    /// The venue's procedure; whether the chain held.
    fn apply(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> bool {
        if !self.is_joined && update.last_id < self.last_id {
            return true;
        }
        let holds = if self.is_joined {
            update.previous_id == self.last_id
        } else {
            update.previous_id <= self.last_id && self.last_id <= update.last_id
        };
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels {
                if level.quantity.units() == 0 {
                    side.remove(&level.price);
                } else {
                    side.insert(level.price, level.quantity);
                }
            }
        }
        (self.last_id, self.is_joined) = (update.last_id, true);
        holds
    }

    /// The best levels of both sides.
    fn best(&self, levels: usize) -> [Vec<Level>; 2] {
        let level = |(price, quantity): (&Price, &Quantity)| Level { price: *price, quantity: *quantity };
        [self.bids.iter().rev().take(levels).map(level).collect(), self.asks.iter().take(levels).map(level).collect()]
    }
}

fn best(book: &BookSnapshot, levels: usize) -> [Vec<Level>; 2] {
    [&book.bids, &book.asks].map(|side| side.iter().take(levels).copied().collect())
}

fn snapshot(exchange: &Exchange, name: &str, limit: usize) -> BookSnapshot {
    let response = respond(exchange, &format!("/fapi/v1/depth?symbol={name}&limit={limit}"));
    rest::depth(response.body.as_bytes()).expect("a snapshot")
}

/// Takes a recording line by line, so that an hour of it is never held.
struct Lines<F> {
    line: Vec<u8>,
    hear: F,
}

impl<F: FnMut(&str, &str)> std::io::Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::str::from_utf8(&self.line).expect("text");
                let (_, frame) = line.trim_end().split_once(' ').expect("a time and a frame");
                (self.hear)(frame.split('"').nth(3).expect("a stream's name"), frame);
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Calls `hear` with the name of the stream and the frame, for each that `streams` carry in the next `millis`.
fn frames(exchange: &Arc<Exchange>, streams: &[&str], millis: i64, hear: impl FnMut(&str, &str)) {
    record(exchange, streams, millis, &mut Lines { line: Vec::new(), hear }).expect("recorded");
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_updates_is_one_chain_and_leads_from_any_snapshot_to_the_truth() {
    let names = ["BTCUSDT", "1000SHIBUSDT", "币安人生USDT"];
    let speeds = ["depth", "depth@100ms", "depth@500ms", "depth@0ms"];
    let exchange = exchange(START);
    let streams: Vec<String> =
        names.iter().flat_map(|name| speeds.map(|speed| format!("{}@{speed}", symbol(name).stream_name()))).collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
    let mut decoder = Decoder::default();
    let mut updates = 0;
    // The speed of 0 ms alone would be 72,000 frames an hour: it is followed for some minutes.
    for minute in 0..60 {
        let heard = if minute < 4 { &streams[..] } else { &streams[8..11] };
        if minute % 20 == 0 || minute == 4 {
            kept = heard
                .iter()
                .map(|stream| {
                    let name = stream.split('@').next().expect("a name").to_ascii_uppercase();
                    ((*stream).to_owned(), Kept::of(&snapshot(&exchange, &name, 1_000)))
                })
                .collect();
        }
        frames(&exchange, heard, UnixMillis::MINUTE, |stream, frame| {
            let decoded = decoder.decode(frame.as_bytes()).expect("a frame");
            assert!(!decoded.slow, "{frame}");
            let Event::Depth { symbol: name, update, event_time } = decoded.event else { panic!("{frame}") };
            assert!(update.first_id < update.last_id && update.previous_id < update.first_id);
            assert!((3..=700).contains(&(event_time.get() - update.time.get())), "{frame}");
            let book = kept.get_mut(stream).expect("subscribed");
            assert!(book.apply(&update, decoder.bids(), decoder.asks()), "{stream}: the chain breaks: {frame}");
            updates += 1;
            if updates % 50 == 0 {
                let truth = exchange.truth_book(&symbol(&name), update.time).expect("a book");
                assert_eq!(truth.last_id, update.last_id);
                assert!(best(&truth, 200) == book.best(200), "{stream} at {}", update.time);
            }
        });
        tokio::time::advance(Duration::from_secs(60)).await;
        snapshot_weight_is_forgotten(&exchange);
    }
    assert!(updates > 20_000, "{updates}");
}

fn snapshot_weight_is_forgotten(exchange: &Exchange) {
    assert_eq!(get(exchange, "/fapi/v1/ping").0.headers[1].1, "1", "a minute has passed");
}

#[tokio::test(start_paused = true)]
async fn the_best_bid_and_ask_are_those_of_the_book_with_the_same_id() {
    let exchange = exchange(START);
    for name in ["BTCUSDT", "SOLUSDT", "BTCUSDT_261225"] {
        let lower = symbol(name).stream_name();
        let (depth, top) = (format!("{lower}@depth@0ms"), format!("{lower}@bookTicker"));
        let mut book = Kept::of(&snapshot(&exchange, name, 1_000));
        let mut decoder = Decoder::default();
        let mut compared = 0;
        frames(&exchange, &[&depth, &top], 2 * UnixMillis::MINUTE, |_, frame| {
            match decoder.decode(frame.as_bytes()).expect("a frame").event {
                Event::Depth { update, .. } => assert!(book.apply(&update, decoder.bids(), decoder.asks())),
                Event::BookTicker { ticker, .. } if ticker.update_id == book.last_id => {
                    let [bids, asks] = book.best(1);
                    assert_eq!(([ticker.bid].as_slice(), [ticker.ask].as_slice()), (&bids[..], &asks[..]), "{frame}");
                    assert_eq!(exchange.truth_book_ticker(&symbol(name), ticker.time), Some(ticker));
                    compared += 1;
                }
                // Of two steps within a millisecond the changes of both may come first.
                Event::BookTicker { ticker, .. } => assert!(!book.is_joined || ticker.update_id < book.last_id),
                other => panic!("{other:?}"),
            }
        });
        assert!(compared > 10, "{name}: {compared}");
    }
}

#[tokio::test(start_paused = true)]
async fn partial_books_are_the_top_of_the_truth() {
    let exchange = exchange(START);
    let streams = ["ethusdt@depth5@100ms", "ethusdt@depth10", "ethusdt@depth20@500ms", "ethusdt@depth20@250ms"];
    let mut heard = BTreeMap::new();
    let mut decoder = Decoder::default();
    frames(&exchange, &streams, 20 * UnixMillis::SECOND, |stream, frame| {
        let Event::Depth { update, .. } = decoder.decode(frame.as_bytes()).expect("a frame").event else { panic!() };
        let levels = if stream.contains("depth5") {
            5
        } else if stream.contains("depth10") {
            10
        } else {
            20
        };
        let truth = exchange.truth_book(&symbol("ETHUSDT"), update.time).expect("a book");
        assert_eq!([decoder.bids(), decoder.asks()].map(<[_]>::to_vec), best(&truth, levels), "{frame}");
        *heard.entry(stream.to_owned()).or_insert(0) += 1;
    });
    let counts: Vec<i32> = heard.values().copied().collect();
    assert_eq!(heard.len(), 3, "the stream of 250 ms goes by its bare name alone: {heard:?}");
    assert!(counts.iter().all(|count| (38..=200).contains(count)), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn snapshots_cost_what_the_venue_charges_and_fit_the_stream_anywhere() {
    let exchange = exchange(START);
    let mut used = 0;
    for (limit, cost) in [
        ("&limit=5", 2),
        ("&limit=50", 2),
        ("&limit=100", 5),
        ("&limit=500", 10),
        ("&limit=1000", 20),
        ("", 1),
        ("&limit=7", 2),
    ] {
        let (response, body) = get(&exchange, &format!("/fapi/v1/depth?symbol=btcusdt{limit}"));
        used += cost;
        assert_eq!(response.headers[1], ("x-mbx-used-weight-1m", used.to_string()), "{limit}");
        if limit == "&limit=7" {
            assert_eq!(
                (body["code"].as_i64(), body["msg"].as_str()),
                (Some(-4021), Some("7 is not valid depth limit"))
            );
        } else {
            let levels = limit.trim_start_matches("&limit=").parse().unwrap_or(500);
            assert_eq!(
                (body["bids"].as_array().map(Vec::len), body["asks"].as_array().map(Vec::len)),
                (Some(levels), Some(levels))
            );
        }
    }
    assert_eq!(get(&exchange, "/fapi/v1/depth?symbol=OMGUSDT").1["code"], -4108, "it does not trade");
    let (mut within, mut between) = (0, 0);
    for _ in 0..60 {
        let id = snapshot(&exchange, "BTCUSDT", 5).last_id;
        let mut is_within = false;
        frames(&exchange, &["btcusdt@depth@100ms"], 500, |_, frame| {
            let frame: Value = serde_json::from_str(frame).expect("JSON");
            let id_of = |name: &str| frame["data"][name].as_u64().expect("a number");
            is_within |= id_of("U") <= id && id < id_of("u");
            between += i32::from(id_of("pu") < id && id < id_of("U"));
        });
        within += i32::from(is_within);
        tokio::time::advance(Duration::from_millis(1_037)).await;
    }
    assert!(within > 10 && between > 1, "{within} within an update, {between} between two");
}

#[tokio::test(start_paused = true)]
async fn depth_faults_do_what_they_say() {
    let exchange = exchange(START);
    let name = symbol("BTCUSDT");
    let heard = |millis: i64| {
        let mut updates = Vec::new();
        let mut decoder = Decoder::default();
        frames(&exchange, &["btcusdt@depth@100ms"], millis, |_, frame| {
            let Event::Depth { update, .. } = decoder.decode(frame.as_bytes()).expect("a frame").event else {
                panic!()
            };
            updates.push((update, decoder.bids().to_vec(), decoder.asks().to_vec()));
        });
        updates
    };
    let breaks = |updates: &[(BookUpdate, Vec<Level>, Vec<Level>)]| {
        updates.windows(2).filter(|pair| pair[1].0.previous_id != pair[0].0.last_id).count()
    };
    let healthy = heard(2_000);
    assert_eq!(breaks(&healthy), 0);

    exchange.faults().depth().next(&name, DepthFault::Empty, 1);
    let with_empty = heard(2_000);
    assert_eq!((with_empty.len(), breaks(&with_empty)), (healthy.len() + 1, 0));
    assert!(with_empty[0].1.is_empty() && with_empty[0].2.is_empty());

    exchange.faults().depth().next(&name, DepthFault::Crossed, 1);
    let crossed = &heard(2_000)[0];
    let best_ask = exchange.truth_book(&name, crossed.0.time).expect("a book").asks[0].price;
    assert!(crossed.1[0].price > best_ask && crossed.1[0].quantity.units() > 0);

    exchange.faults().depth().next(&name, DepthFault::UnknownLevel, 1);
    let unknown = *heard(2_000)[0].2.last().expect("a level");
    assert!(unknown.quantity.units() == 0);
    assert!(
        exchange
            .truth_book(&name, exchange.now())
            .expect("a book")
            .asks
            .iter()
            .all(|level| level.price < unknown.price)
    );

    exchange.faults().break_chain_next(&symbol("ETHUSDT"));
    assert_eq!(breaks(&heard(2_000)), 0, "another's chain");
    exchange.faults().heal();
    exchange.faults().depth().next(&name, DepthFault::Lost, 2);
    let lossy = heard(2_000);
    assert_eq!(lossy[0].0.previous_id, healthy[1].0.last_id, "two are lost");

    let faults = exchange.faults().depth();
    faults.next_snapshot(&name, SnapshotFault::Old, 1);
    faults.next_snapshot(&name, SnapshotFault::Ahead, 1);
    faults.next_snapshot(&name, SnapshotFault::OneSided, 1);
    let [old, ahead, one_sided, sound] = [0; 4].map(|_| snapshot(&exchange, "BTCUSDT", 100));
    assert!(old.last_id < healthy[0].0.previous_id && ahead.last_id > healthy.last().expect("some").0.last_id);
    assert!(one_sided.bids.is_empty() && one_sided.asks.len() == 100 && sound.bids.len() == 100);
}
