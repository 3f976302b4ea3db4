//! Is a book found and mended whose stream falls silent while everything else flows?

use super::*;

fn remedies(scene: &Scene, name: &str) -> u64 {
    scene.figure(&format!("stream_remedies_total{{remedy=\"{name}\"}}"))
}

#[test]
fn one_book_that_falls_silent_is_in_doubt_and_back_within_seconds() {
    in_virtual_time(async {
        let scene = Scene::start(96);
        scene.synced().await;
        for round in 0..5_u64 {
            tokio::time::sleep(MINUTE + Duration::from_millis(1_370 * round)).await;
            scene.exchange.faults().streams().strand(&symbol("BTCUSDT"));
            let noticed = scene.until(|scene| scene.state("BTCUSDT") != State::Synced).await;
            assert!(noticed <= 10_000, "noticed after {noticed} ms");
            let mended = scene.synced().await;
            assert!(mended <= 10_000, "mended after {mended} ms");
        }
        assert_eq!((scene.figure("book_silences_total"), remedies(&scene, "ask_again")), (5, 5));
        assert_eq!(remedies(&scene, "move_away") + remedies(&scene, "renew") + remedies(&scene, "reroute"), 0);
    });
}

#[test]
fn a_whole_hour_of_health_is_left_alone() {
    in_virtual_time(async {
        let scene = Scene::start(97);
        scene.synced().await;
        tokio::time::sleep(60 * MINUTE).await;
        scene.synced().await;
        assert_eq!(scene.figure("book_silences_total"), 0);
        assert_eq!(scene.faults("gap"), 0);
    });
}
