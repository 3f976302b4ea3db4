//! Does who was away get each trade exactly once?

use super::{probe::View, *};
use tapedeck::live::ReplayError;

const BUSY: [(&str, TapeKind, u32); 1] = [("SOLUSDT", TapeKind::Aggregate, 1_200)];

/// What two sessions of one client got is what was published from its first trade to its last, each trade once.
fn assert_joined(scene: &Scene, before: &[Trade], view: &View) {
    let mut got = [before, &view.held()].concat();
    got.sort_by_key(|trade| trade.id);
    assert!(got.is_sorted_by(|a, b| a.id < b.id), "none comes twice");
    let contract = scene.rig.contract("SOLUSDT");
    let (first, last) = (got[0], got[got.len() - 1]);
    let mut truth = scene.rig.exchange.truth(&contract.symbol, first.time, scene.rig.exchange.now());
    truth.retain(|trade| (first.id..=last.id).contains(&trade.id));
    assert!(got == truth, "{} got, {} published", got.len(), truth.len());
}

#[test]
fn a_client_that_was_away_over_a_repaired_cut_goes_on_with_its_next_trade() {
    for away_s in [0, 1, 7, 120] {
        let disk = SimulatedDisk::new(31);
        Life::new(&BUSY).on(&disk).run(async |scene| {
            let first = scene.rig.probe("SOLUSDT", &[], (0, 0));
            seconds(100).await;
            let before = first.view().held();
            drop(first);
            if away_s > 60 {
                scene.cut(Duration::from_secs(30)).await;
            }
            seconds(away_s).await;
            let second = Probe::start(scene.rig.contract("SOLUSDT"));
            let after = before.last().expect("it trades").id;
            let pages = second.resume(&scene.rig.engine.live, after).await.expect("held");
            assert!(pages as u64 >= 1 + away_s / 60, "{pages}");
            seconds(30).await;
            assert_joined(&scene, &before, &second.view());
        });
    }
}

#[test]
fn a_replay_over_holes_that_are_being_filled_tells_each_trade_once() {
    let disk = SimulatedDisk::new(32);
    let before = Life::new(&BUSY).on(&disk).run(async |scene| {
        let probe = scene.rig.probe("SOLUSDT", &[], (0, 0));
        seconds(60).await;
        let before = probe.view().held();
        seconds(10).await;
        before
    });
    disk.kill();
    Life::new(&BUSY).on(&disk).from(START + 7_600_000).run(async |scene| {
        // More live trades than a page holds, and a fresh minute's budget for the fill.
        seconds(58).await;
        let after = before.last().expect("it trades").id;
        let resumed = (0..16).map(|client| {
            let scene = &scene;
            async move {
                tokio::time::sleep(Duration::from_millis(287 * client)).await;
                let probe = Probe::start(scene.rig.contract("SOLUSDT"));
                probe.resume(&scene.rig.engine.live, after).await.expect("held");
                (scene.missing("SOLUSDT"), probe)
            }
        });
        let clients = futures_util::future::join_all(resumed).await;
        let states: std::collections::BTreeSet<u64> = clients.iter().map(|(missing, _)| *missing).collect();
        assert!(states.len() > 8, "it was being filled while they came: {states:?}");
        scene.healed_within("SOLUSDT", 300).await;
        seconds(2).await;
        for (missing, client) in &clients {
            let view = client.view();
            assert!(view.repairs.len() as u64 >= *missing, "{missing} and {}", view.repairs.len());
            assert_joined(&scene, &before, &view);
        }
    });
}

#[test]
fn what_cannot_be_replayed_is_named() {
    Life::new(&BUSY).run(async |scene| {
        let contract = scene.rig.contract("SOLUSDT");
        let client = Probe::start(Arc::clone(&contract));
        let live = &scene.rig.engine.live;
        assert_eq!(client.resume(live, 1).await, Err(ReplayError::NothingHeld));
        seconds(30).await;
        let newest = contract.tape.newest_id().expect("it trades");
        let beyond = client.resume(live, newest + 1_000).await;
        assert_eq!(beyond, Err(ReplayError::Beyond { after: newest + 1_000, newest }));
        seconds(600).await;
        let oldest = contract.tape.held()[0].id;
        assert!(oldest > newest, "the ring has gone on");
        client.resume(live, newest).await.expect("held in part");
        seconds(10).await;
        let view = client.view();
        assert_eq!(view.gaps.len(), 1);
        assert_eq!(view.gaps[0].first, newest + 1);
        assert!(view.gaps[0].last + 1 == view.trades[0].id && view.trades[0].id >= oldest);
    });
}
