//! What do the writer and a reader of one slot promise each other?
//!
//! A slot is a sequence lock whose payload words are atomic, so a torn read is a wrong value that is noticed and thrown
//! away, never a data race. The stamp of a slot holding position `p` is `2p + 2`; while `p` is being written it is
//! `2p + 1`; 0 means never written.

use super::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};
use crossbeam::utils::CachePadded;

/// One record and the stamp that guards it.
#[derive(Debug)]
#[repr(align(64))]
struct Slot<const WORDS: usize> {
    stamp: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// The slots and the count of positions ever published.
#[derive(Debug)]
pub struct Ring<const WORDS: usize> {
    slots: Box<[Slot<WORDS>]>,
    /// Positions below it are published. Written by the writer alone.
    head: CachePadded<AtomicU64>,
    /// Whether a [`Writer`] exists.
    owned: AtomicBool,
}

/// The position was overwritten before it could be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// The only handle that may publish; at most one exists a ring.
#[derive(Debug)]
pub struct Writer<const WORDS: usize> {
    ring: Arc<Ring<WORDS>>,
    head: u64,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// A ring of at least `capacity` slots (a power of two), without a writer.
    pub fn new(capacity: usize) -> Arc<Self> {
        let slot = |_| Slot { stamp: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) };
        let slots = (0..capacity.max(2).next_power_of_two()).map(slot).collect();
        Arc::new(Self { slots, head: CachePadded::new(AtomicU64::new(0)), owned: AtomicBool::new(false) })
    }

    /// How many of the newest positions are held.
    pub fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The position that will be published next.
    pub fn head(&self) -> u64 {
        // Acquire pairs with the Release in `Writer::push`: positions below the result are readable.
        self.head.load(Ordering::Acquire)
    }

    /// The oldest position that is not being overwritten by the next push.
    pub fn oldest(&self) -> u64 {
        (self.head() + 1).saturating_sub(self.capacity())
    }

    /// Reads the record at `position`, which must be below [`Ring::head`].
    ///
    /// # Errors
    ///
    /// When the writer has lapped it, or laps it meanwhile.
    pub fn read(&self, position: u64) -> Result<[u64; WORDS], Lost> {
        let slot = self.slot(position);
        let expected = 2 * position + 2;
        // Acquire pairs with the Release store of the full stamp in `push`: its words are visible.
        if slot.stamp.load(Ordering::Acquire) != expected {
            return Err(Lost);
        }
        let words = std::array::from_fn(|at| slot.words[at].load(Ordering::Relaxed));
        // Acquire fence, pairs with the Release fence in `push`: if any word above came from a later write, the stamp
        // read below is at least that write's half stamp.
        fence(Ordering::Acquire);
        if slot.stamp.load(Ordering::Relaxed) == expected { Ok(words) } else { Err(Lost) }
    }

    /// The newest records, at most `count`, oldest first, with the position of the first; contiguous up to a head.
    pub fn newest(&self, count: usize) -> (u64, Vec<[u64; WORDS]>) {
        self.newest_below(self.head(), count)
    }

    /// The records just below `end`, at most `count`, oldest first, with the position of the first.
    ///
    /// Those overwritten meanwhile are left out at the old end, never in the middle.
    pub fn newest_below(&self, end: u64, count: usize) -> (u64, Vec<[u64; WORDS]>) {
        let start = end.saturating_sub((count as u64).min(self.capacity()));
        let mut records = Vec::with_capacity((end - start).try_into().unwrap_or(0));
        let mut first = start;
        for position in start..end {
            if let Ok(record) = self.read(position) {
                records.push(record);
            } else {
                records.clear();
                first = position + 1;
            }
        }
        (first, records)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the mask is below the slot count, which is a usize")]
    fn slot(&self, position: u64) -> &Slot<WORDS> {
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize]
    }
}

impl<const WORDS: usize> Writer<WORDS> {
    /// Takes the ring's writing end, or nothing while another writer lives.
    ///
    /// A slot that a dead writer left half-written stays unreadable until the next push overwrites it.
    pub fn adopt(ring: &Arc<Ring<WORDS>>) -> Option<Self> {
        // AcqRel: pairs with the Release in `drop`, so the new writer sees all that the old one published.
        if ring.owned.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Self { ring: Arc::clone(ring), head: ring.head() })
    }

    /// The ring.
    pub fn ring(&self) -> &Arc<Ring<WORDS>> {
        &self.ring
    }

    /// Publishes a record and returns its position. Never waits.
    pub fn push(&mut self, words: [u64; WORDS]) -> u64 {
        let position = self.head;
        let slot = self.ring.slot(position);
        slot.stamp.store(2 * position + 1, Ordering::Relaxed);
        // Release fence, pairs with the Acquire fence in `read`: nobody sees a new word under the old stamp.
        fence(Ordering::Release);
        for (slot, word) in slot.words.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
        // Release pairs with the Acquire of the stamp in `read`.
        slot.stamp.store(2 * position + 2, Ordering::Release);
        self.head = position + 1;
        // Release pairs with the Acquire in `Ring::head`.
        self.ring.head.store(self.head, Ordering::Release);
        position
    }
}

impl<const WORDS: usize> Drop for Writer<WORDS> {
    fn drop(&mut self) {
        // Release pairs with the AcqRel in `adopt`.
        self.ring.owned.store(false, Ordering::Release);
    }
}
