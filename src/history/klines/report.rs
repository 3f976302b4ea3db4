//! What came of comparing minutes?

use crate::{
    exchange::binance::Kline,
    model::{Candle, Source, UnixMillis},
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

/// Raw trades of minutes that are equal, and of which it is known that no aggregate straddles their borders: only there are both
/// sides' the same. Ours are counted from ids, some of which name no
/// trade, so they are an upper bound: more of them are no difference, fewer are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Minutes that were compared.
    pub minutes: u64,
    /// What we count.
    pub ours: u64,
    /// What the venue counts.
    pub official: u64,
    /// Minutes of which we count more.
    pub above: u64,
    /// Minutes of which we count fewer: raw trades that the venue counts are in no aggregate.
    pub below: u64,
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
    /// Raw trades of the equal ones.
    pub counts: Counts,
    /// The invented ones, by stretch; at most [`LISTED_MAX`].
    pub inventions: Vec<Stretch>,
    /// The unexplained ones; at most [`LISTED_MAX`].
    pub differences: Vec<Difference>,
}

impl Report {
    /// An equal minute, to which nothing came from the one before it and which keeps all that is its own.
    pub(super) fn agree(&mut self, minute: &Difference) {
        self.equal += 1;
        let Some(ours) = minute.ours.as_ref().filter(|ours| ours.source == Source::Trades) else { return };
        let (ours, official) = (ours.raw_trades, minute.official.count);
        let counts = &mut self.counts;
        counts.minutes += 1;
        counts.ours = counts.ours.saturating_add(ours);
        counts.official = counts.official.saturating_add(official);
        counts.above += u64::from(ours > official);
        counts.below += u64::from(ours < official);
    }

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
