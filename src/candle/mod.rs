//! How do trades become candles? Pure: no I/O, no clock of its own; the same trades give the same candles, live,
//! repaired or replayed.

mod bar;
mod columns;
mod history;
mod live;
mod sum;

pub use bar::Bar;
#[expect(clippy::module_name_repetitions, reason = "columns of candles, beside columns of trades")]
pub use columns::CandleColumns;
pub use history::{fold, fold_many, regroup};
pub use live::{FoldEvent, FoldOptions, Link, LiveFold};
pub use sum::{ColumnFold, TradeColumns};
