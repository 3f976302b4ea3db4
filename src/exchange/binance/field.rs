//! What does one field hold, whatever it was given? Errors name it in the venue's words.

use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::value::{self, ValueError};
use crate::model::{Level, Price, Quantity, Rate, UnixMillis};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// An object; serde would take an array for a struct, too.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
    if text.trim_ascii_start().starts_with('{') { Ok(serde_json::from_str(text)?) } else { Err(DecodeError::Shapeless) }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A field as it is spelt; nothing when it is absent or null.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Tells `null` from a field that is absent.
pub(super) fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// A field and its name.
#[derive(Clone, Copy)]
pub(super) struct Field<'a>(pub(super) &'static str, pub(super) Raw<'a>);

impl<'a> Field<'a> {
    fn raw(self) -> Result<&'a str, ValueError> {
        self.1.map(RawValue::get).ok_or(ValueError::Missing(self.0))
    }

    /// A string.
    pub(super) fn text(self) -> Result<Cow<'a, str>, ValueError> {
        let text: Result<Text<'a>, _> = serde_json::from_str(self.raw()?);
        text.map(|text| text.0).map_err(|_| ValueError::Type(self.0))
    }

    /// A string, unless it is absent, null or empty.
    pub(super) fn text_if_any(self) -> Result<Option<Cow<'a, str>>, ValueError> {
        match self.1.map(RawValue::get) {
            None | Some("null" | "\"\"") => Ok(None),
            Some(_) => self.text().map(Some),
        }
    }

    /// A natural number.
    pub(super) fn natural(self) -> Result<u64, ValueError> {
        self.raw()?.parse().map_err(|_| ValueError::Type(self.0))
    }

    /// A whole number.
    pub(super) fn whole(self) -> Result<i64, ValueError> {
        self.raw()?.parse().map_err(|_| ValueError::Type(self.0))
    }

    /// A time in milliseconds.
    pub(super) fn time(self) -> Result<UnixMillis, ValueError> {
        value::time(self.0, self.natural()?)
    }

    /// A time in milliseconds, which is 0 where there is none.
    pub(super) fn planned_time(self) -> Result<Option<UnixMillis>, ValueError> {
        value::planned_time(self.0, self.natural()?)
    }

    /// A time in milliseconds, as a number or, as the venue's docs have it of some bodies, a string.
    pub(super) fn spelt_time(self) -> Result<UnixMillis, ValueError> {
        let digits = self.raw()?.trim_matches('"').parse().map_err(|_| ValueError::Type(self.0))?;
        value::time(self.0, digits)
    }

    /// A price, exactly.
    pub(super) fn price(self) -> Result<Price, ValueError> {
        value::price(self.0, self.text()?.as_bytes())
    }

    /// A price that the venue derived, rounded.
    pub(super) fn derived_price(self) -> Result<Price, ValueError> {
        value::derived_price(self.0, self.text()?.as_bytes())
    }

    /// The same, unless it is absent, null or empty.
    pub(super) fn derived_price_if_any(self) -> Result<Option<Price>, ValueError> {
        let text = self.text_if_any()?;
        text.map(|text| value::derived_price(self.0, text.as_bytes())).transpose()
    }

    /// A quantity, exactly.
    pub(super) fn quantity(self) -> Result<Quantity, ValueError> {
        value::quantity(self.0, self.text()?.as_bytes())
    }

    /// A signed figure that the venue derived, rounded.
    pub(super) fn rate(self) -> Result<Rate, ValueError> {
        value::rate(self.0, self.text()?.as_bytes())
    }

    /// The same of a field that must be there, but may be null or empty.
    pub(super) fn rate_if_any(self) -> Result<Option<Rate>, ValueError> {
        self.raw()?;
        let text = self.text_if_any()?;
        text.map(|text| value::rate(self.0, text.as_bytes())).transpose()
    }

    /// A sum of at least 0 in units of 10^-`places`.
    pub(super) fn sum(self, places: u32) -> Result<i128, ValueError> {
        value::sum(self.0, self.text()?.as_bytes(), places)
    }

    /// Pairs of price and quantity, as they come, in place of what `levels` held.
    pub(super) fn levels(self, levels: &mut Vec<Level>) -> Result<(), ValueError> {
        levels.clear();
        let rows = self.1.ok_or(ValueError::Missing(self.0))?;
        let rows: Vec<WireLevel<'_>> = serde_json::from_str(rows.get()).map_err(|_| ValueError::Type(self.0))?;
        for row in &rows {
            levels.push(row.checked(self.0)?);
        }
        Ok(())
    }
}

/// A level: its price and its quantity; further columns are nobody's.
struct WireLevel<'a>(Text<'a>, Text<'a>);

impl WireLevel<'_> {
    /// The level, exactly: a price that was rounded would be another level.
    fn checked(&self, field: &'static str) -> Result<Level, ValueError> {
        let (price, quantity) = (value::price(field, self.0.bytes())?, value::quantity(field, self.1.bytes())?);
        Ok(Level { price, quantity })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for WireLevel<'a> {
    fn deserialize<D: Deserializer<'de>>(row: D) -> Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = WireLevel<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price and a quantity")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
                let price = row.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let quantity = row.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(1, &self))?;
                while row.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WireLevel(price, quantity))
            }
        }
        row.deserialize_seq(Columns)
    }
}
