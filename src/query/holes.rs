//! Which ids of a span are missing?

use crate::{
    market::{Holes, Tape},
    model::IdRange,
    store::Holding,
};

/// What memory knows of holes, and the store of ids that are none.
#[derive(Clone, Debug)]
pub(super) struct Known<'a> {
    /// The id from which on it knows each; before it, what is held tells.
    pub(super) from: u64,
    /// Ids from there on that are missing.
    holes: Holes,
    /// Knows which ids are proven absent.
    holding: Option<&'a Holding>,
}

impl<'a> Known<'a> {
    /// What is known of a tape with these holes.
    pub(super) fn of(tape: &Tape, holes: Holes, holding: Option<&'a Holding>) -> Self {
        Self { from: tape.start().unwrap_or(u64::MAX), holes, holding }
    }

    /// What of a hole is not proven absent.
    pub(super) fn open_parts(&self, hole: IdRange) -> Vec<IdRange> {
        self.holding.map_or_else(|| vec![hole], |holding| holding.open_parts(hole))
    }

    /// What is missing in `span`, ascending: known holes, what cannot be read, and before those jumps between the runs that
    /// are `held`, which ascend; but for ids that are proven absent.
    pub(super) fn missing(
        &self,
        span: IdRange,
        held: impl IntoIterator<Item = IdRange>,
        damaged: &[IdRange],
    ) -> Vec<IdRange> {
        let mut holes = Vec::new();
        if let Some(before) = IdRange::new(span.first, span.last.min(self.from.saturating_sub(1))) {
            holes.extend(jumps(before, held));
        }
        let known = self.holes.within(span);
        let damaged = damaged.iter().copied().filter(|ids| ids.first >= self.from);
        holes.extend(known.chain(damaged).filter_map(|hole| hole.meet(span)));
        holes.sort_unstable();
        holes.dedup();
        holes.into_iter().flat_map(|hole| self.open_parts(hole)).collect()
    }
}

/// What of `span` is in none of the runs, which ascend.
fn jumps(span: IdRange, held: impl IntoIterator<Item = IdRange>) -> Vec<IdRange> {
    let (mut jumps, mut next) = (Vec::new(), span.first);
    for run in held {
        if run.first > span.last {
            break;
        }
        jumps.extend(run.first.checked_sub(1).and_then(|last| IdRange::new(next, last)));
        next = next.max(run.last.saturating_add(1));
    }
    jumps.extend(IdRange::new(next, span.last));
    jumps
}
