//! How do the minutes that are held agree with the venue's own klines?
//!
//! An official kline counts each raw trade at its own time, an aggregate sits at its first fill. So a minute may lack what an aggregate of the
//! minute before brought over the border, and nothing else: [`Comparison`] asks for exactly that.

mod check;
mod compare;
mod files;
mod held;
mod report;

pub use check::{Checked, FileChecked, FileCounts, SymbolChecked, check};
pub use compare::Comparison;
pub use files::{Kept, KlineFile, ListError, OpenError, list};
pub use held::{Minute, Minutes};
pub use report::{Counts, Difference, LISTED_MAX, Report, Stretch};
