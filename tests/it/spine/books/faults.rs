//! Is a book mended after everything that can go wrong with it, and counted?

use super::*;
use tapedeck::sim::{DepthFault, RestFault, SnapshotFault};

const DEPTH: &str = "/fapi/v1/depth";

/// Runs `break_it` on healthy books and waits until they are synced again.
fn mended<R>(seed: u64, break_it: impl AsyncFnOnce(&Scene, &Symbol) -> R) -> (Scene, R) {
    in_virtual_time(async move {
        let scene = Scene::start(seed);
        assert!(scene.synced().await < 10_000, "three snapshots take no time");
        tokio::time::sleep(MINUTE).await;
        let result = break_it(&scene, &symbol("BTCUSDT")).await;
        scene.synced().await;
        let before = scene.looks.get();
        tokio::time::sleep(MINUTE / 2).await;
        assert!(scene.looks.get() - before > 3 * 1_000, "synced books are compared all the time");
        (scene, result)
    })
}

/// Waits until a book is not synced, or was not for a moment.
async fn broken(scene: &Scene) {
    let faults = |scene: &Scene| scene.faults("gap") + scene.faults("crossed");
    let before = faults(scene);
    scene.until(|scene| scene.state("BTCUSDT") != State::Synced || faults(scene) > before).await;
}

#[test]
fn healthy_books_are_the_exchanges_and_ask_for_one_snapshot_each() {
    let (scene, ()) = mended(81, async |_, _| tokio::time::sleep(10 * MINUTE).await);
    for fault in ["gap", "backwards", "crossed", "exhausted", "snapshot_foreign", "snapshot_unsound"] {
        assert_eq!(scene.faults(fault), 0, "{fault}");
    }
    let snapshots = scene.figure("book_snapshots_total");
    assert!((3..=20).contains(&snapshots), "{snapshots}: one each, and more as prices wander");
    assert_eq!((scene.figure("book_silences_total"), scene.figure("book_snapshot_queue")), (0, 0));
}

#[test]
fn an_update_that_is_lost_costs_one_snapshot() {
    let (scene, before) = mended(82, async |scene, symbol| {
        let before = scene.figure("book_snapshots_total");
        scene.exchange.faults().break_chain_next(symbol);
        broken(scene).await;
        before
    });
    assert_eq!((scene.faults("gap"), scene.figure("book_snapshots_total") - before), (1, 1));
}

#[test]
fn snapshots_that_are_too_old_are_refused_and_asked_for_ever_later() {
    let (scene, ()) = mended(83, async |scene, symbol| {
        scene.exchange.faults().depth().next_snapshot(symbol, SnapshotFault::Old, 3);
        scene.exchange.faults().break_chain_next(symbol);
        broken(scene).await;
        let took = scene.synced().await;
        assert!((14_000..16_000).contains(&took), "2 + 4 + 8 s: {took} ms");
    });
    assert_eq!((scene.faults("gap"), scene.faults("snapshot_old")), (1, 3));
}

#[test]
fn a_snapshot_that_is_ahead_waits_for_the_stream() {
    let (scene, ()) = mended(84, async |scene, symbol| {
        scene.exchange.faults().depth().next_snapshot(symbol, SnapshotFault::Ahead, 1);
        scene.exchange.faults().break_chain_next(symbol);
        broken(scene).await;
        let took = scene.synced().await;
        assert!((4_500..6_000).contains(&took), "5 s: {took} ms");
    });
    assert_eq!((scene.faults("gap"), scene.faults("snapshot_old") + scene.faults("snapshot_foreign")), (1, 0));
}

#[test]
fn a_snapshot_without_bids_is_not_believed_against_the_exchanges_other_word() {
    let (scene, ()) = mended(85, async |scene, symbol| {
        scene.exchange.faults().depth().next_snapshot(symbol, SnapshotFault::OneSided, 2);
        scene.exchange.faults().break_chain_next(symbol);
        broken(scene).await;
    });
    assert_eq!(scene.figure("book_snapshot_failures_total{reason=\"one_sided\"}"), 2);
}

#[test]
fn a_crossed_book_is_never_shown() {
    let (scene, ()) = mended(86, async |scene, symbol| {
        scene.exchange.faults().depth().next(symbol, DepthFault::Crossed, 1);
        broken(scene).await;
    });
    assert_eq!(scene.faults("crossed"), 1);
}

#[test]
fn updates_without_levels_and_unknown_levels_are_normal() {
    let (scene, ()) = mended(87, async |scene, symbol| {
        scene.exchange.faults().depth().next(symbol, DepthFault::Empty, 20);
        scene.exchange.faults().depth().next(symbol, DepthFault::UnknownLevel, 20);
        for _ in 0..500 {
            tokio::time::sleep(LOOK_EVERY).await;
            assert_eq!(scene.state("BTCUSDT"), State::Synced);
        }
    });
    assert_eq!(scene.faults("gap") + scene.faults("crossed"), 0);
}

#[test]
fn connections_that_are_cut_again_and_again_leave_books_in_doubt_until_they_are_proven_again() {
    let (scene, ()) = mended(88, async |scene, _| {
        for round in 0..5 {
            scene.exchange.faults().cut(round % 2 == 0);
            broken(scene).await;
            assert_ne!(scene.state("AUSDT"), State::Synced, "it shares their fate");
            scene.synced().await;
        }
    });
    assert!(scene.faults("gap") >= 5, "{}", scene.faults("gap"));
    assert_eq!(scene.figure("book_silences_total"), 0, "a cut is no silence");
}

#[test]
fn a_ban_in_the_middle_of_the_queue_only_delays() {
    let (scene, took) = mended(89, async |scene, _| {
        scene.exchange.faults().rest().next(DEPTH, RestFault::Banned { millis: 150_000 }, 1);
        scene.exchange.faults().cut(false);
        broken(scene).await;
        scene.synced().await
    });
    assert!((120_000..240_000).contains(&took), "{took} ms");
    assert_eq!(
        scene.figure("book_snapshot_failures_total{reason=\"refused\"}"),
        1,
        "one call met it, no other was made"
    );
}

#[test]
fn answers_that_are_none_are_counted_and_asked_for_again() {
    let (scene, ()) = mended(90, async |scene, symbol| {
        let rest = scene.exchange.faults().rest();
        rest.next(DEPTH, RestFault::BadGateway, 1);
        rest.next(DEPTH, RestFault::Never, 1);
        scene.exchange.faults().break_chain_next(symbol);
        broken(scene).await;
    });
    let reasons = ["refused", "unreachable"]
        .map(|reason| scene.figure(&format!("book_snapshot_failures_total{{reason=\"{reason}\"}}")));
    assert_eq!(reasons, [1, 1]);
}

#[test]
fn a_contract_that_goes_while_it_waits_is_dropped() {
    let (scene, ()) = mended(91, async |scene, _| {
        scene.exchange.faults().rest().next(DEPTH, RestFault::Banned { millis: 130_000 }, 1);
        scene.exchange.faults().cut(false);
        broken(scene).await;
        tokio::time::sleep(MINUTE / 4).await;
        let gone = scene.contract("AUSDT").id;
        scene.engine.forget(gone, market::Ending::Removed).expect("recorded");
        scene.synced().await;
        tokio::time::sleep(MINUTE).await;
        assert_eq!((scene.figure("book_snapshot_queue"), scene.engine.contracts.len()), (0, 2));
        // It comes back, with a book of its own.
        let spec = market::Spec {
            book: Some(BookSpec::new(steps(), 15)),
            ..(symbol("AUSDT"), TapeKind::Aggregate, RING_TRADES).into()
        };
        scene.engine.record(spec, |_| {}).expect("it is not recorded");
    });
    assert_eq!(scene.engine.contracts.len(), 3);
}
