//! Is a book that is built of recorded frames the one that the venue's book tickers tell of?

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use tapedeck::book::{Book, BookOptions, FaultCounts, Replica, ReplicaOptions, State};
use tapedeck::exchange::binance::{Decoder, Event, rest};
use tapedeck::model::{BookSnapshot, BookTicker};

/// The recordings have no second snapshot: books that run out of reach go on with the levels they hold.
const OPTIONS: ReplicaOptions = ReplicaOptions {
    book: BookOptions { levels_max: 5_000, changes_max: 0 },
    snapshot_levels: 1_000,
    trusted_levels_min: 0,
    waiting_updates_max: 1_000,
};

/// A recording's text; nothing, and a word about it, when the recordings are not there.
fn recording(name: &str) -> Option<String> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/ws_frames"));
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data/ws_frames is absent");
        return None;
    }
    let file = std::fs::File::open(folder.join(name)).expect(name);
    let mut reader: Box<dyn Read> = if name.ends_with("gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(zstd::Decoder::new(file).expect(name))
    };
    let mut text = String::new();
    reader.read_to_string(&mut text).expect(name);
    Some(text)
}

/// What one contract's book is held against, by its version.
#[derive(Default)]
struct Tickers(BTreeMap<u64, BookTicker>);

impl Tickers {
    /// The last ticker up to `id`, unless it is older than `first_id`.
    fn at(&self, id: u64, first_id: u64) -> Option<&BookTicker> {
        (first_id <= id).then(|| self.0.range(first_id..=id).next_back())?.map(|(_, ticker)| ticker)
    }
}

/// One contract.
struct Contract {
    replica: Replica,
    tickers: Tickers,
    snapshot_id: u64,
    compared: u64,
}

impl Contract {
    fn new() -> Self {
        Self { replica: Replica::new(OPTIONS), tickers: Tickers::default(), snapshot_id: u64::MAX, compared: 0 }
    }

    fn take_snapshot(&mut self, snapshot: BookSnapshot) {
        assert!(self.replica.needs_snapshot());
        self.snapshot_id = snapshot.last_id;
        assert_eq!(self.replica.snapshot(snapshot), None);
        self.compare();
    }

    /// The book's top is what the newest ticker says that is no newer than it.
    fn compare(&mut self) {
        let Some(book) = self.replica.book() else { return };
        if let Some(ticker) = self.tickers.at(book.last_id(), self.snapshot_id) {
            assert_eq!((book.bids().best(), book.asks().best()), (Some(ticker.bid), Some(ticker.ask)));
            self.compared += 1;
        }
    }
}

/// All tickers first: they come a little before or after the updates that they belong to.
fn tickers<'a>(frames: impl Iterator<Item = &'a str>) -> BTreeMap<String, Contract> {
    let (mut contracts, mut decoder) = (BTreeMap::<String, Contract>::new(), Decoder::default());
    for frame in frames {
        if let Ok(Event::BookTicker { symbol, ticker, .. }) =
            decoder.decode(frame.as_bytes()).map(|decoded| decoded.event)
        {
            let contract = contracts.entry(symbol.into_owned()).or_insert_with(Contract::new);
            contract.tickers.0.insert(ticker.update_id, ticker);
        }
    }
    contracts
}

/// Feeds a depth frame to its contract, and compares.
fn feed(contracts: &mut BTreeMap<String, Contract>, decoder: &mut Decoder, frame: &str) {
    let Ok(Event::Depth { symbol, update, .. }) = decoder.decode(frame.as_bytes()).map(|decoded| decoded.event) else {
        return;
    };
    let contract = contracts.get_mut(&*symbol).expect("it has tickers");
    assert_eq!(contract.replica.update(&update, decoder.bids(), decoder.asks()), None);
    contract.compare();
}

fn depth(body: &str) -> BookSnapshot {
    rest::depth(body.as_bytes()).expect("a depth body")
}

#[test]
fn a_book_of_2024_equals_every_book_ticker() {
    let Some(text) = recording("hftbacktest_um_btcusdt_20240808.gz") else { return };
    let frames = || text.lines().filter_map(|line| Some(line.split_once(' ')?.1));
    let (mut contracts, mut decoder) = (tickers(frames()), Decoder::default());
    for frame in frames() {
        if frame.starts_with("{\"lastUpdateId\"") {
            contracts.get_mut("BTCUSDT").expect("the only one").take_snapshot(depth(frame));
        } else {
            feed(&mut contracts, &mut decoder, frame);
        }
    }
    let contract = &contracts["BTCUSDT"];
    assert_eq!((contract.compared, contract.replica.state()), (6_546, State::Synced));
    assert_eq!(*contract.replica.counts(), FaultCounts::default());
    assert!(contract.replica.book().map_or(0, |book| book.bids().held_count()) <= OPTIONS.book.levels_max);
}

#[test]
fn four_books_of_2021_equal_their_book_tickers() {
    let Some(text) = recording("cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let frames: Vec<&str> =
        rows.iter().filter(|row| row["t"] == "recv").filter_map(|row| row["data"].as_str()).collect();
    let (mut contracts, mut decoder) = (tickers(frames.iter().copied()), Decoder::default());
    // The bodies stand first, though the frames began to come before them: so a snapshot ahead of its stream is seen, too.
    for row in rows.iter().filter(|row| row["t"] == "http") {
        let Some((_, query)) = row["url"].as_str().and_then(|url| url.split_once("depth?symbol=")) else { continue };
        let symbol = query.split('&').next().expect("a symbol");
        contracts.get_mut(symbol).expect("it has tickers").take_snapshot(depth(row["data"].as_str().expect("a body")));
    }
    frames.iter().for_each(|frame| feed(&mut contracts, &mut decoder, frame));
    let compared: Vec<u64> = contracts.values().map(|contract| contract.compared).collect();
    assert_eq!((contracts.len(), compared.iter().sum::<u64>()), (4, 731), "{compared:?}");
    assert!(contracts.values().all(|contract| *contract.replica.counts() == FaultCounts::default()));
}

/// In one frame the price falls through the last 300 levels that the snapshot told of.
#[test]
fn a_book_that_price_leaves_asks_for_a_snapshot_and_is_not_served_without() {
    let Some(text) = recording("hftbacktest_um_btcusdt_20240808.gz") else { return };
    let mut replica = Replica::new(ReplicaOptions { trusted_levels_min: 400, ..OPTIONS });
    let (mut decoder, mut asked, mut served) = (Decoder::default(), false, 0);
    for frame in text.lines().filter_map(|line| Some(line.split_once(' ')?.1)) {
        if frame.starts_with("{\"lastUpdateId\"") {
            assert_eq!(replica.snapshot(depth(frame)), None);
        } else if let Ok(Event::Depth { update, .. }) = decoder.decode(frame.as_bytes()).map(|decoded| decoded.event) {
            let _ = replica.update(&update, decoder.bids(), decoder.asks());
            served += u64::from(replica.book().is_some());
            asked |= replica.book().is_some() && replica.needs_snapshot();
            let shallow = |book: &Book| book.bids().trusted_count() == 0 || book.asks().trusted_count() == 0;
            assert!(!replica.book().is_some_and(shallow));
        }
    }
    assert_eq!((asked, served), (true, 4_114));
    assert_eq!((replica.counts().exhausted, replica.state()), (1, State::Rebuilding));
}
