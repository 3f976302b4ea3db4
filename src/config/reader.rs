//! How do settings become checked values?

use crate::config::{
    problem::{Problem, Problems, Reason},
    settings::Settings,
};
use std::{num::NonZeroI64, ops::RangeInclusive, time::Duration};
use toml::Value;

/// Reads settings one by one and keeps every fault, so that all are told at once.
///
/// Where a value is refused the default goes on in its place; [`Reader::finish`] then fails.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
    /// Keys read so far, with the bounds of numbers.
    #[cfg(test)]
    pub(super) seen: Vec<(&'static str, Option<RangeInclusive<i64>>)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            problems: Vec::new(),
            #[cfg(test)]
            seen: Vec::new(),
        }
    }

    /// `value`, if nothing was refused.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        Problems::or(self.problems, value)
    }

    /// Reads `key` by `parse`.
    pub(super) fn value<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, Reason>) -> T {
        #[cfg(test)]
        self.seen.push((key, None));
        let setting = self.settings.get(key).expect("every key that is read stands in the built-in file");
        parse(&setting.value).unwrap_or_else(|reason| {
            let (key, origin, value) = (setting.key.clone(), setting.origin.clone(), setting.shown());
            self.problems.push(Problem::Refused { key, origin, value, reason });
            parse(&setting.default).expect("the built-in file is valid; a test loads it")
        })
    }

    /// Reads a text by `parse`.
    pub(super) fn text<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, Reason>) -> T {
        self.value(key, |value| parse(value.as_str().unwrap_or_default()))
    }

    /// Reads a list of texts by `parse`.
    pub(super) fn texts<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, Reason>) -> Vec<T> {
        self.value(key, |value| {
            let parse_at = |(index, value): (usize, &Value)| {
                let wrong = || Reason::Inside { key: format!("{key}[{index}]"), expected: "a string" };
                parse(value.as_str().ok_or_else(wrong)?)
            };
            value.as_array().into_iter().flatten().enumerate().map(parse_at).collect()
        })
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        self.value(key, |value| Ok(value.as_bool().unwrap_or_default()))
    }

    /// Reads a number within `bounds`, all of which fit a `T`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> T {
        let number = self.value(key, |value| {
            let number = value.as_integer().filter(|number| bounds.contains(number)).and_then(|n| T::try_from(n).ok());
            number.ok_or(Reason::OutOfRange { min: *bounds.start(), max: *bounds.end() })
        });
        #[cfg(test)]
        if let Some(last) = self.seen.last_mut() {
            last.1 = Some(bounds);
        }
        number
    }

    /// Reads a number within `bounds`, which are above zero.
    pub(super) fn nonzero<T: TryFrom<NonZeroI64>>(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> T {
        self.number::<NonZero<T>>(key, bounds).0
    }

    /// Reads a number from 1 to `max`.
    pub(super) fn count<T: TryFrom<NonZeroI64>>(&mut self, key: &'static str, max: i64) -> T {
        self.nonzero(key, 1..=max)
    }

    /// Reads a time in milliseconds.
    pub(super) fn millis(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> Duration {
        Duration::from_millis(self.number(key, bounds))
    }
}

/// A number that is not zero.
struct NonZero<T>(T);

impl<T: TryFrom<NonZeroI64>> TryFrom<i64> for NonZero<T> {
    type Error = ();

    fn try_from(number: i64) -> Result<Self, ()> {
        NonZeroI64::new(number).and_then(|number| T::try_from(number).ok()).map(Self).ok_or(())
    }
}
