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
    /// Records handed over: the positions from `lost.end` on.
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

    /// Hands the records published since the last call to `take`, oldest first, at most `count_max`.
    ///
    /// When the reader was lapped before the first record, the batch says which positions are lost, and goes on at the
    /// oldest still held. When it is lapped in the middle, the batch ends there and the next call reports the loss. So
    /// the losses and records of all batches, one after the other, are all positions, each once. A reader that is
    /// lapped by a whole ring during the call gets a loss and no record.
    pub fn read<const WORDS: usize>(
        &mut self,
        ring: &Ring<WORDS>,
        count_max: usize,
        mut take: impl FnMut([u64; WORDS]),
    ) -> Batch {
        let from = self.next;
        let mut lost = from..from;
        let mut records = 0;
        // Seen once, so that the call ends however fast the writer is.
        let head = ring.head();
        while self.next < head && records < count_max {
            match ring.read(self.next) {
                Ok(words) => {
                    take(words);
                    records += 1;
                    self.next += 1;
                }
                Err(_) if records > 0 => break,
                Err(_) => {
                    let held = ring.head().saturating_sub(ring.capacity());
                    self.next = held.max(self.next + 1);
                    lost.end = self.next;
                }
            }
        }
        Batch { lost, records }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ring::Writer;
    use proptest::{collection::vec, prelude::*};
    use std::thread;

    fn batch(lost: Range<u64>, records: usize) -> Batch {
        Batch { lost, records }
    }

    #[test]
    fn a_reader_that_keeps_up_loses_nothing() {
        let ring = Ring::<1>::new(4);
        let mut writer = Writer::adopt(&ring).unwrap();
        let mut cursor = Cursor::at(0);
        for position in 0..20 {
            writer.push([position]);
            assert_eq!(cursor.read(&ring, 9, |words| assert_eq!(words, [position])), batch(position..position, 1));
        }
        assert_eq!(cursor.read(&ring, 9, |_| unreachable!()), batch(20..20, 0));
        assert_eq!(cursor.position(), 20);
    }

    #[test]
    fn a_cursor_beyond_the_head_waits_for_it() {
        let ring = Ring::<1>::new(4);
        let mut writer = Writer::adopt(&ring).unwrap();
        let mut cursor = Cursor::at(2);
        for (pushed, records) in [(0, 0), (1, 0), (2, 1)] {
            writer.push([pushed]);
            assert_eq!(cursor.read(&ring, 9, |words| assert_eq!(words, [2])), batch(2..2, records));
        }
    }

    #[test]
    fn a_reader_lapped_in_the_middle_gets_its_batch_first_and_the_loss_with_the_next() {
        let ring = Ring::<1>::new(4);
        let mut writer = Writer::adopt(&ring).unwrap();
        (0..4).for_each(|position| assert_eq!(writer.push([position]), position));
        let mut cursor = Cursor::at(0);
        let mut seen = Vec::new();
        // The writer laps the reader while it handles position 1: 2 and 3 go, and so do 4 to 6.
        let first = cursor.read(&ring, 9, |[position]| {
            seen.push(position);
            if position == 1 {
                (4..11).for_each(|position| assert_eq!(writer.push([position]), position));
            }
        });
        assert_eq!((first, cursor.position()), (batch(0..0, 2), 2));
        assert_eq!(cursor.read(&ring, 3, |[position]| seen.push(position)), batch(2..7, 3));
        assert_eq!(cursor.read(&ring, 3, |[position]| seen.push(position)), batch(10..10, 1));
        assert_eq!(seen, [0, 1, 7, 8, 9, 10]);
    }

    proptest! {
        /// The oracle is arithmetic: of `pushed` positions the newest 8 are held, everything older is lost.
        #[test]
        fn losses_and_records_are_exact(steps in vec((0_u64..20, 0_usize..12), 1..40)) {
            let ring = Ring::<1>::new(8);
            let mut writer = Writer::adopt(&ring).unwrap();
            let (mut cursor, mut pushed, mut next) = (Cursor::at(0), 0_u64, 0_u64);
            for (pushes, count_max) in steps {
                for _ in 0..pushes {
                    writer.push([pushed]);
                    pushed += 1;
                }
                let held = if count_max == 0 { next } else { next.max(pushed.saturating_sub(8)) };
                let until = pushed.min(held + count_max as u64);
                let mut seen = Vec::new();
                let found = cursor.read(&ring, count_max, |[position]| seen.push(position));
                prop_assert_eq!(found, batch(next..held, seen.len()));
                prop_assert_eq!(seen, (held..until).collect::<Vec<_>>());
                next = until;
            }
        }
    }

    #[test]
    fn racing_readers_account_for_every_position() {
        const PUSHES: u64 = 300_000;
        let ring = Ring::<7>::new(8);
        let mut writer = Writer::adopt(&ring).unwrap();
        thread::scope(|scope| {
            for count_max in [1, 1000] {
                let ring = &ring;
                scope.spawn(move || {
                    let (mut cursor, mut next) = (Cursor::at(0), 0);
                    while next < PUSHES {
                        let start = cursor.position();
                        let mut positions = Vec::new();
                        let found = cursor.read(ring, count_max, |words| {
                            assert_eq!(words, [words[0]; 7]);
                            positions.push(words[0]);
                        });
                        assert_eq!((found.lost.start, found.records), (start, positions.len()));
                        next = found.lost.end + positions.len() as u64;
                        assert!(positions.into_iter().eq(found.lost.end..next));
                        assert_eq!(cursor.position(), next);
                    }
                    assert_eq!(next, PUSHES);
                });
            }
            (0..PUSHES).for_each(|position| assert_eq!(writer.push([position; 7]), position));
        });
    }
}
