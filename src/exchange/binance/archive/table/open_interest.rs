//! What does a line of `metrics` say? Of its figures only the open interest is read.

use crate::exchange::binance::archive::civil;
use crate::exchange::binance::archive::table::{
    RowError, Table,
    cells::{cells, same_symbol, time},
};
use crate::exchange::binance::value;
use crate::model::{OpenInterest, QuoteVolume, Symbol, UnixMillis, Volume};

/// Files of open interest, and whose.
#[derive(Clone, Debug)]
pub struct OpenInterests(pub Symbol);

impl Table for OpenInterests {
    type Row = OpenInterest;

    const COLUMNS: &'static [&'static str] = &["create_time", "symbol", "sum_open_interest", "sum_open_interest_value"];
    const DENSE: bool = false;

    fn row(&self, line: &[u8]) -> Result<Option<OpenInterest>, RowError> {
        let [at, symbol, quantity, quote] = cells(line)?;
        let time = civil::moment(at).map_or_else(|| time("create_time", at), Ok)?;
        same_symbol(self.0.as_str(), symbol)?;
        if quantity.is_empty() {
            return Ok(None);
        }
        let quantity = Volume::from_units(value::sum("sum_open_interest", quantity, 8)?);
        let value = match quote {
            b"" => None,
            quote => Some(QuoteVolume::from_units(value::sum("sum_open_interest_value", quote, 16)?)),
        };
        Ok(Some(OpenInterest { time, quantity, value }))
    }

    /// The second: a file's times have no finer digits.
    fn key(row: &OpenInterest) -> u64 {
        row.time.get().div_euclid(UnixMillis::SECOND).max(0).unsigned_abs()
    }

    /// A day's file begins at 00:05 and ends with the next midnight.
    fn belongs(row: &OpenInterest, start: UnixMillis, end: UnixMillis) -> bool {
        start <= row.time && row.time <= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance::ValueError;

    #[test]
    fn open_interest_has_many_digits_or_none() {
        let table = OpenInterests(Symbol::new("BTCUSDT").expect("a symbol"));
        let check = |line: &str, expected: Result<Option<(i128, Option<i128>)>, RowError>| {
            let found = table.row(line.as_bytes());
            let units = found.map(|row| row.map(|row| (row.quantity.units(), row.value.map(QuoteVolume::units))));
            assert_eq!(units, expected, "{line}");
        };
        let value = Some(7_512_345_678_901_234_567_890_123_456);
        let line = "2025-01-01 00:05:00,BTCUSDT,80123.4560000000000000,751234567890.1234567890123456,1.2,1.3,1.4,1.5";
        check(line, Ok(Some((8_012_345_600_000, value))));
        check(&line.replace("80123.4560000000000000", "80123.4560000050000001"), Ok(Some((8_012_345_600_001, value))));
        check(&line.replace("751234567890.1234567890123456", ""), Ok(Some((8_012_345_600_000, None))));
        check(&line.replace("80123.4560000000000000", ""), Ok(None));
        check("2025-01-01 00:05:00,BTCUSDT,1,2", Ok(Some((100_000_000, Some(20_000_000_000_000_000)))));
        check("1735689900000,BTCUSDT,1,2,,,,", Ok(Some((100_000_000, Some(20_000_000_000_000_000)))));
        check("2025-01-01 00:05:00,ETHUSDT,1,2", Err(RowError::OtherSymbol("ETHUSDT".to_owned())));
        check("2025-01-01,BTCUSDT,1,2", Err(RowError::Cell("create_time")));
        let negative = RowError::Value(ValueError::OutOfRange("sum_open_interest"));
        check("2025-01-01 00:05:00,BTCUSDT,-1,2", Err(negative));
        check("2025-01-01 00:05:00,BTCUSDT,1", Err(RowError::Columns { found: 3, needed: 4 }));
    }

    #[test]
    fn the_next_midnight_is_the_last_row_of_a_day() {
        let table = OpenInterests(Symbol::new("BTCUSDT").expect("a symbol"));
        let row = table.row(b"2025-01-02 00:00:00,BTCUSDT,1,2").expect("a row").expect("with figures");
        let (start, end) = (row.time.plus(-UnixMillis::DAY), row.time);
        assert!(OpenInterests::belongs(&row, start, end));
        assert!(!OpenInterests::belongs(&row, start.plus(-UnixMillis::DAY), start));
    }
}
