//! How do trades come to rest on a disk, survive it, and how are they found again?

pub mod bytes;
pub mod codec;
pub mod files;
pub mod record;

pub mod journal;
pub mod segment;

pub mod derive;
pub mod identity;
pub mod manifest;
pub mod shelf;

pub mod candles;
pub mod coverage;
pub mod desk;
pub mod inspect;
pub mod ledger;
pub mod library;
pub mod merge;
pub mod plan;
pub mod rebuild;
pub mod recovery;
pub mod repair;
pub mod retention;
pub mod seal;
pub mod storage;
pub mod sums;
pub mod upkeep;
pub mod verify;
pub mod visit;

mod holding;
mod open;
mod records;
mod sections;

pub use desk::{Desk, Enlisted, Health};
pub use holding::{Holding, Stored};
pub use open::{OpenError, Opened, open};
pub use records::{Found, Records};
pub use seal::{Fill, FillCounts, FillError, Filler};
