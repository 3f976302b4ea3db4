//! How does a reader follow the ring, and what does it learn when it was lapped?

use super::slots::Ring;
use std::ops::Range;

/// A reader's own place in a ring: the next position it will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
}

/// What one [`Cursor::read`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Positions that were overwritten before they were read; they precede every record of this batch. Empty when none.
    pub lost: Range<u64>,
    /// Records handed over.
    pub records: usize,
}

impl Cursor {
    /// A cursor that reads `position` next.
    pub fn at(position: u64) -> Self {
        Self { next: position }
    }

    /// The next position it will read.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Hands every record published since the last call to `take`, oldest first, at most `count_max`.
    ///
    /// When the reader was lapped before the first record, the batch says which positions are lost. When it is lapped
    /// in the middle, the batch ends there and the next call reports the loss.
    pub fn read<const WORDS: usize>(
        &mut self,
        ring: &Ring<WORDS>,
        count_max: usize,
        mut take: impl FnMut([u64; WORDS]),
    ) -> Batch {
        let from = self.next;
        let head = ring.head();
        let mut records = 0;
        let mut lost_end = from;
        while self.next < head && records < count_max {
            match ring.read(self.next) {
                Ok(words) => {
                    take(words);
                    records += 1;
                    self.next += 1;
                }
                Err(_) if records > 0 => break,
                Err(_) => {
                    self.next = ring.oldest().max(self.next + 1);
                    lost_end = self.next;
                }
            }
        }
        Batch { lost: from..lost_end, records }
    }
}
