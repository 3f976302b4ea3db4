//! What does one line of each kind of file say?
//!
//! Files come with or without a header, in milliseconds or microseconds, with `true` or `True`, and with or without further
//! columns at the end; none of that can be told from a file's date.

mod cells;
mod funding;
mod klines;
mod open_interest;
mod trades;

pub use cells::is_header;
pub use funding::FundingRates;
pub use klines::Klines;
pub use open_interest::OpenInterests;
pub use trades::{AggTrades, RawTrades};

use crate::exchange::binance::ValueError;
use crate::model::UnixMillis;
use std::fmt::Debug;

/// A kind of file as a reader needs it.
pub trait Table: Sync {
    /// What a line becomes.
    type Row: Copy + Debug + PartialEq + Send;

    /// The columns that are read, by the names that a header gives them. Further ones may follow.
    const COLUMNS: &'static [&'static str];
    /// Whether keys follow each other one by one, so that a jump means rows that are not there.
    const DENSE: bool;

    /// The row at the start of `lines` and its length with its line feed, if it is as the venue writes it today; whatever it
    /// takes, [`Self::row`] takes alike.
    fn next(&self, lines: &[u8]) -> Option<(Self::Row, usize)> {
        let _ = lines;
        None
    }

    /// The row of a line without its line feed; nothing when the line is sound and has no figures.
    ///
    /// # Errors
    ///
    /// When the line is not understood.
    fn row(&self, line: &[u8]) -> Result<Option<Self::Row>, RowError>;

    /// What tells rows apart, and what they are ordered by.
    fn key(row: &Self::Row) -> u64;

    /// Whether a file that covers the time from `start` up to `end` may hold the row.
    fn belongs(row: &Self::Row, start: UnixMillis, end: UnixMillis) -> bool;

    /// Whether the row lacks its amount: a known defect of the venue's files.
    fn is_hollow(row: &Self::Row) -> bool {
        let _ = row;
        false
    }
}

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Fewer columns than needed.
    #[error("it has {found} columns, {needed} are needed")]
    Columns {
        /// As many as there are.
        found: usize,
        /// As many as are read.
        needed: usize,
    },
    /// Not a whole number, a moment or a truth value.
    #[error("column `{0}` is not understood")]
    Cell(&'static str),
    /// A value that cannot be meant.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The row of another contract.
    #[error("it is of `{0}`")]
    OtherSymbol(String),
}
