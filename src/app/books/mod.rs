//! How are order books made whole, and kept true, beside the live path?

mod snapshots;
mod turns;

pub use snapshots::Snapshots;
