//! Which rows do blocks of whole lines hold?

use crate::{
    exchange::binance::archive::{Table, is_header},
    history::archive::{
        error::Cause,
        limits::LINE_BYTES_MAX,
        order::{Gone, Order},
    },
};
use memchr::memchr;

/// Of a strange first line no more is repeated in an error.
const HEADER_CHARS_MAX: usize = 80;

/// Why reading lines ends early.
#[derive(Debug)]
pub(super) enum Halt {
    /// A line is wrong.
    Cause(Cause),
    /// Nobody takes rows any more.
    Gone,
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// The place in a file.
pub(super) struct Lines<'t, T> {
    table: &'t T,
    /// Lines read.
    number: u64,
}

impl<'t, T: Table> Lines<'t, T> {
    pub(super) const fn new(table: &'t T) -> Self {
        Self { table, number: 0 }
    }

    /// Hands the rows of the next block to `order`.
    pub(super) fn read(&mut self, block: &[u8], order: &mut Order<T>) -> Result<(), Halt> {
        let mut rest = if self.number == 0 { self.past_header(block)? } else { block };
        while !rest.is_empty() {
            self.number += 1;
            if let Some((row, length)) = self.table.next(rest) {
                order.take(row)?;
                rest = rest.get(length..).unwrap_or_default();
            } else {
                rest = self.read_slowly(rest, order)?;
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn read_slowly<'b>(&self, text: &'b [u8], order: &mut Order<T>) -> Result<&'b [u8], Halt> {
        let (line, rest) = first_line(text)?;
        let row = self.table.row(line).map_err(|source| Halt::Cause(Cause::Row { line: self.number, source }))?;
        match row {
            Some(row) => order.take(row)?,
            None => order.skip(),
        }
        Ok(rest)
    }

    /// Rows begin with a digit; any other first line must be the header.
    fn past_header<'b>(&mut self, block: &'b [u8]) -> Result<&'b [u8], Halt> {
        if block.first().is_none_or(u8::is_ascii_digit) {
            return Ok(block);
        }
        let (line, rest) = first_line(block)?;
        if !is_header(line, T::COLUMNS) {
            let text =
                String::from_utf8_lossy(line).chars().take(HEADER_CHARS_MAX).flat_map(char::escape_debug).collect();
            return Err(Halt::Cause(Cause::Header(text)));
        }
        self.number = 1;
        Ok(rest)
    }
}

/// The first line without its line feed, and what follows it.
fn first_line(text: &[u8]) -> Result<(&[u8], &[u8]), Halt> {
    let end = memchr(b'\n', text).ok_or(Halt::Cause(Cause::LastLine))?;
    if end > LINE_BYTES_MAX {
        return Err(Halt::Cause(Cause::LineTooLong));
    }
    Ok((&text[..end], &text[end + 1..]))
}
