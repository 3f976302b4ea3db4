//! What does the tape hold for a range, and is the range whole?
//!
//! The one read path: over the ring, what came late, the store's queue, journal and segments.

mod books;
mod candles;
mod coverage;
mod holes;
mod sums;
mod trades;

pub use books::{BookPage, BooksWanted, books};
pub use candles::{CandlesWanted, candles, held_from};
pub use coverage::{CoverageCounts, DayCoverage, coverage, coverage_days, ids_between, reaches};
pub use sums::{SumPage, sums};
pub use trades::{TradePage, TradeRange, trades};
