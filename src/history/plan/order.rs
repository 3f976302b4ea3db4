//! In which order is what is missing fetched?

use crate::{
    exchange::binance::AGG_TRADES_REACH_MS,
    history::{download::Published, plan::days::Span},
    model::UnixMillis,
};

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// A file of the archive.
    File(Published),
    /// A stretch of time over REST.
    Rest(Span),
}

/// Puts pieces of work into order: what REST will soon not reach any more comes first; the archive's files run away from
/// nobody and come newest first.
pub fn in_order(tasks: &mut [Task], now: UnixMillis) {
    tasks.sort_by_key(|task| match task {
        Task::Rest((from, _)) => (0, from.plus(AGG_TRADES_REACH_MS).since(now)),
        Task::File(file) => (1, file.place.period().end().get().saturating_neg()),
    });
}
