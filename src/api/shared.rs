//! What does every request handler and session need?

use crate::{
    api::{Options, Sessions},
    clock::Clock,
    history::{budget::Budget, jobs::Jobs},
    live::Handle,
    market::{Announcements, Contract, Contracts, Roster, Shelving},
    metrics::Metrics,
    model::Symbol,
    store::{Desk, Health},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// Shared by all HTTP threads; only handles, so a clone is cheap.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Where subscriptions go.
    pub live: Handle,
    /// Where contracts are asked for.
    pub roster: Roster,
    /// What has become of contracts.
    pub announcements: Arc<Announcements>,
    /// Where contracts are stored that nobody records; none without a store.
    pub shelving: Option<Shelving>,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What may be asked of the venue.
    pub budget: Budget,
    /// Back-fill jobs; nothing without a store.
    pub jobs: Option<Jobs>,
    /// Whether we are ready.
    pub readiness: Arc<Readiness>,
    /// The open sessions.
    pub sessions: Arc<Sessions>,
    /// Limits.
    pub options: Arc<Options>,
}

impl Shared {
    /// The contract of a symbol: one that is recorded, or what is stored of one that is not any more.
    pub(in crate::api) fn find(&self, symbol: &str) -> Option<Arc<Contract>> {
        let stored = || self.shelving.as_ref()?.past(&Symbol::new(symbol).ok()?).map(Arc::new);
        self.contracts.find(symbol).or_else(stored)
    }
}

/// Whether the process wants requests.
#[derive(Debug, Default)]
pub struct Readiness {
    stopping: AtomicBool,
    store: OnceLock<Desk>,
    /// A bit a background task that is down.
    down: AtomicU32,
}

/// What goes on beside the live path, and is started again when it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Fills holes over REST.
    Seam,
    /// Tells the live path of what jobs brought.
    Adopting,
    /// Folds minutes anew.
    Refolding,
    /// Looks for what the archive should have.
    Sweep,
    /// Does back-fill jobs.
    Jobs,
    /// Remembers until when the venue has banned us.
    Ban,
    /// Asks for snapshots of order books.
    Snapshots,
    /// Polls what is open of each contract.
    OpenInterest,
    /// Fetches what was open before.
    OpenInterestPast,
    /// Fetches settled fundings and their terms.
    Funding,
    /// Records order books.
    Recording,
    /// Keeps what is recorded in step with the venue's listing.
    Registry,
    /// Watches over streams of trades.
    Watching,
    /// Watches over streams of order books.
    BookWatch,
}

impl Background {
    const ALL: [Self; 14] = [
        Self::Seam,
        Self::Adopting,
        Self::Refolding,
        Self::Sweep,
        Self::Jobs,
        Self::Ban,
        Self::Snapshots,
        Self::OpenInterest,
        Self::OpenInterestPast,
        Self::Funding,
        Self::Recording,
        Self::Registry,
        Self::Watching,
        Self::BookWatch,
    ];

    /// Its name on `/readyz`, in logs and in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seam => "seam",
            Self::Adopting => "adopting",
            Self::Refolding => "refolding",
            Self::Sweep => "sweep",
            Self::Jobs => "jobs",
            Self::Ban => "ban",
            Self::Snapshots => "snapshots",
            Self::OpenInterest => "open_interest",
            Self::OpenInterestPast => "open_interest_past",
            Self::Funding => "funding",
            Self::Recording => "recording",
            Self::Registry => "registry",
            Self::Watching => "watching",
            Self::BookWatch => "book_watch",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl Readiness {
    /// Says whether a task is down: it panicked, and is not started again yet.
    pub fn set_down(&self, task: Background, is_down: bool) {
        // Flags that guard no other data: `Relaxed` serves.
        if is_down {
            self.down.fetch_or(task.bit(), Ordering::Relaxed);
        } else {
            self.down.fetch_and(!task.bit(), Ordering::Relaxed);
        }
    }

    /// The tasks that are down.
    pub fn down(&self) -> impl Iterator<Item = Background> {
        let down = self.down.load(Ordering::Relaxed);
        Background::ALL.into_iter().filter(move |task| down & task.bit() != 0)
    }

    /// Says that the process is about to end.
    pub fn stop(&self) {
        // A flag that guards no other data: `Relaxed` serves.
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Says where trades are stored.
    pub fn watch(&self, store: Desk) {
        self.store.get_or_init(|| store);
    }

    /// What keeps trades from being stored, in a word; capture and fan-out go on meanwhile.
    pub fn degraded(&self) -> Option<&'static str> {
        let health = self.store.get()?.health();
        (health != Health::Good).then(|| health.as_str())
    }

    /// Whether the process is about to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
