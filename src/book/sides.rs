//! What stands in the book of one contract, after which changes?

use crate::book::changes::{Changes, Delta};
use crate::book::checksum;
use crate::book::ladder::{Ladder, Side};
use crate::model::{BookSnapshot, BookUpdate, Level, UnixMillis};

/// How much a book remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOptions {
    /// Levels of a side, at least 1; of more, the farthest from the best are forgotten. 16 bytes each.
    pub levels_max: usize,
    /// Changed levels remembered for [`Book::delta`], 32 bytes each; 0 for a book that nobody follows.
    pub changes_max: usize,
}

/// Why a snapshot is none of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A side is not sorted the best first, has a price twice, or a level with nothing on it.
    #[error("its levels are not in order")]
    Disorder,
    /// The best bid is not below the best ask.
    #[error("its sides cross")]
    Crossed,
}

/// Both sides of a book. It believes what it is told: whether updates join is judged by [`Replica`](super::Replica).
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    levels_max: usize,
    last_id: u64,
    time: UnixMillis,
    changes: Changes,
}

impl Book {
    /// An empty book: nothing is bid nor asked.
    pub fn new(options: BookOptions) -> Self {
        let (bids, asks) = (Ladder::new(Side::Bid), Ladder::new(Side::Ask));
        let (last_id, time) = (0, UnixMillis::default());
        Self { bids, asks, levels_max: options.levels_max, last_id, time, changes: Changes::new(options.changes_max) }
    }

    /// Becomes `snapshot`, for which `levels_asked` levels a side were asked: a side that has fewer is whole. No delta spans this.
    ///
    /// # Errors
    ///
    /// When it is none of a book; then nothing changes.
    pub fn load(&mut self, snapshot: &BookSnapshot, levels_asked: usize) -> Result<(), SnapshotError> {
        self.check(snapshot)?;
        for (ladder, levels) in [(&mut self.bids, &snapshot.bids), (&mut self.asks, &snapshot.asks)] {
            ladder.load(levels, levels.len() < levels_asked);
            ladder.cut(self.levels_max);
        }
        (self.last_id, self.time) = (snapshot.last_id, snapshot.time);
        self.changes.begin();
        Ok(())
    }

    pub(super) fn check(&self, snapshot: &BookSnapshot) -> Result<(), SnapshotError> {
        let best = |levels: &[Level]| levels.first().map(|level| level.price);
        if !self.bids.admits(&snapshot.bids) || !self.asks.admits(&snapshot.asks) {
            return Err(SnapshotError::Disorder);
        }
        match (best(&snapshot.bids), best(&snapshot.asks)) {
            (Some(bid), Some(ask)) if bid >= ask => Err(SnapshotError::Crossed),
            _ => Ok(()),
        }
    }

    /// Puts levels where they belong; a quantity of 0 takes one away, and it is no error when there was none. Of a price that
    /// comes twice the last holds. Allocates nothing once it has held as many levels.
    pub fn apply(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) {
        for (side, levels) in [(Side::Bid, bids), (Side::Ask, asks)] {
            for level in levels {
                if self.ladder_mut(side).set(*level) {
                    self.changes.push(side, *level);
                }
            }
        }
        self.bids.cut(self.levels_max);
        self.asks.cut(self.levels_max);
        (self.last_id, self.time) = (update.last_id, update.time);
        self.changes.finish();
    }

    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// One side.
    pub fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    /// What is bid.
    pub fn bids(&self) -> &Ladder {
        &self.bids
    }

    /// What is asked.
    pub fn asks(&self) -> &Ladder {
        &self.asks
    }

    /// The id of the last change that is in it.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// When it last changed.
    pub fn time(&self) -> UnixMillis {
        self.time
    }

    /// How many updates and snapshots it has taken: dense, and never back.
    pub fn sequence(&self) -> u64 {
        self.changes.sequence()
    }

    /// Whether the best bid is not below the best ask, which no venue's book is.
    pub fn is_crossed(&self) -> bool {
        matches!((self.bids.best(), self.asks.best()), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// Which levels within reach changed after the sequence `from`, up to and with `to`; nothing when that is not remembered, lies
    /// ahead, or a snapshot came between: then whoever follows needs the whole book.
    pub fn delta(&self, from: u64, to: u64) -> Option<Delta> {
        let mut delta = self.changes.between(from, to)?;
        delta.bids.retain(|level| self.bids.reaches(level.price));
        delta.asks.retain(|level| self.asks.reaches(level.price));
        Some(delta)
    }

    /// A sum over the 10 best levels within reach of each side, by which a follower may tell that his copy is right: CRC-32 (ISO-HDLC,
    /// that of zlib) over the bids, then the asks, the best first; of each side one byte with the number of its levels, of each level the
    /// units of 1e-8 of its price, then of its quantity, as signed 64-bit little-endian integers.
    pub fn checksum(&self) -> u32 {
        checksum::top(&self.bids, &self.asks)
    }
}
