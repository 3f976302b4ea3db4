//! Which values may a trade, a kline or a time of the venue have? Both parsers and the REST bodies ask here.

use crate::exchange::binance::event::Kline;
use crate::model::{BookUpdate, DecimalError, Price, Quantity, QuoteVolume, Rate, Trade, UnixMillis, Volume};

/// Times from here on are not milliseconds; the venue's spot archive changed its unit without a change of name.
const TIME_MAX: u64 = 1_000_000_000_000_000;

/// What a field holds that it cannot mean. Fields bear the venue's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a decimal that is held exactly.
    #[error("field `{field}`: {source}")]
    Decimal {
        /// The field.
        field: &'static str,
        /// Why not.
        source: DecimalError,
    },
    /// A number outside its range: an id or a price of 0, a negative quantity, a time that is no millisecond count.
    #[error("field `{0}` is out of range")]
    OutOfRange(&'static str),
    /// Of another type than the venue gives it.
    #[error("field `{0}` is of another type")]
    Type(&'static str),
    /// Absent, though this kind of row needs it.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
}

/// A time in milliseconds.
#[inline]
pub(super) fn time(field: &'static str, millis: u64) -> Result<UnixMillis, ValueError> {
    match i64::try_from(millis) {
        Ok(signed @ 1..) if millis < TIME_MAX => Ok(UnixMillis::new(signed)),
        _ => Err(ValueError::OutOfRange(field)),
    }
}

/// A price of at least 0.
#[inline]
pub(super) fn price(field: &'static str, text: &[u8]) -> Result<Price, ValueError> {
    match Price::parse(text) {
        Ok(price) if price.units() >= 0 => Ok(price),
        Ok(_) => Err(ValueError::OutOfRange(field)),
        Err(source) => Err(ValueError::Decimal { field, source }),
    }
}

/// A derived price of at least 0: digits past the eighth decimal place are rounded, half to even.
pub(super) fn derived_price(field: &'static str, text: &[u8]) -> Result<Price, ValueError> {
    match Price::parse_rounded(text) {
        Ok(price) if price.units() >= 0 => Ok(price),
        Ok(_) => Err(ValueError::OutOfRange(field)),
        Err(source) => Err(ValueError::Decimal { field, source }),
    }
}

/// A rate or another signed figure that the venue derived, rounded likewise.
pub(super) fn rate(field: &'static str, text: &[u8]) -> Result<Rate, ValueError> {
    Rate::parse_rounded(text).map_err(|source| ValueError::Decimal { field, source })
}

/// A time where 0 says that there is none.
#[inline]
pub(super) fn planned_time(field: &'static str, millis: u64) -> Result<Option<UnixMillis>, ValueError> {
    if millis == 0 { Ok(None) } else { time(field, millis).map(Some) }
}

/// A quantity of at least 0.
#[inline]
pub(super) fn quantity(field: &'static str, text: &[u8]) -> Result<Quantity, ValueError> {
    match Quantity::parse(text) {
        Ok(quantity) if quantity.units() >= 0 => Ok(quantity),
        Ok(_) => Err(ValueError::OutOfRange(field)),
        Err(source) => Err(ValueError::Decimal { field, source }),
    }
}

/// A trade as the wire has it.
#[derive(Clone, Copy, Default)]
pub(super) struct WireTrade {
    pub(super) id: u64,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) first_id: u64,
    pub(super) last_id: u64,
    pub(super) time: u64,
    pub(super) buyer_is_maker: bool,
}

impl WireTrade {
    /// The trade, if every value can be meant. A quantity of 0 can: the venue has published such rows (archives of 2023-03 to
    /// 2023-05), and refusing them would leave holes that no source ever fills.
    #[inline]
    pub(super) fn checked(&self, id_field: &'static str) -> Result<Trade, ValueError> {
        let time = time("T", self.time)?;
        id(id_field, self.id)?;
        if self.price.units() <= 0 {
            return Err(ValueError::OutOfRange("p"));
        }
        if self.quantity.units() < 0 {
            return Err(ValueError::OutOfRange("q"));
        }
        if self.first_id > self.last_id {
            return Err(ValueError::OutOfRange("l"));
        }
        Ok(Trade {
            id: self.id,
            price: self.price,
            quantity: self.quantity,
            first_id: self.first_id,
            last_id: self.last_id,
            time,
            buyer_is_maker: self.buyer_is_maker,
        })
    }
}

/// An id: ids count from 1, and the venue keeps them in signed 64 bits.
pub(super) fn id(field: &'static str, id: u64) -> Result<u64, ValueError> {
    if i64::try_from(id).is_ok_and(|id| id > 0) { Ok(id) } else { Err(ValueError::OutOfRange(field)) }
}

/// The ids and the time of a book's update as the wire has them.
#[derive(Clone, Copy, Default)]
pub(super) struct WireBookUpdate {
    pub(super) first_id: u64,
    pub(super) last_id: u64,
    pub(super) previous_id: u64,
    pub(super) time: u64,
}

impl WireBookUpdate {
    /// The update, if its ids are in order. `pu` may be anything: what it does not continue is judged by the book.
    #[inline]
    pub(super) fn checked(&self) -> Result<BookUpdate, ValueError> {
        if self.first_id > self.last_id {
            return Err(ValueError::OutOfRange("u"));
        }
        let (first_id, last_id, previous_id) = (self.first_id, self.last_id, self.previous_id);
        Ok(BookUpdate { first_id, last_id, previous_id, time: time("T", self.time)? })
    }
}

/// A kline as the wire has it.
#[derive(Clone, Copy, Default)]
pub(super) struct WireKline<'a> {
    pub(super) open_time: u64,
    pub(super) last_millisecond: u64,
    pub(super) open: &'a [u8],
    pub(super) high: &'a [u8],
    pub(super) low: &'a [u8],
    pub(super) close: &'a [u8],
    pub(super) volume: &'a [u8],
    pub(super) quote_volume: &'a [u8],
    pub(super) taker_buy_volume: &'a [u8],
    pub(super) taker_buy_quote_volume: &'a [u8],
    pub(super) count: u64,
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) closed: bool,
}

impl WireKline<'_> {
    /// The kline, if every value can be meant.
    pub(super) fn checked(&self) -> Result<Kline, ValueError> {
        let open_time = time("t", self.open_time)?;
        let last_millisecond = time("T", self.last_millisecond)?;
        if last_millisecond < open_time {
            return Err(ValueError::OutOfRange("T"));
        }
        Ok(Kline {
            open_time,
            close_time: last_millisecond.plus(1),
            open: price("o", self.open)?,
            high: price("h", self.high)?,
            low: price("l", self.low)?,
            close: price("c", self.close)?,
            volume: Volume::from_units(sum("v", self.volume, 8)?),
            quote_volume: QuoteVolume::from_units(sum("q", self.quote_volume, 16)?),
            taker_buy_volume: Volume::from_units(sum("V", self.taker_buy_volume, 8)?),
            taker_buy_quote_volume: QuoteVolume::from_units(sum("Q", self.taker_buy_quote_volume, 16)?),
            count: self.count,
            first_id: self.first_id,
            last_id: self.last_id,
            closed: self.closed,
        })
    }
}

/// A sum of at least 0 in units of 10^-`places`, where `places` is 8 or more. What is finer is rounded, half to even: the venue
/// derived it.
pub(super) fn sum(field: &'static str, text: &[u8], places: u32) -> Result<i128, ValueError> {
    let units = match Quantity::parse(text) {
        Ok(quantity) => {
            i128::from(quantity.units()).checked_mul(10i128.pow(places - 8)).ok_or(DecimalError::OutOfRange)
        }
        Err(_) => wide(text, places),
    };
    match units {
        Ok(units @ 0..) => Ok(units),
        Ok(_) => Err(ValueError::OutOfRange(field)),
        Err(source) => Err(ValueError::Decimal { field, source }),
    }
}

/// Decimal text that does not fit 64 bits at 1e-8, or is finer. Only plain text (`digits[.digits]`) goes beyond 64 bits.
fn wide(text: &[u8], places: u32) -> Result<i128, DecimalError> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    let dangling = fraction.is_empty() && point < text.len();
    if dangling || whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        let rounded = Quantity::parse_rounded(text)?;
        return Ok(i128::from(rounded.units()) * 10i128.pow(places - 8));
    }
    let (kept, dropped) = fraction.split_at(fraction.len().min(places as usize));
    let missing = places as usize - kept.len();
    let digits = whole.iter().chain(kept).chain(std::iter::repeat_n(&b'0', missing));
    let mut digits = digits.map(|byte| i128::from(byte - b'0'));
    let value = digits.try_fold(0i128, |value, digit| value.checked_mul(10)?.checked_add(digit));
    let value = value.ok_or(DecimalError::OutOfRange)?;
    let up = match dropped.split_first() {
        None => false,
        Some((b'5', rest)) => value % 2 == 1 || rest.iter().any(|&digit| digit != b'0'),
        Some((first, _)) => *first > b'5',
    };
    value.checked_add(i128::from(up)).ok_or(DecimalError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_beyond_64_bits_and_stay_exact() {
        let check = |text: &str, places: u32, expected: Result<i128, ValueError>| {
            assert_eq!(sum("q", text.as_bytes(), places), expected, "{text}");
        };
        let decimal = |source| Err(ValueError::Decimal { field: "q", source });
        check("1125714.73960", 8, Ok(112_571_473_960_000));
        check("1125714.73960", 16, Ok(11_257_147_396_000_000_000_000));
        check("512345678901.25", 8, Ok(51_234_567_890_125_000_000));
        check("512345678901.25", 16, Ok(5_123_456_789_012_500_000_000_000_000));
        check("0.0000000001", 16, Ok(1_000_000));
        check("0.000000015", 8, Ok(2));
        check("0.000000025", 8, Ok(2));
        check("0.0000000250000001", 8, Ok(3));
        check("512345678901.1234567850000000", 8, Ok(51_234_567_890_112_345_678));
        check("512345678901.1234567750000000", 8, Ok(51_234_567_890_112_345_678));
        check("512345678901.12345678901234567", 16, Ok(5_123_456_789_011_234_567_890_123_457));
        check("1e3", 8, Ok(100_000_000_000));
        check("-1", 8, Err(ValueError::OutOfRange("q")));
        check("99999999999999999999999999999999999999", 8, decimal(DecimalError::OutOfRange));
        check("", 8, decimal(DecimalError::Malformed));
        check("1.2.3", 8, decimal(DecimalError::Malformed));
        check("100000000000.", 8, decimal(DecimalError::Malformed));
    }

    #[test]
    fn a_time_is_a_count_of_milliseconds() {
        assert_eq!(time("T", 1_791_382_992_338), Ok(UnixMillis::new(1_791_382_992_338)));
        for wrong in [0, 1_791_382_992_338_000, u64::MAX] {
            assert_eq!(time("T", wrong), Err(ValueError::OutOfRange("T")));
        }
    }

    #[test]
    fn a_trade_has_an_id_a_price_and_ordered_raw_ids() {
        let good = WireTrade {
            id: 7,
            price: Price::from_units(50_000_000),
            quantity: Quantity::from_units(0),
            first_id: 9,
            last_id: 9,
            time: 1_791_382_992_338,
            buyer_is_maker: true,
        };
        assert_eq!(good.checked("a").map(|trade| (trade.id, trade.raw_trades())), Ok((7, 1)));
        let wrong = |trade: WireTrade| trade.checked("a").expect_err("cannot be meant");
        assert_eq!(wrong(WireTrade { id: 0, ..good }), ValueError::OutOfRange("a"));
        assert_eq!(wrong(WireTrade { id: 1 << 63, ..good }), ValueError::OutOfRange("a"));
        assert_eq!(wrong(WireTrade { price: Price::from_units(0), ..good }), ValueError::OutOfRange("p"));
        assert_eq!(wrong(WireTrade { price: Price::from_units(-1), ..good }), ValueError::OutOfRange("p"));
        assert_eq!(wrong(WireTrade { quantity: Quantity::from_units(-1), ..good }), ValueError::OutOfRange("q"));
        assert_eq!(wrong(WireTrade { first_id: 10, ..good }), ValueError::OutOfRange("l"));
        assert_eq!(wrong(WireTrade { time: 0, ..good }), ValueError::OutOfRange("T"));
    }
}
