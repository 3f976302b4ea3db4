//! How do prices, quantities and their sums become integers and text again, without a float between?

use std::fmt;

/// Decimal places of [`Price`], [`Quantity`], [`Rate`] and [`Volume`].
const PLACES: u32 = 8;
/// Decimal places of [`QuoteVolume`]: those of a price times those of a quantity.
const QUOTE_PLACES: u32 = 2 * PLACES;
/// The longest decimal text that is read; the venue's longest is under 40 bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Why a text is not a decimal number of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something other than `-?digits[.digits][e[+-]digits]`.
    #[error("not a decimal number")]
    Malformed,
    /// A digit other than zero past the eighth decimal place: rounding it would lose money.
    #[error("finer than 1e-8")]
    TooFine,
    /// Beyond what 64 bits hold at 1e-8 (about 92 billion).
    #[error("out of range")]
    OutOfRange,
}

/// What happens to digits past the eighth decimal place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Excess {
    Refused,
    HalfEven,
}

macro_rules! fixed_point {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Units in one whole.
            pub const UNITS_PER_ONE: i64 = 100_000_000;
            /// The smallest value.
            pub const MIN: Self = Self(i64::MIN);
            /// The largest value.
            pub const MAX: Self = Self(i64::MAX);

            /// Wraps a count of 1e-8 units.
            pub const fn from_units(units: i64) -> Self {
                Self(units)
            }

            /// The count of 1e-8 units.
            pub const fn units(self) -> i64 {
                self.0
            }

            /// Reads decimal text exactly; exponent notation is accepted.
            ///
            /// # Errors
            ///
            /// When the text is no decimal number, is finer than 1e-8, or does not fit.
            pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
                parse(text, Excess::Refused).map(Self)
            }

            /// Reads decimal text, rounding half to even at 1e-8: for derived figures, never for trades.
            ///
            /// # Errors
            ///
            /// When the text is no decimal number or does not fit.
            pub fn parse_rounded(text: &[u8]) -> Result<Self, DecimalError> {
                parse(text, Excess::HalfEven).map(Self)
            }

            /// Appends the shortest exact decimal text.
            pub fn write(self, out: &mut Vec<u8>) {
                write_decimal(out, i128::from(self.0), PLACES);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display(f, i128::from(self.0), PLACES)
            }
        }
    };
}

fixed_point!(
    /// A price in units of 1e-8 of the quote currency.
    Price
);
fixed_point!(
    /// An amount of the base asset in units of 1e-8.
    Quantity
);
fixed_point!(
    /// A rate, such as that of funding, in units of 1e-8; rates are often negative.
    Rate
);

macro_rules! sum {
    ($(#[$doc:meta])* $name:ident, $places:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(i128);

        impl $name {
            /// Wraps a count of units.
            pub const fn from_units(units: i128) -> Self {
                Self(units)
            }

            /// The count of units.
            pub const fn units(self) -> i128 {
                self.0
            }

            /// Appends the shortest exact decimal text.
            pub fn write(self, out: &mut Vec<u8>) {
                write_decimal(out, self.0, $places);
            }
        }

        impl std::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display(f, self.0, $places)
            }
        }
    };
}

sum!(
    /// A sum of quantities, in units of 1e-8 of the base asset.
    Volume,
    PLACES
);
sum!(
    /// A sum of price x quantity, in units of 1e-16 of the quote currency: exact, never rounded.
    QuoteVolume,
    QUOTE_PLACES
);

impl From<Quantity> for Volume {
    fn from(quantity: Quantity) -> Self {
        Self(i128::from(quantity.0))
    }
}

impl Price {
    /// Price x quantity, exactly.
    pub fn times(self, quantity: Quantity) -> QuoteVolume {
        QuoteVolume(i128::from(self.0) * i128::from(quantity.0))
    }
}

/// Reads the plain form (`digits[.digits]`, at most 18 digits in all); everything else goes to [`parse_any`].
fn parse(text: &[u8], excess: Excess) -> Result<i64, DecimalError> {
    let mut value: i64 = 0;
    let mut point = None;
    if text.is_empty() || text.len() > 18 {
        return parse_any(text, excess);
    }
    for (at, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value * 10 + i64::from(digit);
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return parse_any(text, excess);
        }
    }
    let places = point.map_or(0, |at| text.len() - 1 - at);
    if point == Some(0) || (point.is_some() && places == 0) || places > PLACES as usize {
        return parse_any(text, excess);
    }
    value.checked_mul(POWERS_OF_TEN[PLACES as usize - places]).ok_or(DecimalError::OutOfRange)
}

const POWERS_OF_TEN: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Reads any accepted form: sign, long fractions, exponents.
#[cold]
fn parse_any(text: &[u8], excess: Excess) -> Result<i64, DecimalError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(DecimalError::Malformed);
    }
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
        Some(at) if at + 1 < mantissa.len() => (&mantissa[..at], &mantissa[at + 1..]),
        Some(_) => return Err(DecimalError::Malformed),
        None => (mantissa, &mantissa[..0]),
    };
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    let digits: Vec<u8> = whole.iter().chain(fraction).map(|byte| byte - b'0').collect();
    // The digits, read as a whole number, count units of 10^unit_exponent; wanted are units of 10^-8.
    let unit_exponent = exponent - i64::try_from(fraction.len()).map_err(|_| DecimalError::Malformed)?;
    scale(&digits, unit_exponent + i64::from(PLACES), negative, excess)
}

/// `digits` x 10^`shift` as a signed integer.
fn scale(digits: &[u8], shift: i64, negative: bool, excess: Excess) -> Result<i64, DecimalError> {
    let kept = i64::try_from(digits.len()).map_err(|_| DecimalError::Malformed)? + shift.min(0);
    let (kept, dropped) = match usize::try_from(kept) {
        Ok(kept) => digits.split_at(kept),
        Err(_) => (&digits[..0], digits),
    };
    // Zeros stand before `dropped` when the number is smaller than a tenth of a unit.
    let below_a_tenth = i64::try_from(digits.len()).map_err(|_| DecimalError::Malformed)? + shift < 0;
    let mut value: i128 = 0;
    for &digit in kept {
        value = value * 10 + i128::from(digit);
        if value > -i128::from(i64::MIN) {
            return Err(DecimalError::OutOfRange);
        }
    }
    for _ in 0..shift.max(0) {
        if value == 0 {
            break;
        }
        value *= 10;
        if value > -i128::from(i64::MIN) {
            return Err(DecimalError::OutOfRange);
        }
    }
    if dropped.iter().any(|&digit| digit != 0) {
        if excess == Excess::Refused {
            return Err(DecimalError::TooFine);
        }
        value += i128::from(!below_a_tenth && rounds_up(dropped, value));
    }
    i64::try_from(if negative { -value } else { value }).map_err(|_| DecimalError::OutOfRange)
}

/// Whether half-even rounding of `.dropped` after `value` goes up.
fn rounds_up(dropped: &[u8], value: i128) -> bool {
    let beyond_half = dropped[1..].iter().any(|&digit| digit != 0);
    dropped[0] > 5 || (dropped[0] == 5 && (beyond_half || value % 2 == 1))
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    let value = digits.iter().fold(0, |value, &byte| value * 10 + i64::from(byte - b'0'));
    Ok(if negative { -value } else { value })
}

/// Appends `units` x 10^-`places` as the shortest exact decimal text, without exponent or trailing zeros.
pub fn write_decimal(out: &mut Vec<u8>, units: i128, places: u32) {
    if units < 0 {
        out.push(b'-');
    }
    let one = 10u128.pow(places);
    let units = units.unsigned_abs();
    // 64-bit division is several times cheaper than 128-bit, and nearly every value fits.
    let (whole, mut rest) = match (u64::try_from(units), u64::try_from(one)) {
        (Ok(units), Ok(one)) => (u128::from(units / one), u128::from(units % one)),
        _ => (units / one, units % one),
    };
    let mut buffer = itoa::Buffer::new();
    match u64::try_from(whole) {
        Ok(whole) => out.extend_from_slice(buffer.format(whole).as_bytes()),
        Err(_) => out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes()),
    }
    if rest == 0 {
        return;
    }
    let mut places = places as usize;
    let mut digits = [b'0'; 40];
    digits[0] = b'.';
    let mut end = 1 + places;
    while rest > 0 {
        digits[places] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        places -= 1;
    }
    while digits[end - 1] == b'0' {
        end -= 1;
    }
    out.extend_from_slice(&digits[..end]);
}

fn display(f: &mut fmt::Formatter<'_>, units: i128, places: u32) -> fmt::Result {
    let mut text = Vec::with_capacity(32);
    write_decimal(&mut text, units, places);
    f.pad(std::str::from_utf8(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_becomes_units_or_a_reason() {
        let check = |text: &str, expected: Result<i64, DecimalError>| {
            assert_eq!(Price::parse(text.as_bytes()).map(Price::units), expected, "{text}");
        };
        check("0", Ok(0));
        check("83091.70", Ok(8_309_170_000_000));
        check("0.022", Ok(2_200_000));
        check("0.00000001", Ok(1));
        check("-1.5", Ok(-150_000_000));
        check("1e-8", Ok(1));
        check("1.5E3", Ok(150_000_000_000));
        check("0e9999", Ok(0));
        check("55.728000000000", Ok(5_572_800_000));
        check("92233720368.54775807", Ok(i64::MAX));
        check("-92233720368.54775808", Ok(i64::MIN));
        check("92233720368.54775808", Err(DecimalError::OutOfRange));
        check("1e99", Err(DecimalError::OutOfRange));
        check("0.000000001", Err(DecimalError::TooFine));
        check("1e-9", Err(DecimalError::TooFine));
        for text in ["", ".", "1.", ".5", "-", "+1", "1e", "1e+", "--1", "1.2.3", "0x1", "1_0", " 1", "NaN", "1e99999"]
        {
            check(text, Err(DecimalError::Malformed));
        }
    }

    #[test]
    fn rounding_is_half_to_even() {
        let check = |text: &str, expected: i64| {
            assert_eq!(Price::parse_rounded(text.as_bytes()).map(Price::units), Ok(expected), "{text}");
        };
        check("0.000000005", 0);
        check("0.000000015", 2);
        check("0.0000000251", 3);
        check("-0.000000015", -2);
        check("0.0000000005", 0);
        check("9e-10", 0);
        check("0.999999999", 100_000_000);
    }
}
