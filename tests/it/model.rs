//! Do decimals and buckets agree with somebody else's arithmetic?
//!
//! Oracles: `rust_decimal` for decimal text, counting in whole steps for n-minute buckets, `jiff` for the calendar.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};
use tapedeck::model::{DecimalError, Origin, Price, Quantity, QuoteVolume, Timeframe, UnixMillis, Volume};

/// A decimal number as text, and as the oracle knows it: nothing when it is too large for the oracle.
#[derive(Debug)]
struct Written {
    text: String,
    value: Option<Decimal>,
}

/// `-?digits[.digits][e[+-]digits]` with up to 19 significant digits.
fn written() -> impl Strategy<Value = Written> {
    let mantissa = prop_oneof![any::<i64>(), -1_000_000_000_000..1_000_000_000_000i64, -999..1_000i64];
    let exponent = proptest::option::of(-12..=12i32);
    (mantissa, 0..=12usize, 0..3usize, exponent, any::<[bool; 2]>()).prop_map(
        |(mantissa, places, zeros, exponent, [upper, plus])| {
            let digits = format!("{:0width$}", mantissa.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let sign = if mantissa < 0 { "-" } else { "" };
            let point = if places > 0 { "." } else { "" };
            let exponent_text = exponent.map_or_else(String::new, |exponent| {
                let plus = if plus && exponent >= 0 { "+" } else { "" };
                format!("{}{plus}{exponent}", if upper { 'E' } else { 'e' })
            });
            let text = format!("{sign}{}{whole}{point}{fraction}{exponent_text}", "0".repeat(zeros));
            let scale = i32::try_from(places).expect("small") - exponent.unwrap_or(0);
            Written { text, value: decimal(mantissa, scale) }
        },
    )
}

/// `mantissa` x 10^-`scale`.
fn decimal(mantissa: i64, scale: i32) -> Option<Decimal> {
    let tens = 10i128.pow(scale.min(0).unsigned_abs());
    let whole = Decimal::try_from_i128_with_scale(i128::from(mantissa), 0).ok()?;
    let tens = Decimal::try_from_i128_with_scale(tens, 0).ok()?;
    let mut value = whole.checked_mul(tens)?;
    value.set_scale(scale.max(0).unsigned_abs()).ok()?;
    Some(value)
}

/// `value` in units of 1e-8, if it is a whole number of them that 64 bits hold.
fn units(value: Decimal) -> Result<i64, DecimalError> {
    let units = value.checked_mul(Decimal::from(100_000_000)).ok_or(DecimalError::OutOfRange)?;
    if !units.fract().is_zero() {
        return Err(DecimalError::TooFine);
    }
    i64::try_from(units).map_err(|_| DecimalError::OutOfRange)
}

fn rounded(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(8, RoundingStrategy::MidpointNearestEven)
}

/// The oracle's shortest text of `units` x 10^-`places`.
fn shortest(units: i128, places: u32) -> String {
    Decimal::from_i128_with_scale(units, places).normalize().to_string()
}

/// What `write` appends, behind something that must stay.
fn appended(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = b"x".to_vec();
    write(&mut out);
    String::from_utf8(out).expect("ASCII").strip_prefix('x').expect("kept").to_owned()
}

/// What the oracle's largest integers hold.
const MANTISSA_MAX: i128 = 79_228_162_514_264_337_593_543_950_335;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decimal_text_is_read_as_the_oracle_reads_it(written in written()) {
        let text = written.text.as_bytes();
        let exact = written.value.ok_or(DecimalError::OutOfRange).and_then(units);
        prop_assert_eq!(Price::parse(text).map(Price::units), exact, "{}", written.text);
        prop_assert_eq!(Quantity::parse(text).map(Quantity::units), exact, "{}", written.text);
        let near = written.value.ok_or(DecimalError::OutOfRange).and_then(|value| units(rounded(value)));
        prop_assert_eq!(Price::parse_rounded(text).map(Price::units), near, "{}", written.text);
        prop_assert_eq!(Quantity::parse_rounded(text).map(Quantity::units), near, "{}", written.text);
    }

    #[test]
    fn halves_of_a_unit_go_to_the_even_neighbour(units in -1_000_000_000i64..1_000_000_000) {
        let half = decimal(units * 10 + 5, 9).expect("fits");
        let expected = i64::try_from(rounded(half) * Decimal::from(100_000_000)).expect("fits");
        let text = half.to_string();
        prop_assert_eq!(Price::parse_rounded(text.as_bytes()).map(Price::units), Ok(expected), "{}", text);
        prop_assert_eq!(expected % 2, 0);
    }

    #[test]
    fn text_of_prices_and_quantities_is_the_shortest_and_reads_back(units: i64) {
        let (price, quantity) = (Price::from_units(units), Quantity::from_units(units));
        let expected = shortest(i128::from(units), 8);
        prop_assert_eq!(&price.to_string(), &expected);
        prop_assert_eq!(&quantity.to_string(), &expected);
        prop_assert_eq!(&appended(|out| price.write(out)), &expected);
        prop_assert_eq!(&appended(|out| quantity.write(out)), &expected);
        prop_assert_eq!(Price::parse(expected.as_bytes()), Ok(price));
        prop_assert_eq!(Quantity::parse(expected.as_bytes()), Ok(quantity));
    }

    #[test]
    fn text_of_sums_is_the_shortest(units in -MANTISSA_MAX..=MANTISSA_MAX, shift in 0..96u32) {
        let units = units >> shift;
        let (volume, quote_volume) = (Volume::from_units(units), QuoteVolume::from_units(units));
        prop_assert_eq!(volume.to_string(), shortest(units, 8));
        prop_assert_eq!(appended(|out| volume.write(out)), shortest(units, 8));
        prop_assert_eq!(quote_volume.to_string(), shortest(units, 16));
        prop_assert_eq!(appended(|out| quote_volume.write(out)), shortest(units, 16));
    }

    #[test]
    fn round_sums_lose_their_zeros(digits in -99_999i128..100_000, zeros in 0..20u32) {
        let units = digits * 10i128.pow(zeros);
        prop_assert_eq!(Volume::from_units(units).to_string(), shortest(units, 8));
        prop_assert_eq!(QuoteVolume::from_units(units).to_string(), shortest(units, 16));
    }

    #[test]
    fn price_times_quantity_is_exact(price in 0..100_000_000_000_000i64, quantity in 0..100_000_000_000_000i64) {
        let quote = Price::from_units(price).times(Quantity::from_units(quantity));
        let expected = Decimal::new(price, 0) * Decimal::new(quantity, 0);
        prop_assert_eq!(quote.units().to_string(), expected.to_string());
    }

    #[test]
    fn only_decimal_numbers_are_read(text in "[-+.eE0-9]{0,8}") {
        let is_number = is_number(&text);
        let read = Price::parse(text.as_bytes());
        prop_assert_eq!(read != Err(DecimalError::Malformed), is_number, "{}", text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(Price::parse(&text).is_ok(), Price::parse(&text).is_ok_and(|price| {
            Price::parse_rounded(&text) == Ok(price)
        }));
    }
}

/// What the standard library takes for a number, less the forms that no venue writes.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let starts = mantissa.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    let ends = mantissa.ends_with(|c: char| c.is_ascii_digit());
    let is_short = exponent.trim_start_matches(['+', '-']).len() <= 4;
    text.parse::<f64>().is_ok() && starts && ends && is_short
}

#[test]
fn the_edges_of_the_range_are_where_64_bits_end() {
    let one = Decimal::new(1, 9);
    for edge in [i64::MAX, i64::MIN] {
        let exact = Decimal::from_i128_with_scale(i128::from(edge), 8);
        for tenths in -12..=12i64 {
            let value = exact + one * Decimal::from(tenths);
            let text = value.normalize().to_string();
            let expected = units(value);
            // Too fine and out of range at once: either is true.
            if expected != Err(DecimalError::TooFine) {
                assert_eq!(Price::parse(text.as_bytes()).map(Price::units), expected, "{text}");
            } else {
                assert!(Price::parse(text.as_bytes()).is_err(), "{text}");
            }
            let near = units(rounded(value));
            assert_eq!(Price::parse_rounded(text.as_bytes()).map(Price::units), near, "{text}");
        }
    }
}

#[test]
fn sums_beyond_the_oracle_are_written_in_full() {
    let max = i128::MAX.to_string();
    let (whole, fraction) = max.split_at(max.len() - 16);
    assert_eq!(QuoteVolume::from_units(i128::MAX).to_string(), format!("{whole}.{fraction}"));
    let min = i128::MIN.to_string();
    let (whole, fraction) = min.split_at(min.len() - 8);
    assert_eq!(Volume::from_units(i128::MIN).to_string(), format!("{whole}.{fraction}"));
}

/// The bucket of `time` found by stepping from `origin`, a bucket at a time.
fn stepped(time: i64, minutes: u32, origin: i64) -> (i64, i64) {
    let length = i64::from(minutes) * 60_000;
    let mut start = origin;
    while start > time {
        start -= length;
    }
    while start + length <= time {
        start += length;
    }
    (start, start + length)
}

fn bucket(timeframe: Timeframe, time: i64) -> (i64, i64) {
    let (start, end) = timeframe.bucket(UnixMillis::new(time));
    (start.get(), end.get())
}

fn date(time: i64) -> Date {
    Timestamp::from_millisecond(time).expect("in range").to_zoned(TimeZone::UTC).date()
}

fn midnight(date: Date) -> i64 {
    date.to_zoned(TimeZone::UTC).expect("in range").timestamp().as_millisecond()
}

fn minutes() -> impl Strategy<Value = u32> {
    prop_oneof![1..=60u32, 1..=43_200u32, Just(173), Just(1_440), Just(2_850), Just(43_200)]
}

/// From 1900 to 2150, and close to midnights of the years around now.
fn times() -> impl Strategy<Value = i64> {
    let near_midnight = (18_000..22_000i64, -2..=2i64).prop_map(|(day, off)| day * 86_400_000 + off);
    prop_oneof![-2_208_988_800_000..5_680_281_600_000i64, near_midnight]
}

proptest! {
    #[test]
    fn minutes_are_counted_from_the_epoch(minutes in minutes(), buckets in -3_000..3_000i64, off in 0..60_000i64) {
        let length = i64::from(minutes) * 60_000;
        let timeframe = Timeframe::minutes(minutes).expect("in range");
        for time in [buckets * length - 1, buckets * length, buckets * length + off * i64::from(minutes)] {
            prop_assert_eq!(bucket(timeframe, time), stepped(time, minutes, 0));
        }
    }

    #[test]
    fn minutes_from_a_days_start_end_with_the_day(minutes in minutes(), time in times()) {
        let timeframe = Timeframe::minutes(minutes).expect("in range").with_origin(Origin::Day);
        let today = date(time);
        let (start, end) = stepped(time, minutes, midnight(today));
        let tomorrow = midnight(today.tomorrow().expect("in range"));
        prop_assert_eq!(bucket(timeframe, time), (start, end.min(tomorrow)));
    }

    #[test]
    fn weeks_begin_on_monday(time in times()) {
        let today = date(time);
        let monday = today - i64::from(today.weekday().to_monday_zero_offset()).days();
        prop_assert_eq!(bucket(Timeframe::WEEK, time), (midnight(monday), midnight(monday + 7.days())));
    }

    #[test]
    fn months_are_the_calendars(time in times()) {
        let first = date(time).first_of_month();
        prop_assert_eq!(bucket(Timeframe::MONTH, time), (midnight(first), midnight(first + 1.month())));
        let (year, month) = UnixMillis::new(time).year_month();
        prop_assert_eq!((year, month), (i64::from(first.year()), i64::from(first.month())));
    }

    #[test]
    fn canonical_text_names_the_same_buckets(minutes in minutes(), time in times()) {
        let timeframe = Timeframe::minutes(minutes).expect("in range");
        let again = Timeframe::parse(&timeframe.to_string());
        prop_assert_eq!(&again, &Ok(timeframe));
        prop_assert_eq!(again.map(|again| bucket(again, time)), Ok(bucket(timeframe, time)));
    }
}
