//! How are order books made whole, and kept true, beside the live path?

mod recording;
mod silence;
mod snapshots;
mod turns;
mod watch;

pub use recording::Recording;
pub use snapshots::Snapshots;
pub use watch::BookWatch;
