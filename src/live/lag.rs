//! When is a session too slow, and what then?

use crate::model::IdRange;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Ends a session's socket from outside: a session whose client does not read is frozen and cannot end itself.
#[derive(Clone)]
pub struct Cut(Arc<dyn Fn() + Send + Sync>);

impl Cut {
    /// Wraps the action; calling it again must do no harm.
    pub fn new(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(action))
    }

    /// Does it.
    pub fn now(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cut")
    }
}

/// How many bytes wait in one session's mailbox, which itself counts messages only.
#[derive(Clone, Debug)]
pub struct Backlog {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Backlog {
    /// An empty one that is full at `bytes_max`.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes: Arc::default(), bytes_max }
    }

    // A count that guards nothing and may be a message behind: `Relaxed` serves.

    /// Whether another message may come.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.bytes_max
    }

    /// Notes bytes that are about to be handed over: before they are, so that they are never taken first.
    pub(super) fn put(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes bytes that the session has taken.
    pub fn took(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a subscription wants when its session does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPolicy {
    /// Only the newest state; what was not delivered is left out. For trades the left-out ids are still named.
    Conflate,
    /// A message that names the lost ids, and an end when it happens again and again.
    Gap,
    /// An end at once.
    Close,
}

/// Overflows after which a session is ended, unless it has kept up for [`CALM_MS`] since the last.
const OVERFLOWS_MAX: u32 = 3;
/// Time without an overflow after which earlier ones are forgotten.
const CALM_MS: i64 = 60_000;

/// Lost runs named one by one; when there are more, the oldest two become one that also names what lies between.
const LOST_RUNS_MAX: usize = 16;

/// How far behind one subscription is.
#[derive(Clone, Debug, Default)]
pub(super) struct Lag {
    /// Ids not delivered since the mailbox first refused, as runs in the order in which they were lost.
    lost: Vec<IdRange>,
    /// Since when something is owed.
    since_ms: Option<i64>,
    last_overflow_ms: i64,
    overflows: u32,
}

/// What to do with a subscription whose mailbox refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Leave it for now.
    Wait,
    /// End it.
    End,
}

impl Lag {
    /// Whether nothing is owed.
    pub(super) fn is_clear(&self) -> bool {
        self.since_ms.is_none()
    }

    /// The oldest run of ids not delivered.
    pub(super) fn lost(&self) -> Option<IdRange> {
        self.lost.first().copied()
    }

    /// Notes that the oldest run has been named.
    pub(super) fn named(&mut self) {
        self.lost.remove(0);
    }

    /// Notes that `ids` were lost before they could be offered: no fault of the session.
    pub(super) fn owe(&mut self, ids: IdRange, now_ms: i64) {
        self.late(now_ms);
        self.lose(ids);
    }

    /// Notes that something is owed through no fault of the session.
    pub(super) fn late(&mut self, now_ms: i64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// Notes that the mailbox refused `ids` at `now_ms`.
    pub(super) fn refused(
        &mut self,
        ids: Option<IdRange>,
        policy: SlowPolicy,
        now_ms: i64,
        slow_ms_max: i64,
    ) -> Verdict {
        let since_ms = *self.since_ms.get_or_insert_with(|| {
            if now_ms - self.last_overflow_ms > CALM_MS {
                self.overflows = 0;
            }
            self.last_overflow_ms = now_ms;
            self.overflows += 1;
            now_ms
        });
        ids.into_iter().for_each(|ids| self.lose(ids));
        let too_often = policy == SlowPolicy::Gap && self.overflows > OVERFLOWS_MAX;
        if policy == SlowPolicy::Close || too_often || now_ms - since_ms >= slow_ms_max {
            Verdict::End
        } else {
            Verdict::Wait
        }
    }

    fn lose(&mut self, ids: IdRange) {
        match self.lost.last_mut() {
            Some(last) if last.last + 1 == ids.first => last.last = ids.last,
            _ => self.lost.push(ids),
        }
        if self.lost.len() > LOST_RUNS_MAX {
            let oldest = self.lost.remove(0);
            let next = &mut self.lost[0];
            (next.first, next.last) = (next.first.min(oldest.first), next.last.max(oldest.last));
        }
    }

    /// Notes that what was owed has been said.
    pub(super) fn cleared(&mut self) {
        self.lost.clear();
        self.since_ms = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_MS: i64 = 5_000;

    #[test]
    fn a_session_that_refuses_for_too_long_is_ended_and_its_loss_is_one_run() {
        let mut lag = Lag::default();
        let ids = |first, last| IdRange::new(first, last);
        assert_eq!(lag.refused(ids(5, 9), SlowPolicy::Gap, 0, MAX_MS), Verdict::Wait);
        assert_eq!(lag.refused(ids(10, 20), SlowPolicy::Gap, 4_999, MAX_MS), Verdict::Wait);
        assert_eq!(lag.lost(), ids(5, 20));
        assert_eq!(lag.refused(ids(21, 21), SlowPolicy::Gap, 5_000, MAX_MS), Verdict::End);
    }

    #[test]
    fn runs_that_do_not_touch_are_named_apart_and_our_own_loss_is_no_overflow() {
        let mut lag = Lag::default();
        for first in [100, 5, 200] {
            lag.owe(IdRange { first, last: first + 1 }, 0);
        }
        assert!(!lag.is_clear() && lag.overflows == 0);
        let mut named = Vec::new();
        while let Some(ids) = lag.lost() {
            named.push((ids.first, ids.last));
            lag.named();
        }
        assert_eq!(named, [(100, 101), (5, 6), (200, 201)]);
        (0..=LOST_RUNS_MAX as u64).for_each(|at| lag.owe(IdRange { first: 10 * at + 1, last: 10 * at + 1 }, 0));
        assert_eq!((lag.lost.len(), lag.lost()), (LOST_RUNS_MAX, IdRange::new(1, 11)));
    }

    #[test]
    fn repeated_overflow_ends_a_session_unless_it_was_calm_in_between() {
        let overflow = |lag: &mut Lag, now_ms| {
            let verdict = lag.refused(None, SlowPolicy::Gap, now_ms, MAX_MS);
            lag.cleared();
            verdict
        };
        let mut lag = Lag::default();
        let verdicts: Vec<_> = (0..4).map(|at| overflow(&mut lag, at * 1_000)).collect();
        assert_eq!(verdicts, [Verdict::Wait, Verdict::Wait, Verdict::Wait, Verdict::End]);
        let mut calm = Lag::default();
        assert!((0..10).all(|at| overflow(&mut calm, at * (CALM_MS + 1)) == Verdict::Wait));
    }
}
