//! What came of comparing minutes?

use crate::{
    exchange::binance::Kline,
    model::{Candle, UnixMillis},
};

/// Minutes or stretches that are listed one by one; more are only counted.
pub const LISTED_MAX: usize = 10_000;

/// A minute of which the two sides say different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is held; nothing when no trade of that minute is.
    pub ours: Option<Candle>,
    /// What the venue says.
    pub official: Kline,
}

/// Minutes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When the first begins.
    pub start: UnixMillis,
    /// When the last ends.
    pub end: UnixMillis,
    /// Trades that are held of them.
    pub trades: u64,
}

/// How many official minutes there were, and what became of each: every minute is counted once below `minutes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Official minutes that were looked at.
    pub minutes: u64,
    /// Equal in prices, volumes and quote volumes, those without trades on both sides included.
    pub equal: u64,
    /// Different, and explained to the last unit by aggregates over their borders: the sums of these minutes agree together.
    pub straddled: u64,
    /// Different, and explained by an aggregate of which the other part is not compared: first and last minutes of what is.
    pub at_edges: u64,
    /// Different, and not comparable: a hole touches them.
    pub in_holes: u64,
    /// Without a trade and of one price at the venue, while trades of them are held: its archive has such minutes.
    pub invented: u64,
    /// Different for no known reason.
    pub unexplained: u64,
    /// The invented ones, by stretch; at most [`LISTED_MAX`].
    pub inventions: Vec<Stretch>,
    /// The unexplained ones; at most [`LISTED_MAX`].
    pub differences: Vec<Difference>,
}

impl Report {
    pub(super) fn invent(&mut self, official: &Kline, ours: Option<&Candle>) {
        self.invented += 1;
        let trades = ours.map_or(0, |candle| candle.trades);
        let listed = self.inventions.len();
        match self.inventions.last_mut() {
            Some(last) if last.end == official.open_time => {
                last.end = official.close_time;
                last.trades = last.trades.saturating_add(trades);
            }
            _ if listed < LISTED_MAX => {
                self.inventions.push(Stretch { start: official.open_time, end: official.close_time, trades });
            }
            _ => {}
        }
    }

    pub(super) fn differ(&mut self, difference: Difference) {
        self.unexplained += 1;
        if self.differences.len() < LISTED_MAX {
            self.differences.push(difference);
        }
    }
}
