//! How does the budget stand?

use crate::{
    exchange::binance::Pool,
    history::budget::{StopReason, queue::Priority},
    model::UnixMillis,
};

/// The budget at one moment, in the venue's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When this was looked at.
    pub now: UnixMillis,
    /// Weight of this clock minute that is spent, by the venue's count or ours, and that is out.
    pub used: u32,
    /// What the venue allows in a minute.
    pub limit: u32,
    /// What we allow ourselves of it.
    pub allowed: u32,
    /// The part of that which bulk leaves to the others.
    pub reserved: u32,
    /// Until when a refusal other than a ban stops a pool or all.
    pub frozen_until: Option<UnixMillis>,
    /// Why, where several do the one that lasts longest.
    pub frozen_by: Option<StopReason>,
    /// Until when the venue has banned us.
    pub banned_until: Option<UnixMillis>,
    /// Requests that wait, in the order of [`Priority::ALL`].
    pub waiting: [usize; 4],
    /// Each pool, in the order of [`Pool::ALL`].
    pub pools: [PoolSnapshot; 3],
    /// What has happened since the start.
    pub counts: Counts,
}

/// One pool at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// Which.
    pub pool: Pool,
    /// Weight, or calls, of its present window.
    pub used: u32,
    /// What the venue allows in a window.
    pub limit: u32,
    /// What we allow ourselves of it.
    pub allowed: u32,
    /// How long a window is.
    pub window_ms: i64,
    /// Until when a 429 stops it.
    pub frozen_until: Option<UnixMillis>,
    /// Requests that wait for it, in the order of [`Priority::ALL`].
    pub waiting: [usize; 4],
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests granted, in the order of [`Priority::ALL`].
    pub granted: [u64; 4],
    /// Request weight granted, in the same order; other pools are not in it.
    pub weight: [u64; 4],
    /// Granted, but never sent.
    pub given_back: u64,
    /// Left while they waited.
    pub withdrawn: u64,
    /// Refused because too many waited.
    pub refused: u64,
    /// Answers that stopped us, in the order of [`StopReason::ALL`]; not those to requests that were out already.
    pub stops: [u64; 4],
}

impl Counts {
    /// Requests of one priority granted.
    pub fn granted_to(&self, priority: Priority) -> u64 {
        self.granted[priority.index()]
    }

    /// Answers that stopped us for one reason.
    pub fn stopped_by(&self, reason: StopReason) -> u64 {
        self.stops[reason.index()]
    }
}
