//! How do rows of texts become a table that is read with ease?

use std::fmt::Write as _;

/// Between two columns.
const SPACE: &str = "  ";

/// Rows below their heads, if they have any, indented, numbers to the right. Nothing for no rows.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        return text;
    }
    let widths: Vec<usize> = (0..heads.len()).map(|at| width(heads[at], rows, at)).collect();
    let right: Vec<bool> = (0..heads.len()).map(|at| rows.iter().all(|row| is_number(cell(row, at)))).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let heads = std::iter::once(&heads).filter(|heads| heads.iter().any(|head| !head.is_empty()));
    for row in heads.chain(rows) {
        let cells = widths.iter().zip(&right).enumerate().map(|(at, (width, right))| {
            let text = cell(row, at);
            let room = " ".repeat(width.saturating_sub(columns(text)));
            if *right { room + text } else { text.to_owned() + &room }
        });
        let line = cells.collect::<Vec<_>>().join(SPACE);
        // A `String` takes every write.
        writeln!(text, "{SPACE}{}", line.trim_end()).unwrap_or_default();
    }
    text
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of bytes in the unit that suits it, with one decimal.
pub(super) fn bytes(count: u64) -> String {
    let (mut unit, mut name) = (1_u64, "bytes");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if count / unit >= 1_024 {
            (unit, name) = (unit * 1_024, next);
        }
    }
    if unit == 1 {
        return format!("{count} {name}");
    }
    let tenths = u128::from(count) * 10 / u128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A count with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

fn width(head: &str, rows: &[Vec<String>], at: usize) -> usize {
    let widest = rows.iter().map(|row| columns(cell(row, at))).max().unwrap_or(0);
    widest.max(columns(head))
}

/// How wide a terminal shows it: the characters of East Asian names take two columns.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum()
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_left_and_numbers_right() {
        let rows = [vec!["BTC".to_owned(), "7".to_owned()], vec!["X".to_owned(), "1,234".to_owned()]];
        assert_eq!(table(&["symbol", "rows"], &rows), "  symbol   rows\n  BTC         7\n  X       1,234\n");
        assert_eq!(table(&["symbol"], &[]), "");
        let rows = [vec!["币安".to_owned(), "7".to_owned()], vec!["XAUU".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["s", "rows"], &rows), "  s     rows\n  币安     7\n  XAUU     1\n");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1_023, 1_024, 1_587_200].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB"]);
        assert_eq!([counted(1, "hole", "holes"), counted(2_000, "hole", "holes")], ["1 hole", "2,000 holes"]);
    }
}
