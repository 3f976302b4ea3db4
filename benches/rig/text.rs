//! How are figures read out of messages, and how do they stand in a table? In whole numbers throughout.

use std::io::{self, Write as _};

/// The digits at the front of `text`.
pub(crate) fn digits(text: &[u8]) -> u64 {
    text.iter()
        .map_while(|byte| byte.is_ascii_digit().then(|| u64::from(byte - b'0')))
        .fold(0, |sum, digit| sum.wrapping_mul(10).wrapping_add(digit))
}

/// The number after the first `key`.
pub(crate) fn number(text: &[u8], key: &[u8]) -> Option<u64> {
    memchr::memmem::find(text, key).map(|at| digits(&text[at + key.len()..]))
}

/// `numerator / denominator` with two places, cut; a dash when there is nothing to divide by.
pub(crate) fn quotient(numerator: u64, denominator: u64) -> String {
    let Some(hundredths) = numerator.saturating_mul(100).checked_div(denominator) else { return "-".to_owned() };
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Nanoseconds as microseconds with one place.
pub(crate) fn us(ns: u64) -> String {
    format!("{}.{}", ns / 1_000, ns % 1_000 / 100)
}

/// The middle of the values, the lower of two.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// Prints rows under the first, in columns.
pub(crate) fn table(rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut out = io::stdout().lock();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "{cell:>width$}  ")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}
