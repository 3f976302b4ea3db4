//! How is a line cut into cells, and a cell read that may be written in several ways?

use crate::exchange::binance::archive::table::RowError;
use crate::exchange::binance::value::{self, ValueError};
use crate::model::{DecimalError, UnixMillis};

/// Times from here on are microseconds: spot files changed to them in 2025 without a change of name.
pub(super) const MICROSECONDS_MIN: u64 = 100_000_000_000_000;
/// Of another symbol no more is repeated in an error.
const SYMBOL_CHARS_MAX: usize = 32;

/// The first cells of a line; further ones are nobody's.
pub(super) fn cells<const N: usize>(line: &[u8]) -> Result<[&[u8]; N], RowError> {
    let mut cells = [&line[..0]; N];
    let mut given = line.split(|&byte| byte == b',');
    for (found, cell) in cells.iter_mut().enumerate() {
        *cell = bare(given.next().ok_or(RowError::Columns { found, needed: N })?);
    }
    Ok(cells)
}

/// A cell without the blanks and quotes around it.
fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    match cell {
        [b'"', inner @ .., b'"'] => inner,
        _ => cell,
    }
}

/// Whether a line names these columns first, in this order.
pub fn is_header(line: &[u8], columns: &[&str]) -> bool {
    let mut cells = line.split(|&byte| byte == b',').map(bare);
    columns.iter().all(|column| cells.next().is_some_and(|cell| cell.eq_ignore_ascii_case(column.as_bytes())))
}

/// A whole number of at least 0.
pub(super) fn natural(column: &'static str, cell: &[u8]) -> Result<u64, RowError> {
    let digits = !cell.is_empty() && cell.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(cell).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or(RowError::Cell(column))
}

/// A time in milliseconds or microseconds.
pub(super) fn millis(column: &'static str, cell: &[u8]) -> Result<u64, RowError> {
    let time = natural(column, cell)?;
    Ok(if time > MICROSECONDS_MIN { time / 1_000 } else { time })
}

/// As [`millis`], within the range of times.
pub(super) fn time(column: &'static str, cell: &[u8]) -> Result<UnixMillis, RowError> {
    Ok(value::time(column, millis(column, cell)?)?)
}

/// `true` or `false`, as Java, Python or a spreadsheet write it.
pub(super) fn flag(column: &'static str, cell: &[u8]) -> Result<bool, RowError> {
    match cell {
        b"true" | b"True" | b"TRUE" => Ok(true),
        b"false" | b"False" | b"FALSE" => Ok(false),
        _ => Err(RowError::Cell(column)),
    }
}

/// A value, or why its column has none.
pub(super) fn decimal<T>(column: &'static str, parsed: Result<T, DecimalError>) -> Result<T, RowError> {
    parsed.map_err(|source| RowError::Value(ValueError::Decimal { field: column, source }))
}

/// That a row is of the symbol that its file is of.
pub(super) fn same_symbol(expected: &str, cell: &[u8]) -> Result<(), RowError> {
    if cell == expected.as_bytes() {
        return Ok(());
    }
    Err(RowError::OtherSymbol(String::from_utf8_lossy(cell).chars().take(SYMBOL_CHARS_MAX).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_commas() {
        assert_eq!(cells::<2>(b"1,2,3"), Ok([&b"1"[..], b"2"]));
        assert_eq!(cells::<3>(b"1,,"), Ok([&b"1"[..], b"", b""]));
        assert_eq!(cells::<2>(b" \"1\" ,\"2\"\r"), Ok([&b"1"[..], b"2"]));
        assert_eq!(cells::<2>(b"1"), Err(RowError::Columns { found: 1, needed: 2 }));
        assert_eq!(cells::<1>(b""), Ok([&b""[..]]));
    }

    #[test]
    fn a_header_names_the_columns_first() {
        let columns = ["id", "price"];
        for line in ["id,price", "ID,Price", "\"id\",\"price\"\r", "id,price,new"] {
            assert!(is_header(line.as_bytes(), &columns), "{line}");
        }
        for line in ["", "id", "price,id", "id,qty", "new,id,price", "<html>"] {
            assert!(!is_header(line.as_bytes(), &columns), "{line}");
        }
    }

    #[test]
    fn cells_are_read_in_each_spelling_or_named() {
        assert_eq!(millis("t", b"1767225600039"), Ok(1_767_225_600_039));
        assert_eq!(millis("t", b"1767225600039409"), Ok(1_767_225_600_039));
        for cell in [&b""[..], b"-1", b"1.0", b"1e3", b"+1", b"99999999999999999999", b"\xFF"] {
            assert_eq!(natural("t", cell), Err(RowError::Cell("t")));
        }
        assert_eq!(time("t", b"0"), Err(RowError::Value(ValueError::OutOfRange("t"))));
        assert_eq!([flag("m", b"true"), flag("m", b"True"), flag("m", b"TRUE")], [Ok(true), Ok(true), Ok(true)]);
        assert_eq!([flag("m", b"false"), flag("m", b"False"), flag("m", b"FALSE")], [Ok(false), Ok(false), Ok(false)]);
        assert_eq!(flag("m", b"tRUE"), Err(RowError::Cell("m")));
    }
}
