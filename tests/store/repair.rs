//! Is a damaged store put right with what is whole in it, whenever the repair is stopped, and is nothing deleted?

use crate::rig::{Rig, disk, identity, small, start};
use std::sync::Arc;
use tapedeck::{
    clock::Clock,
    model::UnixMillis,
    store::{
        files::{Damage, Disk, Fault, Lasting, SimulatedDisk},
        manifest::{MANIFEST_FILE, Manifest, SegmentEntry},
        repair::{Action, Repair, RepairError},
        verify::{Report, verify},
    },
};

/// A store that nobody writes to, with several segments and a journal of several frames.
fn filled(seed: u64) -> SimulatedDisk {
    let (sim, disk) = disk(seed);
    let mut rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    for first in (1..2_000).step_by(100) {
        assert!(rig.keep(0, first..first + 100) && rig.keep(1, first..first + 3));
        rig.pass(100);
    }
    drop(rig);
    sim.fork()
}

fn plan(disk: &SimulatedDisk) -> Repair {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Repair::plan(&disk, |_| {}).expect("nobody writes")
}

fn clock() -> Clock {
    Clock::starting_at(UnixMillis::new(crate::rig::START))
}

fn check(disk: &SimulatedDisk) -> Report {
    verify(disk, |_| {}).expect("a store")
}

fn rows(report: &Report) -> u64 {
    report.months.iter().map(|month| month.rows).sum()
}

fn entries(disk: &SimulatedDisk) -> Vec<SegmentEntry> {
    Manifest::read(disk, identity().store).expect("whole").segments
}

fn len(disk: &SimulatedDisk, path: &str) -> u64 {
    disk.contents(path).expect("there").len() as u64
}

/// The last journal file that holds synced frames.
fn journal(disk: &SimulatedDisk) -> String {
    let holds = |path: &String| {
        path.ends_with(".tdj") && disk.contents(path).is_ok_and(|bytes| bytes[4_096..].starts_with(b"TDFM"))
    };
    disk.paths().into_iter().rfind(holds).expect("a journal")
}

/// Damages of every class to the store, with the rows that may be lost by each.
fn damages(sim: &SimulatedDisk) -> Vec<(String, Damage, u64)> {
    let entry = &entries(sim)[1];
    let (segment, rows) = (entry.path(), entry.footer.sections.iter().map(|section| section.rows).sum());
    let (bytes, journal) = (len(sim, &segment), journal(sim));
    vec![
        (MANIFEST_FILE.to_owned(), Damage::Delete, 0),
        (MANIFEST_FILE.to_owned(), Damage::FlipBit { at: 70, bit: 0 }, 0),
        (segment.clone(), Damage::FlipBit { at: bytes - 3, bit: 0 }, 0),
        (segment.clone(), Damage::FlipBit { at: bytes - 100, bit: 0 }, 0),
        (segment.clone(), Damage::FlipBit { at: 20, bit: 0 }, 0),
        (segment.clone(), Damage::Truncate { len: bytes - 70 }, 0),
        (segment.clone(), Damage::ZeroPage { at: 0 }, rows),
        (segment.clone(), Damage::Truncate { len: bytes / 2 }, rows),
        (segment.clone(), Damage::Delete, rows),
        (segment.clone(), Damage::Empty, rows),
        (segment, Damage::SwapWith(entries(sim)[2].path()), 2 * rows),
        (journal.clone(), Damage::FlipBit { at: 20, bit: 0 }, 0),
        (journal.clone(), Damage::FlipBit { at: 4_096 + 200, bit: 0 }, 0),
        (journal, Damage::SwapWith("MANIFEST".to_owned()), 10_000),
    ]
}

#[test]
fn a_store_that_is_whole_needs_nothing_and_is_not_touched() {
    let sim = filled(1);
    let before: Vec<_> = sim.paths();
    assert_eq!(plan(&sim).actions(), []);
    plan(&sim).apply(clock()).expect("nothing to do");
    assert_eq!(sim.paths(), before);
}

#[test]
fn every_class_of_damage_is_put_right_once() {
    let whole = filled(2);
    let all = rows(&check(&whole));
    for (path, damage, lost) in damages(&whole) {
        let sim = whole.fork();
        sim.damage(&path, &damage).expect("there");
        let hurt = sim.contents(&path).ok();
        let report = check(&sim);
        assert!(report.is_damaged(), "{path} {damage:?}");
        let done = plan(&sim).apply(clock()).expect("a good disk");
        let after = check(&sim);
        assert!(after.findings.is_empty(), "{path} {damage:?}: {:?}", after.findings);
        assert_eq!(plan(&sim).actions(), [], "{path} {damage:?}");
        assert!(rows(&after) + lost >= all, "{path} {damage:?}: {} of {all}", rows(&after));
        assert!(rows(&after) >= rows(&report), "{path} {damage:?}: what could be read still can");
        let kept = sim.paths().iter().any(|path| sim.contents(path).ok() == hurt);
        assert!(hurt.is_none() || kept, "{path} {damage:?}: the damaged file is gone: {done:?}");
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let rig = Rig::open(&disk, small(), 2, start()).expect("opens");
        assert_eq!(rig.opened.findings, [], "{path} {damage:?}");
    }
}

#[test]
fn a_repair_that_is_stopped_anywhere_goes_on_the_next_time() {
    let whole = filled(3);
    for (path, damage, _) in damages(&whole) {
        let expected = {
            let sim = whole.fork();
            sim.damage(&path, &damage).expect("there");
            plan(&sim).apply(clock()).expect("a good disk");
            rows(&check(&sim))
        };
        for stop in 1.. {
            let sim = whole.fork();
            sim.damage(&path, &damage).expect("there");
            let planned = plan(&sim);
            sim.fail(stop, Fault::Io, Lasting::ForEver);
            let done = planned.apply(clock());
            sim.heal();
            sim.power_cut(stop);
            if done.is_ok() {
                assert!(stop > 5, "it was stopped in the middle");
                break;
            }
            plan(&sim).apply(clock()).expect("a good disk");
            let after = check(&sim);
            assert!(!after.is_damaged(), "{path} {damage:?} at {stop}: {:?}", after.findings);
            assert_eq!(rows(&after), expected, "{path} {damage:?} at {stop}");
            assert_eq!(plan(&sim).actions(), [], "{path} {damage:?} at {stop}");
        }
    }
}

#[test]
fn a_lost_footer_is_made_anew_with_the_origins_that_the_manifest_knows() {
    let sim = filled(4);
    let before = entries(&sim).remove(0);
    sim.damage(&before.path(), &Damage::FlipBit { at: before.bytes - 3, bit: 0 }).expect("there");
    let planned = plan(&sim);
    assert!(matches!(planned.actions(), [Action::Rewrite { number: 0 | 1, .. }]), "{:?}", planned.actions());
    let done = planned.apply(clock()).expect("a good disk");
    assert_eq!((done.made.len(), done.aside.len()), (1, 1));
    let after = entries(&sim).pop().expect("listed");
    assert_eq!(after.footer.runs, before.footer.runs);
    assert!(after.number > before.number && after.level == before.level);
}

#[test]
fn beside_a_writer_nothing_is_repaired() {
    let (_, disk) = disk(5);
    let _rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let refused = Repair::plan(&disk, |_| {}).expect_err("locked");
    assert!(matches!(refused, RepairError::Locked) && refused.to_string().contains("stop it first"));
}
