//! Which missing ids of one contract are worth asking for, and which are asked for next?

use crate::{
    exchange::binance::AGG_TRADES_ROWS_MAX,
    history::{budget::Priority, rest::Piece},
    market::Holes,
    model::IdRange,
};
use std::time::Duration;
use tokio::time::Instant;

/// Ids of one page.
const PAGE_IDS: u64 = AGG_TRADES_ROWS_MAX as u64;
/// A hole of so many ids is small: a few pages, fetched before larger ones.
const SMALL_IDS_MAX: u64 = 5 * PAGE_IDS;
/// Of a larger hole so many ids are fetched before others have their turn.
const STRETCH_IDS: u64 = 50 * PAGE_IDS;
/// Holes of one contract that are looked at together, the oldest.
const LOOKED_AT_MAX: usize = 1_024;
/// What the venue stepped over is asked for again after this time: a fault of its own may have passed.
const ABSENT_FOR: Duration = Duration::from_hours(1);
/// Runs of such ids that are remembered; the oldest are forgotten first, and asked for again.
const ABSENT_MAX: usize = 4_096;

/// What is known of a contract's missing ids beside the tape.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Whether some are being fetched.
    pub(super) is_filling: bool,
    /// When it may be looked at again after a failure.
    pub(super) rests_until: Option<Instant>,
    /// Ids that were fetched, and nobody has been told of.
    pub(super) healed: Holes,
    /// Older than the REST API reaches.
    awaiting: Holes,
    /// Stepped over by the venue, or not to be had now, and when they are asked for again.
    absent: Vec<(IdRange, Instant)>,
}

/// What is asked for next of one contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) ids: IdRange,
    pub(super) priority: Priority,
}

impl Sight {
    /// What is asked for next of the missing ids: small holes first, since they cost little; of each kind the oldest, which
    /// the venue forgets first. Nothing when there is none but those that were spoken of.
    pub(super) fn next(&mut self, holes: &Holes, from_id: u64, now: Instant) -> Option<Next> {
        self.absent.retain(|(_, until)| *until > now);
        let from = IdRange { first: from_id, last: u64::MAX };
        let open = holes.within(from).flat_map(|hole| self.unspoken(hole)).take(LOOKED_AT_MAX);
        let mut spans: Vec<IdRange> = Vec::new();
        for ids in open {
            match spans.last_mut().filter(|span| self.is_one_page(**span, ids)) {
                Some(span) => span.last = ids.last,
                None => spans.push(ids),
            }
        }
        let small = spans.iter().find(|span| span.count() <= SMALL_IDS_MAX);
        let large = || {
            let IdRange { first, last } = *spans.first()?;
            Some(IdRange { first, last: last.min(first.saturating_add(STRETCH_IDS - 1)) })
        };
        let of = |priority| move |ids| Next { ids, priority };
        small.copied().map(of(Priority::Repair)).or_else(|| large().map(of(Priority::Seam)))
    }

    /// Whether one page covers both, and no id between is one that was spoken of.
    fn is_one_page(&self, span: IdRange, next: IdRange) -> bool {
        let between = IdRange::new(span.last + 1, next.first.saturating_sub(1));
        next.last - span.first < PAGE_IDS && between.is_none_or(|ids| self.unspoken(ids) == [ids])
    }

    /// The parts of `ids` that neither wait for the archive nor were stepped over.
    pub(super) fn unspoken(&self, ids: IdRange) -> Vec<IdRange> {
        let mut absent = Holes::default();
        let near = self.absent.iter().filter(|(run, _)| run.first <= ids.last && ids.first <= run.last);
        near.for_each(|(run, _)| absent.open(*run));
        let parts = self.awaiting.outside(ids);
        parts.into_iter().flat_map(|part| absent.outside(part)).collect()
    }

    /// Notes what became of `ids`, so that they are not asked for again, or not soon.
    pub(super) fn note(&mut self, piece: &Piece, ids: IdRange, now: Instant) {
        match piece {
            Piece::Trades(_) => {}
            Piece::AwaitingArchive(_) => self.awaiting.open(ids),
            Piece::Absent(_) => self.rest(ids, now + ABSENT_FOR),
        }
    }

    /// Lets `ids` rest until a time; others go on.
    pub(super) fn rest(&mut self, ids: IdRange, until: Instant) {
        if self.absent.len() >= ABSENT_MAX {
            self.absent.remove(0);
        }
        self.absent.push((ids, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::rest::Absent, model::UnixMillis};

    fn ids(first: u64, last: u64) -> IdRange {
        IdRange { first, last }
    }

    fn holes(runs: &[(u64, u64)]) -> Holes {
        let mut holes = Holes::default();
        runs.iter().for_each(|&(first, last)| holes.open(ids(first, last)));
        holes
    }

    #[test]
    fn small_holes_go_first_and_a_page_serves_its_neighbours() {
        let (mut sight, now) = (Sight::default(), Instant::now());
        let missing = holes(&[(1, 1_000_000), (2_000_000, 2_000_001), (2_000_900, 2_000_999), (2_001_000, 2_001_000)]);
        let next =
            |sight: &mut Sight, missing: &Holes| sight.next(missing, 0, now).map(|next| (next.ids, next.priority));
        assert_eq!(next(&mut sight, &missing), Some((ids(2_000_000, 2_000_999), Priority::Repair)));
        assert_eq!(next(&mut sight, &holes(&[(1, 1_000_000)])), Some((ids(1, STRETCH_IDS), Priority::Seam)));
        assert_eq!(next(&mut sight, &Holes::default()), None);
    }

    #[test]
    fn what_was_spoken_of_is_not_asked_for_again_and_what_was_absent_after_its_time() {
        let (mut sight, now) = (Sight::default(), Instant::now());
        let missing = holes(&[(10, 29)]);
        sight.note(&Piece::AwaitingArchive(ids(10, 14)), ids(10, 14), now);
        let absent = Piece::Absent(Absent { ids: ids(20, 24), at: UnixMillis::new(0) });
        sight.note(&absent, ids(20, 24), now);
        assert_eq!(sight.unspoken(ids(1, 40)), [ids(1, 9), ids(15, 19), ids(25, 40)]);
        assert_eq!(sight.next(&missing, 0, now).map(|next| next.ids), Some(ids(15, 19)));
        let all = holes(&[(10, 14), (20, 24)]);
        assert_eq!(sight.next(&all, 0, now), None);
        let later = now + ABSENT_FOR;
        assert_eq!(sight.next(&all, 0, later).map(|next| next.ids), Some(ids(20, 24)));
    }
}
