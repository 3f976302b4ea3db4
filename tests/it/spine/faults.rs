//! What do duplicates, disorder, loss, nonsense and cut connections do to what subscribers see?

use super::*;
use tapedeck::model::IdRange;

const CONTRACTS: [(&str, TapeKind, u32); 3] =
    [("SOLUSDT", TapeKind::Aggregate, 240), ("XRPUSDT", TapeKind::Aggregate, 240), ("BTCUSDT", TapeKind::Raw, 240)];

/// A market that runs for three minutes before anything happens.
async fn running(seed: u64) -> (Rig, [Probe; 3]) {
    let mut setup = Setup::generated(seed, &CONTRACTS);
    for contract in &mut setup.exchange.contracts {
        contract.pace = sim::Pace::Steady;
    }
    let rig = setup.start();
    let probes = CONTRACTS.map(|(symbol, ..)| rig.probe(symbol, &[1, 5], (0, 0)));
    tokio::time::sleep(3 * MINUTE).await;
    (rig, probes)
}

/// The ids that follow the newest one on the tape.
fn next_ids(probe: &Probe, count: u64) -> IdRange {
    let newest = probe.contract.tape.newest_id().expect("it trades");
    IdRange { first: newest + 1, last: newest + count }
}

fn judged(rig: &Rig, probe: &Probe) -> oracle::Found {
    oracle::judge(rig, &probe.contract, &probe.view())
}

/// Everybody else saw a healthy market.
fn assert_whole(rig: &Rig, probes: &[Probe]) {
    for probe in probes {
        let found = judged(rig, probe);
        assert_eq!((found.holes.len(), found.incomplete), (0, 2));
    }
}

#[test]
fn duplicates_and_disorder_are_invisible() {
    in_virtual_time(async {
        let (rig, probes) = running(11).await;
        let sol = symbol("SOLUSDT");
        for _ in 0..10 {
            rig.exchange.faults().duplicate_next(&sol, 3);
            rig.exchange.faults().reorder_next(&sol);
        }
        tokio::time::sleep(4 * MINUTE).await;
        assert_whole(&rig, &probes);
        assert_eq!(rig.counter("ingest_duplicates_total"), 30);
        assert_eq!(rig.counter("gap_missing_ids_total"), rig.counter("gap_repaired_trades_total"));
    });
}

#[test]
fn nonsense_is_counted_and_costs_nothing() {
    in_virtual_time(async {
        let (rig, probes) = running(12).await;
        rig.exchange.faults().garbage_next(&symbol("SOLUSDT"), 25);
        tokio::time::sleep(4 * MINUTE).await;
        assert_whole(&rig, &probes);
        assert_eq!(rig.counter("decode_errors_total"), 25);
        assert_eq!(rig.counter("upstream_reconnects_total"), 0, "no reason to leave");
    });
}

#[test]
fn lost_frames_are_a_hole_and_touch_only_their_own_candles() {
    in_virtual_time(async {
        let (rig, probes) = running(13).await;
        let expected = next_ids(&probes[0], 5);
        rig.exchange.faults().drop_next(&symbol("SOLUSDT"), 5);
        tokio::time::sleep(7 * MINUTE).await;
        let found = judged(&rig, &probes[0]);
        assert_eq!(found.holes, [expected]);
        assert_eq!(found.incomplete, 3, "the first and the touched minute, and the first five, touched too");
        let view = probes[0].view();
        let minutes = &view.candles[&Timeframe::MINUTE];
        let doubted: Vec<_> = minutes.barriers.iter().filter(|(_, incomplete)| *incomplete).collect();
        assert_eq!(doubted.len(), 2, "the first and the touched minute: {doubted:?}");
        assert!(minutes.closed.values().next_back().expect("closed").complete, "later ones are complete");
        assert_eq!(rig.counter("gap_missing_ids_total"), 5);
        assert_whole(&rig, &probes[1..]);
    });
}

fn cut(torn: bool) {
    in_virtual_time(async {
        let (rig, probes) = running(14).await;
        let before = probes.each_ref().map(|probe| next_ids(probe, 1).first);
        let cut_at = rig.exchange.now();
        rig.exchange.faults().cut(torn);
        tokio::time::sleep(7 * MINUTE).await;
        assert_eq!(rig.counter("upstream_connected"), 2);
        assert_eq!(rig.counter("upstream_reconnects_total"), 2);
        let found = probes.each_ref().map(|probe| judged(&rig, probe));
        assert!(found.iter().any(|found| !found.holes.is_empty()), "a cut of this length loses something");
        for ((probe, found), next) in probes.iter().zip(&found).zip(before) {
            assert!(found.holes.len() <= 1, "{:?}", found.holes);
            let (published, _) = oracle::truth(&rig, &probe.contract, (cut_at.get(), cut_at.get() + 60_000));
            for hole in &found.holes {
                assert_eq!(hole.first, next, "it begins with the first that was not sent");
                let lost = published.iter().filter(|trade| hole.contains(trade.id));
                // An aggregate is published at most 150 ms after its time; the first wait is at most 500 ms.
                assert!(lost.clone().all(|trade| trade.time.since(cut_at) <= 500), "{hole:?}");
            }
            assert_eq!(found.incomplete, 2 + found.holes.len(), "the cut lies inside one minute and the first five");
        }
    });
}

#[test]
fn a_cut_connection_comes_back_and_its_loss_is_named_exactly() {
    cut(false);
}

#[test]
fn a_torn_frame_is_no_frame() {
    cut(true);
}

#[test]
fn everything_at_once_is_still_accounted_for() {
    in_virtual_time(async {
        let (rig, probes) = running(15).await;
        for (round, contract) in (0_u64..12).zip(CONTRACTS[..2].iter().cycle()) {
            let name = symbol(contract.0);
            let faults = rig.exchange.faults();
            faults.reorder_next(&name);
            faults.duplicate_next(&name, 2);
            faults.garbage_next(&name, 1);
            faults.drop_next(&name, if round % 3 == 0 { 1 } else { 4 });
            if round % 4 == 3 {
                faults.cut(round % 8 == 7);
            }
            tokio::time::sleep(Duration::from_millis(17_123 + 1_009 * round)).await;
        }
        tokio::time::sleep(3 * MINUTE).await;
        let found: Vec<_> = probes.iter().map(|probe| judged(&rig, probe)).collect();
        assert!(found[0].holes.len() >= 4 && found[1].holes.len() >= 4);
        let missing: u64 = found.iter().flat_map(|found| &found.holes).map(IdRange::count).sum();
        assert_eq!(rig.counter("gap_missing_ids_total"), missing + rig.counter("gap_repaired_trades_total"));
    });
}
