//! What do bans, wrong answers and panics do to a repair?

use super::*;
use tapedeck::sim::RestFault;

const ONE: [(&str, TapeKind, u32); 1] = [("SOLUSDT", TapeKind::Aggregate, 240)];

fn newest_is_live(scene: &Scene) {
    let contract = scene.rig.contract("SOLUSDT");
    let newest = contract.tape.newest(1).pop().expect("it trades");
    assert!(scene.rig.exchange.now().since(newest.time) < 10_000, "live goes on");
}

#[test]
fn a_ban_of_an_hour_delays_the_repair_and_nothing_else() {
    let disk = SimulatedDisk::new(21);
    Life { step: Duration::from_millis(200), ..Life::new(&ONE).on(&disk) }.run(async |scene| {
        seconds(150).await;
        scene.rig.exchange.faults().rest().next(AGG_TRADES, RestFault::Banned { millis: 3_600_000 }, 1);
        scene.cut(Duration::from_secs(60)).await;
        seconds(15).await;
        let missing = scene.missing("SOLUSDT");
        assert!(missing > 200, "{missing}");
        for _ in 0..58 {
            seconds(60).await;
            newest_is_live(&scene);
            assert_eq!(scene.missing("SOLUSDT"), missing, "not a request is answered");
        }
        assert!(scene.counter("rest_requests_total") <= 2, "nobody knocks at a closed door");
        scene.healed_within("SOLUSDT", 300).await;
        seconds(130).await;
        scene.assert_whole("SOLUSDT").await;
    });
}

#[test]
fn wrong_answers_are_asked_for_again_and_never_believed() {
    let disk = SimulatedDisk::new(22);
    Life::new(&ONE).on(&disk).run(async |scene| {
        seconds(90).await;
        let faults = [
            RestFault::Cut,
            RestFault::RowMissing,
            RestFault::OutOfOrder,
            RestFault::Duplicate,
            RestFault::StartsAbove,
            RestFault::Empty,
            RestFault::BadGateway,
            RestFault::Overloaded,
            RestFault::BackendTimeout,
            RestFault::Never,
            RestFault::TooMany { has_retry_after: true },
        ];
        for fault in faults {
            scene.rig.exchange.faults().rest().next(AGG_TRADES, fault, 1);
            scene.cut(Duration::from_secs(20)).await;
            seconds(15).await;
            scene.healed_within("SOLUSDT", 120).await;
            newest_is_live(&scene);
        }
        seconds(130).await;
        scene.assert_whole("SOLUSDT").await;
        assert!(scene.told.lock().expect("whole").is_empty());
    });
}

#[test]
fn a_host_that_fails_for_long_is_left_alone_for_a_while_and_tried_again() {
    Life::new(&ONE).run(async |scene| {
        seconds(90).await;
        scene.rig.exchange.faults().rest().next(AGG_TRADES, RestFault::BadGateway, 12);
        scene.cut(Duration::from_secs(20)).await;
        seconds(15).await;
        assert!(scene.healed_within("SOLUSDT", 900).await > 60);
        assert_eq!(scene.counter("gap_fill_failures_total"), 1);
        newest_is_live(&scene);
        seconds(300).await;
        scene.assert_whole("SOLUSDT").await;
    });
}

#[test]
fn ids_that_the_venue_steps_over_are_told_and_asked_for_again_an_hour_later() {
    let disk = SimulatedDisk::new(24);
    Life { step: Duration::from_millis(200), ..Life::new(&ONE).on(&disk) }.run(async |scene| {
        seconds(90).await;
        scene.rig.exchange.faults().rest().next(AGG_TRADES, RestFault::StartsAbove, 2);
        scene.cut(Duration::from_secs(20)).await;
        seconds(60).await;
        let told = scene.told.lock().expect("whole").clone();
        let [Piece::Absent(absent)] = told[..] else { panic!("{told:?}") };
        assert_eq!(scene.holes("SOLUSDT"), [absent.ids]);
        let asked = scene.counter("rest_requests_total");
        seconds(3_400).await;
        assert_eq!((scene.counter("rest_requests_total"), scene.holes("SOLUSDT")), (asked, vec![absent.ids]));
        scene.healed_within("SOLUSDT", 300).await;
    });
}

#[test]
fn a_contract_whose_actor_panics_in_the_middle_of_a_repair_is_healed() {
    const BUSY: [(&str, TapeKind, u32); 1] = [("SOLUSDT", TapeKind::Aggregate, 1_200)];
    let disk = SimulatedDisk::new(23);
    Life::new(&BUSY).on(&disk).run(async |_| seconds(100).await);
    disk.kill();
    Life::new(&BUSY).on(&disk).from(START + 1_000_000).run(async |scene| {
        seconds(1).await;
        let mut seen = Vec::new();
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(330)).await;
            seen.push(scene.missing("SOLUSDT"));
            assert!(scene.rig.first().actor.crash());
        }
        assert!(seen.iter().any(|missing| *missing > 0), "{seen:?}");
        assert_eq!(scene.counter("actor_rebuilds_total"), 7, "the last is being rebuilt");
        seconds(5).await;
        scene.healed_within("SOLUSDT", 200).await;
        seconds(130).await;
        newest_is_live(&scene);
        scene.assert_whole("SOLUSDT").await;
    });
}

#[test]
fn holes_of_a_raw_tape_wait_for_the_archive_at_once() {
    const RAW: [(&str, TapeKind, u32); 1] = [("BTCUSDT", TapeKind::Raw, 240)];
    Life::new(&RAW).run(async |scene| {
        seconds(90).await;
        scene.cut(Duration::from_secs(20)).await;
        seconds(20).await;
        let told = scene.told.lock().expect("whole").clone();
        let named: Vec<IdRange> = told.iter().filter_map(Piece::ids).collect();
        assert!(!named.is_empty() && named == scene.holes("BTCUSDT"), "{told:?}");
        seconds(600).await;
        assert_eq!(scene.told.lock().expect("whole").len(), told.len(), "told once");
        assert_eq!(scene.counter("rest_requests_total"), 0);
    });
}
