//! What is said of an order book: its levels, its changes, its top?

use crate::model::{Price, Quantity, UnixMillis};

/// One price of a book, and what stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// What is bid or asked there, absolutely; in an update 0 takes the level away.
    pub quantity: Quantity,
}

/// A run of changes to a book. Ids ascend, are shared by all contracts and not dense: only `previous_id` proves that nothing is
/// lacking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookUpdate {
    /// The id of the first change.
    pub first_id: u64,
    /// The id of the last change.
    pub last_id: u64,
    /// The `last_id` of the update before this one.
    pub previous_id: u64,
    /// When the book last changed.
    pub time: UnixMillis,
}

/// A whole book, or as many levels of it as were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookSnapshot {
    /// The id of the last change that is in it.
    pub last_id: u64,
    /// When the book last changed.
    pub time: UnixMillis,
    /// What is bid, the best first.
    pub bids: Vec<Level>,
    /// What is asked, the best first.
    pub asks: Vec<Level>,
}

/// The best bid and the best ask; a side without orders is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookTicker {
    /// The book's version: ascending, not dense, shared by all contracts.
    pub update_id: u64,
    /// When the book changed.
    pub time: UnixMillis,
    /// The best bid.
    pub bid: Level,
    /// The best ask.
    pub ask: Level,
}
