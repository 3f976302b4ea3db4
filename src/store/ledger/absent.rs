//! Which ids did which source say that the venue never used?

use crate::{
    model::{IdRange, UnixMillis},
    store::record::Origin,
};
use std::collections::BTreeMap;

/// The most runs that are remembered of one contract's kind; further ones are asked for again. Who else steps over those that
/// are remembered is noted all the same.
const RUNS_MAX: usize = 65_536;

/// Ids that sources stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The ids.
    pub ids: IdRange,
    /// Who stepped over them.
    pub witnesses: Witnesses,
    /// When the last of them did, by the venue's clock where it says so.
    pub at: UnixMillis,
}

/// Some of the sources of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnesses(u8);

impl Witnesses {
    /// One source.
    pub const fn of(source: Origin) -> Self {
        Self(1 << source.number())
    }

    /// The sources that stand in a file under that number; unknown ones are left out.
    pub(super) const fn from_number(number: u8) -> Self {
        Self(number & 0b1111)
    }

    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// Whether `source` is among them.
    pub const fn has(self, source: Origin) -> bool {
        self.0 & Self::of(source).0 != 0
    }

    /// All of them.
    pub fn sources(self) -> impl Iterator<Item = Origin> {
        Origin::ALL.into_iter().filter(move |source| self.has(*source))
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether that is proof: a live source stepped over the id, and both archives lack it.
    pub const fn is_proof(self) -> bool {
        let live = self.has(Origin::Stream) || self.has(Origin::Rest);
        live && self.has(Origin::DailyArchive) && self.has(Origin::MonthlyArchive)
    }
}

/// Runs that share no id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AbsentRuns {
    /// By first id.
    runs: BTreeMap<u64, Absent>,
}

impl AbsentRuns {
    /// Notes what one more source says. Whether there was room for all of it.
    pub(super) fn note(&mut self, said: Absent) -> bool {
        if self.runs.len() >= RUNS_MAX {
            return self.note_known(said);
        }
        let mut left = Some(said.ids);
        for known in self.within(said.ids).collect::<Vec<_>>() {
            self.runs.remove(&known.ids.first);
            for ids in without(known.ids, said.ids) {
                self.insert(Absent { ids, ..known });
            }
            if let Some(before) = left.and_then(|left| IdRange::new(left.first, known.ids.first.checked_sub(1)?)) {
                self.insert(Absent { ids: before, ..said });
            }
            if let Some(both) = known.ids.meet(said.ids) {
                let witnesses = known.witnesses.and(said.witnesses);
                self.insert(Absent { ids: both, witnesses, at: known.at.max(said.at) });
                left = both.last.checked_add(1).and_then(|next| IdRange::new(next, said.ids.last));
            }
        }
        if let Some(ids) = left {
            self.insert(Absent { ids, ..said });
        }
        true
    }

    /// Notes what one more source says of whole runs that are known, so that none is added. Whether that was all of it.
    fn note_known(&mut self, said: Absent) -> bool {
        let mut next = said.ids.first;
        for known in self.within(said.ids).collect::<Vec<_>>() {
            if known.ids.first < said.ids.first || known.ids.last > said.ids.last {
                continue;
            }
            if known.ids.first == next {
                next = known.ids.last.saturating_add(1);
            }
            self.insert(Absent { witnesses: known.witnesses.and(said.witnesses), at: known.at.max(said.at), ..known });
        }
        next > said.ids.last
    }

    /// Notes that what `source` steps over among `ids` it steps over still.
    pub(super) fn confirm(&mut self, ids: IdRange, source: Origin, at: UnixMillis) {
        for known in self.within(ids).filter(|known| known.witnesses.has(source)).collect::<Vec<_>>() {
            self.insert(Absent { at: known.at.max(at), ..known });
        }
    }

    /// Forgets ids that are held: `held` are runs, ascending, that share no id. How many ids that were.
    pub(super) fn take_back(&mut self, held: &[(IdRange, Origin)]) -> u64 {
        let mut taken = 0;
        for known in self.iter().collect::<Vec<_>>() {
            let from = held.partition_point(|(run, _)| run.last < known.ids.first);
            let mut left = Some(known.ids);
            for (run, _) in held.iter().skip(from).take_while(|(run, _)| run.first <= known.ids.last) {
                let Some(ids) = left else { break };
                self.runs.remove(&ids.first);
                let before = run.first.checked_sub(1).and_then(|last| IdRange::new(ids.first, last));
                before.into_iter().for_each(|ids| self.insert(Absent { ids, ..known }));
                left = run.last.checked_add(1).and_then(|first| IdRange::new(first, known.ids.last));
                left.into_iter().for_each(|ids| self.insert(Absent { ids, ..known }));
                taken += run.last.min(ids.last) - run.first.max(ids.first) + 1;
            }
        }
        taken
    }

    fn insert(&mut self, run: Absent) {
        self.runs.insert(run.ids.first, run);
    }

    /// Runs that share an id with `ids`, ascending.
    pub(super) fn within(&self, ids: IdRange) -> impl Iterator<Item = Absent> {
        let before = self.runs.range(..ids.first).next_back().into_iter();
        let runs = before.chain(self.runs.range(ids.first..=ids.last)).map(|(_, run)| *run);
        runs.filter(move |run| run.ids.last >= ids.first)
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = Absent> {
        self.runs.values().copied()
    }
}

/// What of `ids` is not in `taken`.
fn without(ids: IdRange, taken: IdRange) -> impl Iterator<Item = IdRange> {
    let before = taken.first.checked_sub(1).and_then(|last| IdRange::new(ids.first, last.min(ids.last)));
    let after = taken.last.checked_add(1).and_then(|first| IdRange::new(first.max(ids.first), ids.last));
    before.into_iter().chain(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(first: u64, last: u64, source: Origin, at: i64) -> Absent {
        Absent { ids: IdRange { first, last }, witnesses: Witnesses::of(source), at: UnixMillis::new(at) }
    }

    proptest::proptest! {
        #[test]
        fn each_id_keeps_who_said_so_and_when_last(
            says in proptest::collection::vec((0_u64..60, 0_u64..20, 0_usize..4, 0_i64..9), 0..40),
        ) {
            const SOURCES: [Origin; 4] =
                [Origin::Stream, Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive];
            let (mut runs, mut naive) = (AbsentRuns::default(), vec![(0_u8, i64::MIN); 100]);
            for (first, more, source, at) in says {
                let (last, source) = (first + more, SOURCES[source]);
                assert!(runs.note(said(first, last, source, at)));
                for id in first..=last {
                    let (seen, latest) = &mut naive[usize::try_from(id).expect("small")];
                    (*seen, *latest) = (*seen | Witnesses::of(source).number(), at.max(*latest));
                }
            }
            let mut found = vec![(0_u8, i64::MIN); 100];
            for run in runs.iter() {
                for id in run.ids.first..=run.ids.last {
                    let place = &mut found[usize::try_from(id).expect("small")];
                    proptest::prop_assert_eq!(place.0, 0, "in two runs");
                    *place = (run.witnesses.number(), run.at.get());
                }
            }
            proptest::prop_assert_eq!(found, naive);
        }
    }

    #[test]
    fn who_else_steps_over_known_ids_is_noted_when_there_is_no_room_for_more() {
        let mut runs = AbsentRuns::default();
        for at in 0..RUNS_MAX as u64 {
            assert!(runs.note(said(4 * at, 4 * at + 1, Origin::Rest, 1)));
        }
        assert!(!runs.note(said(2, 2, Origin::Rest, 1)), "a new one");
        assert!(runs.note(said(8, 9, Origin::DailyArchive, 2)));
        assert!(!runs.note(said(12, 14, Origin::DailyArchive, 2)), "14 is new");
        assert!(!runs.note(said(16, 16, Origin::DailyArchive, 2)), "half of a run");
        let found: Vec<_> = runs.within(IdRange { first: 8, last: 17 }).collect();
        let daily: Vec<_> = found.iter().map(|run| (run.ids.first, run.witnesses.has(Origin::DailyArchive))).collect();
        assert_eq!((daily, runs.runs.len()), (vec![(8, true), (12, true), (16, false)], RUNS_MAX));
    }

    proptest::proptest! {
        #[test]
        fn what_is_held_is_taken_back_and_nothing_else(
            says in proptest::collection::vec((0_u64..60, 0_u64..9), 0..20),
            held in proptest::collection::vec(proptest::bool::ANY, 80),
        ) {
            let mut runs = AbsentRuns::default();
            let mut naive = [false; 80];
            for (first, more) in says {
                runs.note(said(first, first + more, Origin::Rest, 1));
                let at = |id: u64| usize::try_from(id).expect("small");
                naive[at(first)..=at(first + more)].fill(true);
            }
            let ids = |id: usize| IdRange { first: id as u64, last: id as u64 };
            let lone: Vec<_> = (0..80).filter(|id| held[*id]).map(|id| (ids(id), Origin::Rest)).collect();
            let expected = (0..80).filter(|id| naive[*id] && held[*id]).count() as u64;
            proptest::prop_assert_eq!(runs.take_back(&lone), expected);
            for (id, absent) in naive.iter().enumerate() {
                proptest::prop_assert_eq!(runs.within(ids(id)).count(), usize::from(*absent && !held[id]));
            }
        }
    }
}
