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

#[test]
fn one_book_that_stays_silent_is_asked_for_elsewhere_and_no_other_is_disturbed() {
    in_virtual_time(async {
        let scene = Scene::start(98);
        scene.synced().await;
        let muted = symbol("BTCUSDT");
        // Every new subscription falls silent at once.
        for _ in 0..30_000 {
            scene.exchange.faults().streams().strand(&muted);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_ne!(scene.state("BTCUSDT"), State::Synced);
        assert!(remedies(&scene, "ask_again") > 0 && remedies(&scene, "move_away") > 0);
        assert_eq!(remedies(&scene, "renew") + remedies(&scene, "reroute"), 0);
        let mended = scene.synced().await;
        eprintln!("in step {mended} ms after its stream may flow again");
        assert!(mended <= 65_000);
    });
}

#[test]
fn a_path_of_books_that_is_dead_is_left_and_books_are_back_once_one_delivers() {
    in_virtual_time(async {
        let scene = Scene::start(99);
        scene.synced().await;
        // What is open dies as well: the route of a connection is looked at for each frame.
        scene.exchange.faults().streams().deaden(sim::Path::Public);
        let noticed = scene.until(|scene| scene.state("BTCUSDT") != State::Synced).await;
        assert!(noticed <= 20_000, "{noticed} ms");
        tokio::time::sleep(2 * MINUTE).await;
        assert!(scene.engine.contracts.iter().all(|contract| scene.state(contract.symbol.as_str()) != State::Synced));
        // Its canary had sung.
        assert!(scene.figure("upstream_reconnects_total{reason=\"silent\"}") > 0);
        scene.exchange.faults().streams().revive(sim::Path::Public);
        let mended = scene.synced().await;
        eprintln!("noticed after {noticed} ms, in step {mended} ms after the path is alive again");
        assert!(mended <= 200_000);
    });
}

#[test]
fn books_that_are_told_of_without_a_throttle_are_the_exchanges_too() {
    in_virtual_time(async {
        let scene = Scene::at_speed(DepthSpeed::Unthrottled, 101);
        scene.synced().await;
        tokio::time::sleep(5 * MINUTE).await;
        scene.exchange.faults().break_chain_next(&symbol("SOLUSDT"));
        // It is whole again before anybody looks.
        scene.until(|scene| scene.faults("gap") > 0).await;
        scene.synced().await;
        tokio::time::sleep(MINUTE).await;
        assert!(scene.looks.get() > 10_000 && !scene.comparing.is_finished());
        assert_eq!(scene.faults("gap"), 1);
    });
}
