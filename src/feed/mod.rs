//! How do the venue's live streams reach the contracts?
//!
//! A [`FeedActor`] owns one connection that carries many contracts' streams. It keeps and extends a batch that a
//! contract's mailbox refuses: back-pressure never reaches the exchange's socket.

mod actor;
mod intake;
mod plan;

pub use actor::{FeedActor, FeedSpec, Options};
pub use plan::{Plan, PlannedStream, plan};
