//! How do rows get to the storage thread without ever waiting for the disk?

use crate::{
    model::{Symbol, UnixMillis},
    store::{
        record::{Origin, Rows},
        retention::Retention,
        shelf::{Batch, Shelf},
    },
};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

/// Batches in the queue at most, and bytes for which there is room for one; their bytes are bounded apart.
const BATCHES_MAX: usize = 1 << 16;
const BATCH_BYTES: usize = 256;

/// How the storage thread fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// It writes.
    Good = 0,
    /// The disk is full: rows wait in memory, and writing resumes by itself once there is room.
    DiskFull = 1,
    /// The disk fails: rows wait in memory, and a new file is tried every second.
    DiskFails = 2,
    /// The storage thread has ended in a panic: nothing is stored any more, restart the process.
    Ended = 3,
}

impl Health {
    /// Its name on `/readyz` and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::DiskFull => "disk_full",
            Self::DiskFails => "disk_fails",
            Self::Ended => "storage_ended",
        }
    }
}

/// Wishes to enlist contracts that wait for the storage thread; who has one waits for the answer.
const ENLISTINGS_MAX: usize = 16;
/// Words on how long records are kept that wait for the storage thread, which takes the last of them.
const RETENTIONS_MAX: usize = 16;

/// Where rows are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    sender: Sender<Batch>,
    enlistings: Sender<Enlisting>,
    retentions: Sender<Retention>,
    gauge: Arc<Gauge>,
}

/// A contract that shall have a number in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enlisted {
    /// Its ticker.
    pub symbol: Symbol,
    /// When it was listed, if that is known.
    pub onboard_time: Option<UnixMillis>,
}

/// Contracts that shall have numbers, and who waits for it.
#[derive(Debug)]
pub(super) struct Enlisting {
    pub(super) contracts: Vec<Enlisted>,
    pub(super) done: Sender<io::Result<()>>,
}

/// What comes over a desk.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) batches: Receiver<Batch>,
    pub(super) enlistings: Receiver<Enlisting>,
    pub(super) retentions: Receiver<Retention>,
}

/// What desk and storage thread know of each other.
#[derive(Debug)]
pub(super) struct Gauge {
    bytes: AtomicUsize,
    bytes_max: usize,
    health: AtomicU8,
}

impl Desk {
    /// A desk whose rows, until they are durable, take at most `bytes_max` of memory, and the other end.
    pub(super) fn new(bytes_max: usize) -> (Self, Inbox) {
        // The channel takes memory for all of them at once.
        let (sender, batches) = bounded(BATCHES_MAX.min(16 + bytes_max / BATCH_BYTES));
        let (enlister, enlistings) = bounded(ENLISTINGS_MAX);
        let (retainer, retentions) = bounded(RETENTIONS_MAX);
        let gauge = Gauge { bytes: AtomicUsize::new(0), bytes_max, health: AtomicU8::new(0) };
        let desk = Self { sender, enlistings: enlister, retentions: retainer, gauge: Arc::new(gauge) };
        (desk, Inbox { batches, enlistings, retentions })
    }

    /// Gives contracts numbers in the store, durably; one whose symbol another bore before gets a new one. Waits for the
    /// storage thread and its disk.
    ///
    /// # Errors
    ///
    /// When the disk fails; then nothing of them may be recorded.
    pub fn enlist(&self, contracts: Vec<Enlisted>) -> io::Result<()> {
        let (done, answer) = bounded(1);
        let gone = || io::Error::other("the storage thread has ended");
        self.enlistings.send(Enlisting { contracts, done }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    /// Says how long records are kept from now on. `false` when the storage thread has not come by for so long, or has ended,
    /// that it cannot be told.
    #[must_use]
    pub fn retain(&self, retention: Retention) -> bool {
        self.retentions.try_send(retention).is_ok()
    }

    /// Hands rows in, ascending by key; from here on they are held. `false` when there is no room: they are not.
    #[must_use]
    pub fn offer(&self, shelf: &Arc<Shelf>, origin: Origin, rows: Rows) -> bool {
        if rows.is_empty() {
            return true;
        }
        if !self.gauge.reserve(rows.bytes()) {
            return false;
        }
        let rows = Arc::new(rows);
        shelf.enqueue(Arc::clone(&rows), origin);
        let batch = Batch { shelf: Arc::clone(shelf), origin, rows: Arc::clone(&rows) };
        let sent = self.sender.try_send(batch).is_ok();
        if !sent {
            shelf.take_back(&rows);
            self.gauge.release(rows.bytes());
        }
        sent
    }

    /// Bytes of rows that are not durable yet.
    pub fn waiting_bytes(&self) -> usize {
        self.gauge.bytes.load(Ordering::Relaxed)
    }

    /// Notes that the storage thread is no more.
    pub fn note_end(&self) {
        self.gauge.set_health(Health::Ended);
    }

    /// How the storage thread fares.
    pub fn health(&self) -> Health {
        self.gauge.health()
    }

    pub(super) fn gauge(&self) -> Arc<Gauge> {
        Arc::clone(&self.gauge)
    }
}

// Relaxed throughout: the counts stand for themselves; rows travel through the channel.
impl Gauge {
    fn reserve(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // One batch always fits an empty queue, however long it is.
        let fits = before == 0 || before.saturating_add(bytes) <= self.bytes_max;
        if !fits {
            self.release(bytes);
        }
        fits
    }

    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Good,
            1 => Health::DiskFull,
            2 => Health::DiskFails,
            _ => Health::Ended,
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }
}
