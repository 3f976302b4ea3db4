//! What does a panicking contract cost? Never a wrong candle, never another contract.

use super::*;

const CONTRACTS: [(&str, TapeKind, u32); 3] =
    [("SOLUSDT", TapeKind::Aggregate, 3_000), ("XRPUSDT", TapeKind::Aggregate, 600), ("BTCUSDT", TapeKind::Raw, 600)];

fn assert_rebuilt(rig: &Rig, times: u64) {
    let text = rig.metrics.text().expect("encodes");
    let line = format!("tapedeck_actor_rebuilds_total{{actor=\"symbol\"}} {times}");
    assert!(text.contains(&line), "{line}");
}

async fn running(seed: u64) -> (Rig, [Probe; 3]) {
    let rig = Setup::generated(seed, &CONTRACTS).start();
    let probes = CONTRACTS.map(|(symbol, ..)| rig.probe(symbol, &[1, 5], (0, 0)));
    tokio::time::sleep(2 * MINUTE).await;
    (rig, probes)
}

fn assert_others_whole(rig: &Rig, probes: &[Probe]) {
    for probe in &probes[1..] {
        let found = oracle::judge(rig, &probe.contract, &probe.view());
        assert_eq!((found.holes.len(), found.incomplete), (0, 2), "{}", probe.contract.symbol);
    }
}

#[test]
fn a_crash_under_load_is_healed_by_the_feed_that_keeps_its_batch() {
    in_virtual_time(async {
        let (rig, probes) = running(21).await;
        let handle = &probes[0].contract.actor;
        assert!(handle.crash());
        tokio::time::sleep(4 * MINUTE).await;
        assert!(handle.is_alive());
        assert_rebuilt(&rig, 1);
        let found = oracle::judge(&rig, &probes[0].contract, &probes[0].view());
        assert!(found.closed >= 5 && found.incomplete <= 2 + 2 * found.holes.len());
        assert_others_whole(&rig, &probes);
    });
}

#[test]
fn ids_that_waited_when_it_crashed_are_a_hole() {
    in_virtual_time(async {
        let (rig, probes) = running(22).await;
        let handle = &probes[0].contract.actor;
        let newest = probes[0].contract.tape.newest_id().expect("it trades");
        rig.exchange.faults().drop_next(&probes[0].contract.symbol, 1);
        // Long enough for successors to wait for the lost one, too short for it to be given up.
        let published = |id: u64| {
            let (from, now) = (rig.exchange.now().plus(-60_000), rig.exchange.now().plus(-160));
            rig.exchange.truth(&probes[0].contract.symbol, from, now).iter().any(|trade| trade.id == id)
        };
        while !published(newest + 3) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(probes[0].contract.tape.newest_id(), Some(newest), "the others wait");
        assert!(handle.crash());
        tokio::time::sleep(4 * MINUTE).await;
        assert_rebuilt(&rig, 1);
        let found = oracle::judge(&rig, &probes[0].contract, &probes[0].view());
        let [hole] = found.holes.as_slice() else { panic!("{:?}", found.holes) };
        assert!(hole.first == newest + 1 && hole.count() > 1, "more than the lost one: {hole:?}");
        assert_others_whole(&rig, &probes);
    });
}

#[test]
fn crashes_again_and_again_never_make_a_wrong_candle() {
    in_virtual_time(async {
        let (rig, probes) = running(23).await;
        let handle = &probes[0].contract.actor;
        for round in 0_u64..20 {
            rig.exchange.faults().reorder_next(&probes[0].contract.symbol);
            tokio::time::sleep(Duration::from_millis(611 + 37 * round)).await;
            assert!(handle.crash());
        }
        tokio::time::sleep(3 * MINUTE).await;
        assert_rebuilt(&rig, 20);
        oracle::judge(&rig, &probes[0].contract, &probes[0].view());
        assert_others_whole(&rig, &probes);
    });
}
