//! What is a candle?

use crate::model::{Price, QuoteVolume, UnixMillis, Volume};

/// Where a candle's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Folded from trades.
    Trades,
    /// Taken from the venue's klines.
    Klines,
    /// Some of both.
    Mixed,
}

impl Source {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Klines => "klines",
            Self::Mixed => "mixed",
        }
    }
}

/// The trades of one bucket, summed up. Ties inside a millisecond are ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// The bucket's first millisecond.
    pub open_time: UnixMillis,
    /// The bucket's exclusive end.
    pub close_time: UnixMillis,
    /// Price of the trade with the lowest id.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Price of the trade with the highest id.
    pub close: Price,
    /// Sum of quantities.
    pub volume: Volume,
    /// Sum of price x quantity.
    pub quote_volume: QuoteVolume,
    /// Sum of quantities where the taker bought.
    pub taker_buy_volume: Volume,
    /// Sum of price x quantity where the taker bought.
    pub taker_buy_quote_volume: QuoteVolume,
    /// Aggregate trades.
    pub trades: u64,
    /// Raw trades by their id ranges: an upper bound, since the venue burns ids.
    pub raw_trades: u64,
    /// Lowest trade id.
    pub first_id: u64,
    /// Highest trade id.
    pub last_id: u64,
    /// Whether the bucket is over: said exactly once, before its successor's first update.
    pub closed: bool,
    /// Whether no known hole touches the bucket and its stream was proven flowing through its end.
    pub complete: bool,
    /// From 0; a correction raises it.
    pub revision: u32,
    /// Where the figures come from.
    pub source: Source,
}

impl Candle {
    /// Net volume: taker buys less taker sells, `2 x taker_buy_volume - volume`.
    pub fn delta(&self) -> Volume {
        Volume::from_units(2 * self.taker_buy_volume.units() - self.volume.units())
    }
}
