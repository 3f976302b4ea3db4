//! Is damage to history found though nobody reads it?

use crate::{
    history::{idle, open},
    rig::{Rig, disk, start},
};
use tapedeck::{
    model::IdRange,
    store::{
        files::{Damage, Disk, SimulatedDisk},
        manifest::Manifest,
        record::Kind,
        recovery::Finding,
        segment::{Segment, SegmentIdentity},
        upkeep::Upkeep,
    },
};

const EVERY_MS: i64 = 1_000;

fn four(seed: u64) -> (SimulatedDisk, Rig) {
    let (sim, disk) = disk(seed);
    let mut rig = open(&disk, 2, idle());
    for first in (1..401).step_by(100) {
        rig.seal_ids(first..first + 100);
    }
    rig.opened.storage.set_upkeep(Upkeep { scrub_ms: Some(EVERY_MS), ..idle() });
    (sim, rig)
}

fn path(rig: &Rig, at: usize) -> String {
    rig.opened.storage.manifest().segments[at].path()
}

/// Where the first trades of contract 1 stand in a segment, and where its footer does.
fn places(rig: &Rig, at: usize) -> (u64, u64) {
    let entry = &rig.opened.storage.manifest().segments[at];
    let identity = SegmentIdentity { store: rig.opened.library.store(), number: entry.number };
    let segment = Segment::open(&**rig.opened.library.disk(), identity, &entry.path()).expect("whole");
    let block = segment.blocks(segment.section(1, Kind::Trade).expect("trades"))[0];
    let end = segment.footer().blocks.iter().map(|block| block.offset + u64::from(block.bytes)).max();
    (block.offset, end.expect("blocks"))
}

#[test]
fn one_segment_is_read_at_a_time_and_all_of_them_in_turn() {
    let (_, mut rig) = four(1);
    rig.pass(EVERY_MS / 2);
    assert_eq!(rig.opened.storage.upkeep_counts().checked, 0);
    for round in 1..7 {
        rig.pass(EVERY_MS);
        assert_eq!(rig.opened.storage.upkeep_counts().checked, round);
    }
    assert_eq!((rig.opened.storage.upkeep_counts().findings, rig.opened.storage.findings().count()), (0, 0));
}

#[test]
fn each_kind_of_damage_is_named_within_a_round() {
    let (sim, mut rig) = four(2);
    let (block, _) = places(&rig, 0);
    assert!(sim.damage(&path(&rig, 0), &Damage::FlipBit { at: block + 150, bit: 1 }).expect("there"));
    let (_, footer) = places(&rig, 1);
    assert!(sim.damage(&path(&rig, 1), &Damage::FlipBit { at: footer + 40, bit: 1 }).expect("there"));
    assert!(sim.damage(&path(&rig, 3), &Damage::Delete).expect("there"));
    rig.pass(5 * EVERY_MS);
    let findings: Vec<_> = rig.opened.storage.findings().cloned().collect();
    let keys = IdRange { first: 1, last: 100 };
    let damaged = Finding::BlockDamaged { path: path(&rig, 0), contract: 1, kind: Kind::Trade, keys };
    assert_eq!(findings[..2], [damaged, Finding::FooterRebuilt(path(&rig, 1))]);
    assert!(matches!(&findings[2], Finding::Unreadable(lost, _) if *lost == path(&rig, 3)), "{findings:?}");
    assert_eq!(findings.len(), 3);
    let counts = rig.opened.storage.upkeep_counts();
    assert!(counts.findings >= 3 && counts.checked >= 4, "{counts:?}");
}

#[test]
fn bytes_between_blocks_are_hashed() {
    let (sim, mut rig) = four(3);
    let (_, end) = places(&rig, 2);
    let contents = sim.contents(&path(&rig, 2)).expect("there");
    let padding = (0..usize::try_from(end).expect("small")).rev().find(|at| contents[*at] == 0).expect("padding");
    assert!(sim.damage(&path(&rig, 2), &Damage::FlipBit { at: padding as u64, bit: 0 }).expect("there"));
    rig.pass(5 * EVERY_MS);
    let findings: Vec<_> = rig.opened.storage.findings().cloned().collect();
    assert_eq!(findings, [Finding::HashDiffers(path(&rig, 2))]);
}

#[test]
fn what_the_manifest_remembers_is_compared_with_the_segment() {
    let (sim, rig) = four(4);
    let (store, listed) = (rig.opened.library.store(), path(&rig, 1));
    drop(rig);
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(sim);
    let mut manifest = Manifest::read(&*disk, store).expect("whole");
    manifest.segments[1].footer.runs[0].last += 1;
    manifest.write(&*disk, store, start().wall).expect("written");
    let mut rig = open(&disk, 2, Upkeep { scrub_ms: Some(EVERY_MS), ..idle() });
    rig.pass(5 * EVERY_MS);
    assert_eq!(rig.opened.storage.findings().cloned().collect::<Vec<_>>(), [Finding::IndexDiffers(listed)]);
}
