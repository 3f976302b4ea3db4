//! What do the writer and a reader of one slot promise each other?
//!
//! A slot is a sequence lock whose payload words are atomic, so a torn read is a wrong value that is noticed and thrown
//! away, never a data race. The stamp of a slot that holds position `p` is `p + 1`; it is [`EMPTY`] before the first
//! push and while a push is under way. No stamp but `EMPTY` is ever stored twice: this is what lets a reader trust two
//! equal looks at it.

use super::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};
use crossbeam::utils::CachePadded;
use std::fmt;

/// The stamp of a slot that holds no whole record.
const EMPTY: u64 = 0;

/// One record and the stamp that guards it: with 7 words one cache line.
#[repr(align(64))]
struct Slot<const WORDS: usize> {
    stamp: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// The slots and the count of positions ever published.
pub struct Ring<const WORDS: usize> {
    /// A power of two of them; position `p` lives in slot `p mod len`.
    slots: Box<[Slot<WORDS>]>,
    /// Positions below it are published. Written by the writer alone, on a line of its own.
    head: CachePadded<AtomicU64>,
    /// Whether a [`Writer`] exists.
    owned: AtomicBool,
}

/// The position is not held: overwritten, perhaps while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// The only handle that may publish; at most one exists a ring.
#[derive(Debug)]
pub struct Writer<const WORDS: usize> {
    ring: Arc<Ring<WORDS>>,
    head: u64,
}

impl<const WORDS: usize> Slot<WORDS> {
    /// What the words are now: of one record only if the caller's ordering says so.
    fn words(&self) -> [u64; WORDS] {
        std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed))
    }

    /// Whether the record at `position` is whole here; orders nothing.
    fn holds(&self, position: u64) -> bool {
        self.stamp.load(Ordering::Relaxed) == stamp_of(position)
    }
}

impl<const WORDS: usize> Ring<WORDS> {
    /// A ring of at least `capacity` slots (the next power of two, at least 2), without a writer.
    pub fn new(capacity: usize) -> Arc<Self> {
        let slot = |_| Slot { stamp: AtomicU64::new(EMPTY), words: std::array::from_fn(|_| AtomicU64::new(0)) };
        let slots = (0..capacity.max(2).next_power_of_two()).map(slot).collect();
        Arc::new(Self { slots, head: CachePadded::new(AtomicU64::new(0)), owned: AtomicBool::new(false) })
    }

    /// How many slots there are, so how many of the newest positions are held between two pushes.
    pub fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The position that will be published next.
    pub fn head(&self) -> u64 {
        // Acquire pairs with the Release of `Writer::publish`: whoever sees a head sees every stamp below it, so a
        // position below it that cannot be read was overwritten.
        self.head.load(Ordering::Acquire)
    }

    /// The oldest position that even a push under way leaves alone.
    ///
    /// While no push is under way the position below it is readable too.
    pub fn oldest(&self) -> u64 {
        (self.head() + 1).saturating_sub(self.capacity())
    }

    /// Reads the record at `position`.
    ///
    /// # Errors
    ///
    /// When the writer has lapped the position, or laps it meanwhile; at or above [`Ring::head`] also when it has not
    /// been published.
    pub fn read(&self, position: u64) -> Result<[u64; WORDS], Lost> {
        let slot = self.slot(position);
        // Acquire pairs with the Release store of the stamp in `push`: whoever sees the stamp sees the words.
        if slot.stamp.load(Ordering::Acquire) != stamp_of(position) {
            return Err(Lost);
        }
        let words = slot.words();
        // Pairs with the Release fence in `push`: if a word above is of a later push, the load below sees that push's
        // EMPTY or something newer.
        fence(Ordering::Acquire);
        if slot.holds(position) { Ok(words) } else { Err(Lost) }
    }

    /// The newest records, at most `count`, oldest first, with the position of the first; contiguous up to a head.
    pub fn newest(&self, count: usize) -> (u64, Vec<[u64; WORDS]>) {
        self.newest_below(u64::MAX, count)
    }

    /// The records just below `end` (or the head, if that is lower), at most `count`, oldest first, with the position
    /// of the first.
    ///
    /// Those overwritten meanwhile are left out at the old end, never in the middle: `first + records.len()` is that end.
    pub fn newest_below(&self, end: u64, count: usize) -> (u64, Vec<[u64; WORDS]>) {
        let head = self.head();
        let end = end.min(head);
        let held = head.saturating_sub(self.capacity());
        let first = end.saturating_sub(count as u64).max(held).min(end);
        // Words of these positions or of later ones: the Acquire of the head made them visible.
        let mut records: Vec<_> = (first..end).map(|position| self.slot(position).words()).collect();
        // Pairs with the Release fence in `push`: if a word above is of a later push, the loads below see EMPTY or
        // something newer there, and in every slot that the writer passed before. So the first whole slot ends the
        // search.
        fence(Ordering::Acquire);
        let lost = (first..end).take_while(|&position| !self.slot(position).holds(position)).count();
        records.drain(..lost);
        (first + lost as u64, records)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the mask is below the slot count, which is a usize")]
    fn slot(&self, position: u64) -> &Slot<WORDS> {
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize]
    }
}

impl<const WORDS: usize> fmt::Debug for Ring<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity()).field("head", &self.head()).finish_non_exhaustive()
    }
}

impl<const WORDS: usize> Writer<WORDS> {
    /// Takes the ring's writing end, or nothing while another writer lives.
    ///
    /// A push that the last writer did not finish is settled first: a whole record is published, the slot of any other
    /// stays unreadable until the next push overwrites it. So every position is written once.
    pub fn adopt(ring: &Arc<Ring<WORDS>>) -> Option<Self> {
        // Acquire pairs with the Release in `drop`: the new writer sees all that the old one did.
        ring.owned.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let mut writer = Self { ring: Arc::clone(ring), head: ring.head.load(Ordering::Relaxed) };
        if ring.slot(writer.head).holds(writer.head) {
            writer.publish();
        }
        Some(writer)
    }

    /// The ring.
    pub fn ring(&self) -> &Arc<Ring<WORDS>> {
        &self.ring
    }

    /// Publishes a record and returns its position. Never waits.
    pub fn push(&mut self, words: [u64; WORDS]) -> u64 {
        let position = self.head;
        let slot = self.ring.slot(position);
        slot.stamp.store(EMPTY, Ordering::Relaxed);
        // Pairs with the Acquire fences in `read` and `newest_below`: whoever sees a word stored below sees EMPTY or
        // something newer, and all stamps of earlier pushes.
        fence(Ordering::Release);
        for (slot, word) in slot.words.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
        // Release pairs with the Acquire load of the stamp in `read`.
        slot.stamp.store(stamp_of(position), Ordering::Release);
        self.publish();
        position
    }

    /// Counts the record whose stamp was just stored.
    fn publish(&mut self) {
        self.head += 1;
        // Release pairs with the Acquire in `Ring::head`.
        self.ring.head.store(self.head, Ordering::Release);
    }
}

impl<const WORDS: usize> Drop for Writer<WORDS> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `adopt`.
        self.ring.owned.store(false, Ordering::Release);
    }
}

/// The stamp of a slot that holds `position`; saturating, so that no position has the stamp [`EMPTY`].
fn stamp_of(position: u64) -> u64 {
    position.saturating_add(1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    type Record = [u64; 7];

    /// A record from which its position can be told, word by word.
    fn record(position: u64) -> Record {
        std::array::from_fn(|at| position.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at as u64)
    }

    fn ring_with(capacity: usize, pushes: u64) -> (Arc<Ring<7>>, Writer<7>) {
        let ring = Ring::new(capacity);
        let mut writer = Writer::adopt(&ring).expect("a new ring has no writer");
        for position in 0..pushes {
            assert_eq!(writer.push(record(position)), position);
        }
        (ring, writer)
    }

    #[test]
    fn a_slot_of_seven_words_is_one_cache_line() {
        assert_eq!((size_of::<Slot<7>>(), align_of::<Slot<7>>()), (64, 64));
    }

    #[test]
    fn capacity_is_the_next_power_of_two() {
        let capacities = [0, 1, 2, 3, 8, 9].map(|asked| Ring::<1>::new(asked).capacity());
        assert_eq!(capacities, [2, 2, 2, 4, 8, 16]);
    }

    #[test]
    fn exactly_the_newest_positions_are_held() {
        let (ring, _writer) = ring_with(4, 10);
        let held: Vec<u64> = (0..20).filter(|&position| ring.read(position) == Ok(record(position))).collect();
        assert_eq!(held, [6, 7, 8, 9]);
        assert_eq!((ring.head(), ring.oldest()), (10, 7));
        assert!([10, 14, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX].iter().all(|&at| ring.read(at) == Err(Lost)));
    }

    #[test]
    fn nothing_is_read_from_an_empty_ring() {
        let ring = Ring::<7>::new(4);
        assert!([0, 3, (1 << 63) - 1, u64::MAX].iter().all(|&position| ring.read(position) == Err(Lost)));
        assert_eq!((ring.head(), ring.oldest(), ring.newest(9)), (0, 0, (0, vec![])));
    }

    #[test]
    fn the_newest_records_come_in_order_over_the_wrap() {
        let (ring, _writer) = ring_with(8, 21);
        for (end, count, first, last) in [
            (u64::MAX, 3, 18, 21),
            (21, 8, 13, 21),
            (21, 999, 13, 21),
            (99, 2, 19, 21),
            (17, 3, 14, 17),
            (17, 99, 13, 17),
            (14, 5, 13, 14),
            (13, 5, 13, 13),
            (5, 3, 5, 5),
            (0, 3, 0, 0),
            (21, 0, 21, 21),
        ] {
            let expected = (first, (first..last).map(record).collect::<Vec<_>>());
            assert_eq!(ring.newest_below(end, count), expected, "below {end}, at most {count}");
        }
        assert_eq!(ring.newest(3), ring.newest_below(21, 3));
    }

    #[test]
    fn a_ring_has_one_writer_at_a_time() {
        let (ring, writer) = ring_with(4, 3);
        assert!(Writer::adopt(&ring).is_none());
        drop(writer);
        assert_eq!(Writer::adopt(&ring).unwrap().push(record(3)), 3);
    }

    #[test]
    fn the_heir_of_a_panicked_writer_goes_on_where_it_stopped() {
        let ring = Ring::new(4);
        let theirs = Arc::clone(&ring);
        let died = thread::spawn(move || {
            let mut writer = Writer::adopt(&theirs).unwrap();
            (0..6).for_each(|position| assert_eq!(writer.push(record(position)), position));
            panic!("planned");
        });
        assert!(died.join().is_err());
        let mut heir = Writer::adopt(&ring).unwrap();
        assert_eq!(heir.push(record(6)), 6);
        assert_eq!(ring.newest(4), (3, (3..7).map(record).collect()));
    }

    #[test]
    fn a_push_that_died_among_its_words_is_pushed_anew() {
        let (ring, writer) = ring_with(4, 6);
        let slot = ring.slot(6);
        slot.stamp.store(EMPTY, Ordering::Relaxed);
        slot.words[0].store(record(6)[0], Ordering::Relaxed);
        drop(writer);
        let mut heir = Writer::adopt(&ring).unwrap();
        assert_eq!((ring.read(2), ring.read(6), ring.head(), ring.oldest()), (Err(Lost), Err(Lost), 6, 3));
        assert_eq!(ring.newest(4), (3, (3..6).map(record).collect()));
        assert_eq!(heir.push(record(6)), 6);
        assert_eq!(ring.newest(4), (3, (3..7).map(record).collect()));
    }

    #[test]
    fn a_push_that_died_before_it_was_counted_is_published_by_the_heir() {
        let (ring, writer) = ring_with(4, 7);
        ring.head.store(6, Ordering::Relaxed);
        drop(writer);
        let mut heir = Writer::adopt(&ring).unwrap();
        assert_eq!((ring.head(), ring.read(6)), (7, Ok(record(6))));
        assert_eq!(heir.push(record(7)), 7);
    }

    #[test]
    fn a_record_overwritten_while_it_is_read_is_lost_not_torn() {
        const PUSHES: u64 = 200_000;
        let ring = Ring::<63>::new(2);
        let mut writer = Writer::adopt(&ring).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut head = 0;
                while head < PUSHES {
                    head = ring.head();
                    let next_to_go = head.saturating_sub(2);
                    assert!(ring.read(next_to_go).map_or(true, |words| words == [next_to_go; 63]));
                }
            });
            (0..PUSHES).for_each(|position| assert_eq!(writer.push([position; 63]), position));
        });
    }

    #[test]
    fn readers_of_the_newest_never_see_a_torn_record_or_a_hole() {
        const PUSHES: u64 = 200_000;
        let ring = Ring::<7>::new(64);
        let mut writer = Writer::adopt(&ring).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while ring.head() < PUSHES {
                        let before = ring.head();
                        let (first, records) = ring.newest(64);
                        assert!(first + records.len() as u64 >= before);
                        assert!((first..).zip(&records).all(|(position, found)| *found == record(position)));
                    }
                });
            }
            (0..PUSHES).for_each(|position| assert_eq!(writer.push(record(position)), position));
        });
        assert_eq!(ring.newest(1), (PUSHES - 1, vec![record(PUSHES - 1)]));
    }
}
