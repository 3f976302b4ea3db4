//! What is held of the minutes that are compared, and of which are trades missing?

use crate::{
    exchange::binance::Kline,
    model::{Candle, IdRange, Source, Timeframe, UnixMillis},
    store::{
        Holding,
        coverage::{HoleState, Reach},
    },
};
use std::collections::BTreeMap;

/// What is held of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Its candle; nothing when no trade of it is held.
    pub candle: Option<Candle>,
    /// Whether trades of it may be missing.
    pub is_hole: bool,
}

/// The minutes of one contract.
#[derive(Debug)]
pub struct Minutes<'a> {
    holding: &'a Holding,
    /// Times, both ends inside, in whose minutes trades may be missing; ascending. None when trades are not kept.
    holes: Option<Vec<(UnixMillis, UnixMillis)>>,
}

impl<'a> Minutes<'a> {
    /// Looks at what is held.
    pub fn new(holding: &'a Holding) -> Self {
        Self { holding, holes: holding.ends().map(|ends| holes(holding, ends)) }
    }

    /// What is held of each of these minutes, which ascend; and how many of them were folded from trades, as no candle is stored.
    pub fn of(&self, official: &[Kline]) -> (Vec<Minute>, u64) {
        let Some((first, last)) = official.first().zip(official.last()) else { return (Vec::new(), 0) };
        let span = (first.open_time, last.close_time);
        let stored = self.holding.minutes(span.0, span.1, usize::MAX, false);
        let mut candles: BTreeMap<UnixMillis, Candle> =
            stored.into_iter().map(|candle| (candle.open_time, candle)).collect();
        let is_traded =
            |kline: &&Kline| kline.volume.units() > 0 && !self.is_in_hole(kline.open_time, kline.close_time);
        let lacks = |kline: &Kline| !candles.contains_key(&kline.open_time);
        let folded = if self.holes.is_some() && official.iter().filter(is_traded).any(lacks) {
            self.fold(span, &mut candles)
        } else {
            0
        };
        let minute = |kline: &Kline| {
            let candle = candles.get(&kline.open_time).copied();
            Minute { candle, is_hole: self.is_hole(kline, candle.as_ref()) }
        };
        (official.iter().map(minute).collect(), folded)
    }

    /// Folds the minutes that are not stored. What is damaged stays away: it is `verify`'s to tell.
    fn fold(&self, (start, end): (UnixMillis, UnixMillis), candles: &mut BTreeMap<UnixMillis, Candle>) -> u64 {
        let Some(ids) = self.holding.ids_between(start, end) else { return 0 };
        let (folded, damaged) = self.holding.fold(ids, Timeframe::MINUTE);
        if !damaged.is_empty() {
            return 0;
        }
        let mut count = 0;
        for candle in folded.iter() {
            let is_whole = !self.is_in_hole(candle.open_time, candle.close_time);
            candles.entry(candle.open_time).or_insert_with(|| {
                count += u64::from(is_whole);
                Candle { complete: true, ..candle }
            });
        }
        count
    }

    fn is_hole(&self, kline: &Kline, candle: Option<&Candle>) -> bool {
        match candle {
            Some(candle) if candle.source != Source::Trades => false,
            Some(candle) if !candle.complete => true,
            _ => self.is_in_hole(kline.open_time, kline.close_time),
        }
    }

    fn is_in_hole(&self, open: UnixMillis, close: UnixMillis) -> bool {
        let Some(holes) = &self.holes else { return true };
        let next = holes.partition_point(|(_, end)| *end < open);
        holes.get(next).is_some_and(|(start, _)| *start < close)
    }
}

/// What lies before the first trade, between two that do not join, and behind the last. The trades at the borders are in: others of their
/// minutes may be missing.
fn holes(holding: &Holding, ends: IdRange) -> Vec<(UnixMillis, UnixMillis)> {
    let (eternity_before, eternity) = (UnixMillis::new(i64::MIN), UnixMillis::new(i64::MAX));
    let time = |id: u64| holding.from_id(id, 1).trades.pop().map(|trade| trade.time);
    let mut holes = Vec::new();
    // Ids count from 1: nothing is missing before that one, and nothing was traded.
    if ends.first > 1 {
        holes.push((eternity_before, time(ends.first).unwrap_or(eternity)));
    }
    // Whether it can still be fetched does not matter here.
    let reach = Reach { now: UnixMillis::new(0), back_ms: None };
    for hole in holding.coverage(ends, &[], reach).holes {
        if !matches!(hole.state, HoleState::ConfirmedAbsent(_)) {
            holes.push((hole.times.0.unwrap_or(eternity_before), hole.times.1.unwrap_or(eternity)));
        }
    }
    holes.push((time(ends.last).unwrap_or(eternity_before), eternity));
    holes
}
