//! Which rows stood in one array of the venue's, whose are they, and how many were left out?

use crate::exchange::binance::event::DecodeError;
use std::borrow::Cow;

/// Rows of many contracts. Kept and filled anew, it allocates nothing once it has had its longest array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T> {
    /// The symbols, one behind the other.
    symbols: String,
    /// Where each row's symbol ends, and the row.
    rows: Vec<(usize, T)>,
    foreign: u64,
    refused: u64,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { symbols: String::new(), rows: Vec::new(), foreign: 0, refused: 0 }
    }
}

impl<T> Rows<T> {
    /// Symbols in listing case and their rows, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let mut start = 0;
        self.rows.iter().map(move |(end, row)| {
            let symbol = self.symbols.get(start..*end).unwrap_or_default();
            start = *end;
            (symbol, row)
        })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows of another product line, which were left out.
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Rows that were not understood and left out; one of them must not hide the others.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn clear(&mut self) {
        self.symbols.clear();
        self.rows.clear();
        (self.foreign, self.refused) = (0, 0);
    }

    pub(super) fn push(&mut self, symbol: &str, row: T) {
        self.symbols.push_str(symbol);
        self.rows.push((self.symbols.len(), row));
    }

    pub(super) const fn skip_foreign(&mut self) {
        self.foreign += 1;
    }

    /// Reads each of `texts`, in place of what was held; `read` gives nothing for a row of another product line.
    ///
    /// # Errors
    ///
    /// When rows were refused and none was taken: that of the first.
    pub(super) fn fill<'a>(
        &mut self,
        texts: impl IntoIterator<Item = &'a str>,
        read: impl Fn(&'a str) -> Result<Option<(Cow<'a, str>, T)>, DecodeError>,
    ) -> Result<(), DecodeError> {
        self.clear();
        let mut first_error = None;
        for text in texts {
            match read(text) {
                Ok(Some((symbol, row))) => self.push(&symbol, row),
                Ok(None) => self.skip_foreign(),
                Err(error) => {
                    self.refused += 1;
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if self.is_empty() => Err(error),
            _ => Ok(()),
        }
    }
}
