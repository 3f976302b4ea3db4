//! What neither stream nor REST has any more: does the archive heal it without being told, for the tape in memory, too?

use super::*;

const ONE: [(&str, TapeKind, u32); 1] = [("XRPUSDT", TapeKind::Aggregate, 6)];
const DAY: i64 = UnixMillis::DAY;

/// A store that recorded some minutes, three days before what follows.
fn three_days_ago() -> SimulatedDisk {
    let disk = SimulatedDisk::new(31);
    Life::new(&ONE).on(&disk).run(async |_| seconds(300).await);
    disk
}

/// The next life, three days later.
fn today(disk: &SimulatedDisk) -> Life<'_> {
    Life { step: Duration::from_millis(200), asks_archive: true, ..Life::new(&ONE).on(disk).from(START + 3 * DAY) }
}

#[test]
fn three_days_away_are_healed_by_rest_and_archive_together() {
    let disk = three_days_ago();
    today(&disk).run(async |scene| {
        seconds(30).await;
        assert!(scene.missing("XRPUSDT") > 5_000);
        scene.healed_within("XRPUSDT", 7_200).await;
        seconds(130).await;
        scene.assert_whole("XRPUSDT").await;
        let contract = scene.rig.contract("XRPUSDT");
        let runs = contract.holding.get().expect("a store").shelf().runs();
        for origin in [Origin::Stream, Origin::Rest, Origin::DailyArchive] {
            assert!(runs.iter().any(|(_, own)| *own == origin), "{origin:?}: {runs:?}");
        }
    });
}

#[test]
fn a_file_that_is_late_heals_the_tape_when_it_comes() {
    let disk = three_days_ago();
    today(&disk).run(async |scene| {
        let late = sim::ArchiveFault::Late { millis: 3 * DAY };
        let path = "data/futures/um/daily/aggTrades/XRPUSDT/XRPUSDT-aggTrades-2026-11-20";
        scene.rig.exchange.faults().archive().set(path, late);
        seconds(7_200).await;
        let missing = scene.holes("XRPUSDT");
        assert!(!missing.is_empty() && missing.len() <= 2, "that day is all that is missing: {missing:?}");
        let told = scene.told.lock().expect("whole").clone();
        assert!(told.iter().all(|piece| matches!(piece, Piece::AwaitingArchive(_))), "{told:?}");
        scene.healed_within("XRPUSDT", 3 * 86_400).await;
        seconds(130).await;
        scene.assert_whole("XRPUSDT").await;
    });
}

/// Ids that the exchange never uses, some within a minute and some over a border of two.
const ABSENT: [IdRange; 2] = [IdRange { first: 1, last: 1 }, IdRange { first: 1, last: 1 }];

fn without_some(disk: &SimulatedDisk) -> Life<'_> {
    let spoil = |options: &mut sim::Options| options.contracts[0].absent = ABSENT.to_vec();
    Life { spoil, ..Life::new(&ONE).on(disk) }
}

#[test]
fn what_is_proven_absent_is_missing_no_more_nowhere() {
    let disk = SimulatedDisk::new(32);
    without_some(&disk).run(async |scene| {
        seconds(240).await;
        let contract = scene.rig.contract("XRPUSDT");
        let truth = scene.rig.exchange.truth(&contract.symbol, at(0), scene.rig.exchange.now());
        for (at, two) in truth.windows(2).enumerate() { if at % 60 == 0 || two[0].time.get() / 60_000 != two[1].time.get() / 60_000 { eprintln!("{} {}", two[0].id, two[0].time.get() % 3_600_000); } }
    });
}
