//! Do those who subscribe to what is no trade and no candle see what the exchange published?

use super::{Probe, Rig, Setup, at, books, in_virtual_time, symbol};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tapedeck::{
    clock::Clock,
    exchange::binance::StreamKind,
    live::{Channel, Event},
    market::{BookSpec, TapeKind},
    model::{BookSnapshot, Liquidation, Price, Quantity, QuoteVolume, UnixMillis, Volume},
    store::{
        self, Records,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::{LiquidationRow, OpenInterestRow, Origin},
        storage::Options,
    },
};

const CONTRACTS: [(&str, TapeKind, u32); 2] =
    [("BTCUSDT", TapeKind::Aggregate, 900), ("SOLUSDT", TapeKind::Aggregate, 60)];
const ALL: [StreamKind; 4] =
    [StreamKind::MarkPrice, StreamKind::ForceOrder, StreamKind::Ticker, StreamKind::BookTicker];

fn book_spec() -> BookSpec {
    BookSpec::new(Vec::new(), 15)
}

fn rows(body: &[u8]) -> Vec<Value> {
    let text = [b"[", body, b"]"].concat();
    serde_json::from_slice(&text).expect("rows are JSON")
}

/// Every row that one channel told, in order.
fn told(probe: &Probe) -> Vec<Value> {
    let of = |event: Event| match event {
        Event::Snapshot(rows) | Event::Rows(rows) | Event::Resync(rows) => rows.body,
        Event::Newest(body) => body,
        _ => Default::default(),
    };
    probe.log().into_iter().flat_map(|(_, event)| rows(&of(event))).collect()
}

fn following(rig: &Rig, name: &str, channel: Channel) -> Probe {
    let probe = Probe::start(rig.contract(name));
    probe.subscribe(&rig.engine.live, channel, 10);
    probe
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn decimal(value: &Value) -> Price {
    Price::parse(value.to_string().as_bytes()).expect("a decimal")
}

#[test]
fn figures_are_told_as_the_exchange_has_them() {
    in_virtual_time(async {
        let setup = Setup { market: ALL.to_vec(), ..Setup::generated(31, &CONTRACTS) };
        let rig = setup.start();
        pass(5).await;
        let name = symbol("BTCUSDT");
        let [marks, tickers, tops] =
            [Channel::Mark, Channel::Ticker, Channel::BookTicker].map(|channel| following(&rig, "BTCUSDT", channel));
        pass(60).await;
        let time = |row: &Value, field: &str| at(row[field].as_i64().expect("a time"));
        let told_marks = told(&marks);
        assert!((59..=62).contains(&told_marks.len()), "one a second: {}", told_marks.len());
        for row in &told_marks {
            let truth = rig.exchange.truth_mark(&name, time(row, "time")).expect("it trades");
            assert_eq!((decimal(&row["mark"]), Some(decimal(&row["index"]))), (truth.mark, truth.index));
            assert_eq!(row["next_funding_time"].as_i64(), truth.next_funding_time.map(UnixMillis::get));
        }
        let told_tickers = told(&tickers);
        assert!(told_tickers.len() > 30, "{}", told_tickers.len());
        for row in &told_tickers {
            let truth = rig.exchange.truth_ticker(&name, time(row, "close_time")).expect("it trades");
            assert_eq!((decimal(&row["last"]), row["last_raw_id"].as_i64()), (truth.last, Some(truth.last_id)));
        }
        let told_tops = told(&tops);
        assert!((12..=14).contains(&told_tops.len()), "one every five seconds: {}", told_tops.len());
        for row in &told_tops {
            let truth = rig.exchange.truth_book_ticker(&name, time(row, "time")).expect("it trades");
            assert_eq!((decimal(&row["bid"]), decimal(&row["ask"])), (truth.bid.price, truth.ask.price));
        }
    });
}

#[test]
fn every_liquidation_is_told_once_and_what_is_held_comes_first() {
    in_virtual_time(async {
        let setup = Setup { market: ALL.to_vec(), is_doubled: true, ..Setup::generated(32, &CONTRACTS) };
        let rig = setup.start();
        let from = rig.exchange.now();
        pass(1_800).await;
        let probe = following(&rig, "BTCUSDT", Channel::Liquidations);
        pass(1_800).await;
        let to = rig.exchange.now();
        let told: Vec<_> = told(&probe).iter().map(|row| (row["time"].as_i64(), decimal(&row["price"]))).collect();
        let truth = rig.exchange.truth_liquidations(&symbol("BTCUSDT"), from, to.plus(-3_000));
        let truth: Vec<_> = truth.iter().map(|order| (Some(order.time.get()), order.price)).collect();
        let known = truth.iter().position(|order| Some(order) == told.first()).expect("the oldest told is true");
        assert!(truth.len() > 20 && known > 0, "{} liquidations, the {known}th told first", truth.len());
        assert_eq!(told[..truth.len() - known], truth[known..]);
        assert!(told.len() - (truth.len() - known) <= 2, "the last seconds");
    });
}

/// A sold one that is a function of its time.
fn order(time: UnixMillis) -> Liquidation {
    let price = Price::from_units(time.get() % 1_000 + 1);
    let quantity = Quantity::from_units(100);
    Liquidation { time, price, average_price: price, quantity, filled: quantity, is_sell: true }
}

#[test]
fn what_an_earlier_life_stored_is_there_at_once_and_a_late_liquidation_is_told_as_a_repair() {
    in_virtual_time(async {
        let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(SimulatedDisk::new(3)), Clock::starting_at(at(super::START)));
        let wanted = Identity { store: 5, venue: "sim".to_owned(), created: at(super::START) };
        let mut opened = store::open(&disk, &wanted, Options::default(), clock).expect("opens");
        let numbers =
            opened.storage.register(&CONTRACTS.map(|(text, ..)| symbol(text)), clock.now()).expect("registered");
        let open = OpenInterestRow {
            time: at(super::START - 300_000),
            quantity: Volume::from_units(7),
            value: QuoteVolume::default(),
        };
        let earlier: Vec<Liquidation> =
            (-600..0).map(|at_second| order(at(super::START + at_second * 1_000 - 7))).collect();
        let setup = Setup { market: ALL.to_vec(), ..Setup::generated(32, &CONTRACTS) };
        let rig = setup.start_stored(|contract| {
            let row = numbers.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
            let records = Records::new(&opened.library, &opened.desk, row.number);
            let rows = earlier.iter().map(|order| LiquidationRow::numbered(0, order)).collect::<Vec<_>>();
            assert!(records.keep(Origin::Stream, &rows) && records.keep(Origin::Rest, &[open]));
            contract.hold_records(records);
        });
        let contract = rig.contract("BTCUSDT");
        assert_eq!(contract.figures.open_interest().map(|open| open.quantity), Some(open.quantity), "before any poll");
        tokio::task::spawn_local(async move {
            loop {
                opened.storage.step(clock.now());
                pass(1).await;
            }
        });
        pass(1_800).await;
        let probe = Probe::start(rig.contract("BTCUSDT"));
        probe.subscribe(&rig.engine.live, Channel::Liquidations, 1_000);
        let fewer = Probe::start(rig.contract("BTCUSDT"));
        fewer.subscribe(&rig.engine.live, Channel::Liquidations, 5);
        pass(1).await;
        let ids = |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect::<Vec<_>>();
        let first = ids(told(&probe));
        let expected: Vec<u64> = earlier.iter().map(|order| order.time.get().unsigned_abs() << 12).collect();
        assert_eq!(first[..600], expected, "as far as was asked, beyond what memory holds");
        assert!(first.len() > 605 && first.is_sorted_by(|a, b| a < b), "{}", first.len());
        assert_eq!(ids(told(&fewer)), first[first.len() - 5..]);
        let late = order(rig.exchange.now().plus(-100_000));
        let number = contract.figures.add_liquidation(late).expect("new");
        rig.engine.figure_bells.ring(contract.id);
        pass(600).await;
        let repairs = |probe: &Probe| {
            let late = |event| if let Event::Repair(told) = event { rows(&told.body) } else { Vec::new() };
            ids(probe.log().into_iter().flat_map(|(_, event)| late(event)).collect())
        };
        assert_eq!((repairs(&probe), repairs(&fewer)), (vec![number], vec![number]));
        let all = ids(told(&probe));
        assert!(all.len() > first.len() && all.is_sorted_by(|a, b| a < b), "updates go up");
        assert!(probe.log().iter().all(|(_, event)| !matches!(event, Event::Gap(_))));
    });
}

#[test]
fn trades_of_a_size_are_told_and_no_others() {
    in_virtual_time(async {
        let rig = Setup::generated(33, &CONTRACTS).start();
        let min = QuoteVolume::from_units(500_000 * 10_i128.pow(16));
        pass(120).await;
        let probe = following(&rig, "BTCUSDT", Channel::LargeTrades(min));
        pass(600).await;
        let ids: Vec<u64> = probe
            .log()
            .into_iter()
            .filter_map(|(_, event)| match event {
                Event::Snapshot(rows) | Event::Rows(rows) => Some(rows.body),
                _ => None,
            })
            .flat_map(|body| super::rows::trades(&body))
            .map(|trade| trade.id)
            .collect();
        let now = rig.exchange.now();
        let truth = rig.exchange.truth(&symbol("BTCUSDT"), at(super::START), now.plus(-1_000));
        let large = truth.iter().filter(|trade| trade.price.times(trade.quantity) >= min).map(|trade| trade.id);
        let large: Vec<u64> = large.filter(|id| *id >= ids[0]).collect();
        assert!(large.len() > 20 && truth.len() > 3 * large.len(), "{} of {}", large.len(), truth.len());
        assert_eq!(ids[..large.len()], large[..]);
        assert!(ids.len() - large.len() < 5, "the last second");
    });
}

#[test]
fn how_a_contract_fares_is_told_when_it_changes() {
    in_virtual_time(async {
        let rig = Setup::generated(34, &CONTRACTS).start();
        let probe = following(&rig, "BTCUSDT", Channel::Status);
        pass(10).await;
        rig.exchange.faults().cut(false);
        pass(30).await;
        let states: Vec<_> = told(&probe).iter().map(|row| row["state"].as_str().expect("text").to_owned()).collect();
        assert_eq!(states.first().map(String::as_str), Some("recovering"));
        assert!(states.windows(2).any(|pair| pair == ["live", "recovering"]), "{states:?}");
        assert!(matches!(states.last().map(String::as_str), Some("backfilling" | "live")), "{states:?}");
        let since: Vec<_> = told(&probe).iter().filter_map(|row| row["since"].as_i64()).collect();
        assert!(since.is_sorted());
    });
}

/// A client's copy of a book.
#[derive(Default)]
struct Replica {
    sides: [BTreeMap<Price, Quantity>; 2],
    sequence: u64,
    time: i64,
    is_synced: bool,
    changes: usize,
}

impl Replica {
    fn take(&mut self, row: &Value) {
        self.is_synced = row["state"] == "synced";
        if !self.is_synced {
            return;
        }
        match row["from_sequence"].as_u64() {
            None => self.sides = Default::default(),
            Some(from) => assert_eq!(from, self.sequence, "nothing is left out"),
        }
        self.changes += usize::from(!row["from_sequence"].is_null());
        (self.sequence, self.time) =
            (row["sequence"].as_u64().expect("a number"), row["time"].as_i64().expect("a time"));
        for (side, name) in self.sides.iter_mut().zip(["bids", "asks"]) {
            for level in row[name].as_array().expect("levels") {
                let quantity = Quantity::parse(level[1].to_string().as_bytes()).expect("a quantity");
                match quantity.units() {
                    0 => side.remove(&decimal(&level[0])),
                    _ => side.insert(decimal(&level[0]), quantity),
                };
            }
        }
        let [bid, ask] =
            ["bid", "ask"].map(|side| Some(&row["reach"][side]).filter(|price| !price.is_null()).map(decimal));
        self.sides[0].retain(|price, _| bid.is_none_or(|reach| *price >= reach));
        self.sides[1].retain(|price, _| ask.is_none_or(|reach| *price <= reach));
    }

    /// Whether the copy is the venue's book as far as it reaches.
    fn assert_is(&self, truth: &BookSnapshot) {
        let level = |level: &tapedeck::model::Level| (level.price, level.quantity);
        let [bids, asks] = &self.sides;
        let own: Vec<_> = bids.iter().rev().map(|(price, quantity)| (*price, *quantity)).collect();
        assert!(own.len() >= 50, "{} bids", own.len());
        assert_eq!(own, truth.bids.iter().take(own.len()).map(level).collect::<Vec<_>>());
        let own: Vec<_> = asks.iter().map(|(price, quantity)| (*price, *quantity)).collect();
        assert_eq!(own, truth.asks.iter().take(own.len()).map(level).collect::<Vec<_>>());
    }
}

#[test]
fn a_copy_made_of_snapshot_and_changes_is_the_exchanges_book() {
    in_virtual_time(async {
        let setup = Setup { book: Some(book_spec()), ..Setup::generated(35, &CONTRACTS) };
        let rig = setup.start();
        let probe = following(&rig, "BTCUSDT", Channel::Book);
        books::serve_snapshots(&rig.exchange, &rig.engine, &rig.metrics);
        pass(5).await;
        let mut copy = Replica::default();
        let mut seen = 0;
        for second in 0..120 {
            pass(1).await;
            if second == 60 {
                rig.exchange.faults().cut(false);
            }
            let rows = told(&probe);
            rows[seen..].iter().for_each(|row| copy.take(row));
            seen = rows.len();
            if copy.is_synced {
                let truth = rig.exchange.truth_book(&symbol("BTCUSDT"), at(copy.time)).expect("it trades");
                copy.assert_is(&truth);
            }
        }
        assert!(copy.is_synced && copy.changes > 200, "{} changes", copy.changes);
        let states: Vec<_> = told(&probe).iter().map(|row| row["state"].as_str().expect("text").to_owned()).collect();
        assert!(states.iter().any(|state| state == "stale"), "the cut is told");
    });
}

#[test]
fn a_client_that_does_not_read_is_given_the_whole_book_once_it_does() {
    in_virtual_time(async {
        let setup = Setup { book: Some(book_spec()), ..Setup::generated(36, &CONTRACTS) };
        let rig = setup.start();
        books::serve_snapshots(&rig.exchange, &rig.engine, &rig.metrics);
        pass(5).await;
        let probe = Probe::narrow(rig.contract("BTCUSDT"));
        probe.subscribe(&rig.engine.live, Channel::Book, 0);
        pass(1).await;
        let read = probe.make_room(0);
        pass(2).await;
        let held = probe.log().len();
        assert_eq!(held - read, 1, "one change fills it, and no more comes");
        probe.make_room(read);
        pass(1).await;
        let next = probe.log()[held].1.clone();
        assert!(matches!(next, Event::Resync(_)), "{next:?}");
        let mut copy = Replica::default();
        told(&probe).iter().for_each(|row| {
            // What it missed is made good by the whole, not named.
            if !(copy.is_synced && row["from_sequence"].as_u64().is_some_and(|from| from != copy.sequence)) {
                copy.take(row);
            }
        });
        copy.assert_is(&rig.exchange.truth_book(&symbol("BTCUSDT"), at(copy.time)).expect("it trades"));
    });
}
