//! Does the check see every changed byte, name what is lost, and leave a running writer alone?

use crate::rig::{Rig, disk, identity, small, start, trade};
use std::sync::Arc;
use tapedeck::{
    model::{IdRange, Trade, UnixMillis},
    store::{
        files::{Damage, Disk, SimulatedDisk},
        manifest::{MANIFEST_FILE, Manifest},
        record::Origin,
        verify::{Problem, Report, VerifyError, verify},
    },
};

const HOLE: IdRange = IdRange { first: 501, last: 600 };

/// Two contracts, several segments, a hole and a journal that is not sealed.
fn filled(seed: u64) -> (SimulatedDisk, Arc<dyn Disk>, Rig) {
    let (sim, disk) = disk(seed);
    let mut rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    for first in (1..2_000).step_by(100).filter(|first| !HOLE.contains(*first)) {
        assert!(rig.keep(0, first..first + 100) && rig.keep(1, first..first + 3));
        rig.pass(100);
    }
    (sim, disk, rig)
}

fn check(disk: &dyn Disk) -> Report {
    verify(disk, |_| {}).expect("a store")
}

fn problems(report: &Report) -> Vec<Problem> {
    report.findings.iter().map(|finding| finding.problem.clone()).collect()
}

fn segments(sim: &SimulatedDisk) -> Vec<String> {
    sim.paths().into_iter().filter(|path| path.ends_with(".tds")).collect()
}

#[test]
fn beside_a_running_writer_everything_is_counted() {
    let (sim, disk, rig) = filled(1);
    let before = sim.paths();
    let report = check(&*disk);
    assert_eq!((problems(&report), report.conflicts.len()), (Vec::new(), 0));
    let [first, second] = &report.months[..] else { panic!("{:?}", report.months) };
    assert_eq!((first.rows, first.stored, first.keys), (1_900, 1_900, IdRange { first: 1, last: 2_000 }));
    assert_eq!((first.holes.as_slice(), first.damaged.len()), (&[HOLE][..], 0));
    assert_eq!(first.symbol.as_ref().expect("named").as_str(), "A0");
    assert_eq!(second.rows, 19 * 3);
    assert_eq!(second.holes.len(), 18, "{:?}", second.holes);
    assert_eq!(report.segments.count, rig.opened.storage.counts().segments);
    assert!(report.journals.count > 0 && first.bytes > 1_900 && sim.paths() == before);
}

#[test]
fn an_empty_directory_and_a_newer_store_are_no_store() {
    let (_, disk) = disk(2);
    let error = verify(&*disk, |_| {}).expect_err("nothing there");
    assert!(error.to_string().contains("STORE is missing"), "{error}");
    identity().write(&*disk).expect("written");
    assert_eq!(problems(&check(&*disk)), []);
    let (sim, disk, _rig) = filled(3);
    sim.replace_file("STORE", b"not one");
    assert!(matches!(verify(&*disk, |_| {}), Err(VerifyError::Identity(_))));
}

#[test]
fn every_changed_byte_of_a_segment_is_seen() {
    let (sim, _, rig) = filled(4);
    let path = segments(&sim).pop().expect("sealed");
    let len = sim.contents(&path).expect("there").len() as u64;
    drop(rig);
    for at in (0..len).step_by(61).chain(len - 64..len) {
        let fork = sim.fork();
        assert!(fork.damage(&path, &Damage::FlipByte { at, mask: 1 << (at % 8) }).expect("there"));
        let report = check(&fork);
        assert!(report.is_damaged(), "byte {at} of {len}");
        assert!(report.findings.iter().all(|finding| finding.path == path), "byte {at}: {:?}", report.findings);
    }
}

#[test]
fn every_changed_byte_of_the_manifest_is_seen() {
    let (sim, ..) = filled(5);
    for at in 0..sim.contents(MANIFEST_FILE).expect("there").len() as u64 {
        let fork = sim.fork();
        fork.damage(MANIFEST_FILE, &Damage::FlipBit { at, bit: 3 }).expect("there");
        assert_eq!(problems(&check(&fork)), [Problem::ManifestLost], "byte {at}");
    }
}

#[test]
fn a_changed_byte_of_a_synced_frame_is_seen() {
    let (sim, ..) = filled(6);
    let path = sim.paths().into_iter().rfind(|path| holds_frames(&sim, path)).expect("a journal");
    let bytes = sim.contents(&path).expect("there");
    // Behind the header page stand the contracts' frame, then at least one that calls it synced.
    let second =
        (4_096 + 64..bytes.len()).step_by(64).find(|at| bytes[*at..].starts_with(b"TDFM")).expect("two frames");
    for at in (0..96).chain(4_096..4_096 + 128) {
        let fork = sim.fork();
        fork.damage(&path, &Damage::FlipBit { at, bit: 0 }).expect("there");
        assert!(check(&fork).is_damaged(), "byte {at} of the frames up to {second}");
    }
}

fn holds_frames(sim: &SimulatedDisk, path: &str) -> bool {
    path.ends_with(".tdj") && sim.contents(path).is_ok_and(|bytes| bytes[4_096..].starts_with(b"TDFM"))
}

#[test]
fn a_damaged_block_and_a_missing_file_name_their_ids() {
    let (sim, ..) = filled(7);
    let manifest = Manifest::read(&sim, identity().store).expect("whole");
    let part = |at: usize| {
        let mut parts = manifest.segments[at].parts();
        parts.find(|(contract, kind, _)| *contract == 0 && kind.schema().dense).expect("rows").2.section
    };
    let (gone, hurt) = (part(0), part(1));
    sim.damage(&manifest.segments[0].path(), &Damage::Delete).expect("there");
    // The first block names the contracts; the second is the first contract's trades.
    let bytes = sim.contents(&manifest.segments[1].path()).expect("there");
    let blocks: Vec<_> = (128..bytes.len()).step_by(64).filter(|at| bytes[*at..].starts_with(b"TDBK")).collect();
    sim.damage(&manifest.segments[1].path(), &Damage::FlipBit { at: blocks[1] as u64 + 130, bit: 1 }).expect("there");
    let report = check(&sim);
    let damaged = &report.months[0].damaged;
    assert_eq!((damaged[0].first, damaged.last().expect("some").last), (gone.first_key, hurt.last_key));
    assert_eq!(damaged.iter().map(IdRange::count).sum::<u64>(), gone.rows + hurt.rows);
    assert_eq!((report.months[0].rows, &report.months[0].holes[..]), (1_900 - gone.rows - hurt.rows, &[HOLE][..]));
    assert!(
        matches!(problems(&report)[..], [Problem::Missing, Problem::BlockDamaged { contract: 0, .. }]),
        "{report:?}"
    );
    assert!(report.findings[1].to_string().contains(&format!("trades {} to {}", hurt.first_key, hurt.last_key)));
}

#[test]
fn another_version_of_a_trade_is_listed_as_a_conflict() {
    let (_, disk) = disk(8);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, 1..50));
    let other = Trade { last_id: 99, ..trade(20) };
    assert!(rig.holdings[0].keep(Origin::Rest, [&other]));
    rig.pass(30_000);
    let report = check(&*disk);
    assert_eq!((report.conflicts[0].keys, report.is_damaged()), (IdRange { first: 20, last: 20 }, false));
    assert_eq!((report.months[0].rows, report.months[0].holes.len()), (49, 0));
}

#[test]
fn a_segment_that_the_writer_takes_away_meanwhile_is_not_missed() {
    let (sim, disk, rig) = filled(9);
    drop(rig);
    let mut taken = false;
    let report = verify(&*disk, |progress| {
        if !std::mem::replace(&mut taken, true) {
            let mut manifest = Manifest::read(&*disk, identity().store).expect("whole");
            manifest.segments.retain(|entry| entry.path() != progress.path);
            manifest.write(&*disk, identity().store, UnixMillis::new(0)).expect("written");
            sim.damage(progress.path, &Damage::Delete).expect("there");
        }
    });
    assert_eq!(problems(&report.expect("a store")), []);
}

#[test]
fn whatever_happens_to_a_file_the_check_ends_and_changes_nothing() {
    let (sim, ..) = filled(10);
    for seed in 0..300 {
        let fork = sim.fork();
        let paths = fork.paths();
        let path = &paths[usize::try_from(seed).expect("small") % paths.len()];
        fork.damage_by(path, seed).expect("there");
        let before: Vec<_> = fork.paths().into_iter().map(|path| fork.contents(&path).expect("there")).collect();
        // A store's own file may be what was damaged: then there is none.
        drop(verify(&fork, |_| {}));
        let after: Vec<_> = fork.paths().into_iter().map(|path| fork.contents(&path).expect("there")).collect();
        assert!(before == after, "seed {seed}");
    }
}

#[test]
fn while_a_writer_writes_seals_and_lists_nothing_seems_damaged() {
    let (_, disk, mut rig) = filled(11);
    let writing = std::thread::spawn(move || {
        for first in (2_001..12_000).step_by(50) {
            assert!(rig.keep(0, first..first + 50));
            rig.pass(60);
        }
    });
    let mut checks = 0;
    while !writing.is_finished() {
        let report = check(&*disk);
        assert!(!report.is_damaged(), "check {checks}: {:?}", report.findings);
        assert_eq!(report.months[0].holes, [HOLE], "check {checks}");
        checks += 1;
    }
    writing.join().expect("written");
    assert_eq!(check(&*disk).months[0].keys.last, 12_000);
    assert!(checks > 0);
}
