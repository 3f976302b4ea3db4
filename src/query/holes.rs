//! Which ids of a span are missing?

use crate::{market::Holes, model::IdRange};

/// What memory knows of holes.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The id from which on it knows each; before it, what is held tells.
    pub(super) from: u64,
    /// Ids from there on that are missing.
    pub(super) holes: Holes,
}

impl Known {
    /// What is missing in `span`, ascending: known holes, what cannot be read, and before those jumps between the runs that
    /// are `held`, which ascend.
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
        holes
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
