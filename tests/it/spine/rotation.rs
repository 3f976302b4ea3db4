//! Is anything lost when connections are opened anew before the venue ends them, or when one of two fails?

use super::*;
use tapedeck::{market::Side, metrics::Labels, sim::Ending};

const CONTRACTS: [(&str, TapeKind, u32); 3] =
    [("AUSDT", TapeKind::Aggregate, 60), ("BUSDT", TapeKind::Aggregate, 6), ("CUSDT", TapeKind::Raw, 30)];

fn assert_whole(rig: &Rig, probes: &[Probe]) {
    for probe in probes {
        assert_eq!(oracle::judge(rig, &probe.contract, &probe.view()).holes, [], "{}", probe.contract.symbol);
    }
}

fn probes(rig: &Rig) -> Vec<Probe> {
    CONTRACTS.iter().map(|(symbol, ..)| rig.probe(symbol, &[1, 60], (0, 0))).collect()
}

#[test]
fn two_days_of_connections_that_take_over_from_each_other_lose_nothing() {
    in_virtual_time(async {
        let rig = Setup { rotation: 60 * 7 * MINUTE, ..Setup::generated(71, &CONTRACTS) }.start();
        let probes = probes(&rig);
        tokio::time::sleep(60 * 49 * MINUTE).await;
        assert_whole(&rig, &probes);
        // Each of the two connections, every seven hours; the first time earlier, and not both at once.
        let rotations = rig.counter("upstream_rotations_total");
        assert!((12..=15).contains(&rotations), "{rotations}");
        assert_eq!((rig.counter("upstream_reconnects_total"), rig.counter("upstream_connected")), (0, 2));
        assert!(rig.counter("ingest_duplicates_total") > 0, "both were read for a while");
        let proven = |side: Side| probes.iter().filter(|probe| probe.contract.stream.is_proven(side)).count();
        let sides = [proven(Side::of(false)), proven(Side::of(false).other())];
        assert_eq!(sides.iter().sum::<usize>(), probes.len(), "who was let go proves nothing: {sides:?}");
    });
}

#[test]
fn a_connection_that_is_never_opened_anew_ends_after_a_day() {
    in_virtual_time(async {
        let rig = Setup { rotation: 60 * 60 * MINUTE, ..Setup::generated(72, &CONTRACTS) }.start();
        tokio::time::sleep(60 * 25 * MINUTE).await;
        assert_eq!(rig.counter("upstream_reconnects_total"), 2, "the exchange ends each");
    });
}

#[test]
fn a_successor_that_cannot_be_opened_costs_nothing() {
    in_virtual_time(async {
        let rig = Setup { rotation: 60 * MINUTE, ..Setup::generated(73, &CONTRACTS) }.start();
        let probes = probes(&rig);
        tokio::time::sleep(20 * MINUTE).await;
        rig.exchange.faults().refuse(true);
        tokio::time::sleep(80 * MINUTE).await;
        assert_whole(&rig, &probes);
        assert_eq!(rig.counter("upstream_rotations_total"), 0);
        rig.exchange.faults().refuse(false);
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!((rig.counter("upstream_rotations_total"), rig.counter("upstream_reconnects_total")), (2, 0));
        assert_whole(&rig, &probes);
    });
}

#[test]
fn of_two_connections_one_may_lose_what_it_likes() {
    in_virtual_time(async {
        let rig = Setup { is_doubled: true, ..Setup::generated(74, &CONTRACTS) }.start();
        let probes = probes(&rig);
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(rig.counter("upstream_connected"), 4);
        for _ in 0..20 {
            // Whichever of the two is first with a frame loses it.
            rig.exchange.faults().drop_next(&symbol("AUSDT"), 1);
            // Were two lost at once, they would be the same trade's.
            let newest = probes[0].contract.tape.newest_id();
            while probes[0].contract.tape.newest_id() < newest.map(|id| id + 2) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        assert_whole(&rig, &probes);
        let both = rig.counter("ingest_duplicates_total") as f64 / rig.counter("ingest_trades_total") as f64;
        assert!(both > 0.9, "each trade comes twice: {both}");
    });
}

#[test]
fn of_two_connections_one_that_brings_nothing_is_opened_anew() {
    in_virtual_time(async {
        let rig = Setup { is_doubled: true, ..Setup::generated(75, &CONTRACTS) }.start();
        let probes = probes(&rig);
        tokio::time::sleep(MINUTE).await;
        let wait_for = async |connected: u64| {
            while rig.counter("upstream_connected") != connected {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        rig.exchange.faults().deafen(true);
        rig.exchange.faults().end(Ending::Cut);
        wait_for(0).await;
        wait_for(1).await;
        // The first to come back hears nothing; the other copy brings all that it should.
        rig.exchange.faults().deafen(false);
        wait_for(4).await;
        let mute = || rig.metrics.upstream_reconnects.get_or_create(&Labels::new([("reason", "mute")])).get();
        assert_eq!(mute(), 0);
        tokio::time::sleep(2 * MINUTE).await;
        // Others may have come back in the same millisecond.
        assert!((1..=3).contains(&mute()) && rig.counter("upstream_connected") == 4, "{}", mute());
        let of_both = |probe: &Probe| [false, true].iter().all(|copy| probe.contract.stream.is_proven(Side::of(*copy)));
        assert!(probes.iter().all(of_both));
    });
}

#[test]
fn a_successor_that_brings_nothing_is_given_up() {
    in_virtual_time(async {
        let rig = Setup { rotation: 60 * MINUTE, ..Setup::generated(76, &CONTRACTS) }.start();
        let probes = probes(&rig);
        tokio::time::sleep(20 * MINUTE).await;
        rig.exchange.faults().deafen(true);
        tokio::time::sleep(80 * MINUTE).await;
        assert_whole(&rig, &probes);
        assert_eq!(rig.counter("upstream_rotations_total"), 0);
        rig.exchange.faults().deafen(false);
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!((rig.counter("upstream_rotations_total"), rig.counter("upstream_reconnects_total")), (2, 0));
        assert_whole(&rig, &probes);
    });
}
