//! Which candles does the tape hold for a range, however long ago?
//!
//! Candles of any timeframe are folded from minutes: those in memory, and before them the stored ones.

use crate::{
    candle::regroup,
    model::{Candle, Timeframe, UnixMillis},
    store::Holding,
};

/// Minutes read from the store at once, going back: a week.
const MINUTES_AT_ONCE: usize = 10_080;

/// Which candles are wanted.
#[derive(Clone, Copy, Debug)]
pub struct CandlesWanted {
    /// Their timeframe.
    pub timeframe: Timeframe,
    /// Those that open at or after it, the oldest; without it the newest.
    pub start: Option<UnixMillis>,
    /// Those that open before it.
    pub end: Option<UnixMillis>,
    /// At most so many.
    pub limit: usize,
}

/// Where the oldest bucket opens of which the store holds a minute.
pub fn held_from(holding: Option<&Holding>, timeframe: Timeframe) -> Option<UnixMillis> {
    holding?.minutes_ends().map(|(first, _)| timeframe.bucket(first).0)
}

/// The candles that are wanted and a neighbour on each side where there is one, ascending, the current one last.
///
/// `live` are all that memory holds of the timeframe, `minutes` all of one minute; what they say is newer than what the
/// store says.
pub fn candles(
    holding: Option<&Holding>,
    live: Vec<Candle>,
    minutes: &[Candle],
    wanted: &CandlesWanted,
) -> Vec<Candle> {
    let Some(holding) = holding else { return live };
    let oldest_minute = minutes.first().map_or(UnixMillis::new(i64::MAX), |minute| minute.open_time);
    // A candle of memory that began before memory did lacks minutes that the store has.
    let whole = live.iter().position(|candle| candle.open_time >= oldest_minute).unwrap_or(live.len());
    let live = &live[whole..];
    let seam = live.first().map_or(UnixMillis::new(i64::MAX), |candle| candle.open_time);
    let is_enough = |candles: &[Candle]| wanted.is_met_by(candles);
    if is_enough(live) {
        return live.to_vec();
    }
    let before: Vec<Candle> = minutes.iter().take_while(|minute| minute.open_time < seam).copied().collect();
    let mut candles = match wanted.start {
        Some(start) => forward(holding, wanted, (start, oldest_minute), &before),
        None => backward(holding, wanted, oldest_minute, &before, live),
    };
    if let Some(last) = candles.last_mut().filter(|_| !live.is_empty()) {
        last.closed = true;
    }
    candles.extend_from_slice(live);
    candles
}

impl CandlesWanted {
    /// Whether candles that end with the newest reach back far enough, with a neighbour before them.
    fn is_met_by(&self, candles: &[Candle]) -> bool {
        let Some(first) = candles.first() else { return false };
        match self.start {
            Some(start) => first.open_time < start,
            None => {
                let below = candles.partition_point(|candle| self.end.is_none_or(|end| candle.open_time < end));
                below > self.limit
            }
        }
    }

    /// Whether candles that begin with the oldest wanted reach far enough forward, with a neighbour after them.
    fn is_passed_by(&self, candles: &[Candle], start: UnixMillis) -> bool {
        let last = candles.last().map(|candle| candle.open_time);
        let from = candles.partition_point(|candle| candle.open_time < start);
        candles.len() - from > self.limit.saturating_add(1)
            || last.is_some_and(|last| self.end.is_some_and(|end| last > end))
    }
}

/// From one bucket before `start` on.
fn forward(
    holding: &Holding,
    wanted: &CandlesWanted,
    (start, oldest_minute): (UnixMillis, UnixMillis),
    before: &[Candle],
) -> Vec<Candle> {
    let neighbour = holding.minutes(UnixMillis::new(0), start.min(oldest_minute), 1, true).pop();
    let from = neighbour.map_or(start, |minute| minute.open_time);
    let mut from = wanted.timeframe.bucket(from).0;
    let mut minutes = Vec::new();
    loop {
        let read = holding.minutes(from, oldest_minute, MINUTES_AT_ONCE, false);
        let Some(last) = read.last() else { break };
        from = last.close_time;
        let more = read.len() == MINUTES_AT_ONCE;
        minutes.extend(read);
        if !more || wanted.is_passed_by(&regroup(wanted.timeframe, &minutes), start) {
            break;
        }
    }
    minutes.extend_from_slice(before);
    regroup(wanted.timeframe, &minutes)
}

/// The newest, as far back as it takes.
fn backward(
    holding: &Holding,
    wanted: &CandlesWanted,
    oldest_minute: UnixMillis,
    before: &[Candle],
    live: &[Candle],
) -> Vec<Candle> {
    // Nothing from the end of the range on is wanted of the store, but for the rest of a bucket that began before it.
    let end = wanted.end.map_or(oldest_minute, |end| wanted.timeframe.bucket(end).1.min(oldest_minute));
    let (mut to, mut minutes) = (end, before.to_vec());
    loop {
        let read = holding.minutes(UnixMillis::new(0), to, MINUTES_AT_ONCE, true);
        let Some(first) = read.first() else { break };
        to = first.open_time;
        let more = read.len() == MINUTES_AT_ONCE;
        minutes.splice(0..0, read);
        let all = [&regroup(wanted.timeframe, &minutes), live].concat();
        // The oldest may lack minutes yet.
        if !more || wanted.is_met_by(all.get(1..).unwrap_or_default()) {
            if more {
                return regroup(wanted.timeframe, &minutes).split_off(1);
            }
            break;
        }
    }
    regroup(wanted.timeframe, &minutes)
}
