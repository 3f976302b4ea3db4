//! How do trades become messages, once a topic and dialect, for any number of sessions?
//!
//! Publishers follow the rings by their own cursors, woken by a bell a thread. A session that does not keep up is never
//! waited for: its mailbox refuses, and the publisher decides what that means.

mod beside;
mod book;
mod delivery;
mod figure;
mod handle;
mod lag;
mod lines;
mod liquidations;
mod minutes;
mod publisher;
mod refold;
mod replay;
mod seed;
mod tape;
mod timeframe;
mod topics;
mod variants;

pub use book::Picture;
pub use delivery::{Channel, Delivery, DialectId, Encoder, Event, Rows, SessionKey, Subscriber, Topic};
pub use figure::{Figure, Status, View};
pub use handle::{Handle, Subscription, Unavailable};
pub use lag::{Backlog, Cut, SlowPolicy};
pub use refold::Refolder;
pub use replay::{Replay, ReplayError, ReplayPage};
pub use topics::{Options, TopicsActor, TopicsState};
pub use variants::VARIANTS_MAX;
