//! Do late trades reach every publisher, however they meet it: in one go, while a fold begins, or after a panic?
//!
//! No venue: prints go straight to the contract's actor.

use super::*;
use crate::spine::probe::View;
use std::sync::atomic::{AtomicBool, Ordering};
use tapedeck::{
    market::{Batch, Print},
    model::{Candle, Quantity, Trade},
};

const CONTRACTS: [(&str, TapeKind, u32); 1] = [("SOLUSDT", TapeKind::Aggregate, 60)];
/// 2026-11-20 10:00 UTC.
const MINUTE_START: i64 = START - 30_000;

fn print(id: u64, millis: i64) -> Print {
    let (price, quantity) =
        (Price::from_units(100_000_000 + i64::try_from(id).expect("small")), Quantity::from_units(7));
    let time = at(MINUTE_START + millis);
    Print::Trade(Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: id.is_multiple_of(2) })
}

/// An engine whose venue never answers.
fn silent(encoder: Encoder) -> (Rig, MemoryListener) {
    let mut setup = Setup::generated(1, &CONTRACTS);
    setup.encoder = encoder;
    let (dialer, listener) = MemoryDialer::pair();
    (setup.start_over(setup.open(), Arc::new(dialer), "ws://memory"), listener)
}

fn send(rig: &Rig, prints: impl IntoIterator<Item = Print>) {
    rig.first().actor.send(Batch(prints.into_iter().collect())).expect("taken");
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

/// A minute of seven trades, of which the third to fifth are missing, and the first of the next.
async fn with_hole(rig: &Rig) {
    send(rig, [1, 2, 6, 7].map(|id| print(id, 1_000 * i64::try_from(id).expect("small"))));
    settle().await;
    send(rig, [print(8, 61_000)]);
    settle().await;
}

fn late(id: u64) -> Print {
    print(id, 1_000 * i64::try_from(id).expect("small"))
}

fn minute(view: &View, timeframe: Timeframe) -> Candle {
    view.candles[&timeframe].closed[&at(MINUTE_START)]
}

fn held(view: &View) -> Vec<u64> {
    view.held().iter().map(|trade| trade.id).collect()
}

#[test]
fn repairs_of_one_hole_in_one_go_are_all_counted() {
    in_virtual_time(async {
        let (rig, _venue) = silent(rows::ENCODER);
        let probe = rig.probe("SOLUSDT", &[1], (0, 0));
        settle().await;
        with_hole(&rig).await;
        assert!(!minute(&probe.view(), Timeframe::MINUTE).complete);
        // All three are handled before any publisher gets its turn.
        [4, 3, 5].into_iter().for_each(|id| send(&rig, [late(id)]));
        settle().await;
        let candle = minute(&probe.view(), Timeframe::MINUTE);
        assert_eq!((candle.complete, candle.trades, candle.revision), (true, 7, 1));
        assert_eq!(held(&probe.view()), [1, 2, 3, 4, 5, 6, 7, 8]);
    });
}

#[test]
fn a_fold_that_begins_between_two_repairs_misses_none_and_counts_none_twice() {
    in_virtual_time(async {
        let (rig, _venue) = silent(rows::ENCODER);
        settle().await;
        with_hole(&rig).await;
        send(&rig, [late(4)]);
        let between = rig.probe("SOLUSDT", &[1, 2], (100, 100));
        send(&rig, [late(3), late(5)]);
        settle().await;
        let after = rig.probe("SOLUSDT", &[1, 3], (100, 100));
        settle().await;
        for probe in [&between, &after] {
            let candle = minute(&probe.view(), Timeframe::MINUTE);
            assert_eq!(candle.trades, 7);
            assert_eq!(held(&probe.view()), [1, 2, 3, 4, 5, 6, 7, 8]);
        }
        send(&rig, [print(9, 300_000)]);
        settle().await;
        for (probe, length) in [(&between, 2), (&after, 3)] {
            let candle = probe.view().candles[&minutes(length)].closed.values().next().copied().expect("closed");
            assert_eq!(candle.trades, 8, "{length} minutes");
        }
    });
}

#[test]
fn an_absurd_id_that_waits_delays_no_hole() {
    in_virtual_time(async {
        let (rig, _venue) = silent(rows::ENCODER);
        let probe = rig.probe("SOLUSDT", &[1], (0, 0));
        send(&rig, [late(1), late(2)]);
        settle().await;
        send(&rig, [print(1 << 62, 3_000)]);
        settle().await;
        send(&rig, [late(4)]);
        settle().await;
        assert_eq!(held(&probe.view()), [1, 2, 4], "the id before it was waited for as long as ever");
        tokio::time::sleep(MINUTE).await;
        assert_eq!(rig.counter("ingest_implausible_total"), 1);
        assert_eq!(held(&probe.view()), [1, 2, 4]);
    });
}

/// Takes what comes until nothing does.
async fn take_all(probe: &Probe, mut taken: usize) -> usize {
    loop {
        settle().await;
        let before = taken;
        taken = probe.make_room(taken);
        if taken == before {
            return taken;
        }
    }
}

#[test]
fn who_was_behind_gets_each_close_once_and_each_correction_as_one() {
    in_virtual_time(async {
        let (rig, _venue) = silent(rows::ENCODER);
        let probe = Probe::narrow(rig.contract("SOLUSDT"));
        probe.subscribe(&rig.engine.live, Channel::Candles(Timeframe::MINUTE), 0);
        settle().await;
        // It takes everything at once, until two minutes have been told, the first as it was without its lost trades.
        let mut taken = 0;
        for prints in [vec![late(1), late(2), late(6), late(7)], vec![print(8, 61_000)], vec![print(9, 121_000)]] {
            send(&rig, prints);
            taken = take_all(&probe, taken).await;
        }
        assert_eq!(probe.view().candles[&Timeframe::MINUTE].closed.len(), 2);
        send(&rig, [print(10, 122_000)]);
        settle().await;
        let full_at = probe.log().len();
        send(&rig, [late(3), late(4), late(5), print(11, 181_000)]);
        settle().await;
        assert_eq!(probe.log().len(), full_at, "it is full");
        take_all(&probe, taken).await;
        let view = probe.view();
        let candles = &view.candles[&Timeframe::MINUTE];
        assert_eq!((candles.corrections, candles.closed.len()), (1, 3));
        let first = minute(&view, Timeframe::MINUTE);
        assert_eq!((first.trades, first.complete, first.revision), (7, true, 1));
    });
}

/// Whether the next trades or candles that are encoded make their publisher panic.
static PANIC_ON_TRADES: AtomicBool = AtomicBool::new(false);
static PANIC_ON_CANDLES: AtomicBool = AtomicBool::new(false);

const FRAGILE: Encoder = Encoder {
    trades: |trades, body| {
        assert!(!PANIC_ON_TRADES.swap(false, Ordering::Relaxed), "told to crash");
        (rows::ENCODER.trades)(trades, body);
    },
    candles: |candles, body| {
        assert!(!PANIC_ON_CANDLES.swap(false, Ordering::Relaxed), "told to crash");
        (rows::ENCODER.candles)(candles, body);
    },
    ..rows::ENCODER
};

#[test]
fn a_publisher_that_panics_is_rebuilt_at_the_next_trade_and_owes_what_was_under_way() {
    in_virtual_time(async {
        let (rig, _venue) = silent(FRAGILE);
        let probe = rig.probe("SOLUSDT", &[1], (0, 0));
        settle().await;
        with_hole(&rig).await;
        PANIC_ON_TRADES.store(true, Ordering::Relaxed);
        PANIC_ON_CANDLES.store(true, Ordering::Relaxed);
        send(&rig, [print(9, 121_000)]);
        settle().await;
        send(&rig, [print(10, 122_000), print(11, 181_000)]);
        settle().await;
        assert_eq!(rig.counter("actor_rebuilds_total"), 2, "both publishers");
        let gaps: Vec<_> = probe.log().into_iter().filter_map(|(_, event)| as_gap(&event)).collect();
        assert!(gaps.iter().any(|ids| ids.contains(9)) && gaps.iter().all(|ids| ids.last < 10), "{gaps:?}");
        let live = probe.log().iter().any(|(_, event)| is_trades_with(event, 10));
        assert!(live, "the line goes on without a second snapshot");
        // From the one on that was being said, all are told; the fold had taken its trades before the panic.
        let told = probe.candles_told();
        let told = [60_000, 120_000].map(|millis| told[&at(MINUTE_START + millis)]);
        assert_eq!(told.map(|candle| (candle.trades, candle.complete)), [(1, true), (2, true)]);
    });
}

fn as_gap(event: &live::Event) -> Option<tapedeck::model::IdRange> {
    if let live::Event::Gap(ids) = event { Some(*ids) } else { None }
}

fn is_trades_with(event: &live::Event, id: u64) -> bool {
    matches!(event, live::Event::Rows(body) if rows::trades(&body.body).iter().any(|trade| trade.id == id))
}
