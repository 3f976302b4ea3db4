//! What does the tape hold for a range, and is the range whole?
//!
//! The one read path: over the ring, what came late, the store's queue, journal and segments.

mod candles;
mod holes;
mod sums;
mod trades;

pub use candles::{CandlesWanted, candles, held_from};
pub use sums::{SumPage, sums};
pub use trades::{TradePage, TradeRange, trades};
