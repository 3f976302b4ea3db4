//! What is the sum of some trades of one bucket?

use crate::model::{Candle, Price, QuoteVolume, Source, Trade, UnixMillis, Volume};

/// Sums over trades with distinct ids. Open and close belong to the lowest and highest id, so the order in which trades
/// are added or bars merged does not matter: a repair is a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    /// In 1e-8.
    volume: i128,
    /// In 1e-16.
    quote_volume: i128,
    taker_buy_volume: i128,
    taker_buy_quote_volume: i128,
    trades: u64,
    raw_trades: u64,
    first_id: u64,
    last_id: u64,
}

impl Bar {
    /// The bar of one trade.
    pub fn of(trade: &Trade) -> Self {
        let mut bar = Self {
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            volume: 0,
            quote_volume: 0,
            taker_buy_volume: 0,
            taker_buy_quote_volume: 0,
            trades: 0,
            raw_trades: 0,
            first_id: trade.id,
            last_id: trade.id,
        };
        bar.push(trade);
        bar
    }

    /// The bar of a run of trades in ascending id order; nothing for none.
    pub fn of_run(trades: &[Trade]) -> Option<Self> {
        let (first, rest) = trades.split_first()?;
        let mut bar = Self::of(first);
        rest.iter().for_each(|trade| bar.push(trade));
        Some(bar)
    }

    /// The bar with open, high, low and close; volume, quote volume, and both where the taker bought; counts of trades and
    /// raw trades; and lowest and highest id.
    pub(super) fn of_sums(
        [open, high, low, close]: [Price; 4],
        [volume, quote_volume, taker_buy_volume, taker_buy_quote_volume]: [i128; 4],
        trades: u64,
        raw_trades: u64,
        (first_id, last_id): (u64, u64),
    ) -> Self {
        Self {
            open,
            high,
            low,
            close,
            volume,
            quote_volume,
            taker_buy_volume,
            taker_buy_quote_volume,
            trades,
            raw_trades,
            first_id,
            last_id,
        }
    }

    /// Adds a trade whose id is above all before it.
    pub fn push(&mut self, trade: &Trade) {
        let quantity = i128::from(trade.quantity.units());
        let quote = trade.price.times(trade.quantity).units();
        // All ones or zero: half of all trades go either way, at random, so a branch would be mispredicted half the time.
        let bought = -i128::from(!trade.buyer_is_maker);
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        self.volume += quantity;
        self.quote_volume += quote;
        self.taker_buy_volume += quantity & bought;
        self.taker_buy_quote_volume += quote & bought;
        self.trades += 1;
        self.raw_trades += trade.raw_trades();
        self.last_id = trade.id;
    }

    /// Adds a trade with any new id.
    pub fn add(&mut self, trade: &Trade) {
        self.merge(&Self::of(trade));
    }

    /// Adds another bar's trades, which share no id with this one's.
    pub fn merge(&mut self, other: &Self) {
        if other.first_id < self.first_id {
            self.open = other.open;
            self.first_id = other.first_id;
        }
        if other.last_id > self.last_id {
            self.close = other.close;
            self.last_id = other.last_id;
        }
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.volume += other.volume;
        self.quote_volume += other.quote_volume;
        self.taker_buy_volume += other.taker_buy_volume;
        self.taker_buy_quote_volume += other.taker_buy_quote_volume;
        self.trades += other.trades;
        self.raw_trades += other.raw_trades;
    }

    /// The sums of an existing candle.
    pub fn of_candle(candle: &Candle) -> Self {
        Self {
            open: candle.open,
            high: candle.high,
            low: candle.low,
            close: candle.close,
            volume: candle.volume.units(),
            quote_volume: candle.quote_volume.units(),
            taker_buy_volume: candle.taker_buy_volume.units(),
            taker_buy_quote_volume: candle.taker_buy_quote_volume.units(),
            trades: candle.trades,
            raw_trades: candle.raw_trades,
            first_id: candle.first_id,
            last_id: candle.last_id,
        }
    }

    /// The candle of these sums in the bucket `[open_time, close_time)`: open, not complete, never revised.
    pub fn candle(&self, (open_time, close_time): (UnixMillis, UnixMillis)) -> Candle {
        Candle {
            open_time,
            close_time,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: Volume::from_units(self.volume),
            quote_volume: QuoteVolume::from_units(self.quote_volume),
            taker_buy_volume: Volume::from_units(self.taker_buy_volume),
            taker_buy_quote_volume: QuoteVolume::from_units(self.taker_buy_quote_volume),
            trades: self.trades,
            raw_trades: self.raw_trades,
            first_id: self.first_id,
            last_id: self.last_id,
            closed: false,
            complete: false,
            revision: 0,
            source: Source::Trades,
        }
    }
}
