//! Which levels changed between two states of a book?

use crate::book::ladder::Side;
use crate::model::Level;
use std::cmp::Reverse;
use std::collections::VecDeque;

/// What brings a copy of a book from one sequence to another. Each price comes once, the best first, with what stands there afterwards;
/// 0 takes it away. The book may have forgotten levels meanwhile: a follower drops what lies beyond its
/// [`reach`](super::Ladder::reach).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Changed bids.
    pub bids: Vec<Level>,
    /// Changed asks.
    pub asks: Vec<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    /// In which step of the book it came.
    sequence: u64,
    side: Side,
    level: Level,
}

/// A bounded log of changed levels; the oldest are dropped first.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    log: VecDeque<Change>,
    log_max: usize,
    sequence: u64,
    /// Every change after this sequence is in the log.
    floor: u64,
}

impl Changes {
    pub(super) fn new(log_max: usize) -> Self {
        Self { log: VecDeque::with_capacity(log_max), log_max, sequence: 0, floor: 0 }
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Notes a change of the step that [`finish`](Self::finish) ends.
    pub(super) fn push(&mut self, side: Side, level: Level) {
        let change = Change { sequence: self.sequence + 1, side, level };
        if self.log.len() >= self.log_max {
            let lost = self.log.pop_front().unwrap_or(change);
            self.floor = lost.sequence;
        }
        if self.log_max > 0 {
            self.log.push_back(change);
        }
    }

    /// Ends a step.
    pub(super) fn finish(&mut self) {
        self.sequence += 1;
    }

    /// Ends a step that changed everything.
    pub(super) fn begin(&mut self) {
        self.log.clear();
        self.sequence += 1;
        self.floor = self.sequence;
    }

    /// What changed after `from`, up to and with `to`.
    pub(super) fn between(&self, from: u64, to: u64) -> Option<Delta> {
        if from < self.floor || from > to || to > self.sequence {
            return None;
        }
        let start = self.log.partition_point(|change| change.sequence <= from);
        let end = self.log.partition_point(|change| change.sequence <= to);
        let mut delta = Delta::default();
        // The newest first, so that it is the one that stays.
        for change in self.log.range(start..end).rev() {
            match change.side {
                Side::Bid => delta.bids.push(change.level),
                Side::Ask => delta.asks.push(change.level),
            }
        }
        delta.bids.sort_by_key(|level| Reverse(level.price));
        delta.asks.sort_by_key(|level| level.price);
        delta.bids.dedup_by_key(|level| level.price);
        delta.asks.dedup_by_key(|level| level.price);
        Some(delta)
    }
}
