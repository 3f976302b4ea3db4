//! What stands in the order book of one contract, and may it be believed? Pure: no I/O, no clock of its own, and it hears of no venue.

mod changes;
mod checksum;
mod grouping;
mod ladder;
mod metrics;
mod replica;
mod sides;
#[cfg(test)]
mod tests;
mod waiting;

pub use changes::Delta;
pub use grouping::{Step, TickSize};
pub use ladder::{Ladder, Side};
pub use metrics::{Depth, Summary};
pub use replica::{Fault, FaultCounts, Replica, ReplicaOptions, State};
#[expect(clippy::module_name_repetitions, reason = "options of a book, beside those of its replica")]
pub use sides::{Book, BookOptions, SnapshotError};
