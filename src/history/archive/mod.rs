//! Is a downloaded file of the bulk archive what it should be, and which rows does it hold?
//!
//! [`read`] trusts nothing in the file. Rows flow while it is still being read, so they go to a staging place that the
//! caller gets only with the [`Confirmed`] summary, once every byte has been hashed and checked; on any error it is dropped.
//!
//! One thread reads, hashes and inflates, one checks and parses, and the calling thread stages: memory is bounded by a few
//! blocks and batches however long the file is. Rows come ascending. A file whose rows are not (the venue published such) is
//! read again, once for each strip of keys that fits into [`Limits::sort_bytes_max`].
//!
//! A CHECKSUM proves the way here, not the truth: whoever adopts the rows still compares them with what is held.

mod directory;
mod error;
mod inflate;
mod limits;
mod lines;
mod order;
mod pass;
mod reading;
mod tally;

pub use error::{Cause, ReadError};
pub use limits::{LINE_BYTES_MAX, Limits};
pub use reading::{Confirmed, Wanted, read};
pub use tally::{CONFLICTS_MAX, Conflict, RUNS_MAX, Tally};
