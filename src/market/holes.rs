//! Which ids between the first and the newest are missing?

use crate::model::IdRange;
use std::collections::BTreeMap;

/// The most runs that are remembered one by one.
const RUNS_MAX: usize = 65_536;

/// Disjoint runs of missing ids, ascending.
///
/// When there are more runs than it can hold, the two oldest become one that spans the held ids between them: a held
/// trade may then be called missing, never a missing one held.
#[derive(Clone, Debug, Default)]
pub struct Holes {
    /// Last id by first id.
    runs: BTreeMap<u64, u64>,
}

impl Holes {
    /// Adds a run; those inside it become part of it.
    pub fn open(&mut self, run: IdRange) {
        while let Some((&inside, _)) = self.runs.range(run.first..=run.last).next() {
            self.runs.remove(&inside);
        }
        self.runs.insert(run.first, run.last);
        if self.runs.len() > RUNS_MAX {
            self.join_oldest();
        }
    }

    /// Takes `id` out, or says that it was not missing.
    pub fn fill(&mut self, id: u64) -> bool {
        let Some((&first, &last)) = self.runs.range(..=id).next_back().filter(|&(_, &last)| id <= last) else {
            return false;
        };
        self.runs.remove(&first);
        if first < id {
            self.runs.insert(first, id - 1);
        }
        if id < last {
            self.runs.insert(id + 1, last);
        }
        true
    }

    /// Takes every id of `range` out.
    pub fn close(&mut self, range: IdRange) {
        let inside: Vec<IdRange> = self.within(range).collect();
        for run in inside {
            self.runs.remove(&run.first);
            let before = range.first.checked_sub(1).and_then(|last| IdRange::new(run.first, last));
            let after = range.last.checked_add(1).and_then(|first| IdRange::new(first, run.last));
            self.runs.extend(before.into_iter().chain(after).map(|left| (left.first, left.last)));
        }
    }

    /// Whether `id` is missing.
    pub fn contains(&self, id: u64) -> bool {
        self.runs.range(..=id).next_back().is_some_and(|(_, &last)| id <= last)
    }

    /// The runs that share an id with `range`.
    pub fn within(&self, range: IdRange) -> impl Iterator<Item = IdRange> {
        let start = self.runs.range(..=range.first).next_back().map_or(range.first, |(&first, _)| first);
        let runs = self.runs.range(start..=range.last).map(|(&first, &last)| IdRange { first, last });
        runs.filter(move |run| run.last >= range.first)
    }

    /// Takes the first run out.
    pub fn pop_first(&mut self) -> Option<IdRange> {
        self.runs.pop_first().map(|(first, last)| IdRange { first, last })
    }

    /// What of `range` is in no run, ascending.
    pub fn outside(&self, range: IdRange) -> Vec<IdRange> {
        let (mut parts, mut next) = (Vec::new(), range.first);
        for run in self.within(range) {
            parts.extend(run.first.checked_sub(1).and_then(|last| IdRange::new(next, last)));
            next = next.max(run.last.saturating_add(1));
        }
        parts.extend(IdRange::new(next, range.last));
        parts
    }

    /// All runs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = IdRange> {
        self.runs.iter().map(|(&first, &last)| IdRange { first, last })
    }

    /// How many ids are missing.
    pub fn count(&self) -> u64 {
        self.iter().map(|run| run.count()).sum()
    }

    fn join_oldest(&mut self) {
        let mut oldest = self.runs.iter().map(|(&first, &last)| (first, last));
        if let (Some((first, _)), Some((second, last))) = (oldest.next(), oldest.next()) {
            self.runs.remove(&second);
            self.runs.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_splits_a_run_until_nothing_is_left() {
        let mut holes = Holes::default();
        holes.open(IdRange { first: 10, last: 14 });
        assert!(holes.fill(12));
        assert!(!holes.fill(12));
        assert!(!holes.fill(9) && !holes.fill(15));
        assert_eq!(holes.iter().map(|run| (run.first, run.last)).collect::<Vec<_>>(), [(10, 11), (13, 14)]);
        assert_eq!(holes.within(IdRange { first: 11, last: 12 }).count(), 1);
        assert_eq!(holes.within(IdRange { first: 12, last: 12 }).count(), 0);
        let outside = |first, last| holes.outside(IdRange { first, last }).len();
        assert_eq!((outside(9, 15), outside(10, 14), outside(10, 11), outside(1, 5)), (3, 1, 0, 1));
        holes.open(IdRange { first: 20, last: 29 });
        holes.close(IdRange { first: 25, last: 26 });
        holes.close(IdRange { first: 29, last: 99 });
        assert_eq!(holes.iter().map(|run| (run.first, run.last)).collect::<Vec<_>>()[2..], [(20, 24), (27, 28)]);
        holes.close(IdRange { first: 12, last: 40 });
        assert!([10, 11].into_iter().all(|id| holes.fill(id)));
        assert_eq!(holes.count(), 0);
    }

    #[test]
    fn a_full_set_calls_more_missing_never_less() {
        let mut holes = Holes::default();
        for at in 0..=RUNS_MAX as u64 {
            holes.open(IdRange { first: 10 * at, last: 10 * at });
        }
        assert_eq!(holes.iter().count(), RUNS_MAX);
        assert!((0..=RUNS_MAX as u64).all(|at| holes.contains(10 * at)));
    }
}
