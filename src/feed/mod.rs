//! How do the venue's live streams reach the contracts?
//!
//! A [`FeedActor`] owns one connection that carries many contracts' streams. It keeps and extends a batch that a
//! contract's mailbox refuses: back-pressure never reaches the exchange's socket.

mod actor;
mod books;
mod continuity;
mod intake;
mod kinds;
mod plan;
mod requests;
mod sink;
mod streams;
mod vigil;

#[expect(clippy::module_name_repetitions, reason = "actors bear their full names everywhere")]
pub use actor::FeedActor;
pub use actor::{Options, Rotation, Spec};
pub use plan::{Layout, Plan};
pub use sink::Sink;
pub use streams::{Carried, Class, PlannedStream, StreamKey, Streams};
pub use vigil::{Finding, Vigil};
