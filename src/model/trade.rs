//! What is a trade, and how is a run of them named?

use crate::model::{Price, Quantity, UnixMillis};

/// One aggregate trade as the venue published it; on a raw tape one raw trade (then `first_id == last_id == id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The aggregate's id: dense within a contract, starting at 1.
    pub id: u64,
    /// The price of every fill.
    pub price: Price,
    /// The sum of the fills.
    pub quantity: Quantity,
    /// The first raw trade's id.
    pub first_id: u64,
    /// The last raw trade's id.
    pub last_id: u64,
    /// The first fill's time at the venue.
    pub time: UnixMillis,
    /// Whether the buyer was the maker, that is, the taker sold.
    pub buyer_is_maker: bool,
}

impl Trade {
    /// Raw trades in it by their ids: an upper bound, since the venue burns ids.
    pub fn raw_trades(&self) -> u64 {
        self.last_id.saturating_sub(self.first_id).saturating_add(1)
    }
}

/// A run of ids, both ends inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    /// The first id.
    pub first: u64,
    /// The last id, at least `first`.
    pub last: u64,
}

impl IdRange {
    /// The run from `first` to `last`, or nothing when it would be empty.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// How many ids it holds.
    pub fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether `id` is in it.
    pub fn contains(&self, id: u64) -> bool {
        self.first <= id && id <= self.last
    }

    /// What it shares with another.
    pub fn meet(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}
