//! What if the medium does not give some of its sectors any more: does that end the process, or stop the rest?

use crate::{
    history::{eager, idle, open},
    rig::{Rig, disk, small, start},
};
use tapedeck::store::{plan::Merges, recovery::Finding, upkeep::Upkeep};

fn checking() -> Upkeep {
    Upkeep { scrub_ms: Some(50), ..idle() }
}

#[test]
fn a_bad_sector_of_a_journal_costs_its_frame_and_stops_neither_a_start_nor_sealing() {
    let (sim, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    for first in (1..201).step_by(10) {
        assert!(rig.keep(0, first..first + 10));
        rig.pass(60);
    }
    let journal = sim.paths().into_iter().find(|path| path.ends_with(".tdj")).expect("one");
    drop(rig);
    sim.kill();
    // The header takes one page; a frame of ten trades takes less than one.
    sim.spoil(&journal, 8_192..8_704).expect("there");
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens again");
    assert!(matches!(rig.opened.findings.as_slice(), [Finding::JournalDamaged(..)]), "{:?}", rig.opened.findings);
    let left = rig.ids(0);
    assert!((100..200).contains(&left.len()) && left.contains(&1) && left.contains(&200), "{left:?}");
    rig.pass(20_000);
    assert!(rig.keep(0, 201..211));
    rig.pass(20_000);
    assert_eq!(rig.ids(0), left.into_iter().chain(201..211).collect::<Vec<_>>());
    assert!(!sim.paths().contains(&journal) && sim.paths().iter().any(|path| path.starts_with("quarantine/")));
    assert_eq!(sim.bad_maps(), 0, "no touch of it would have ended the process");
}

#[test]
fn a_journal_that_goes_bad_under_way_is_sealed_without_what_it_lost_after_a_while() {
    let (sim, disk) = disk(2);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    for first in (1..201).step_by(10) {
        assert!(rig.keep(0, first..first + 10));
        rig.pass(60);
    }
    let journal = sim.paths().into_iter().find(|path| path.ends_with(".tdj")).expect("one");
    sim.spoil(&journal, 8_192..8_704).expect("there");
    rig.pass(15_000);
    let left = rig.ids(0);
    assert!((100..200).contains(&left.len()), "{left:?}");
    assert_eq!(rig.levels(), [1, 0, 0, 0], "it is sealed at last");
    assert!(sim.paths().iter().any(|path| path.starts_with("quarantine/")), "the file itself is kept");
}

#[test]
fn a_bad_sector_of_a_segment_is_found_and_its_neighbours_are_served_and_others_merged() {
    let (sim, mounted) = disk(3);
    let mut rig = open(&mounted, 1, idle());
    for first in (1..401).step_by(40) {
        rig.seal_ids(first..first + 40);
    }
    let segment = rig.opened.storage.manifest().segments[0].path();
    // Where rows are: behind the header and the contract's block.
    let at = sim.contents(&segment).expect("there").len() as u64 / 3;
    sim.spoil(&segment, at..at + 1).expect("there");
    rig.opened.storage.set_upkeep(checking());
    rig.pass(2_000);
    assert!(rig.opened.storage.findings().count() > 0, "the scrub reads what a map would have died of");
    let maps = sim.bad_maps();
    let stored = rig.holdings[0].from_id(0, usize::MAX);
    assert!(stored.trades.len() >= 360 && !stored.damaged.is_empty());
    let mut upkeep = eager();
    upkeep.merges = Merges { month_after_ms: i64::MAX / 2, ..upkeep.merges };
    rig.opened.storage.set_upkeep(upkeep);
    rig.go_to(1_000);
    rig.pass(5_000);
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX), stored, "merging loses nothing more");
    assert!(rig.levels()[1] > 0, "the others were merged: {:?}", rig.levels());
    assert_eq!(sim.bad_maps(), maps, "it is not mapped again");
}
