//! What does a line of `aggTrades` or `trades` say? These files have tens of millions of lines, so there is a fast way.

use crate::exchange::binance::archive::table::{
    RowError, Table,
    cells::{MICROSECONDS_MIN, cells, flag, millis, natural},
};
use crate::exchange::binance::cursor::Cursor;
use crate::exchange::binance::value::{self, WireTrade};
use crate::model::{Price, Quantity, Trade, UnixMillis};

/// Bytes of further columns that the fast way steps over.
const FURTHER_BYTES_MAX: usize = 16;
/// Bytes of a quote quantity that the fast way steps over.
const QUOTE_BYTES_MAX: usize = 32;

/// Files of aggregate trades.
#[derive(Clone, Copy, Debug)]
pub struct AggTrades;

/// Files of raw trades: the only place that has them, and what official klines are made of.
#[derive(Clone, Copy, Debug)]
pub struct RawTrades;

impl Table for AggTrades {
    type Row = Trade;

    const COLUMNS: &'static [&'static str] =
        &["agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker"];
    const DENSE: bool = true;

    #[inline(always)]
    fn next(&self, lines: &[u8]) -> Option<(Trade, usize)> {
        let mut cursor = Cursor::new(lines);
        let mut wire = WireTrade { id: number(&mut cursor)?, ..WireTrade::default() };
        wire.price = Price::from_units(decimal(&mut cursor)?);
        wire.quantity = Quantity::from_units(decimal(&mut cursor)?);
        wire.first_id = number(&mut cursor)?;
        wire.last_id = number(&mut cursor)?;
        wire.time = milliseconds(number(&mut cursor)?);
        wire.buyer_is_maker = last_flag(&mut cursor)?;
        Some((wire.checked("a").ok()?, cursor.at()))
    }

    fn row(&self, line: &[u8]) -> Result<Option<Trade>, RowError> {
        let [id, price, quantity, first_id, last_id, time, maker] = cells(line)?;
        let wire = WireTrade {
            id: natural("agg_trade_id", id)?,
            price: value::price("price", price)?,
            quantity: value::quantity("quantity", quantity)?,
            first_id: natural("first_trade_id", first_id)?,
            last_id: natural("last_trade_id", last_id)?,
            time: millis("transact_time", time)?,
            buyer_is_maker: flag("is_buyer_maker", maker)?,
        };
        Ok(Some(wire.checked("a")?))
    }

    #[inline(always)]
    fn key(row: &Trade) -> u64 {
        row.id
    }

    #[inline(always)]
    fn belongs(row: &Trade, start: UnixMillis, end: UnixMillis) -> bool {
        start <= row.time && row.time < end
    }

    #[inline(always)]
    fn is_hollow(row: &Trade) -> bool {
        row.quantity.units() == 0
    }
}

impl Table for RawTrades {
    type Row = Trade;

    const COLUMNS: &'static [&'static str] = &["id", "price", "qty", "quote_qty", "time", "is_buyer_maker"];
    const DENSE: bool = true;

    #[inline(always)]
    fn next(&self, lines: &[u8]) -> Option<(Trade, usize)> {
        let mut cursor = Cursor::new(lines);
        let id = number(&mut cursor)?;
        let mut wire = WireTrade { id, first_id: id, last_id: id, ..WireTrade::default() };
        wire.price = Price::from_units(decimal(&mut cursor)?);
        wire.quantity = Quantity::from_units(decimal(&mut cursor)?);
        skip(&mut cursor, b',', QUOTE_BYTES_MAX)?;
        wire.time = milliseconds(number(&mut cursor)?);
        wire.buyer_is_maker = last_flag(&mut cursor)?;
        Some((wire.checked("t").ok()?, cursor.at()))
    }

    fn row(&self, line: &[u8]) -> Result<Option<Trade>, RowError> {
        let [id, price, quantity, _, time, maker] = cells(line)?;
        let id = natural("id", id)?;
        let wire = WireTrade {
            id,
            price: value::price("price", price)?,
            quantity: value::quantity("qty", quantity)?,
            first_id: id,
            last_id: id,
            time: millis("time", time)?,
            buyer_is_maker: flag("is_buyer_maker", maker)?,
        };
        Ok(Some(wire.checked("t")?))
    }

    #[inline(always)]
    fn key(row: &Trade) -> u64 {
        row.id
    }

    #[inline(always)]
    fn belongs(row: &Trade, start: UnixMillis, end: UnixMillis) -> bool {
        start <= row.time && row.time < end
    }

    #[inline(always)]
    fn is_hollow(row: &Trade) -> bool {
        row.quantity.units() == 0
    }
}

/// A whole number and the comma after it.
#[inline(always)]
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let number = cursor.number()?;
    cursor.literal(b",")?;
    Some(number)
}

/// Units of 1e-8 and the comma after them.
#[inline(always)]
fn decimal(cursor: &mut Cursor<'_>) -> Option<i64> {
    let units = cursor.bare_decimal()?;
    cursor.literal(b",")?;
    Some(units)
}

#[inline(always)]
const fn milliseconds(time: u64) -> u64 {
    if time > MICROSECONDS_MIN { time / 1_000 } else { time }
}

/// The last column that counts, and the rest of the line.
#[inline(always)]
fn last_flag(cursor: &mut Cursor<'_>) -> Option<bool> {
    let flag = match *cursor.rest().first()? {
        b't' | b'T' => {
            cursor.advance(1);
            cursor.literal(b"rue")?;
            true
        }
        b'f' | b'F' => {
            cursor.advance(1);
            cursor.literal(b"alse")?;
            false
        }
        _ => return None,
    };
    match *cursor.rest().first()? {
        b'\n' => cursor.advance(1),
        b',' => skip(cursor, b'\n', FURTHER_BYTES_MAX)?,
        _ => return None,
    }
    Some(flag)
}

/// Steps over `end` and what stands before it; a line does not end in between.
#[inline(always)]
fn skip(cursor: &mut Cursor<'_>, end: u8, bytes_max: usize) -> Option<()> {
    let rest = cursor.rest();
    let rest = &rest[..rest.len().min(bytes_max)];
    let length = rest.iter().position(|&byte| byte == end || byte == b'\n')?;
    (rest[length] == end).then(|| cursor.advance(length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance::ValueError;
    use crate::model::DecimalError;
    use proptest::prelude::*;

    const LINE: &str = "3477868433,83091.70,0.022,8153634393,8153634394,1791382992338,false";

    fn trade() -> Trade {
        Trade {
            id: 3_477_868_433,
            price: Price::from_units(8_309_170_000_000),
            quantity: Quantity::from_units(2_200_000),
            first_id: 8_153_634_393,
            last_id: 8_153_634_394,
            time: UnixMillis::new(1_791_382_992_338),
            buyer_is_maker: false,
        }
    }

    /// What both ways make of a line; whether the fast one took it.
    fn read<T: Table<Row = Trade>>(table: &T, line: &str) -> (Result<Trade, RowError>, bool) {
        let slow = table.row(line.as_bytes());
        let with_end = format!("{line}\n");
        let fast = table.next(with_end.as_bytes());
        if let Some((row, length)) = fast {
            assert_eq!((Ok(Some(row)), length), (slow.clone(), with_end.len()), "{line}");
        }
        (slow.map(|row| row.expect("trades always say something")), fast.is_some())
    }

    #[test]
    fn lines_in_every_spelling_say_the_same() {
        let check = |line: &str, expected: Trade, fast: bool| {
            assert_eq!(read(&AggTrades, line), (Ok(expected), fast), "{line}");
        };
        check(LINE, trade(), true);
        check(&LINE.replace("false", "False"), trade(), true);
        check(&LINE.replace("false", "True,True"), Trade { buyer_is_maker: true, ..trade() }, true);
        check(&LINE.replace("false", "FALSE"), trade(), false);
        check(&LINE.replace("1791382992338", "1791382992338999"), trade(), true);
        check(&LINE.replace("83091.70", "83091.70000000"), trade(), true);
        check(&LINE.replace("83091.70", "83091.7000000000000"), trade(), false);
        check(&LINE.replace("83091.70", "8.30917E4"), trade(), false);
        check(&LINE.replace("0.022", "0"), Trade { quantity: Quantity::from_units(0), ..trade() }, true);
        check(&LINE.replace("0.022", "2.2E-2"), trade(), false);
        check(&format!("{LINE}\r"), trade(), false);
        check(&format!("{LINE},new column,and one more"), trade(), false);
        check(&format!("\"{}\"", LINE.replace(',', "\",\"")), trade(), false);
        let raw = "5,83091.70,0.022,1828.0174,1791382992338,false";
        let single = Trade { id: 5, first_id: 5, last_id: 5, ..trade() };
        assert_eq!(read(&RawTrades, raw), (Ok(single), true));
        assert_eq!(read(&RawTrades, &raw.replace("1828.0174", "1.8280174E3")), (Ok(single), true));
        assert_eq!(read(&RawTrades, &raw.replace("false", "False,True")), (Ok(single), true));
    }

    #[test]
    fn lines_that_cannot_be_meant_say_why() {
        let check = |from: &str, to: &str, expected: RowError| {
            assert_eq!(read(&AggTrades, &LINE.replace(from, to)), (Err(expected), false), "{to}");
        };
        let range = |field| RowError::Value(ValueError::OutOfRange(field));
        let decimal = |field, source| RowError::Value(ValueError::Decimal { field, source });
        check("3477868433", "0", range("a"));
        check("83091.70", "0.00", range("p"));
        check("83091.70", "-1", range("price"));
        check("83091.70", "0.123456789", decimal("price", DecimalError::TooFine));
        check("83091.70", "1e99", decimal("price", DecimalError::OutOfRange));
        check("83091.70", "", decimal("price", DecimalError::Malformed));
        check("0.022", "-0.022", range("quantity"));
        check("8153634394", "8153634392", range("l"));
        check("1791382992338", "0", range("T"));
        check("1791382992338", "1e12", RowError::Cell("transact_time"));
        check("3477868433", "", RowError::Cell("agg_trade_id"));
        check("false", "0", RowError::Cell("is_buyer_maker"));
        check(",false", "", RowError::Columns { found: 6, needed: 7 });
        assert_eq!(read(&RawTrades, "5,1,1,1,1791382992338").0, Err(RowError::Columns { found: 5, needed: 6 }));
    }

    #[test]
    fn a_line_that_breaks_off_is_none() {
        for cut in 0..LINE.len() {
            assert_eq!(AggTrades.next(&LINE.as_bytes()[..cut]), None);
            assert_eq!(AggTrades.next(format!("{}\n{LINE}\n", &LINE[..cut]).as_bytes()), None, "{cut}");
        }
    }

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => (1u64..4_000_000_000).prop_map(|number| number.to_string()),
            4 => (0u64..10_000_000, 0u32..1_000_000).prop_map(|(whole, part)| format!("{whole}.{part}")),
            2 => (1_500_000_000_000u64..2_000_000_000_000_000).prop_map(|number| number.to_string()),
            2 => prop::sample::select(vec!["true", "false", "True", "False", "TRUE"]).prop_map(str::to_owned),
            2 => "[0-9]{0,22}(\\.[0-9]{0,12})?([eE]-?[0-9]{1,2})?",
            1 => "[ -~]{0,6}",
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let typical = (1u64..9_000_000_000, 1u64..99_999_999, 0u64..999_999, any::<u64>(), 0u64..3, any::<bool>());
        let typical = typical.prop_map(|(id, price, part, first, more, maker)| {
            let first = first >> 20;
            format!("{id},{price}.{part},{part}.5,{first},{},{},{maker}", first + more, 1_700_000_000_000 + id)
        });
        let cells = prop::collection::vec(cell(), 5..9).prop_map(|cells| cells.join(","));
        prop_oneof![2 => typical, 1 => cells]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_the_fast_way_takes_the_slow_one_takes_alike(
            line in line(),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut bytes = line.into_bytes();
            if let Some((at, byte)) = damage.filter(|(_, byte)| *byte != b'\n') {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let length = bytes.len();
            bytes.extend(b"\nrest");
            for (fast, slow) in [
                (AggTrades.next(&bytes), AggTrades.row(&bytes[..length])),
                (RawTrades.next(&bytes), RawTrades.row(&bytes[..length])),
            ] {
                if let Some((row, taken)) = fast {
                    prop_assert_eq!((Ok(Some(row)), taken), (slow, length + 1), "{}", String::from_utf8_lossy(&bytes));
                }
            }
        }
    }
}
