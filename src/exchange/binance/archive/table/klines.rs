//! What does a line of `klines` say?

use crate::exchange::binance::Kline;
use crate::exchange::binance::archive::table::{
    RowError, Table,
    cells::{cells, millis, natural},
};
use crate::exchange::binance::value::WireKline;
use crate::model::UnixMillis;

/// Files of official buckets, of whatever interval. Rows say neither their ids nor whether they are closed: judge them by
/// `close_time`.
#[derive(Clone, Copy, Debug)]
pub struct Klines;

impl Table for Klines {
    type Row = Kline;

    const COLUMNS: &'static [&'static str] = &[
        "open_time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "close_time",
        "quote_volume",
        "count",
        "taker_buy_volume",
        "taker_buy_quote_volume",
    ];
    const DENSE: bool = false;

    fn row(&self, line: &[u8]) -> Result<Option<Kline>, RowError> {
        let [open_time, open, high, low, close, volume, last, quote, count, taker, taker_quote] = cells(line)?;
        let wire = WireKline {
            open_time: millis("open_time", open_time)?,
            last_millisecond: millis("close_time", last)?,
            open,
            high,
            low,
            close,
            volume,
            quote_volume: quote,
            taker_buy_volume: taker,
            taker_buy_quote_volume: taker_quote,
            count: natural("count", count)?,
            first_id: -1,
            last_id: -1,
            closed: false,
        };
        Ok(Some(wire.checked()?))
    }

    /// The minute that it opens in.
    fn key(row: &Kline) -> u64 {
        row.open_time.get().div_euclid(UnixMillis::MINUTE).max(0).unsigned_abs()
    }

    /// A week may begin in one month and end in the next.
    fn belongs(row: &Kline, start: UnixMillis, end: UnixMillis) -> bool {
        row.open_time < end && start < row.close_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance::ValueError;
    use crate::model::{Price, QuoteVolume, Volume};

    const LINE: &str =
        "1769904000000,59.49,59.50,59.42,59.45,1554.932,1769904059999,92449.80017,442,832.674,49507.33217,0";

    #[test]
    fn a_bucket_is_read_whole() {
        let expected = Kline {
            open_time: UnixMillis::new(1_769_904_000_000),
            close_time: UnixMillis::new(1_769_904_060_000),
            open: Price::from_units(5_949_000_000),
            high: Price::from_units(5_950_000_000),
            low: Price::from_units(5_942_000_000),
            close: Price::from_units(5_945_000_000),
            volume: Volume::from_units(155_493_200_000),
            quote_volume: QuoteVolume::from_units(924_498_001_700_000_000_000),
            taker_buy_volume: Volume::from_units(83_267_400_000),
            taker_buy_quote_volume: QuoteVolume::from_units(495_073_321_700_000_000_000),
            count: 442,
            first_id: -1,
            last_id: -1,
            closed: false,
        };
        let read = |line: &str| Klines.row(line.as_bytes());
        assert_eq!(read(LINE), Ok(Some(expected)));
        let micros = LINE.replace("1769904000000", "1769904000000000").replace("1769904059999", "1769904059999999");
        assert_eq!(read(&micros), Ok(Some(expected)));
        assert_eq!(read(LINE.strip_suffix(",0").expect("an ignored column")), Ok(Some(expected)));
        let empty = "1769904000000,59.49,59.49,59.49,59.49,0.0,1769904059999,0,0,0,0,0";
        assert_eq!(read(empty).map(|row| row.map(|kline| kline.count)), Ok(Some(0)));
        assert_eq!(read("1769904000000,1,1"), Err(RowError::Columns { found: 3, needed: 11 }));
        assert_eq!(read(&LINE.replace(",442,", ",,")), Err(RowError::Cell("count")));
        let early = LINE.replace("1769904059999", "1769903999999");
        assert_eq!(read(&early), Err(RowError::Value(ValueError::OutOfRange("T"))));
    }

    #[test]
    fn a_week_belongs_to_both_its_months() {
        let kline = Klines.row(LINE.as_bytes()).expect("a kline").expect("with figures");
        let week = Kline { close_time: kline.open_time.plus(7 * UnixMillis::DAY), ..kline };
        let middle = kline.open_time.plus(3 * UnixMillis::DAY);
        let far = UnixMillis::new(i64::MAX);
        assert!(Klines::belongs(&week, kline.open_time, middle) && Klines::belongs(&week, middle, far));
        assert!(!Klines::belongs(&week, week.close_time, far));
        assert!(!Klines::belongs(&week, UnixMillis::new(0), kline.open_time));
    }
}
