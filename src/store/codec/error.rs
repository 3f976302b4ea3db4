//! Why does a run of columns not become bytes, or bytes not become columns?

use pco::errors::PcoError;

/// What is wrong with the columns to encode, with a payload, or with what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer than one row or more than [`ROWS_MAX`](super::ROWS_MAX).
    #[error("{0} rows: a payload holds 1 to 65536")]
    Rows(usize),
    /// Columns of different lengths, or more than [`COLUMNS_MAX`](super::COLUMNS_MAX) of them.
    #[error("columns of different lengths, or too many of them")]
    Columns,
    /// No such column or no such rows.
    #[error("no such column or rows")]
    OutOfRange,
    /// The payload is of another version.
    #[error("version {0} of the payload is unknown")]
    Version(u8),
    /// The payload contradicts itself.
    #[error("damaged payload: {0}")]
    Damaged(&'static str),
    /// What `pco` says of a column.
    #[error("{0}")]
    Pco(#[from] PcoError),
}
