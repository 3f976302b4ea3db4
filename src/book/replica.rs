//! Is our copy of a contract's book the venue's?
//!
//! A state machine without I/O: updates and snapshots go in, a book comes out while it is proven.
//!
//! - A snapshot and the stream join at the first update that ends at or after the snapshot, if it does not begin after it: by
//!   `previous_id <= snapshot.last_id <= last_id`. The venue's own rule asks for `first_id` there; since ids are sparse, that may never
//!   hold on a quiet contract, and since quantities are absolute, the wider test loses nothing.
//! - Then each update must begin where the one before it ended, or earlier. One that begins later tells of a loss.
//! - Ids ascend with time. An older id with a newer time means that the venue began to count anew.
//! - What has been given up is rebuilt: updates wait, a snapshot is asked for. So it is with a book of which the price is running out of
//!   the snapshot's reach, but that is served meanwhile.

use crate::book::ladder::{Ladder, Side};
use crate::book::sides::{Book, BookOptions, SnapshotError};
use crate::book::waiting::Waiting;
use crate::model::{BookSnapshot, BookUpdate, Level, UnixMillis};

/// Levels that may wait, for each update that may.
const WAITING_LEVELS_PER_UPDATE: usize = 64;

/// How much a replica holds, and when it wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaOptions {
    /// Of its book.
    pub book: BookOptions,
    /// Levels a side for which snapshots ask; a side that has fewer is whole.
    pub snapshot_levels: usize,
    /// A fresh snapshot is asked for when a side has fewer levels within reach, or half as many as the last snapshot brought if
    /// those are fewer; without any, the book is given up. With 0 neither happens.
    pub trusted_levels_min: usize,
    /// Updates that may wait for a snapshot, and 64 times as many levels in them; of more, the older half is dropped.
    pub waiting_updates_max: usize,
}

/// What may be said of a contract's book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is the venue's as of [`Book::last_id`], as far as it reaches.
    Synced,
    /// There is none until a snapshot and the stream join.
    Rebuilding,
    /// It was, but its stream is in doubt; the next update that joins proves it again.
    Stale,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Synced, Self::Rebuilding, Self::Stale];

    /// Its name in the API and in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Rebuilding => "rebuilding",
            Self::Stale => "stale",
        }
    }
}

/// What went wrong; it is being mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An update begins after the one before it ended.
    #[error("updates were lost")]
    Gap,
    /// An update is newer than another, but its ids are older.
    #[error("ids went back")]
    Backwards,
    /// The best bid is not below the best ask.
    #[error("the book is crossed")]
    Crossed,
    /// The price left what the last snapshot told of.
    #[error("the price left the snapshot's reach")]
    Exhausted,
    /// A snapshot ends before the updates that wait for it begin.
    #[error("the snapshot is older than the stream")]
    SnapshotOld,
    /// A snapshot's ids are ahead of updates that are newer than it.
    #[error("the snapshot's ids are not the stream's")]
    SnapshotForeign,
    /// A snapshot is none of a book.
    #[error("the snapshot is unsound: {0}")]
    SnapshotUnsound(SnapshotError),
}

impl Fault {
    /// Its name in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Backwards => "backwards",
            Self::Crossed => "crossed",
            Self::Exhausted => "exhausted",
            Self::SnapshotOld => "snapshot_old",
            Self::SnapshotForeign => "snapshot_foreign",
            Self::SnapshotUnsound(_) => "snapshot_unsound",
        }
    }
}

/// How often each [`Fault`] was met, and what else was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// [`Fault::Gap`], those among waiting updates included.
    pub gaps: u64,
    /// [`Fault::Backwards`].
    pub backwards: u64,
    /// [`Fault::Crossed`].
    pub crossed: u64,
    /// [`Fault::Exhausted`].
    pub exhausted: u64,
    /// Snapshots refused: [`Fault::SnapshotOld`], [`Fault::SnapshotForeign`], [`Fault::SnapshotUnsound`].
    pub snapshots_refused: u64,
    /// Updates that told nothing new: they come again, or late.
    pub repeated: u64,
    /// Updates dropped because too many waited for a snapshot.
    pub dropped: u64,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Replica {
    options: ReplicaOptions,
    book: Book,
    /// Whether the book was made of a snapshot and a stream that joined, and nothing was lost since.
    joined: bool,
    /// Whether the stream is in doubt since its newest update.
    doubted: bool,
    /// The end and the time of the newest update seen.
    newest: Option<(u64, UnixMillis)>,
    /// Whether a book that is served wants a fresh snapshot.
    refreshing: bool,
    /// A snapshot that the stream has not come up to yet.
    snapshot: Option<BookSnapshot>,
    waiting: Waiting,
    /// Of bids and asks, how many levels the last snapshot left within reach.
    loaded: [usize; 2],
    counts: FaultCounts,
}

impl Replica {
    /// A replica that has heard nothing.
    pub fn new(options: ReplicaOptions) -> Self {
        Self {
            options,
            book: Book::new(options.book),
            joined: false,
            doubted: false,
            newest: None,
            refreshing: false,
            snapshot: None,
            waiting: Waiting::default(),
            loaded: [0; 2],
            counts: FaultCounts::default(),
        }
    }

    /// The book, while it is synced; never one that is crossed or in doubt.
    pub fn book(&self) -> Option<&Book> {
        (self.state() == State::Synced).then_some(&self.book)
    }

    /// Whether there is a book.
    pub fn state(&self) -> State {
        match (self.joined, self.doubted) {
            (true, false) => State::Synced,
            (true, true) => State::Stale,
            (false, _) => State::Rebuilding,
        }
    }

    /// Whether a snapshot is to be asked for, once the stream has been subscribed to; one at a time, and again if that one is refused.
    pub fn needs_snapshot(&self) -> bool {
        self.collects() && self.snapshot.is_none()
    }

    /// Whether the stream has brought anything: a snapshot that is older than its first update is of no use.
    pub fn has_heard(&self) -> bool {
        self.newest.is_some()
    }

    /// The end and the time of the newest update that the stream has brought.
    pub fn newest(&self) -> Option<(u64, UnixMillis)> {
        self.newest
    }

    /// What was met so far.
    pub fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// The stream is in doubt: its connection ended, or it has been silent for too long.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Takes the next update of the stream. A fault is counted already and needs nothing but to be told of.
    pub fn update(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Option<Fault> {
        let broken = match self.newest {
            Some((id, time)) if update.last_id <= id && update.time <= time => {
                self.counts.repeated += 1;
                return None;
            }
            Some((id, _)) if update.last_id <= id => Some(Fault::Backwards),
            Some((id, _)) if update.previous_id > id => Some(Fault::Gap),
            _ => None,
        };
        self.newest = Some((update.last_id, update.time));
        self.doubted = false;
        if let Some(fault) = broken {
            self.give_up(fault);
        }
        let fault = broken.or_else(|| self.advance(update, bids, asks));
        if self.collects() {
            self.waiting.push(update, bids, asks);
            self.bound_waiting();
        }
        let refused = self.join();
        fault.or(refused)
    }

    fn collects(&self) -> bool {
        !self.joined || self.refreshing
    }

    fn bound_waiting(&mut self) {
        let updates_max = self.options.waiting_updates_max.max(1);
        let dropped = self.waiting.cut(updates_max, updates_max.saturating_mul(WAITING_LEVELS_PER_UPDATE));
        self.counts.dropped += dropped as u64;
    }

    /// Applies an update that joins.
    fn advance(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) -> Option<Fault> {
        if !self.joined {
            return None;
        }
        self.book.apply(update, bids, asks);
        self.judge()
    }

    /// Whether the book may go on being served.
    fn judge(&mut self) -> Option<Fault> {
        let fault = if self.book.is_crossed() {
            Fault::Crossed
        } else if self.has_side(|ladder, _| ladder.trusted_count() == 0) {
            Fault::Exhausted
        } else {
            let levels_min = self.options.trusted_levels_min;
            self.refreshing |= self.has_side(|ladder, loaded| ladder.trusted_count() < levels_min.min(loaded / 2));
            return None;
        };
        self.give_up(fault);
        Some(fault)
    }

    /// Whether a side that is not known to its end is so.
    fn has_side(&self, is: impl Fn(&Ladder, usize) -> bool) -> bool {
        let mut sides = [self.book.bids(), self.book.asks()].into_iter().zip(self.loaded);
        self.options.trusted_levels_min > 0
            && sides.any(|(ladder, loaded)| ladder.reach().is_some() && is(ladder, loaded))
    }

    /// Takes the book away, with what is of no use for the next one.
    fn give_up(&mut self, fault: Fault) {
        self.count(fault);
        self.joined = false;
        match fault {
            // A snapshot that waits may be from after the gap.
            Fault::Gap => self.waiting.clear(),
            Fault::Backwards | Fault::Crossed => {
                self.waiting.clear();
                self.snapshot = None;
            }
            Fault::Exhausted | Fault::SnapshotOld | Fault::SnapshotForeign | Fault::SnapshotUnsound(_) => {}
        }
    }

    fn count(&mut self, fault: Fault) {
        let counts = &mut self.counts;
        let count = match fault {
            Fault::Gap => &mut counts.gaps,
            Fault::Backwards => &mut counts.backwards,
            Fault::Crossed => &mut counts.crossed,
            Fault::Exhausted => &mut counts.exhausted,
            Fault::SnapshotOld | Fault::SnapshotForeign | Fault::SnapshotUnsound(_) => &mut counts.snapshots_refused,
        };
        *count += 1;
    }

    /// Takes a snapshot; one that is not needed is ignored.
    pub fn snapshot(&mut self, snapshot: BookSnapshot) -> Option<Fault> {
        if !self.collects() {
            return None;
        }
        if let Err(error) = self.book.check(&snapshot) {
            return Some(self.refuse(Fault::SnapshotUnsound(error)));
        }
        self.snapshot = Some(snapshot);
        self.join()
    }

    fn refuse(&mut self, fault: Fault) -> Fault {
        self.count(fault);
        fault
    }

    /// Makes a book of snapshot and waiting updates, if they join.
    fn join(&mut self) -> Option<Fault> {
        let snapshot = self.snapshot.take()?;
        self.waiting.drop_before(snapshot.last_id);
        // Where the next update to be applied begins, at the latest.
        let start = self.waiting.first().map(|first| first.previous_id).or(self.newest.map(|(id, _)| id));
        match self.newest {
            Some(_) if start > Some(snapshot.last_id) => Some(self.refuse(Fault::SnapshotOld)),
            Some((id, _)) if id >= snapshot.last_id => self.rebuild(&snapshot),
            Some((_, time)) if time > snapshot.time => Some(self.refuse(Fault::SnapshotForeign)),
            _ => {
                self.snapshot = Some(snapshot);
                None
            }
        }
    }

    fn rebuild(&mut self, snapshot: &BookSnapshot) -> Option<Fault> {
        if let Err(error) = self.book.load(snapshot, self.options.snapshot_levels) {
            return Some(self.refuse(Fault::SnapshotUnsound(error)));
        }
        self.loaded = [Side::Bid, Side::Ask].map(|side| self.book.ladder(side).trusted_count());
        for (update, bids, asks) in self.waiting.iter().filter(|(update, ..)| update.last_id > snapshot.last_id) {
            self.book.apply(update, bids, asks);
        }
        self.waiting.clear();
        (self.joined, self.refreshing) = (true, false);
        self.judge()
    }
}
