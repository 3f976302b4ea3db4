//! Which ids are in a set, when most of them follow one another?

use crate::model::IdRange;
use std::collections::BTreeMap;

/// A set of ids as its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a run, which may touch or overlap others.
    pub fn add(&mut self, run: IdRange) {
        let (mut first, mut last) = (run.first, run.last);
        let touching = |first: u64, last: u64, set: &BTreeMap<u64, u64>| {
            let below = set.range(..=last.saturating_add(1)).next_back().map(|(first, last)| (*first, *last));
            below.filter(|(_, end)| end.saturating_add(1) >= first)
        };
        while let Some((start, end)) = touching(first, last, &self.0) {
            self.0.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.0.insert(first, last);
    }

    /// The runs, ascending, none touching another.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = IdRange> {
        self.0.iter().map(|(first, last)| IdRange { first: *first, last: *last })
    }

    /// How many of its ids are in `range`.
    pub fn count_in(&self, range: IdRange) -> u64 {
        let runs = self.iter().filter_map(|run| run.meet(range));
        runs.map(|run| run.count()).sum()
    }

    /// The runs between its runs.
    pub fn gaps(&self) -> impl Iterator<Item = IdRange> {
        self.iter().zip(self.iter().skip(1)).map(|(a, b)| IdRange { first: a.last + 1, last: b.first - 1 })
    }

    /// The ids that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for run in self.iter() {
            let mut from = Some(run.first);
            for taken in other.iter().filter(|taken| taken.first <= run.last && taken.last >= run.first) {
                if let Some(kept) = from.and_then(|from| IdRange::new(from, taken.first.checked_sub(1)?)) {
                    rest.add(kept);
                }
                from = taken.last.checked_add(1);
            }
            from.and_then(|from| IdRange::new(from, run.last)).into_iter().for_each(|kept| rest.add(kept));
        }
        rest
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<IdRange> for Ranges {
    fn from_iter<I: IntoIterator<Item = IdRange>>(runs: I) -> Self {
        let mut ranges = Self::default();
        runs.into_iter().for_each(|run| ranges.add(run));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ids(ranges: &Ranges) -> BTreeSet<u64> {
        ranges.iter().flat_map(|run| run.first..=run.last).collect()
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_of_their_ids(
            runs in proptest::collection::vec((0_u64..60, 0_u64..8), 0..20),
            others in proptest::collection::vec((0_u64..60, 0_u64..8), 0..20),
        ) {
            let of = |runs: &[(u64, u64)]| -> Ranges {
                runs.iter().map(|(first, len)| IdRange { first: *first, last: first + len }).collect()
            };
            let set = |runs: &[(u64, u64)]| -> BTreeSet<u64> {
                runs.iter().flat_map(|(first, len)| *first..=first + len).collect()
            };
            let (ranges, other) = (of(&runs), of(&others));
            prop_assert_eq!(ids(&ranges), set(&runs));
            prop_assert!(ranges.gaps().all(|gap| gap.first <= gap.last), "runs that touch are one");
            let rest: BTreeSet<_> = set(&runs).difference(&set(&others)).copied().collect();
            prop_assert_eq!(ids(&ranges.without(&other)), rest);
            let within = set(&runs).range(10..=40).count() as u64;
            prop_assert_eq!(ranges.count_in(IdRange { first: 10, last: 40 }), within);
        }
    }
}
