//! Which segments should be merged now?
//!
//! The hours of a finished day become one day of the shard, the finished months of a contract one segment each, and
//! segments of a contract that hold the same ids, or are many small fills, one fill. Nothing is merged twice: what a plan
//! makes calls for no further one.

use crate::{
    model::UnixMillis,
    store::{
        manifest::{Level, SegmentEntry},
        record::Kind,
        retention::Owner,
        segment::SectionIndex,
    },
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// When segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merges {
    /// Looked for at most once in so many milliseconds.
    pub every_ms: i64,
    /// A day's hours are merged so long after its end.
    pub day_after_ms: i64,
    /// A month is merged so long after its end.
    pub month_after_ms: i64,
    /// So many fills of a contract and month become one.
    pub fills: usize,
}

impl Default for Merges {
    fn default() -> Self {
        // The last journal file of a day is sealed an hour after its end.
        Self { every_ms: 10_000, day_after_ms: 2 * UnixMillis::HOUR, month_after_ms: 2 * UnixMillis::DAY, fills: 4 }
    }
}

/// An input that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damaged {
    /// The segment.
    pub segment: u64,
    /// The contract whose rows are damaged; none when it is all of them.
    pub contract: Option<u32>,
}

/// Segments to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The level of what is made: a month makes one segment for each month that is in the inputs.
    pub level: Level,
    /// The contract whose rows are merged and taken out of the inputs; none for all of them.
    pub contract: Option<u32>,
    /// What is left out, as it is given up.
    pub without: BTreeSet<Owner>,
    /// The inputs' numbers, in the order of the manifest.
    pub inputs: Vec<u64>,
}

/// What a segment holds of a contract.
struct Stretch<'a> {
    entry: &'a SegmentEntry,
    sections: &'a [SectionIndex],
    newest: UnixMillis,
}

/// The merges that are due, the most urgent first. They share no rows, so they may be done in any order.
pub fn plans(entries: &[SegmentEntry], now: UnixMillis, merges: &Merges, damaged: &HashSet<Damaged>) -> Vec<Plan> {
    let mut plans = days(entries, now, merges, damaged);
    let taken: HashSet<u64> = plans.iter().flat_map(|plan| plan.inputs.iter().copied()).collect();
    for (contract, stretches) in by_contract(entries) {
        let is_free = |stretch: &Stretch<'_>| {
            let is_damaged = |contract| damaged.contains(&Damaged { segment: stretch.entry.number, contract });
            !taken.contains(&stretch.entry.number) && !is_damaged(None) && !is_damaged(Some(contract))
        };
        let is_old = |stretch: &Stretch<'_>| month_end(stretch.newest).plus(merges.month_after_ms) <= now;
        let (old, new): (Vec<_>, Vec<_>) = stretches.into_iter().filter(is_free).partition(is_old);
        let plan = |level| move |inputs| Plan { level, contract: Some(contract), without: BTreeSet::new(), inputs };
        plans.extend(months(&old).into_iter().map(plan(Level::Month)));
        plans.extend(fills(&new, now, merges).into_iter().map(plan(Level::Fill)));
    }
    plans
}

fn newest(sections: &[SectionIndex]) -> Option<UnixMillis> {
    let records = sections.iter().filter(|section| section.kind != Kind::Contract.number());
    records.map(|section| UnixMillis::new(section.last_time)).max()
}

fn month_of(time: UnixMillis) -> i64 {
    let (year, month) = time.year_month();
    year * 12 + month - 1
}

fn month_end(time: UnixMillis) -> UnixMillis {
    let (year, month) = time.year_month();
    UnixMillis::month_start(year, month + 1)
}

fn day_end(time: UnixMillis) -> UnixMillis {
    time.floor(UnixMillis::DAY, 0).plus(UnixMillis::DAY)
}

/// A segment belongs to the day of its newest row; older ones in it came late.
fn days(entries: &[SegmentEntry], now: UnixMillis, merges: &Merges, damaged: &HashSet<Damaged>) -> Vec<Plan> {
    let damaged: HashSet<u64> = damaged.iter().map(|damaged| damaged.segment).collect();
    let mut days: BTreeMap<UnixMillis, Vec<u64>> = BTreeMap::new();
    let shared = entries.iter().filter(|entry| matches!(entry.level, Level::Hour | Level::Day));
    for entry in shared.filter(|entry| !damaged.contains(&entry.number)) {
        let end = newest(&entry.footer.sections).map(day_end);
        if let Some(end) = end.filter(|end| end.plus(merges.day_after_ms) <= now) {
            days.entry(end).or_default().push(entry.number);
        }
    }
    let several = days.into_values().filter(|inputs| inputs.len() > 1);
    several.map(|inputs| Plan { level: Level::Day, contract: None, without: BTreeSet::new(), inputs }).collect()
}

fn by_contract(entries: &[SegmentEntry]) -> BTreeMap<u32, Vec<Stretch<'_>>> {
    let mut stretches: BTreeMap<u32, Vec<Stretch<'_>>> = BTreeMap::new();
    for entry in entries {
        for sections in entry.footer.sections.chunk_by(|a, b| a.contract == b.contract) {
            if let Some(newest) = newest(sections) {
                stretches.entry(sections[0].contract).or_default().push(Stretch { entry, sections, newest });
            }
        }
    }
    stretches
}

/// Old stretches that are of the same month or share a span of keys: each group becomes months of its own, which neither
/// are nor do.
fn months(old: &[Stretch<'_>]) -> Vec<Vec<u64>> {
    let month = |(at, stretch): (usize, &Stretch<'_>)| (0, month_of(stretch.newest), month_of(stretch.newest), at);
    let mut claims: Vec<(u16, i64, i64, usize)> = old.iter().enumerate().map(month).collect();
    let mut groups = Groups::new(old.len());
    groups.join(&mut claims);
    let spans = old.iter().enumerate().flat_map(|(at, stretch)| {
        let held = stretch.sections.iter().filter(|section| is_held(section));
        held.map(move |section| (section.kind, section.first_key, section.last_key, at))
    });
    groups.join(&mut spans.collect::<Vec<_>>());
    let is_due = |group: &Vec<usize>| group.len() > 1 || old[group[0]].entry.level != Level::Month;
    numbers(groups.into_groups().into_iter().filter(is_due), old)
}

/// New stretches that hold the same ids twice, and fills that are many.
fn fills(new: &[Stretch<'_>], now: UnixMillis, merges: &Merges) -> Vec<Vec<u64>> {
    let settled = |stretch: &Stretch<'_>| {
        stretch.entry.level == Level::Fill || day_end(stretch.newest).plus(merges.day_after_ms) <= now
    };
    let mut groups = Groups::new(new.len());
    let runs = new.iter().enumerate().filter(|(_, stretch)| settled(stretch)).flat_map(|(at, stretch)| {
        let held = stretch.sections.iter().filter(|section| is_held(section));
        held.flat_map(move |section| {
            stretch.entry.runs_of(section).iter().map(move |run| (section.kind, run.first, run.last, at))
        })
    });
    groups.join(&mut runs.collect::<Vec<_>>());
    let mut fills: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, stretch) in new.iter().enumerate().filter(|(_, stretch)| stretch.entry.level == Level::Fill) {
        fills.entry(month_of(stretch.newest)).or_default().push(at);
    }
    for many in fills.values().filter(|many| many.len() >= merges.fills.max(2)) {
        many.windows(2).for_each(|pair| groups.unite(pair[0], pair[1]));
    }
    numbers(groups.into_groups().into_iter().filter(|group| group.len() > 1), new)
}

fn is_held(section: &SectionIndex) -> bool {
    let is_record = Kind::from_number(section.kind).is_some_and(|kind| kind != Kind::Contract);
    section.role == 0 && is_record
}

fn numbers(groups: impl Iterator<Item = Vec<usize>>, stretches: &[Stretch<'_>]) -> Vec<Vec<u64>> {
    groups.map(|group| group.into_iter().map(|at| stretches[at].entry.number).collect()).collect()
}

/// Which of some things belong together.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    /// The lower of both stands for both, so that groups ascend.
    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// Unites what shares a place on a line: claims are line, first and last place, and who.
    fn join<P: Copy + Ord>(&mut self, claims: &mut [(u16, P, P, usize)]) {
        claims.sort_unstable();
        let mut reach: Option<(u16, P, usize)> = None;
        for &mut (line, first, last, at) in claims {
            match reach {
                Some((own, end, holder)) if own == line && first <= end => {
                    self.unite(holder, at);
                    reach = Some(if last > end { (line, last, at) } else { (own, end, holder) });
                }
                _ => reach = Some((line, last, at)),
            }
        }
    }

    fn into_groups(self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        (0..self.0.len()).for_each(|at| groups.entry(self.root(at)).or_default().push(at));
        groups.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
