//! Which words does every other module speak? No I/O, no async, no serde; no number passes through a float.

mod candle;
mod decimal;
mod symbol;
mod time;
mod timeframe;
mod trade;

pub use candle::{Candle, Source};
pub use decimal::{DecimalError, Price, Quantity, QuoteVolume, Volume, write_decimal};
pub use symbol::{ContractId, Symbol, SymbolError};
pub use time::{TimeError, UnixMillis};
pub use timeframe::{Origin, Timeframe, TimeframeError};
pub use trade::{IdRange, Trade};
