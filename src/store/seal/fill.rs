//! How do back-filled rows become part of the store?
//!
//! They are written straight to a segment, by whoever brings them and on that thread, and become visible in one step once
//! the storage thread has listed it. A fill that is dropped before leaves nothing behind.

use crate::{
    clock::Clock,
    store::{
        codec::Tier,
        derive::Derivation,
        library::Library,
        manifest::{Level, SegmentEntry, path},
        record::{Kind, Origin, Record, Rows},
        seal::{Done, Sealed, Sealer, held::without_held, write_conflicts, write_section},
        segment::{SegmentIdentity, SegmentWriteError, SegmentWriter},
        shelf::Shelf,
    },
};
use crossbeam::channel::Sender;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Rows that are compared with what is held at once.
const ROWS_AT_ONCE: usize = 65_536;
/// A source that differs from what is held in more rows than this is not to be trusted.
const CONFLICTS_MAX: usize = 1_000_000;

/// Why rows cannot be back-filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The disk is full or fails, or a row cannot be coded.
    #[error(transparent)]
    Write(#[from] SegmentWriteError),
    /// They do not ascend.
    #[error("key {key} comes after {after}: rows to be filled in must ascend")]
    Order {
        /// The key.
        key: u64,
        /// The key before it.
        after: u64,
    },
    /// Almost nothing in them is what is held.
    #[error("more than {CONFLICTS_MAX} rows differ from those that are held: nothing of this source is taken")]
    Conflicts,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl From<io::Error> for FillError {
    fn from(error: io::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Takes back-filled rows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Filler {
    library: Arc<Library>,
    finished: Sender<Done>,
    next_segment: Arc<AtomicU64>,
    clock: Clock,
}

impl Sealer {
    /// Another way into the same store.
    pub fn filler(&self) -> Filler {
        let (library, finished) = (Arc::clone(&self.library), self.finished.clone());
        Filler { library, finished, next_segment: Arc::clone(&self.next_segment), clock: self.clock }
    }
}

/// What a fill brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillCounts {
    /// Rows that nothing held.
    pub new: u64,
    /// Rows that were held already.
    pub known: u64,
    /// Rows that differ from the held ones of their keys, which stay: these are listed as conflicts.
    pub conflicts: u64,
}

impl Filler {
    /// Begins to fill rows of a contract and kind in, which come from `origin`. Blocks on the disk, like all that follows:
    /// never call this on an arbiter.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails.
    pub fn begin(&self, contract: u32, kind: Kind, origin: Origin) -> Result<Fill, FillError> {
        // Relaxed: a number is only ever taken, once.
        let number = self.next_segment.fetch_add(1, Ordering::Relaxed);
        let identity = SegmentIdentity { store: self.library.store(), number };
        let path = path(Level::Fill, number);
        let mut writer = SegmentWriter::create(self.library.disk(), identity, &path, Tier::Recent, self.clock.wall())?;
        let mut names = self.library.contracts();
        names.retain(|row| row.number == contract);
        write_section(&mut writer, 0, &Rows::of(Kind::Contract, &names), |_| Origin::Derived)?;
        writer.begin(contract, kind, false)?;
        Ok(Fill {
            filler: self.clone(),
            shelf: self.library.shelf(contract, kind),
            number,
            writer,
            origin,
            waiting: Rows::with_capacity(kind, ROWS_AT_ONCE),
            last_key: None,
            conflicts: Rows::new(kind),
            derivation: Derivation::default(),
            counts: FillCounts::default(),
        })
    }
}

/// Rows of one contract and kind on their way into the store.
#[derive(Debug)]
pub struct Fill {
    filler: Filler,
    shelf: Arc<Shelf>,
    number: u64,
    writer: SegmentWriter,
    origin: Origin,
    /// Not compared with what is held yet.
    waiting: Rows,
    last_key: Option<u64>,
    conflicts: Rows,
    derivation: Derivation,
    counts: FillCounts,
}

impl Fill {
    /// Adds rows, ascending by key.
    ///
    /// # Errors
    ///
    /// When they do not ascend, differ too often from what is held, or the disk is full or fails.
    pub fn push<R: Record>(&mut self, records: &[R]) -> Result<(), FillError> {
        let mut rest = records;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(ROWS_AT_ONCE - self.waiting.len()));
            for record in now {
                let key = record.key();
                if let Some(after) = self.last_key.replace(key).filter(|after| *after >= key) {
                    return Err(FillError::Order { key, after });
                }
                self.waiting.push(record);
            }
            if self.waiting.len() >= ROWS_AT_ONCE {
                self.write_waiting()?;
            }
            rest = later;
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), FillError> {
        let kind = self.shelf.kind;
        let rows = std::mem::replace(&mut self.waiting, Rows::new(kind));
        let count = rows.len() as u64;
        let (mut rows, conflicts) = without_held(&self.filler.library, &self.shelf, rows, None);
        for row in rows.iter() {
            self.writer.push(row, self.origin)?;
            self.derivation.push_row(kind, row);
        }
        let (new, differing) = (rows.len() as u64, conflicts.len() as u64);
        self.counts.new += new;
        self.counts.conflicts += differing;
        self.counts.known += count - new - differing;
        self.conflicts.extend_from_words(conflicts.words().iter().copied());
        // Its memory is used again.
        rows.clear();
        self.waiting = rows;
        if self.conflicts.len() > CONFLICTS_MAX { Err(FillError::Conflicts) } else { Ok(()) }
    }

    /// What it brought so far.
    pub const fn counts(&self) -> FillCounts {
        self.counts
    }

    /// Ends it and hands it to the storage thread: readers find the rows once `listed` is called, on that thread, and they
    /// are durable then. When nothing of it is new, `listed` is called at once.
    ///
    /// # Errors
    ///
    /// Then nothing was filled in.
    pub fn adopt(mut self, listed: impl FnOnce() + Send + 'static) -> Result<FillCounts, FillError> {
        self.write_waiting()?;
        let Self { filler, shelf, number, mut writer, conflicts, derivation, counts, origin, .. } = self;
        if counts.new + counts.conflicts == 0 {
            listed();
            return Ok(counts);
        }
        write_conflicts(&mut writer, shelf.contract, conflicts, origin)?;
        for derived in derivation.sections().iter().filter(|rows| !rows.is_empty()) {
            write_section(&mut writer, shelf.contract, derived, |_| Origin::Derived)?;
        }
        let (footer, bytes) = writer.finish()?;
        let entry = SegmentEntry::new(number, Level::Fill, bytes, footer);
        let sealed = Sealed::of_fill(entry, listed);
        filler.finished.send(Done::Filled(sealed)).map_err(|_| FillError::Closed)?;
        Ok(counts)
    }
}
