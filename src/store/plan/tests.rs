//! Are the right segments merged, and do files stay few?

use super::*;
use crate::store::segment::{Footer, RunIndex};
use std::collections::HashMap;

const NEW_YEAR: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

/// A contract and its ids.
type Ids = (u32, (u64, u64));

/// Trades of a contract: ids, of which one has passed every millisecond since the new year.
fn section(footer: &mut Footer, contract: u32, (first_key, last_key): (u64, u64)) {
    let time = |key: u64| NEW_YEAR + i64::try_from(key).expect("small");
    footer.runs.push(RunIndex { first: first_key, last: last_key, origin: 0 });
    footer.sections.push(SectionIndex {
        contract,
        kind: Kind::Trade.number(),
        role: 0,
        rows: last_key - first_key + 1,
        first_key,
        last_key,
        first_time: time(first_key),
        last_time: time(last_key),
        first_block: 0,
        blocks: 1,
        first_run: u32::try_from(footer.runs.len() - 1).expect("few"),
        runs: 1,
    });
}

fn entry(number: u64, level: Level, sections: &[Ids]) -> SegmentEntry {
    let mut footer = Footer::default();
    sections.iter().for_each(|(contract, keys)| section(&mut footer, *contract, *keys));
    SegmentEntry { number, level, bytes: 1, footer }
}

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(NEW_YEAR + millis)
}

fn due(entries: &[SegmentEntry], now: UnixMillis) -> Vec<Plan> {
    plans(entries, now, &Merges::default(), &HashSet::new())
}

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn days(count: u64) -> i64 {
    i64::try_from(count * DAY).expect("small")
}

#[test]
fn the_hours_of_a_finished_day_become_one_day() {
    let hour = |hour: u64| entry(hour, Level::Hour, &[(1, (hour * HOUR, (hour + 1) * HOUR - 1))]);
    let entries: Vec<_> = (0..30).map(hour).collect();
    assert_eq!(due(&entries, at(days(1))), [], "its last hour may not be sealed");
    let expected = Plan { level: Level::Day, contract: None, without: BTreeSet::new(), inputs: (0..24).collect() };
    assert_eq!(due(&entries, at(days(1) + 2 * UnixMillis::HOUR)), [expected]);
    let damaged = HashSet::from([Damaged { segment: 3, contract: Some(1) }]);
    let rest = plans(&entries, at(days(1) + 2 * UnixMillis::HOUR), &Merges::default(), &damaged);
    assert_eq!(rest[0].inputs, (0..24).filter(|hour| *hour != 3).collect::<Vec<_>>());
}

#[test]
fn a_finished_month_becomes_one_segment_of_each_contract() {
    let day = |day: u64| {
        let keys = (day * DAY, (day + 1) * DAY - 1);
        entry(day, Level::Day, &[(1, keys), (7, keys)])
    };
    let mut entries: Vec<_> = (0..40).map(day).collect();
    assert_eq!(due(&entries, at(days(32))), []);
    let month = |contract| Plan {
        level: Level::Month,
        contract: Some(contract),
        without: BTreeSet::new(),
        inputs: (0..31).collect(),
    };
    assert_eq!(due(&entries, at(days(33))), [month(1), month(7)]);
    let damaged = HashSet::from([Damaged { segment: 4, contract: Some(7) }]);
    let rest = plans(&entries, at(days(33)), &Merges::default(), &damaged);
    assert_eq!((rest[0].inputs.len(), rest[1].inputs.len()), (31, 30));
    entries.truncate(1);
    entries[0].level = Level::Month;
    assert_eq!(due(&entries, at(days(33))), [], "nothing is merged twice");
}

#[test]
fn what_overlaps_a_finished_month_is_merged_with_it() {
    let month = |number, first, last| entry(number, Level::Month, &[(1, (first * DAY, last * DAY - 1))]);
    let entries = [month(1, 0, 31), month(2, 31, 59), entry(3, Level::Fill, &[(1, (5 * DAY, 6 * DAY))])];
    let expected = Plan { level: Level::Month, contract: Some(1), without: BTreeSet::new(), inputs: vec![1, 3] };
    assert_eq!(due(&entries, at(days(70))), [expected]);
    assert_eq!(due(&entries[..2], at(days(70))), []);
    // Late rows in a segment of the next month reach back.
    let late = [month(1, 0, 31), entry(2, Level::Day, &[(1, (30 * DAY, 32 * DAY))]), month(3, 40, 59)];
    assert_eq!(due(&late, at(days(70)))[0].inputs, [1, 2, 3]);
}

#[test]
fn fills_are_merged_when_they_are_many_or_hold_what_is_held() {
    let fill = |number, first, last| entry(number, Level::Fill, &[(1, (first, last))]);
    let apart = [fill(1, 0, 9), fill(2, 20, 29), fill(3, 40, 49)];
    assert_eq!(due(&apart, at(days(1))), []);
    let many = [fill(1, 0, 9), fill(2, 20, 29), fill(3, 40, 49), fill(4, 60, 69)];
    assert_eq!(
        due(&many, at(days(1))),
        [Plan { level: Level::Fill, contract: Some(1), without: BTreeSet::new(), inputs: vec![1, 2, 3, 4] }]
    );
    let day = entry(5, Level::Day, &[(1, (5, 30)), (2, (5, 30))]);
    let twice = [fill(1, 0, 9), fill(3, 40, 49), day];
    assert_eq!(due(&twice, at(0)), [], "the day is not over");
    assert_eq!(
        due(&twice, at(days(2))),
        [Plan { level: Level::Fill, contract: Some(1), without: BTreeSet::new(), inputs: vec![1, 5] }]
    );
}

/// Does a plan to entries as the sealer and the manifest do.
fn carry_out(plan: &Plan, entries: &mut Vec<SegmentEntry>, next: &mut u64) {
    let mut spans: HashMap<(u32, i64), (u64, u64)> = HashMap::new();
    let mut manifest = crate::store::manifest::Manifest { segments: std::mem::take(entries), ..Default::default() };
    for number in &plan.inputs {
        let input = manifest.segments.iter().find(|entry| entry.number == *number).expect("an input");
        for section in input.record_sections().filter(|s| plan.contract.is_none_or(|own| own == s.contract)) {
            let month = if plan.level == Level::Month { month_of(UnixMillis::new(section.last_time)) } else { 0 };
            let span = spans.entry((section.contract, month)).or_insert((section.first_key, section.last_key));
            *span = (span.0.min(section.first_key), span.1.max(section.last_key));
        }
        manifest.take(*number, plan.contract);
    }
    let mut outputs: BTreeMap<i64, Vec<Ids>> = BTreeMap::new();
    spans.into_iter().for_each(|((contract, month), span)| outputs.entry(month).or_default().push((contract, span)));
    for mut sections in outputs.into_values() {
        sections.sort_unstable();
        manifest.segments.push(entry(*next, plan.level, &sections));
        *next += 1;
    }
    *entries = manifest.segments;
}

#[test]
fn a_year_of_800_contracts_stays_under_20_000_files() {
    let (mut entries, mut next, mut most, mut merges) = (Vec::new(), 0, 0, 0);
    for day in 0..365_u64 {
        for hour in 0..24 {
            let first = day * DAY + hour * HOUR;
            let sections: Vec<_> = (0..800).map(|contract| (contract, (first, first + HOUR - 1))).collect();
            entries.push(entry(next, Level::Hour, &sections));
            next += 1;
        }
        // Each day one contract in eight has a hole of the day before filled.
        for contract in (0..800).filter(|contract| u64::from(*contract) % 8 == day % 8) {
            let first = day * DAY - DAY.min(day * DAY);
            entries.push(entry(next, Level::Fill, &[(contract, (first, first + HOUR))]));
            next += 1;
        }
        for _ in 0..4 {
            most = most.max(entries.len());
            let due = due(&entries, at(days(day + 1) + 3 * UnixMillis::HOUR));
            merges += due.len();
            due.iter().for_each(|plan| carry_out(plan, &mut entries, &mut next));
        }
        most = most.max(entries.len());
    }
    eprintln!("{} files after a year, {most} at most, {merges} merges, {next} segments made", entries.len());
    assert!(most < 20_000, "{most}");
    let months = entries.iter().filter(|entry| entry.level == Level::Month).count();
    assert_eq!(months, 11 * 800);
    assert!(entries.len() < 12_000, "{}", entries.len());
}
