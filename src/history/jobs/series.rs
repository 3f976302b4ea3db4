//! What can be back-filled?

use crate::{exchange::binance::archive::Dataset, model::Timeframe, store::record::Kind};
use serde::{Deserialize, Serialize};

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
