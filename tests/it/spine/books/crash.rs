//! What does a panicking book cost? A snapshot; and nothing of it is shown meanwhile.

use super::*;

#[test]
fn a_crash_in_the_middle_of_an_update_shows_nothing_and_is_healed() {
    in_virtual_time(async {
        let scene = Scene::start(95);
        scene.synced().await;
        for round in 0..10_u64 {
            tokio::time::sleep(Duration::from_millis(3_011 + 137 * round)).await;
            let contract = scene.contract("BTCUSDT");
            let book = contract.book.as_ref().expect("kept");
            assert!(book.crash());
            // It has its turn before anybody looks after it.
            while book.is_alive() {
                tokio::task::yield_now().await;
            }
            assert_ne!(scene.state("BTCUSDT"), State::Synced, "half an update may be in it");
            assert_eq!(scene.state("SOLUSDT"), State::Synced, "another contract does not notice");
            assert!(scene.synced().await < 70_000);
        }
        assert_eq!(scene.faults("crossed"), 0);
        let rebuilds = scene.figure("actor_rebuilds_total{actor=\"book\"}");
        assert_eq!((rebuilds, scene.figure("actor_rebuilds_total{actor=\"symbol\"}")), (10, 0));
    });
}
