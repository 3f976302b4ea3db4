//! How much of a contract's series is held and lacking, all in all and day by day?

use crate::{
    market::Tape,
    model::{IdRange, UnixMillis},
    store::{
        Holding,
        coverage::{Coverage, CoveredTimes, Hole, HoleState, Reach, Run},
    },
};

/// How many ids, or milliseconds of a series without ids, are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoverageCounts {
    /// Held.
    pub held: u64,
    /// A live source should still have them.
    pub missing: u64,
    /// The archive has them, or will.
    pub awaiting_archive: u64,
    /// The venue never used them.
    pub confirmed_absent: u64,
}

impl CoverageCounts {
    /// Those of a coverage.
    pub fn of(coverage: &Coverage) -> Self {
        let mut counts = Self { held: coverage.runs.iter().map(|run| run.ids.count()).sum(), ..Self::default() };
        coverage.holes.iter().for_each(|hole| *counts.lacking(&hole.state) += hole.ids.count());
        counts
    }

    /// Those of times.
    pub fn of_times(coverage: &CoveredTimes) -> Self {
        let length = |start: UnixMillis, end: UnixMillis| end.since(start).max(0).unsigned_abs();
        let held = coverage.runs.iter().map(|run| length(run.start, run.end)).sum();
        let mut counts = Self { held, ..Self::default() };
        coverage.holes.iter().for_each(|hole| *counts.lacking(&hole.state) += length(hole.start, hole.end));
        counts
    }

    const fn lacking<P>(&mut self, state: &HoleState<P>) -> &mut u64 {
        match state {
            HoleState::Missing => &mut self.missing,
            HoleState::AwaitingArchive => &mut self.awaiting_archive,
            HoleState::ConfirmedAbsent(_) => &mut self.confirmed_absent,
        }
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self {
            held: self.held + others.held,
            missing: self.missing + others.missing,
            awaiting_archive: self.awaiting_archive + others.awaiting_archive,
            confirmed_absent: self.confirmed_absent + others.confirmed_absent,
        }
    }

    /// Whether the venue has nothing that is not held.
    pub const fn is_whole(&self) -> bool {
        self.missing == 0 && self.awaiting_archive == 0
    }
}

/// A day of a contract's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCoverage {
    /// Its first millisecond.
    pub day: UnixMillis,
    /// From its first held id up to the one before the next day's; nothing when no trade of it is held, or without ids.
    pub ids: Option<IdRange>,
    /// Of these ids, where a hole that reaches into the next day is counted where it begins; without ids, of the day's time.
    pub counts: CoverageCounts,
    /// Whether every row of the day is held: no hole touches it, and what is held reaches beyond both its ends.
    pub complete: bool,
}

/// What is held and lacking of `ids`: on the disk, in its queue, or in memory alone.
pub fn coverage(tape: &Tape, holding: &Holding, ids: IdRange, reach: Reach) -> Coverage {
    holding.coverage(ids, &in_memory(tape), reach)
}

/// The ids of trades in `[start, end)`, and of holes beside them; nothing when none is held.
pub fn ids_between(
    tape: &Tape,
    holding: &Holding,
    start: Option<UnixMillis>,
    end: Option<UnixMillis>,
) -> Option<IdRange> {
    // Memory may be ahead of the store, never behind it.
    let in_ring = |time: UnixMillis| tape.held().iter().find(|trade| trade.time >= time).map(|trade| trade.id);
    let first_at = |time: UnixMillis| holding.first_id_at(time).or_else(|| in_ring(time));
    let first = start.map_or(Some(0), first_at)?;
    let last = end.and_then(first_at).map_or(Some(u64::MAX), |end| end.checked_sub(1))?;
    IdRange::new(first, last)
}

/// Whether the tape reaches before `start` and up to `end`: what lies beyond its ends is not known to be held.
pub fn reaches(tape: &Tape, holding: &Holding, start: Option<UnixMillis>, end: Option<UnixMillis>) -> bool {
    let first = holding.from_id(0, 1).trades.pop();
    let last = tape.newest(1).pop().or_else(|| holding.up_to_id(u64::MAX, 1).trades.pop());
    let Some((first, last)) = first.zip(last) else { return false };
    // Ids count from 1: nothing came before that one. Others of the first trade's millisecond may have.
    let from_start = start.is_none_or(|start| first.id == 1 || first.time < start);
    from_start && end.is_none_or(|end| last.time >= end)
}

/// The days of `ids`, as far as any are held, ascending.
pub fn coverage_days(tape: &Tape, holding: &Holding, ids: IdRange, reach: Reach) -> Vec<DayCoverage> {
    let whole = coverage(tape, holding, IdRange { first: 0, last: u64::MAX }, reach);
    let ends = holding.ends();
    let time_of = |id: u64| holding.from_id(id, 1).trades.pop().map(|trade| trade.time);
    let Some(((first, last), tape_ends)) = ends
        .and_then(|ends| ids.meet(ends).zip(Some(ends)))
        .and_then(|(wanted, ends)| Some(((time_of(wanted.first)?, wanted.last), ends)))
    else {
        return Vec::new();
    };
    let Some(last) = holding.up_to_id(last, 1).trades.pop().map(|trade| trade.time) else { return Vec::new() };
    let (first, last) = (first.floor(UnixMillis::DAY, 0), last.floor(UnixMillis::DAY, 0));
    let days = (0..=last.since(first) / UnixMillis::DAY).map(|day| first.plus(day * UnixMillis::DAY));
    days.map(|day| of_day(day, holding, &whole, tape_ends)).collect()
}

fn of_day(day: UnixMillis, holding: &Holding, whole: &Coverage, tape: IdRange) -> DayCoverage {
    let begin = holding.first_id_at(day).unwrap_or(tape.last.saturating_add(1));
    let next = holding.first_id_at(day.plus(UnixMillis::DAY));
    let ids = next.map_or(Some(tape.last), |next| next.checked_sub(1)).and_then(|last| IdRange::new(begin, last));
    let runs = whole.runs.iter().filter_map(|run| Some((run.ids.meet(ids?)?, run)));
    let holes = whole.holes.iter().filter_map(|hole| Some((hole.ids.meet(ids?)?, hole)));
    let own = Coverage {
        runs: runs.map(|(ids, run)| Run { ids, ..*run }).collect(),
        holes: holes.map(|(ids, hole)| Hole { ids, ..*hole }).collect(),
        whole_from_id: None,
    };
    let counts = CoverageCounts::of(&own);
    let is_open = |hole: &&Hole| hole.state.is_open();
    // A hole right before the day's first trade may begin the day.
    let touches =
        |hole: &Hole| hole.ids.last.saturating_add(1) >= begin && next.is_none_or(|next| hole.ids.first < next);
    let is_touched = whole.holes.iter().filter(is_open).any(touches);
    // Ids count from 1: nothing came before that one.
    let reaches_before = begin == 1 || tape.first < begin;
    DayCoverage { day, ids, counts, complete: !is_touched && reaches_before && next.is_some() && ids.is_some() }
}

/// The days of `[start, end)` of a series without ids, as far as any of it is held, ascending.
pub fn time_days(whole: &CoveredTimes, start: Option<UnixMillis>, end: Option<UnixMillis>) -> Vec<DayCoverage> {
    let Some(ends) = whole.ends() else { return Vec::new() };
    let first = start.map_or(ends.0, |start| start.max(ends.0)).floor(UnixMillis::DAY, 0);
    let last = end.map_or(ends.1, |end| end.min(ends.1));
    let days = (0..).map(|day| first.plus(day * UnixMillis::DAY)).take_while(|day| *day < last);
    days.map(|day| {
        let next = day.plus(UnixMillis::DAY);
        let counts = CoverageCounts::of_times(&whole.within(day, next));
        DayCoverage { day, ids: None, counts, complete: counts.is_whole() && ends.0 <= day && next <= ends.1 }
    })
    .collect()
}

/// Runs of ids that memory holds, ascending.
fn in_memory(tape: &Tape) -> Vec<IdRange> {
    let mut ids: Vec<u64> = tape.held().iter().map(|trade| trade.id).collect();
    ids.extend(tape.aside().trades(IdRange { first: 0, last: u64::MAX }).map(|trade| trade.id));
    ids.sort_unstable();
    ids.dedup();
    let runs = ids.chunk_by(|id, next| id + 1 == *next);
    runs.filter_map(|run| IdRange::new(*run.first()?, *run.last()?)).collect()
}
