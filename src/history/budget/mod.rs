//! How much may this process ask of the venue's REST API, and whose turn is it?
//!
//! One [`Budget`] serves the whole process: whoever asks the venue for anything takes a [`Permit`] first. It stays under a
//! share of the venue's limit, believes the venue's own count when that is higher, stands still when the venue says so, and
//! serves repairs before seams before bulk.
//!
//! [`Ledger`] is the pure part: it takes the venue's time as an argument and never waits.

mod brake;
mod handle;
mod ledger;
mod minute;
mod offset;
mod queue;
mod recent;
mod snapshot;

#[cfg(test)]
mod tests;

pub use brake::{BAN_MS_MAX, StopReason};
pub use handle::{Budget, CallError, Permit, Sent};
pub use ledger::{Ask, AskError, Grant, Ledger, Options, Ticket};
pub use queue::{Priority, WAITING_MAX};
pub use snapshot::{Counts, PoolSnapshot, Snapshot};
