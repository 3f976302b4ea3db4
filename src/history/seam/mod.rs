//! Who fetches the ids that a contract's live stream did not bring, while the stream goes on?
//!
//! One task watches the holes of every tape. A bell tells it where ids are missing: at a start, after a connection was away,
//! after loss. It asks the venue's REST API for them within the budget, a few contracts at a time, and hands what comes to the
//! contract's actor as late trades; live trades never wait for it.

mod fill;
mod neighbours;
mod sight;
mod watch;

pub use watch::{Options, Seam, Told};
