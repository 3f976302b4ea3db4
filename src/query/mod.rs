//! What does the tape hold for a range, and is the range whole?
//!
//! The one read path: over the ring, what came late, the store's queue, journal and segments.

mod books;
mod candles;
mod coverage;
mod holes;
mod large;
mod open_interest;
mod records;
mod sums;
mod trades;

pub use books::{BookPage, BooksWanted, books};
pub use candles::{CandlesWanted, candles, held_from};
pub use coverage::{CoverageCounts, DayCoverage, coverage, coverage_days, ids_between, reaches, time_days};
pub use large::{first_of_day, large_trades};
pub use open_interest::open_interest_by;
pub use records::{RecordPage, RecordRange, records};
pub use sums::{SumPage, sums};
pub use trades::{TradePage, TradeRange, trades};
