//! Is history given up as the configuration says, the oldest first, and otherwise never?

use crate::{
    history::{idle, open, slow_trade},
    rig::{Rig, disk, small, start},
    seam::Seam,
};
use std::sync::{Arc, Mutex};
use tapedeck::{
    candle::fold,
    model::{Candle, IdRange, Symbol, Timeframe, UnixMillis},
    store::{
        coverage::Reach,
        files::{Disk, SimulatedDisk},
        record::{Kind, Origin},
        recovery::Finding,
        retention::{Ages, OwnAges, Retention},
        storage::Options,
        upkeep::Upkeep,
        verify::verify,
    },
};

/// A trade's distance from the next.
const APART_MS: i64 = 600_000;

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
    let disk: Arc<dyn Disk> = Arc::new(sim);
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
    let disk: Arc<dyn Disk> = Arc::new(sim);
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

/// What each contract's own age of trades is, in milliseconds, by the names that the rig gives: none of A0, which has the
/// general one, for ever of A1.
fn own_ages(symbol: &Symbol) -> Option<Ages> {
    match symbol.as_str() {
        "A1" => Some(Vec::new()),
        "A2" => Some(vec![(Kind::Trade, 250 * APART_MS), (Kind::Candle, 150 * APART_MS)]),
        "B9" => Some(vec![(Kind::Trade, 150 * APART_MS), (Kind::Candle, 150 * APART_MS)]),
        _ => None,
    }
}

fn by_contract() -> Upkeep {
    let ages = vec![(Kind::Trade, 350 * APART_MS)];
    keeping(Retention { ages, own: OwnAges::new(own_ages), ..Retention::default() })
}

/// What is left of a contract by then: of segments of 100 ids those whose newest, the last of them, is young enough. Told
/// anew, id by id.
fn left(age: Option<i64>, newest: u64, all: std::ops::Range<u64>) -> Vec<u64> {
    let last_of = |id: u64| id.div_ceil(100) * 100;
    let is_young = |id: &u64| {
        let since = slow_trade(newest).time.since(slow_trade(last_of(*id)).time);
        age.is_none_or(|age| since <= age)
    };
    all.filter(is_young).collect()
}

/// The contracts of the rig, with the ages of their trades and candles.
const THREE: [(Option<i64>, Option<i64>); 3] =
    [(Some(350 * APART_MS), None), (None, None), (Some(250 * APART_MS), Some(150 * APART_MS))];

fn assert_left(rig: &Rig, what: &str) {
    for (contract, (trades, candles)) in THREE.into_iter().enumerate() {
        rig.assert_serves(contract, left(trades, 500, 1..501), what);
        let minutes: Vec<u64> = minutes_of(rig, contract).iter().map(|minute| minute.first_id).collect();
        assert_eq!(minutes, left(candles, 500, 1..501), "{what}: minutes of {contract}");
    }
}

/// As `five_with_minutes`, of three contracts.
fn five_of_three(disk: &Arc<dyn Disk>) -> Rig {
    let options = Options { file_bytes: 256 << 10, ..small() };
    let mut rig = Rig::open(disk, options, 3, start()).expect("opens");
    rig.opened.storage.set_upkeep(idle());
    for first in (1..501).step_by(100) {
        let own = fold(Timeframe::MINUTE, &(first..first + 100).map(slow_trade).collect::<Vec<_>>());
        assert!(rig.holdings.iter().all(|holding| holding.keep_minutes(&own)));
        rig.seal_ids(first..first + 100);
    }
    rig
}

#[test]
fn each_contract_goes_by_its_own_ages_and_what_is_left_is_written_anew_once() {
    let (_, disk) = disk(7);
    let mut rig = five_of_three(&disk);
    rig.opened.storage.set_upkeep(by_contract());
    rig.go_to(1_000_000);
    rig.pass(3_000);
    assert_left(&rig, "by their ages");
    let counts = rig.opened.storage.upkeep_counts();
    // The first segment loses all ages at once, the second and the third what A2 lacks.
    assert_eq!((counts.given_up, counts.merges, counts.skipped), (0, 3, 0));
    rig.pass(5_000);
    assert_eq!(rig.opened.storage.upkeep_counts().merges, 3, "once");
    for holding in &rig.holdings {
        let reach = Reach { now: rig.now.wall, back_ms: Some(i64::MAX) };
        let coverage = holding.coverage(IdRange { first: 0, last: u64::MAX }, &[], reach);
        assert_eq!((coverage.holes, coverage.runs.len()), (vec![], 1), "what was given up is not missing");
    }
    let report = verify(&*disk, |_| ()).expect("it is readable");
    assert!(!report.is_damaged());
    assert_eq!(report.holes().map(|(_, ids)| ids).collect::<Vec<_>>(), [], "only what lies between is missing");
}

#[test]
fn a_contract_that_comes_later_and_ages_that_change_are_heeded() {
    let (_, disk) = disk(8);
    let mut rig = five_of_three(&disk);
    rig.opened.storage.set_upkeep(by_contract());
    rig.add(&["B9"]).expect("registered");
    rig.seal(&[(3, Origin::Stream, (501..601).map(slow_trade).collect())]);
    rig.seal(&[(3, Origin::Stream, (601..801).map(slow_trade).collect())]);
    rig.go_to(1_000_000);
    rig.pass(3_000);
    rig.assert_serves(3, 601..801, "of its own age");
    rig.assert_serves(1, 1..501, "for ever");
    let own = OwnAges::new(|symbol| (symbol.as_str() == "A1").then(|| vec![(Kind::Trade, 450 * APART_MS)]));
    assert!(rig.opened.desk.retain(Retention { own, ..Retention::default() }));
    rig.pass(3_000);
    rig.assert_serves(1, 301..501, "and no more");
    rig.assert_serves(3, 601..801, "for ever from now on");
    rig.pass(3_000);
    rig.assert_serves(0, left(Some(350 * APART_MS), 800, 1..501), "what is gone is gone");
}

#[test]
fn what_is_given_up_of_some_contracts_is_all_there_or_all_gone_wherever_the_power_goes() {
    let sim = SimulatedDisk::new(9);
    drop(five_of_three(&(Arc::new(sim.clone()) as Arc<dyn Disk>)));
    let seam = Seam::new(&sim, None);
    let mut rig = Rig::open(&seam.arc(), small(), 3, start()).expect("opens");
    rig.opened.storage.set_upkeep(by_contract());
    rig.go_to(1_000_000);
    let (watched, forks) = (sim, Arc::new(Mutex::new(Vec::new())));
    let taken = Arc::clone(&forks);
    seam.watch(Some(Box::new(move || taken.lock().expect("whole").push(watched.fork()))));
    rig.pass(3_000);
    seam.watch(None);
    assert_left(&rig, "without a cut");
    let forks = std::mem::take(&mut *forks.lock().expect("whole"));
    assert!(forks.len() > 50, "{}", forks.len());
    for (at, fork) in forks.into_iter().enumerate() {
        fork.power_cut(at as u64);
        let disk: Arc<dyn Disk> = Arc::new(fork);
        let mut rig = open(&disk, 3, idle());
        assert!(!rig.opened.findings.iter().any(Finding::is_damage), "cut at {at}");
        for (contract, (trades, _)) in THREE.into_iter().enumerate() {
            let (ids, left) = (rig.holdings[contract].from_id(0, usize::MAX).trades, left(trades, 500, 1..501));
            let first = ids.first().expect("some are left").id;
            assert!(first <= left[0] && first % 100 == 1, "cut at {at}: {first}");
            rig.assert_serves(contract, first..501, "whole segments");
        }
        rig.opened.storage.set_upkeep(by_contract());
        rig.go_to(1_000_000);
        rig.pass(1_000);
        assert_left(&rig, "after a cut");
    }
}
