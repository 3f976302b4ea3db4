//! Is history given up as the configuration says, oldest first and in whole segments, and otherwise never?

use crate::{
    history::{idle, open},
    rig::{Rig, disk},
};
use tapedeck::store::{files::SimulatedDisk, record::Kind, retention::Retention, upkeep::Upkeep};

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
    rig.opened.storage.set_upkeep(keeping(Retention { ages, bytes_max: None }));
    rig.go_to(1_000_000);
    rig.pass(1_000);
    (0..2).for_each(|contract| rig.assert_serves(contract, 201..501, "those with a trade that is young enough"));
    assert_eq!((rig.opened.storage.upkeep_counts().given_up, segment_files(&sim)), (2, 3));
    assert_eq!(rig.holdings[0].ends().map(|ids| ids.first), Some(201));
    let ages = vec![(Kind::Candle, 1)];
    rig.opened.storage.set_upkeep(keeping(Retention { ages, bytes_max: None }));
    rig.pass(1_000);
    rig.assert_serves(0, 201..501, "no age is set for trades");
}

#[test]
fn a_budget_takes_the_oldest_first_and_a_restart_brings_nothing_back() {
    let (sim, mut rig) = five(3);
    let bytes: Vec<u64> = rig.opened.storage.manifest().segments.iter().map(|entry| entry.bytes).collect();
    let bytes_max = Some(bytes.iter().sum::<u64>() - bytes[0] - 1);
    rig.opened.storage.set_upkeep(keeping(Retention { ages: Vec::new(), bytes_max }));
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
