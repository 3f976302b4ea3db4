//! What does the venue's bulk archive hold, under which names, and what do its files say?
//!
//! Nothing here opens a file: `crate::history` does.

mod checksum;
mod civil;
mod listing;
mod period;
mod place;
mod table;

pub use checksum::{ChecksumError, Sha256, checksum};
pub use listing::{Listing, ListingError, Object, listing, listing_query};
pub use period::{Cadence, Period};
pub use place::{Dataset, Folder, Place, PlaceError};
pub use table::{AggTrades, FundingRates, Klines, OpenInterests, RawTrades, RowError, Table, is_header};
