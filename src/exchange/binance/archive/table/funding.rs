//! What does a line of `fundingRate` say?

use crate::exchange::binance::archive::table::{
    RowError, Table,
    cells::{cells, decimal, natural, time},
};
use crate::model::{Funding, Rate, UnixMillis};

/// Files of settled fundings.
#[derive(Clone, Copy, Debug)]
pub struct FundingRates;

impl Table for FundingRates {
    type Row = Funding;

    const COLUMNS: &'static [&'static str] = &["calc_time", "funding_interval_hours", "last_funding_rate"];
    const DENSE: bool = false;

    fn row(&self, line: &[u8]) -> Result<Option<Funding>, RowError> {
        let [at, hours, rate] = cells(line)?;
        let time = time("calc_time", at)?;
        let interval_hours = match hours {
            b"" => None,
            hours => Some(natural("funding_interval_hours", hours)?),
        };
        if rate.is_empty() {
            return Ok(None);
        }
        let rate = decimal("last_funding_rate", Rate::parse_rounded(rate))?;
        Ok(Some(Funding { time, rate, mark: None, interval_hours, is_special: false }))
    }

    /// The second: no contract is settled twice in one.
    fn key(row: &Funding) -> u64 {
        row.time.get().div_euclid(UnixMillis::SECOND).max(0).unsigned_abs()
    }

    fn belongs(row: &Funding, start: UnixMillis, end: UnixMillis) -> bool {
        start <= row.time && row.time < end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance::ValueError;
    use crate::model::DecimalError;

    #[test]
    fn rates_are_signed_and_rounded() {
        let check = |line: &str, expected: Result<Option<(i64, Option<u64>)>, RowError>| {
            let found = FundingRates.row(line.as_bytes());
            assert_eq!(found.map(|row| row.map(|row| (row.rate.units(), row.interval_hours))), expected, "{line}");
        };
        check("1701388800007,8,0.00010000", Ok(Some((10_000, Some(8)))));
        check("1701388800007,8,-0.000012345", Ok(Some((-1_234, Some(8)))));
        check("1701388800007,,-1.5E-5", Ok(Some((-1_500, None))));
        check("1701388800007,4,", Ok(None));
        check("1701388800007,8", Err(RowError::Columns { found: 2, needed: 3 }));
        check("1701388800007,x,0", Err(RowError::Cell("funding_interval_hours")));
        check("2023-12-01,8,0", Err(RowError::Cell("calc_time")));
        let malformed = ValueError::Decimal { field: "last_funding_rate", source: DecimalError::Malformed };
        check("1701388800007,8,x", Err(RowError::Value(malformed)));
    }
}
