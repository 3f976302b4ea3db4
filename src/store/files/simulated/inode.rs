//! What of a file is durable, what is only written, and what does a power cut leave of it?

use super::{
    content::{Content, SECTOR, pieces},
    cut::Landing,
    draws::Draws,
};
use std::{ops::Range, sync::Arc};

/// Names a file for as long as anything refers to it.
pub(super) type Ino = u64;

/// A file: its bytes, and who keeps it alive.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) body: Body,
    /// How many handles are open.
    pub(super) open: u32,
    /// Whether it has a name in the tree that is seen.
    pub(super) named: bool,
    /// Whether somebody holds the writer's lock.
    pub(super) locked: bool,
}

impl Inode {
    /// Whether it takes room: it can still be reached.
    pub(super) const fn live(&self) -> bool {
        self.named || self.open > 0
    }
}

/// The bytes of a file as they are read, as they are durable, and the writes in between.
#[derive(Clone, Default)]
pub(super) struct Body {
    seen: Content,
    durable: Content,
    unsynced: Vec<Write>,
    /// What the medium no longer gives.
    bad: Vec<Range<u64>>,
}

/// A write that no sync has made durable. The sequence orders writes to all files.
#[derive(Clone)]
struct Write {
    sequence: u64,
    offset: u64,
    bytes: Arc<[u8]>,
}

impl Body {
    /// Bytes that are durable.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let seen = Content::of(bytes);
        Self { durable: seen.clone(), seen, ..Self::default() }
    }

    /// The bytes as they are read.
    pub(super) const fn seen(&self) -> &Content {
        &self.seen
    }

    pub(super) const fn len(&self) -> u64 {
        self.seen.len()
    }

    pub(super) fn write(&mut self, sequence: u64, offset: u64, bytes: &[u8]) {
        self.seen.write(offset, bytes);
        self.unsynced.push(Write { sequence, offset, bytes: bytes.into() });
    }

    /// Makes it at least `len` long, by zeros.
    pub(super) fn extend(&mut self, len: u64) {
        self.seen.set_len(self.len().max(len));
    }

    /// Makes what is pending durable, and the length.
    pub(super) fn sync(&mut self) {
        for write in self.unsynced.drain(..) {
            self.durable.write(write.offset, &write.bytes);
        }
        self.durable.set_len(self.seen.len());
    }

    /// A failed write-back: the pages count as clean, so what was pending can be read and never becomes durable.
    pub(super) fn lose(&mut self) {
        self.unsynced.clear();
    }

    /// Changes the bytes on the medium and those in memory.
    pub(super) fn damage(&mut self, damage: impl Fn(&mut Content)) {
        damage(&mut self.seen);
        damage(&mut self.durable);
    }

    /// From now on these bytes cannot be read.
    pub(super) fn spoil(&mut self, bytes: Range<u64>) {
        self.bad.push(bytes);
    }

    /// Whether any of these bytes cannot be read.
    pub(super) fn is_bad(&self, bytes: &Range<u64>) -> bool {
        self.bad.iter().any(|bad| bad.start < bytes.end && bytes.start < bad.end)
    }

    /// The sequence of each write that is pending.
    pub(super) fn pending(&self) -> impl Iterator<Item = u64> {
        self.unsynced.iter().map(|write| write.sequence)
    }

    /// A power cut: what landed is all there is.
    pub(super) fn cut(&mut self, landing: Landing, draws: &mut Draws) {
        let len = landing.len(self.durable.len(), self.seen.len(), draws);
        for write in self.unsynced.drain(..) {
            land(&mut self.durable, &write, landing, draws);
        }
        self.durable.set_len(len);
        self.seen = self.durable.clone();
    }
}

fn land(durable: &mut Content, write: &Write, landing: Landing, draws: &mut Draws) {
    let sectors = pieces(write.offset, write.bytes.len(), SECTOR).count();
    let share = landing.share(write.sequence, sectors, draws);
    for (index, (at, range)) in pieces(write.offset, write.bytes.len(), SECTOR).enumerate() {
        if share.holds(index, draws) {
            durable.write(at, &write.bytes[range]);
        }
    }
}
