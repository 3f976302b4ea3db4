//! What is kept of a contract beside its trades?

use crate::model::QuoteVolume;
use std::time::Duration;

/// Records beside the trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Series {
    /// Mark prices.
    Marks,
    /// Settled fundings.
    Funding,
    /// Open interest.
    OpenInterest,
    /// Liquidations.
    Liquidations,
}

impl Series {
    /// All of them, with their names in the configuration.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("marks", Self::Marks),
        ("funding", Self::Funding),
        ("open_interest", Self::OpenInterest),
        ("liquidations", Self::Liquidations),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some of the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeriesSet(u8);

impl SeriesSet {
    /// Every series.
    pub const ALL: Self = Self(0b1111);

    /// Whether a series is among them.
    pub const fn contains(self, series: Series) -> bool {
        self.0 & series.bit() != 0
    }

    /// Those that are in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Series> for SeriesSet {
    fn from_iter<T: IntoIterator<Item = Series>>(series: T) -> Self {
        Self(series.into_iter().fold(0, |bits, series| bits | series.bit()))
    }
}

/// What is kept of a contract beside its trades; it may change while it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What is stored.
    pub series: SeriesSet,
    /// A trade of so much, in whole units of the quote asset, is a large one.
    pub large_trade_usd: u64,
    /// Open interest that is older is given up; none is when nothing is said.
    pub open_interest: Option<Duration>,
}

impl Kept {
    /// The size of a trade from which on it is a large one.
    pub const fn large_trade(&self) -> QuoteVolume {
        // 1e-8 of a price times 1e-8 of a quantity.
        QuoteVolume::from_units(self.large_trade_usd as i128 * 10_i128.pow(16))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self { series: SeriesSet::ALL, large_trade_usd: 100_000, open_interest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all() {
        let all: SeriesSet = Series::NAMES.into_iter().map(|(_, series)| series).collect();
        assert_eq!(all, SeriesSet::ALL);
        let some: SeriesSet = [Series::Marks, Series::Funding].into_iter().collect();
        assert!(some.contains(Series::Funding) && !some.contains(Series::Liquidations));
        assert_eq!(some.and([Series::Funding].into_iter().collect()), [Series::Funding].into_iter().collect());
    }
}
