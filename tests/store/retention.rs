//! Is history given up as the configuration says, the oldest first, and otherwise never?

use crate::{
    history::{idle, open, slow_trade},
    rig::{Rig, disk, small, start},
};
use tapedeck::{
    candle::fold,
    model::{Candle, Timeframe, UnixMillis},
    store::{files::SimulatedDisk, record::Kind, retention::Retention, storage::Options, upkeep::Upkeep},
};

fn keeping(retention: Retention) -> Upkeep {
    let mut upkeep = idle();
    upkeep.merges.day_after_ms = i64::MAX / 2;
    upkeep.merges.month_after_ms = i64::MAX / 2;
    upkeep.merges.every_ms = 100;
    Upkeep { retention, ..upkeep }
}

/// Five segments of 100 trades of two contracts.
fn five(seed: u64) -> (SimulatedDisk, Rig) {
    let (sim, disk) = disk(seed);
    let mut rig = open(&disk, 2, idle());
    for first in (1..501).step_by(100) {
        rig.seal_ids(first..first + 100);
    }
    assert_eq!(rig.levels(), [5, 0, 0, 0]);
    (sim, rig)
}

fn segment_files(sim: &SimulatedDisk) -> usize {
    sim.paths().iter().filter(|path| path.ends_with(".tds")).count()
}

#[test]
fn nothing_is_given_up_by_default() {
    let (_, mut rig) = five(1);
    rig.opened.storage.set_upkeep(keeping(Retention::default()));
    rig.go_to(1_000_000);
    rig.pass(1_000);
    rig.assert_serves(0, 1..501, "all of it");
    assert_eq!(rig.opened.storage.upkeep_counts().given_up, 0);
}

#[test]
fn what_is_too_old_goes_in_whole_segments() {
    let (sim, mut rig) = five(2);
    // 600 s apart: 250 trades before the newest, id 500.
    let ages = vec![(Kind::Trade, 250 * 600_000)];
    rig.opened.storage.set_upkeep(keeping(Retention { ages, ..Retention::default() }));
    rig.go_to(1_000_000);
    rig.pass(1_000);
    (0..2).for_each(|contract| rig.assert_serves(contract, 201..501, "those with a trade that is young enough"));
    assert_eq!((rig.opened.storage.upkeep_counts().given_up, segment_files(&sim)), (2, 3));
    assert_eq!(rig.holdings[0].ends().map(|ids| ids.first), Some(201));
    let ages = vec![(Kind::Candle, 1)];
    rig.opened.storage.set_upkeep(keeping(Retention { ages, ..Retention::default() }));
    rig.pass(1_000);
    rig.assert_serves(0, 201..501, "no age is set for trades");
}

#[test]
fn a_budget_takes_the_oldest_first_and_a_restart_brings_nothing_back() {
    let (sim, mut rig) = five(3);
    let bytes: Vec<u64> = rig.opened.storage.manifest().segments.iter().map(|entry| entry.bytes).collect();
    let bytes_max = Some(bytes.iter().sum::<u64>() - bytes[0] - 1);
    rig.opened.storage.set_upkeep(keeping(Retention { bytes_max, ..Retention::default() }));
    rig.pass(1_000);
    rig.assert_serves(0, 201..501, "within the budget");
    assert_eq!(segment_files(&sim), 3);
    drop(rig);
    sim.power_cut(5);
    let disk: std::sync::Arc<dyn tapedeck::store::files::Disk> = std::sync::Arc::new(sim);
    let rig = open(&disk, 2, idle());
    assert_eq!(rig.opened.findings, []);
    rig.assert_serves(1, 201..501, "after a power cut");
}

/// Five segments of 100 trades of two contracts and the minutes of each.
fn five_with_minutes(seed: u64) -> (SimulatedDisk, Rig, Vec<Candle>) {
    let (sim, disk) = disk(seed);
    let options = Options { file_bytes: 256 << 10, ..small() };
    let (mut rig, mut minutes) = (Rig::open(&disk, options, 2, start()).expect("opens"), Vec::new());
    rig.opened.storage.set_upkeep(idle());
    for first in (1..501).step_by(100) {
        let own = fold(Timeframe::MINUTE, &(first..first + 100).map(slow_trade).collect::<Vec<_>>());
        assert!(rig.holdings.iter().all(|holding| holding.keep_minutes(&own)));
        rig.seal_ids(first..first + 100);
        minutes.extend(own);
    }
    (sim, rig, minutes)
}

fn minutes_of(rig: &Rig, contract: usize) -> Vec<Candle> {
    rig.holdings[contract].minutes(UnixMillis::new(0), UnixMillis::new(i64::MAX), usize::MAX, false)
}

#[test]
fn each_kind_goes_by_its_own_age_and_the_others_stay_through_a_power_cut() {
    let (sim, mut rig, minutes) = five_with_minutes(4);
    let ages = vec![(Kind::Trade, 250 * 600_000), (Kind::Candle, 350 * 600_000)];
    rig.opened.storage.set_upkeep(keeping(Retention { ages, ..Retention::default() }));
    rig.go_to(1_000_000);
    rig.pass(2_000);
    for contract in 0..2 {
        rig.assert_serves(contract, 201..501, "young enough");
        assert_eq!(minutes_of(&rig, contract), minutes[100..], "one segment was old enough for its minutes, too");
    }
    let counts = rig.opened.storage.upkeep_counts();
    assert_eq!((counts.given_up, counts.merges, segment_files(&sim)), (1, 1, 4), "one was given up, one thinned");
    rig.pass(2_000);
    assert_eq!(rig.opened.storage.upkeep_counts().merges, 1, "once");
    drop(rig);
    sim.power_cut(5);
    let disk: std::sync::Arc<dyn tapedeck::store::files::Disk> = std::sync::Arc::new(sim);
    let rig = open(&disk, 2, idle());
    assert_eq!(rig.opened.findings, []);
    rig.assert_serves(1, 201..501, "after a power cut");
    assert_eq!(minutes_of(&rig, 1), minutes[100..]);
}

#[test]
fn a_kind_that_takes_too_much_loses_its_oldest_and_the_others_nothing() {
    let (_, mut rig, minutes) = five_with_minutes(6);
    let bytes: u64 = rig.opened.storage.manifest().segments.iter().map(|entry| entry.bytes).sum();
    let kind_bytes_max = vec![(Kind::Trade, bytes / 5)];
    rig.opened.storage.set_upkeep(keeping(Retention { kind_bytes_max, ..Retention::default() }));
    rig.pass(5_000);
    let first = rig.holdings[0].ends().map_or(0, |ids| ids.first);
    assert!(first > 1 && first < 501 && first % 100 == 1, "{first}");
    (0..2).for_each(|contract| rig.assert_serves(contract, first..501, "within the budget"));
    assert_eq!(minutes_of(&rig, 0), minutes);
}
