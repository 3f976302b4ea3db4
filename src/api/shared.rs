//! What does every request handler and session need?

use crate::{
    api::{Options, Sessions},
    clock::Clock,
    history::{budget::Budget, jobs::Jobs},
    live::Handle,
    market::{Contracts, Roster},
    metrics::Metrics,
    store::{Desk, Health},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
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

/// Whether the process wants requests.
#[derive(Debug, Default)]
pub struct Readiness {
    stopping: AtomicBool,
    store: OnceLock<Desk>,
}

impl Readiness {
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
