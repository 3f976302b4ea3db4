//! What does the ring promise, and to whom, under every interleaving and every stale read?
//!
//! One reader is enough, since readers write nothing. Those of `publish` and `overwrite` do not go through the head: its
//! Acquire would hide a weak stamp.

use super::ring::{Cursor, Lost, Ring, Writer};
use loom::{
    model::Builder,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Enough to tear a record; one word more only costs time.
const WORDS: usize = 2;
/// Involuntary switches of thread that an execution may have; 6 take half a minute.
const PREEMPTIONS_MAX: usize = 4;

type Record = [u64; WORDS];

/// A record from which its position can be told, word by word; never that of an empty slot.
fn record(position: u64) -> Record {
    [10 + position, 20 + position]
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(run);
}

/// A ring of two slots with `before` records in it, and a thread that pushes `more`.
fn pushing(before: u64, more: u64) -> (Arc<Ring<WORDS>>, JoinHandle<()>) {
    let ring = Ring::new(2);
    let mut writer = Writer::adopt(&ring).expect("broken: a new ring has a writer");
    (0..before).for_each(|position| assert_eq!(writer.push(record(position)), position));
    let thread = thread::spawn(move || {
        (before..before + more).for_each(|position| assert_eq!(writer.push(record(position)), position));
    });
    (ring, thread)
}

fn assert_whole(found: Result<Record, Lost>, position: u64) {
    assert!(found.is_err() || found == Ok(record(position)), "broken: {found:?} was read at {position}");
}

/// Whoever sees a stamp sees the record under it.
pub fn publish() {
    model(|| {
        let (ring, thread) = pushing(0, 2);
        assert_whole(ring.read(1), 1);
        assert_whole(ring.read(0), 0);
        thread.join().expect("the writer ends");
        assert_eq!(ring.read(0), Ok(record(0)), "broken: a published record is lost");
    });
}

/// A record that is overwritten while it is read is lost, never torn.
pub fn overwrite() {
    model(|| {
        let (ring, thread) = pushing(1, 3);
        assert_whole(ring.read(0), 0);
        assert_whole(ring.read(2), 2);
        thread.join().expect("the writer ends");
        assert_eq!([ring.read(0), ring.read(1)], [Err(Lost); 2], "broken: an overwritten record was read");
    });
}

/// While nothing is overwritten the newest records are all below the head, from the first.
pub fn read_newest() {
    model(|| {
        let (ring, thread) = pushing(0, 2);
        let head = ring.head();
        let (first, records) = ring.newest_below(head, 2);
        assert_eq!(first, 0, "broken: nothing was overwritten, yet records are missing");
        assert_eq!(records, (0..head).map(record).collect::<Vec<_>>(), "broken: these are not the newest");
        thread.join().expect("the writer ends");
    });
}

/// Whatever is overwritten meanwhile, the newest records run without a hole up to a head.
pub fn read_newest_lapped() {
    model(|| {
        let (ring, thread) = pushing(2, 2);
        let (first, records) = ring.newest(2);
        let end = first + records.len() as u64;
        assert!((2..=4).contains(&end), "broken: {first} + {} is no head", records.len());
        assert_eq!(records, (first..end).map(record).collect::<Vec<_>>(), "broken: a hole after {first}");
        thread.join().expect("the writer ends");
    });
}

/// The losses and records of a cursor, one after the other, are all positions, each once.
pub fn follow() {
    model(|| {
        let (ring, thread) = pushing(1, 3);
        let mut cursor = Cursor::at(0);
        let mut next = 0;
        let mut batch = |cursor: &mut Cursor| {
            let start = next;
            let mut records = Vec::new();
            let batch = cursor.read(&ring, 2, |words| records.push(words));
            assert_eq!((batch.lost.start, batch.records), (start, records.len()), "broken: a batch that lies");
            next = batch.lost.end + records.len() as u64;
            assert_eq!(cursor.position(), next, "broken: a loss was not told");
            let expected: Vec<_> = (batch.lost.end..next).map(record).collect();
            assert_eq!(records, expected, "broken: other records than the batch says");
            batch
        };
        batch(&mut cursor);
        thread.join().expect("the writer ends");
        while batch(&mut cursor).records > 0 {}
        assert_eq!(next, 4, "broken: the reader did not reach the head");
    });
}

/// The second writer goes on where the first stopped, and no position is written twice.
pub fn adopt() {
    model(|| {
        let (ring, thread) = pushing(0, 1);
        let heir = Writer::adopt(&ring).map(|mut heir| heir.push(record(1)));
        assert!(heir.is_none_or(|position| position == 1), "broken: position {heir:?} was written twice");
        thread.join().expect("the writer ends");
        assert_eq!(ring.read(0), Ok(record(0)), "broken: the first writer's record is gone");
        assert_eq!(ring.head(), 1 + u64::from(heir.is_some()), "broken: the head went back");
        assert!(Writer::adopt(&ring).is_some(), "broken: a free ring has no writer");
    });
}
