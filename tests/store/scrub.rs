//! Is damage to history found though nobody reads it?

use crate::{
    history::{idle, open, slow_trade},
    rig::{Rig, disk, start},
};
use tapedeck::{
    model::IdRange,
    store::{
        FillCounts,
        coverage::{HoleState, Reach},
        derive::Prices,
        files::{Damage, Disk, SimulatedDisk},
        manifest::Manifest,
        record::{Kind, Origin},
        recovery::Finding,
        segment::{Segment, SegmentIdentity},
        sums::Sums,
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
    let lost = |contract: usize| rig.holdings[contract].shelf().lost();
    let deleted = IdRange { first: 301, last: 400 };
    assert_eq!((lost(0), lost(1)), (vec![deleted], vec![keys, deleted]), "an index alone loses nothing");
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

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

/// First and last ids of runs.
type Runs = Vec<(u64, u64)>;

/// What of contract 1 is held, and what is missing.
fn covered(rig: &Rig) -> (Runs, Runs) {
    let reach = Reach { now: rig.now.wall, back_ms: Some(i64::MAX) };
    let coverage = rig.holdings[1].coverage(ALL, &[], reach);
    let holes = coverage.holes.iter().map(|hole| {
        assert!(hole.state == HoleState::Missing && hole.times.0.is_some() && hole.times.1.is_some(), "{hole:?}");
        (hole.ids.first, hole.ids.last)
    });
    (coverage.runs.iter().map(|run| (run.ids.first, run.ids.last)).collect(), holes.collect())
}

fn damage_first_blocks(sim: &SimulatedDisk, rig: &Rig, segments: &[usize]) {
    for at in segments {
        let (block, _) = places(rig, *at);
        assert!(sim.damage(&path(rig, *at), &Damage::FlipBit { at: block + 150, bit: 1 }).expect("there"));
    }
}

#[test]
fn what_is_damaged_counts_as_missing_until_a_fill_heals_it() {
    let (sim, mut rig) = four(5);
    let holes = [(1, 100), (201, 300), (301, 400)];
    damage_first_blocks(&sim, &rig, &[0, 2, 3]);
    assert_eq!(covered(&rig), (vec![(1, 400)], vec![]), "nobody has looked yet");
    rig.pass(5 * EVERY_MS);
    assert_eq!(covered(&rig), (vec![(101, 200)], vec![(1, 100), (201, 400)]));
    assert_eq!(rig.holdings[1].shelf().lost().iter().map(|ids| (ids.first, ids.last)).collect::<Vec<_>>(), holes);
    rig.assert_serves(0, 1..401, "the other contract");
    let counted = rig.opened.library.losses();
    for origin in [Origin::MonthlyArchive, Origin::DailyArchive] {
        let mut fill = rig.opened.sealer.filler().begin(1, Kind::Trade, origin).expect("begun");
        fill.push(&(1..401).map(slow_trade).collect::<Vec<_>>()).expect("written");
        let counts = fill.adopt(|| {}).expect("adopted");
        let new = if origin == Origin::MonthlyArchive { 300 } else { 0 };
        assert_eq!(counts, FillCounts { new, known: 400 - new, conflicts: 0 }, "once is enough");
        rig.pass(100);
    }
    let check = |rig: &Rig| {
        rig.assert_serves(1, 1..401, "healed");
        let trades: Vec<_> = (1..401).map(slow_trade).collect();
        let prices = rig.holdings[1].sums::<Prices>(IdRange { first: 1, last: 400 }, &[]);
        assert_eq!((prices.rows, prices.damaged), (Sums::of::<Prices>(&trades).rows, vec![]));
        assert_eq!(rig.holdings[1].check_neighbours(IdRange { first: 1, last: 400 }), (vec![], vec![]));
        let coverage = covered(rig);
        assert_eq!((coverage.0.first().map(|run| run.0), coverage.1), (Some(1), vec![]));
        assert_eq!(rig.holdings[1].shelf().lost(), []);
    };
    check(&rig);
    rig.pass(7 * EVERY_MS);
    check(&rig);
    assert_eq!(rig.opened.library.losses(), counted, "what is known is no news");
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(sim);
    drop(rig);
    let mut rig = open(&disk, 2, Upkeep { scrub_ms: Some(EVERY_MS), ..idle() });
    check(&rig);
    rig.pass(7 * EVERY_MS);
    check(&rig);
}

#[test]
fn whoever_reads_it_first_finds_it_too() {
    let (sim, rig) = four(6);
    damage_first_blocks(&sim, &rig, &[1]);
    let hole = IdRange { first: 101, last: 200 };
    assert_eq!(rig.holdings[1].from_id(150, 10).damaged.first().map(|ids| ids.last), Some(200));
    assert_eq!(covered(&rig), (vec![(1, 100), (201, 400)], vec![(101, 200)]));
    assert_eq!((rig.holdings[1].shelf().lost(), rig.opened.library.losses()), (vec![hole], 1));
    // Trades that come again by way of the journal heal it as well.
    assert!(rig.holdings[1].keep(Origin::Rest, &(101..201).map(slow_trade).collect::<Vec<_>>()));
    rig.assert_serves(1, 1..401, "in the queue");
    let mut rig = rig;
    rig.pass(11_000);
    rig.assert_serves(1, 1..401, "sealed");
    assert!(covered(&rig).1.is_empty());
}
