//! Which words does every other module speak? No I/O, no async, no serde; no number passes through a float.

mod book;
mod candle;
mod decimal;
mod liquidation;
mod mark;
mod symbol;
mod ticker;
mod time;
mod timeframe;
mod trade;

pub use book::{BookSnapshot, BookTicker, BookUpdate, Level};
pub use candle::{Candle, Source};
pub use decimal::{DecimalError, Price, Quantity, QuoteVolume, Rate, Volume, write_decimal};
pub use liquidation::Liquidation;
pub use mark::{Funding, FundingTerms, MarkPrice, OpenInterest};
pub use symbol::{ContractId, Symbol, SymbolError};
pub use ticker::Ticker;
pub use time::{TimeError, UnixMillis};
pub use timeframe::{Origin, Timeframe, TimeframeError};
pub use trade::{IdRange, Trade};
