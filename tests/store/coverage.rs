//! Does coverage say of each id what a naive list of them says?

use crate::rig::{Draws, Rig, START, disk, small, start, trade};
use std::collections::BTreeMap;
use tapedeck::{
    model::{IdRange, UnixMillis},
    store::{
        coverage::{Coverage, HoleState, Reach},
        files::Damage,
        ledger::LEDGER_FILE,
        record::{Kind, Origin},
        repair::Repair,
        verify::{Problem, verify},
    },
};

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

/// Trades are 7 ms apart: this one's and those before it are beyond what live sources reach.
const TOO_OLD: u64 = 150;

fn reach() -> Reach {
    Reach { now: trade(TOO_OLD).time.plus(1_001), back_ms: Some(1_000) }
}

/// What is known of each id, in a letter: held, missing, awaiting the archive, absent.
fn letters(coverage: &Coverage) -> BTreeMap<u64, char> {
    let held = coverage.runs.iter().map(|run| (run.ids, 'h'));
    let lacking = coverage.holes.iter().map(|hole| {
        let letter = match hole.state {
            HoleState::Missing => 'm',
            HoleState::AwaitingArchive => 'w',
            HoleState::ConfirmedAbsent(_) => 'a',
        };
        (hole.ids, letter)
    });
    let (mut letters, mut count) = (BTreeMap::new(), 0);
    for (ids, letter) in held.chain(lacking) {
        count += ids.count();
        letters.extend((ids.first..=ids.last).map(|id| (id, letter)));
    }
    assert_eq!(letters.len() as u64, count, "no id is in two runs");
    letters
}

fn one(seed: u64) {
    let (_, disk) = disk(seed);
    let mut draws = Draws::new(seed);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let (mut naive, mut absent, mut memory) = (BTreeMap::new(), BTreeMap::<u64, u8>::new(), Vec::new());
    for _ in 0..12 {
        let first = 1 + draws.below(250);
        let ids: Vec<u64> = (first..first + 1 + draws.below(20)).filter(|id| !naive.contains_key(id)).collect();
        match draws.below(8) {
            0..=2 => assert!(rig.keep(0, ids.iter().copied())),
            3 => {
                let mut fill = rig.opened.sealer.filler().begin(0, Kind::Trade, Origin::DailyArchive).expect("begun");
                fill.push(&ids.iter().map(|id| trade(*id)).collect::<Vec<_>>()).expect("written");
                fill.adopt(|| {}).expect("adopted");
                rig.pass(20);
            }
            4 => memory.extend(ids.iter().map(|id| IdRange { first: *id, last: *id })),
            _ => {
                let source =
                    [Origin::Stream, Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive][draws.index(4)];
                let run = IdRange { first, last: first + draws.below(60) };
                let noted = rig.opened.library.ledger().note_absent((0, Kind::Trade), run, source, UnixMillis::new(1));
                noted.expect("written");
                (run.first..=run.last).for_each(|id| *absent.entry(id).or_default() |= 1 << source.number());
                continue;
            }
        }
        naive.extend(ids.iter().map(|id| (*id, 'h')));
        rig.pass(if draws.chance(3) { 12_000 } else { 30 });
    }
    let (Some(first), Some(last)) = (naive.keys().next().copied(), naive.keys().next_back().copied()) else { return };
    for id in (first..=last).rev() {
        if naive.contains_key(&id) {
            continue;
        }
        let seen = absent.get(&id).copied().unwrap_or_default();
        let is_absent = seen & 0b11 != 0 && seen & 0b1100 == 0b1100;
        // The trade after the gap says how old it is at most; what is only in memory is young, and its time is not looked up.
        let stored = rig.holdings[0].from_id(id, 1).trades.first().map(|trade| trade.id);
        let state = if stored.is_some_and(|id| id <= TOO_OLD) { 'w' } else { 'm' };
        naive.insert(id, if is_absent { 'a' } else { state });
    }
    memory.sort_unstable();
    let coverage = rig.holdings[0].coverage(ALL, &memory, reach());
    assert_eq!(letters(&coverage), naive, "seed {seed}");
    let open = naive.iter().rfind(|(_, letter)| matches!(letter, 'm' | 'w')).map_or(first, |(id, _)| id + 1);
    assert_eq!(coverage.whole_from_id, Some(open), "seed {seed}");
    let part = IdRange { first: first + 20, last: last.saturating_sub(20).max(first + 20) };
    naive.retain(|id, _| part.contains(*id));
    assert_eq!(letters(&rig.holdings[0].coverage(part, &memory, reach())), naive, "seed {seed}");
}

#[test]
fn every_id_is_held_missing_awaited_or_absent_as_a_naive_list_has_it() {
    (0..300).for_each(one);
}

#[test]
fn a_raw_tape_waits_for_the_archive_at_once() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, [1, 5]));
    rig.pass(100);
    let reach = Reach { now: UnixMillis::new(START), back_ms: None };
    let coverage = rig.holdings[0].coverage(ALL, &[], reach);
    assert_eq!(coverage.holes[0].state, HoleState::AwaitingArchive);
    assert_eq!(coverage.holes[0].times, (Some(trade(1).time), Some(trade(5).time)));
}

#[test]
fn the_check_tells_holes_from_ids_that_were_never_used() {
    let (_, disk) = disk(3);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, (1..=10).chain(21..=30)));
    rig.pass(100);
    let absent = IdRange { first: 5, last: 15 };
    for source in [Origin::Stream, Origin::DailyArchive, Origin::MonthlyArchive] {
        rig.opened.library.ledger().note_absent((0, Kind::Trade), absent, source, UnixMillis::new(1)).expect("written");
    }
    let report = verify(&*disk, |_| {}).expect("a store");
    let month = &report.months[0];
    assert_eq!(
        (&*month.absent, &*month.holes),
        (&[IdRange { first: 11, last: 15 }][..], &[IdRange { first: 16, last: 20 }][..])
    );
}

#[test]
fn a_damaged_ledger_is_seen_set_aside_and_begun_anew() {
    let (sim, disk) = disk(2);
    let rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    rig.opened.library.ledger().note_ban(Some(UnixMillis::new(1))).expect("written");
    drop(rig);
    sim.damage(LEDGER_FILE, &Damage::FlipBit { at: 70, bit: 1 }).expect("there");
    let report = verify(&*disk, |_| {}).expect("a store");
    assert!(report.is_damaged() && report.findings[0].problem == Problem::LedgerLost, "{:?}", report.findings);
    let repaired = std::sync::Arc::new(sim.fork()) as std::sync::Arc<dyn tapedeck::store::files::Disk>;
    let repair = Repair::plan(&repaired, |_| {}).expect("planned");
    repair.apply(tapedeck::clock::Clock::starting_at(UnixMillis::new(START))).expect("done");
    assert!(!verify(&*repaired, |_| {}).expect("a store").is_damaged());
    let rig = Rig::open(&disk, small(), 1, start()).expect("opens all the same");
    assert!(rig.opened.findings.iter().any(|finding| finding.to_string().starts_with(LEDGER_FILE)));
    assert_eq!(rig.opened.library.ledger().banned_until(), None);
    assert!(sim.paths().contains(&format!("quarantine/{LEDGER_FILE}")), "{:?}", sim.paths());
}
