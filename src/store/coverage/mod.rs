//! Which ids of a contract does the store hold, from where, and what is known of those that it lacks?
//! And which stretches of time, of series that have no ids?
//!
//! What is held is told from the ids on disk alone: footers, which the manifest caches, journal and queue. The ledger adds
//! only what those cannot say.

mod stretches;
mod times;

pub use times::{Archives, CoveredTimes, Proof, TakenFile, TimeHole, TimeRun};

use crate::{
    model::{IdRange, UnixMillis},
    store::{Holding, ledger::Absent, library::Library, record::Origin, shelf::Shelf},
};

/// A run of ids held without a gap, and where they came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The ids.
    pub ids: IdRange,
    /// Their source.
    pub origin: Origin,
}

/// What is known of what is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleState<P = Absent> {
    /// A live source should still have it: it is being fetched, or can be.
    Missing,
    /// No live source has it any more: the archive has it, or will.
    AwaitingArchive,
    /// The venue has none: of ids, a live source and both archives step over them; of times, all archives lack them.
    ConfirmedAbsent(P),
}

impl<P> HoleState<P> {
    /// Its name in answers and reports.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::AwaitingArchive => "awaiting_archive",
            Self::ConfirmedAbsent(_) => "confirmed_absent",
        }
    }

    /// The same with another form of the proof.
    pub fn map<Q>(self, form: impl FnOnce(P) -> Q) -> HoleState<Q> {
        match self {
            Self::Missing => HoleState::Missing,
            Self::AwaitingArchive => HoleState::AwaitingArchive,
            Self::ConfirmedAbsent(proof) => HoleState::ConfirmedAbsent(form(proof)),
        }
    }

    /// Whether it may come yet.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::ConfirmedAbsent(_))
    }
}

/// Ids between held ones that are not held, all in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The ids.
    pub ids: IdRange,
    /// What is known of them.
    pub state: HoleState,
    /// When the trades before and after them were made, where they are held: theirs lie between.
    pub times: (Option<UnixMillis>, Option<UnixMillis>),
}

/// What the store holds and lacks of a run of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Ascending.
    pub runs: Vec<Run>,
    /// Ascending; ids before the first held one and after the last are no hole, unless they were held and are damaged.
    pub holes: Vec<Hole>,
    /// The first id from which on all is held or confirmed absent, up to the newest: what is younger can be trusted.
    pub whole_from_id: Option<u64>,
}

/// What the venue's live sources still offer.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Now, by the venue's clock.
    pub now: UnixMillis,
    /// How far back they reach; nothing when they offer no rows of this kind.
    pub back_ms: Option<i64>,
}

impl Reach {
    /// The state of what was made at the latest at `before`.
    fn state<P>(self, before: Option<UnixMillis>) -> HoleState<P> {
        let back_ms = self.back_ms.filter(|back_ms| before.is_none_or(|before| self.now.since(before) <= *back_ms));
        if back_ms.is_some() { HoleState::Missing } else { HoleState::AwaitingArchive }
    }
}

impl Holding {
    /// What is held and lacking of `ids`. `in_memory` are runs, ascending, that are held elsewhere.
    pub fn coverage(&self, ids: IdRange, in_memory: &[IdRange], reach: Reach) -> Coverage {
        let held = held(self.shelf().runs(), in_memory);
        let first = held.first().map(|run| run.ids.first);
        let whole_from_id = self.last_open(&held).map(|id| id + 1).or(first);
        // Of others the times of their neighbours are not read.
        let gaps = self.gaps(&held).into_iter().filter(|gap| gap.meet(ids).is_some());
        let holes = gaps.flat_map(|gap| self.states(gap, reach)).collect::<Vec<_>>().into_iter();
        let holes = holes.filter_map(|hole| Some(Hole { ids: hole.ids.meet(ids)?, ..hole }));
        let runs = held.iter().filter_map(|run| Some(Run { ids: run.ids.meet(ids)?, ..*run }));
        Coverage { runs: runs.collect(), holes: holes.collect(), whole_from_id }
    }

    /// The ids between held runs, and before the first and behind the last what was held and is damaged; ascending.
    fn gaps(&self, held: &[Run]) -> Vec<IdRange> {
        let mut gaps: Vec<IdRange> = gaps(held).collect();
        let Some(span) = self.shelf().damaged_span() else { return gaps };
        match held.first().zip(held.last()) {
            Some((first, last)) => {
                let before = first.ids.first.checked_sub(1).and_then(|last| IdRange::new(span.keys.first, last));
                let behind = last.ids.last.checked_add(1).and_then(|first| IdRange::new(first, span.keys.last));
                gaps.splice(..0, before);
                gaps.extend(behind);
            }
            None => gaps.push(span.keys),
        }
        gaps
    }

    /// The highest id between held ones that is neither held nor proven absent.
    fn last_open(&self, held: &[Run]) -> Option<u64> {
        self.gaps(held).into_iter().rev().find_map(|gap| self.open_parts(gap).last().map(|part| part.last))
    }

    /// The parts of `ids` that are proven absent, ascending.
    pub fn absent_parts(&self, ids: IdRange) -> Vec<IdRange> {
        self.proven(ids).into_iter().map(|absent| absent.ids).collect()
    }

    /// Whether all of `ids` are proven absent: what lies before them joins what lies behind.
    pub fn is_absent(&self, ids: IdRange) -> bool {
        self.open_parts(ids).is_empty()
    }

    /// The parts of `ids` that are not proven absent, ascending.
    pub fn open_parts(&self, ids: IdRange) -> Vec<IdRange> {
        let (mut open, mut next) = (Vec::new(), ids.first);
        for absent in self.proven(ids) {
            open.extend(absent.ids.first.checked_sub(1).and_then(|last| IdRange::new(next, last)));
            match absent.ids.last.checked_add(1) {
                Some(behind) => next = behind,
                None => return open,
            }
        }
        open.extend(IdRange::new(next, ids.last));
        open
    }

    /// What of a gap is proven absent, ascending.
    fn proven(&self, gap: IdRange) -> Vec<Absent> {
        let (contract, kind) = (self.shelf().contract, self.shelf().kind);
        let said = self.library().ledger().absent(contract, kind, gap).into_iter();
        let proven = said.filter(|absent| absent.witnesses.is_proof());
        proven.filter_map(|absent| Some(Absent { ids: absent.ids.meet(gap)?, ..absent })).collect()
    }

    /// Ids of `ids` of which the store keeps another version apart, ascending: at most `limit`.
    pub fn conflicts(&self, ids: IdRange, limit: usize) -> Vec<u64> {
        self.shelf().conflicting_keys(self.library(), ids, limit)
    }

    /// A gap between two held runs, cut where its state changes.
    fn states(&self, gap: IdRange, reach: Reach) -> Vec<Hole> {
        let before = gap.first.checked_sub(1).and_then(|id| self.up_to_id(id, 1).trades.pop());
        let after = gap.last.checked_add(1).and_then(|id| self.from_id(id, 1).trades.pop());
        // What was held at an end lies within the times of its segment.
        let damaged = self.shelf().damaged_span();
        let first = damaged.filter(|span| span.keys.first == gap.first).map(|span| span.times.0);
        let last = damaged.filter(|span| span.keys.last == gap.last).map(|span| span.times.1);
        let (before, after) = (before.map(|trade| trade.time).or(first), after.map(|trade| trade.time).or(last));
        let hole = |ids, state| Hole { ids, state, times: (before, after) };
        let open = self.open_parts(gap).into_iter().map(|ids| hole(ids, reach.state(after)));
        let proven = self.proven(gap).into_iter().map(|absent| hole(absent.ids, HoleState::ConfirmedAbsent(absent)));
        let mut holes: Vec<Hole> = open.chain(proven).collect();
        holes.sort_by_key(|hole| hole.ids);
        holes
    }
}

impl Shelf {
    /// Keys of `keys` of which another version is kept apart, ascending: at most `limit`.
    pub fn conflicting_keys(&self, library: &Library, keys: IdRange, limit: usize) -> Vec<u64> {
        let mut found = Vec::new();
        for part in self.conflicts() {
            if part.section.first_key > keys.last || part.section.last_key < keys.first || found.len() >= limit {
                continue;
            }
            let Ok(segment) = library.segment(part.segment, &part.path) else { continue };
            let blocks = 0..segment.blocks(&part.section).len();
            // What cannot be read is told where it is looked for: by `verify` and the scrub.
            let rows = blocks.filter_map(|at| segment.rows(&part.section, at).ok());
            found.extend(rows.flat_map(|rows| rows.keys().collect::<Vec<_>>()).filter(|key| keys.contains(*key)));
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(limit);
        found
    }
}

/// The ids between held runs.
fn gaps(held: &[Run]) -> impl Iterator<Item = IdRange> {
    let between = |pair: &[Run]| IdRange::new(pair[0].ids.last.checked_add(1)?, pair[1].ids.first.checked_sub(1)?);
    held.windows(2).filter_map(between)
}

/// Runs on disk and runs in memory as one list, ascending, no id in two; what is only in memory came from the stream.
fn held(stored: Vec<(IdRange, Origin)>, in_memory: &[IdRange]) -> Vec<Run> {
    let mut held: Vec<Run> = stored.into_iter().map(|(ids, origin)| Run { ids, origin }).collect();
    for run in in_memory {
        let mut next = run.first;
        let inside: Vec<IdRange> = held.iter().filter_map(|held| held.ids.meet(*run)).collect();
        for taken in inside.into_iter().chain([IdRange { first: run.last.saturating_add(1), last: u64::MAX }]) {
            let ids = taken.first.checked_sub(1).and_then(|last| IdRange::new(next, last));
            held.extend(ids.map(|ids| Run { ids, origin: Origin::Stream }));
            next = taken.last.saturating_add(1);
        }
        held.sort_by_key(|run| run.ids);
    }
    joined(held)
}

/// Neighbours of one origin as one.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.origin == run.origin && last.ids.last.checked_add(1) == Some(run.ids.first) => {
                last.ids.last = run.ids.last;
            }
            _ => joined.push(run),
        }
    }
    joined
}
