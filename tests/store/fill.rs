//! Do back-filled rows come into the store whole, once, and without a moment in which readers see a part of them?

use crate::{
    history::{eager, idle, open, slow_trade},
    rig::{Draws, Rig, disk, small, start, trade},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tapedeck::{
    model::{IdRange, Trade},
    store::{
        Fill, FillCounts, FillError,
        derive::Prices,
        files::{Fault, Lasting},
        manifest::Manifest,
        record::{Kind, Origin},
        sums::Sums,
        verify::verify,
    },
};

fn begin(rig: &Rig) -> Fill {
    rig.opened.sealer.filler().begin(0, Kind::Trade, Origin::MonthlyArchive).expect("begun")
}

/// Adopts a fill and lets the storage thread list it.
fn adopt(rig: &mut Rig, fill: Fill) -> FillCounts {
    let listed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&listed);
    let counts = fill.adopt(move || told.store(true, Ordering::Relaxed)).expect("adopted");
    rig.pass(100);
    assert!(listed.load(Ordering::Relaxed), "listed");
    counts
}

fn trades(ids: impl IntoIterator<Item = u64>) -> Vec<Trade> {
    ids.into_iter().map(trade).collect()
}

#[test]
fn a_hole_is_filled_in_one_step() {
    let (sim, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, (1..=100).chain(2_001..=2_100)));
    rig.pass(20_000);
    let mut fill = begin(&rig);
    // Rows around the hole are in the file, too.
    for ids in [51..=1_000_u64, 1_001..=2_050] {
        fill.push(&trades(ids)).expect("written");
    }
    assert_eq!(rig.ids(0).len(), 200, "nothing is seen before it is listed");
    let counts = adopt(&mut rig, fill);
    assert_eq!(counts, FillCounts { new: 1_900, known: 100, conflicts: 0 });
    assert_eq!(rig.ids(0), (1..=2_100).collect::<Vec<_>>());
    let runs = rig.holdings[0].shelf().runs();
    let expected = [(1, 100, Origin::Stream), (101, 2_000, Origin::MonthlyArchive), (2_001, 2_100, Origin::Stream)];
    assert_eq!(runs, expected.map(|(first, last, origin)| (IdRange { first, last }, origin)));
    let prices = rig.holdings[0].sums::<Prices>(IdRange { first: 1, last: 2_100 }, &[]);
    assert_eq!(prices.rows, Sums::of::<Prices>(&trades(1..=2_100)).rows);
    drop(rig);
    let report = verify(&*disk, |_| {}).expect("a store");
    assert!(!report.is_damaged() && report.months[0].holes.is_empty(), "{report:?}");
    let rig = Rig::open(&disk, small(), 1, start()).expect("opens again");
    assert_eq!(rig.ids(0).len(), 2_100);
    assert!(sim.paths().iter().all(|path| !path.ends_with(".new")));
}

#[test]
fn what_is_held_stays_and_what_differs_is_listed_apart() {
    let (_, disk) = disk(2);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    // Sealed, in the journal, and still in the queue.
    assert!(rig.keep(0, 1..=50));
    rig.pass(20_000);
    assert!(rig.keep(0, 51..=60));
    rig.pass(100);
    assert!(rig.keep(0, 61..=70));
    let other = |id: u64| Trade { last_id: id * 2 + 9, ..trade(id) };
    let mut fill = begin(&rig);
    let brought: Vec<_> = (1..=80).map(|id| if matches!(id, 7 | 55 | 66) { other(id) } else { trade(id) }).collect();
    fill.push(&brought).expect("written");
    assert_eq!(adopt(&mut rig, fill), FillCounts { new: 10, known: 67, conflicts: 3 });
    assert_eq!(rig.holdings[0].from_id(1, 100).trades, trades(1..=80));
    let report = verify(&*disk, |_| {}).expect("a store");
    let conflicts: Vec<_> = report.conflicts.iter().map(|conflict| conflict.keys.first).collect();
    assert_eq!(conflicts, [7, 55, 66]);
    assert_eq!(rig.holdings[0].conflicts(IdRange { first: 8, last: 99 }, 10), [55, 66]);
    // Brought again, nothing of it is new.
    let mut fill = begin(&rig);
    fill.push(&trades(1..=80)).expect("written");
    let before = rig.opened.storage.counts().segments;
    assert_eq!(adopt(&mut rig, fill), FillCounts { new: 0, known: 80, conflicts: 0 });
    assert_eq!(rig.opened.storage.counts().segments, before);
}

#[test]
fn a_fill_that_is_given_up_leaves_nothing_behind() {
    let (sim, disk) = disk(3);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    rig.pass(100);
    let before = sim.paths();
    let mut fill = begin(&rig);
    fill.push(&trades(1..=70_000)).expect("written");
    drop(fill);
    let mut fill = begin(&rig);
    fill.push(&trades([5, 6])).expect("written");
    let refused = fill.push(&trades([6]));
    assert!(matches!(refused, Err(FillError::Order { key: 6, after: 6 })), "{refused:?}");
    drop(fill);
    assert_eq!((sim.paths(), rig.ids(0)), (before, vec![]));
    let fill = begin(&rig);
    drop(rig.opened.storage);
    let mut fill = fill;
    fill.push(&trades([1])).expect("written");
    assert!(matches!(fill.adopt(|| {}), Err(FillError::Closed)));
}

#[test]
fn fills_of_a_month_become_one_with_what_was_recorded() {
    let (_, disk) = disk(4);
    let mut rig = open(&disk, 1, idle());
    rig.seal_ids(1..200);
    rig.seal_ids(900..1_000);
    for ids in [150..500_u64, 400..950] {
        let mut fill = begin(&rig);
        fill.push(&ids.map(slow_trade).collect::<Vec<_>>()).expect("written");
        adopt(&mut rig, fill);
    }
    let all: Vec<_> = (1..1_000).map(slow_trade).collect();
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX).trades, all);
    rig.opened.storage.set_upkeep(eager());
    rig.go_to(9_000);
    rig.pass(5_000);
    let manifest = Manifest::read(&*disk, crate::rig::identity().store).expect("whole");
    assert_eq!(manifest.segments.len(), 1, "{:?}", manifest.segments);
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX).trades, all);
}

/// A hole is filled while the disk fails at some call, then the power goes.
fn fill_under_faults(seed: u64) {
    let (sim, disk) = disk(seed);
    let mut draws = Draws::new(seed);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, (1..=40).chain(301..=340)));
    rig.pass(if draws.chance(4) { 20_000 } else { 300 });
    let (held, whole) = (rig.ids(0), (1..=340).collect::<Vec<_>>());
    let fault = [Fault::Io, Fault::Full, Fault::Short][draws.index(3)];
    sim.fail(sim.calls() + draws.below(24), fault, [Lasting::Times(1), Lasting::ForEver][draws.index(2)]);
    let listed = Arc::new(AtomicBool::new(false));
    let attempt = |rig: &Rig| -> Result<FillCounts, FillError> {
        let mut fill = rig.opened.sealer.filler().begin(0, Kind::Trade, Origin::Rest)?;
        fill.push(&trades(21..=320))?;
        let told = Arc::clone(&listed);
        fill.adopt(move || told.store(true, Ordering::Relaxed))
    };
    let adopted = attempt(&rig);
    (0..draws.below(6)).for_each(|_| rig.pass(10));
    let (seen, was_listed) = (rig.ids(0), listed.load(Ordering::Relaxed));
    assert!(&seen == if was_listed { &whole } else { &held }, "seed {seed}: {} ids", seen.len());
    assert!(adopted.is_ok() || !was_listed, "seed {seed}");
    drop(rig);
    sim.heal();
    if draws.chance(4) {
        sim.power_cut(seed)
    } else {
        sim.kill()
    }
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens after the crash");
    let seen = rig.ids(0);
    assert!(seen == whole || (seen == held && !was_listed), "seed {seed}: {} ids", seen.len());
    let mut fill = begin(&rig);
    fill.push(&trades(1..=400)).expect("written");
    adopt(&mut rig, fill);
    assert_eq!(rig.ids(0), (1..=400).collect::<Vec<_>>(), "seed {seed}: again");
    let report = verify(&*disk, |_| {}).expect("a store");
    assert!(report.findings.iter().all(|finding| !finding.is_damage()), "seed {seed}: {:?}", report.findings);
}

#[test]
fn whatever_fails_and_whenever_it_crashes_a_fill_is_there_whole_or_not_at_all() {
    (0..2_000).for_each(fill_under_faults);
}
