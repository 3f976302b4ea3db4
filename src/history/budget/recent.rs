//! How many calls of a pool can the venue still count, when no header tells?

use crate::{history::budget::minute::GUARD_MS, model::UnixMillis};
use std::collections::VecDeque;

/// Calls of the last window, wherever the venue's windows begin: under the limit in every such span is under it in any.
///
/// Calls of an earlier process are not known; if they matter, the venue says 429.
#[derive(Debug)]
pub(super) struct Recent {
    window_ms: i64,
    /// When calls ended, oldest first: the venue counted them no later. Never more than were granted.
    ended: VecDeque<UnixMillis>,
    out: u32,
}

impl Recent {
    pub(super) fn new(window_ms: i64) -> Self {
        Self { window_ms, ended: VecDeque::new(), out: 0 }
    }

    /// Forgets what has left the window. Time that goes back forgets nothing, and remembers nothing for longer.
    pub(super) fn turn(&mut self, now: UnixMillis) {
        if self.ended.back().is_some_and(|last| *last > now) {
            self.ended.iter_mut().for_each(|ended| *ended = now.min(*ended));
        }
        while self.ended.front().is_some_and(|first| self.leaves(*first) <= now) {
            self.ended.pop_front();
        }
    }

    fn leaves(&self, ended: UnixMillis) -> UnixMillis {
        ended.plus(self.window_ms + GUARD_MS)
    }

    pub(super) fn used(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap_or(u32::MAX).saturating_add(self.out)
    }

    /// When the oldest call leaves the window, if any ended.
    pub(super) fn next_leaves(&self) -> Option<UnixMillis> {
        self.ended.front().map(|first| self.leaves(*first))
    }

    pub(super) fn take(&mut self) {
        self.out += 1;
    }

    /// It was never sent.
    pub(super) fn give_back(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    pub(super) fn end(&mut self, now: UnixMillis) {
        self.give_back();
        self.ended.push_back(now);
    }
}
