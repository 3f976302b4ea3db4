//! What can be back-filled?

use crate::{
    exchange::binance::{
        AGG_TRADES_REACH_MS,
        archive::{Dataset, Period},
    },
    model::{Timeframe, UnixMillis},
    store::record::Kind,
};
use serde::{Deserialize, Serialize};

/// How far back `openInterestHist` reaches: about 30 days; 30 were given on 2026-09-12, and 35 refused.
const OPEN_INTEREST_REACH_MS: i64 = 30 * UnixMillis::DAY;

/// A series of a contract, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Aggregate trades.
    Trades,
    /// Raw trades.
    RawTrades,
    /// Official candles of one minute, of contracts whose trades are not kept.
    Candles,
    /// Open interest.
    OpenInterest,
    /// Settled fundings.
    Funding,
}

impl Series {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Trades, Self::RawTrades, Self::Candles, Self::OpenInterest, Self::Funding];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::RawTrades => "raw_trades",
            Self::Candles => "candles",
            Self::OpenInterest => "open_interest",
            Self::Funding => "funding",
        }
    }

    /// The series of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|series| series.as_str() == name)
    }

    /// What the archive calls it.
    pub const fn dataset(self) -> Dataset {
        match self {
            Self::Trades => Dataset::AggTrades,
            Self::RawTrades => Dataset::Trades,
            Self::Candles => Dataset::Klines(Timeframe::MINUTE),
            Self::OpenInterest => Dataset::Metrics,
            Self::Funding => Dataset::FundingRate,
        }
    }

    /// How far back live sources give its rows; nothing when they give none without a key.
    pub const fn reach_ms(self) -> Option<i64> {
        match self {
            Self::Trades => Some(AGG_TRADES_REACH_MS),
            Self::RawTrades => None,
            // All history.
            Self::Candles | Self::Funding => Some(i64::MAX),
            Self::OpenInterest => Some(OPEN_INTEREST_REACH_MS),
        }
    }

    /// The times whose rows the file of a day or month has. A day of open interest begins with the row of 00:05 and ends with
    /// the next midnight's.
    pub(in crate::history) fn span_of(self, period: Period) -> (UnixMillis, UnixMillis) {
        let late_ms = if matches!(self, Self::OpenInterest) { 5 * UnixMillis::MINUTE } else { 0 };
        (period.start().plus(late_ms), period.end().plus(late_ms))
    }

    /// What the store calls it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Trades => Kind::Trade,
            Self::RawTrades => Kind::RawTrade,
            Self::Candles => Kind::Candle,
            Self::OpenInterest => Kind::OpenInterest,
            Self::Funding => Kind::Funding,
        }
    }
}
