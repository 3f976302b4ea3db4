//! Does half an hour of a healthy market arrive whole, in order, once, and the same every time?

use super::*;
use tapedeck::live::Event;

const CONTRACTS: [(&str, TapeKind, u32); 3] =
    [("BTCUSDT", TapeKind::Raw, 300), ("SOLUSDT", TapeKind::Aggregate, 180), ("币安人生USDT", TapeKind::Aggregate, 40)];

/// Everything that one subscriber a contract was told in `span`, after `judge` has looked at it.
fn run(seed: u64, span: Duration) -> Vec<Vec<(u32, Event)>> {
    in_virtual_time(async {
        let rig = Setup::generated(seed, &CONTRACTS).start();
        let probes = CONTRACTS.map(|(symbol, ..)| rig.probe(symbol, &[1, 5], (0, 0)));
        tokio::time::sleep(span).await;
        for probe in &probes {
            let view = probe.view();
            let found = oracle::judge(&rig, &probe.contract, &view);
            assert_eq!((found.holes.len(), found.incomplete), (0, 2), "only the first of each timeframe");
            assert!(view.repairs.is_empty());
            let (published, _) = oracle::truth(&rig, &probe.contract, (START, START + UnixMillis::MINUTE));
            let first = published.iter().find(|trade| trade.time.get() >= START).expect("it trades");
            assert!(view.trades[0].id <= first.id, "nothing published since the start is left out");
        }
        for name in ["decode_errors_total", "gaps_detected_total", "ingest_duplicates_total", "panics_total"] {
            assert_eq!(rig.counter(name), 0, "{name}");
        }
        assert_eq!(rig.counter("upstream_connected"), 2, "one route each");
        probes.iter().map(Probe::log).collect()
    })
}

#[test]
fn half_an_hour_arrives_whole_and_in_order() {
    let logs = run(1, 30 * MINUTE);
    assert!(logs[0].len() > 5_000, "{}", logs[0].len());
}

#[test]
fn a_seed_replays_event_by_event() {
    let logs = run(2, 6 * MINUTE);
    assert!(logs == run(2, 6 * MINUTE));
    assert!(logs != run(3, 6 * MINUTE));
}

#[test]
fn candles_of_a_raw_tape_are_the_official_ones() {
    in_virtual_time(async {
        let rig = Setup::generated(4, &CONTRACTS[..1]).start();
        let probe = rig.probe("BTCUSDT", &[1], (0, 0));
        tokio::time::sleep(10 * MINUTE).await;
        let view = probe.view();
        let candles = &view.candles[&Timeframe::MINUTE].closed;
        let (first, last) = (*candles.keys().next().expect("closed"), *candles.keys().last().expect("closed"));
        let symbol = &probe.contract.symbol;
        let klines = rig.exchange.truth_klines(symbol, Timeframe::MINUTE, first.plus(1), last.plus(1));
        let traded: Vec<_> = klines.iter().filter(|kline| kline.count > 0).collect();
        assert!(traded.len() >= 7, "{}", traded.len());
        for kline in traded {
            let candle = candles[&kline.open_time];
            assert_eq!(
                (candle.open, candle.high, candle.low, candle.close, candle.volume.units(), candle.trades),
                (kline.open, kline.high, kline.low, kline.close, kline.volume.units(), kline.count),
            );
        }
    });
}

#[test]
fn barriers_name_what_is_not_complete_and_nothing_else() {
    in_virtual_time(async {
        let rig = Setup::generated(1, &CONTRACTS[1..2]).start();
        let probe = rig.probe("SOLUSDT", &[1], (0, 0));
        tokio::time::sleep(10 * MINUTE).await;
        let view = probe.view();
        let candles = &view.candles[&Timeframe::MINUTE];
        let ends: Vec<_> = candles.barriers.iter().map(|(end, _)| end.get()).collect();
        let first = START - START % UnixMillis::MINUTE + UnixMillis::MINUTE;
        assert_eq!(ends, (0..10).map(|at| first + at * UnixMillis::MINUTE).collect::<Vec<_>>());
        assert!(candles.barriers[0].1, "the first minute began before the tape");
        // A silent stream proves nothing until it delivers again; the correction comes then.
        let doubted = candles.barriers[1..].iter().filter(|(_, incomplete)| *incomplete).count();
        assert!(doubted <= candles.corrections, "{doubted} doubted, {} corrected", candles.corrections);
    });
}

#[test]
fn who_joins_in_the_middle_sees_the_same() {
    in_virtual_time(async {
        let rig = Setup::generated(5, &CONTRACTS[..2]).start();
        let early = ["BTCUSDT", "SOLUSDT"].map(|symbol| rig.probe(symbol, &[1, 5], (0, 0)));
        tokio::time::sleep(10 * MINUTE + Duration::from_millis(12_345)).await;
        // Three minutes are a timeframe that nobody asked for before.
        let late = ["BTCUSDT", "SOLUSDT"].map(|symbol| rig.probe(symbol, &[1, 5, 3], (50, 100)));
        tokio::time::sleep(8 * MINUTE).await;
        for (early, late) in early.iter().zip(&late) {
            let (early, late_view) = (early.view(), late.view());
            let joined = early.trades.len() - late_view.trades.len();
            assert!(joined > 0 && late_view.trades.len() > 50);
            assert!(early.trades[joined..] == late_view.trades, "no hole, no overlap");
            let Event::Snapshot(snapshot) = late.log().swap_remove(0).1 else { panic!("a snapshot comes first") };
            assert_eq!(snapshot.count, 50);
            for length in [1, 5] {
                let closed = |view: &probe::View| -> Vec<_> {
                    let unrevised =
                        |candle: &tapedeck::model::Candle| (candle.open_time, candle.volume, candle.complete);
                    view.candles[&minutes(length)].closed.values().map(unrevised).collect()
                };
                assert_eq!(closed(&early), closed(&late_view), "{length}m");
            }
            let folded = oracle::fold(minutes(3), &early.trades);
            for (open_time, candle) in &late_view.candles[&minutes(3)].closed {
                let expected = folded[open_time];
                let complete = early.trades[0].time < *open_time;
                let revision = candle.revision;
                assert_eq!(*candle, tapedeck::model::Candle { complete, revision, ..expected });
            }
        }
    });
}
