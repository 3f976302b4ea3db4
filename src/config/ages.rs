//! How long is what is stored kept?

use crate::config::{problem::Reason, reader::Reader};
use std::{array, time::Duration};
use toml::{Table, Value};

/// The longest age, in days.
const DAYS_MAX: i64 = 36_500;
/// How many kinds have one.
const COUNT: usize = Aged::KEYS.len();

/// What is kept for a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aged {
    /// Trades, of either tape.
    Trades,
    /// Candles of one minute.
    Candles,
    /// Mark prices.
    Marks,
    /// Settled fundings.
    Funding,
    /// Open interest.
    OpenInterest,
    /// Liquidations.
    Liquidations,
    /// Recorded order books.
    Books,
}

impl Aged {
    /// All of them, with the key of an override and the general one.
    const KEYS: [(Self, &'static str, &'static str); 7] = [
        (Self::Trades, "trades_days", "store.trades_days"),
        (Self::Candles, "candles_days", "store.candles_days"),
        (Self::Marks, "marks_days", "store.marks_days"),
        (Self::Funding, "funding_days", "store.funding_days"),
        (Self::OpenInterest, "open_interest_days", "store.open_interest_days"),
        (Self::Liquidations, "liquidations_days", "store.liquidations_days"),
        (Self::Books, "books_days", "store.books_days"),
    ];
}

/// How long each is kept; for ever when nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages([Option<Duration>; COUNT]);

impl Ages {
    /// How long it is kept.
    pub const fn of(&self, aged: Aged) -> Option<Duration> {
        self.0[aged as usize]
    }

    /// These where nothing else is said.
    pub(super) fn under(self, own: &OwnAges) -> Self {
        Self(array::from_fn(|at| own.0[at].unwrap_or(self.0[at])))
    }
}

/// What an override says of ages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnAges([Option<Option<Duration>>; COUNT]);

/// The general ages.
pub(super) fn ages(reader: &mut Reader<'_>) -> Ages {
    Ages(Aged::KEYS.map(|(_, _, key)| days(reader.number(key, 0..=DAYS_MAX))))
}

/// The ages in an override that stands at `at`.
pub(super) fn own_ages(table: &Table, at: &str) -> Result<OwnAges, Reason> {
    let mut own = OwnAges::default();
    for (aged, key, _) in Aged::KEYS {
        let Some(value) = table.get(key) else { continue };
        let Value::Integer(count) = value else {
            return Err(Reason::Inside { key: format!("{at}.{key}"), expected: "an integer" });
        };
        let count = u64::try_from(*count).ok().filter(|_| *count <= DAYS_MAX);
        own.0[aged as usize] = Some(days(count.ok_or(Reason::OutOfRange { min: 0, max: DAYS_MAX })?));
    }
    Ok(own)
}

/// Days as a time; none for zero.
fn days(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_hours(24 * count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_age_stands_at_its_own_place() {
        for (at, (aged, own, general)) in Aged::KEYS.into_iter().enumerate() {
            assert_eq!((aged as usize, format!("store.{own}")), (at, general.to_owned()));
        }
    }
}
