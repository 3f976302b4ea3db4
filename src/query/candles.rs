//! Which candles does the tape hold for a range, however long ago?
//!
//! Candles of any timeframe are folded from minutes: those in memory, and before them the stored ones.

use crate::{
    candle::regroup,
    model::{Candle, Timeframe, UnixMillis},
    store::Holding,
};

/// Minutes folded at once: a week, or what of it lies in one month.
const STRETCH_MS: i64 = 7 * UnixMillis::DAY;

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
    if wanted.is_met_by(live) {
        return live.to_vec();
    }
    let before: Vec<Candle> = minutes.iter().take_while(|minute| minute.open_time < seam).copied().collect();
    let stored = Stored { holding, timeframe: wanted.timeframe, end: oldest_minute };
    let recent = regroup(wanted.timeframe, &[&regroup(wanted.timeframe, &before), live].concat());
    match wanted.start {
        Some(start) => stored.forward(start, wanted, recent),
        None => stored.backward(wanted, recent),
    }
}

impl CandlesWanted {
    /// Whether candles that end with the newest reach back far enough, with a neighbour before them.
    fn is_met_by(&self, candles: &[Candle]) -> bool {
        let Some(first) = candles.first() else { return false };
        match self.start {
            Some(start) => first.open_time < start,
            None => self.below_end(candles) > self.limit,
        }
    }

    /// How many of them open before the end of the range.
    fn below_end(&self, candles: &[Candle]) -> usize {
        candles.partition_point(|candle| self.end.is_none_or(|end| candle.open_time < end))
    }

    /// Whether candles that begin with the oldest wanted reach far enough forward, with a neighbour after them that is
    /// whole.
    fn is_passed_by(&self, candles: &[Candle], start: UnixMillis) -> bool {
        let last = candles.last().map(|candle| candle.open_time);
        let from = candles.partition_point(|candle| candle.open_time < start);
        candles.len() - from > self.limit.saturating_add(1)
            || last.is_some_and(|last| self.end.is_some_and(|end| last > end))
    }
}

/// The stored minutes before `end`, as candles of a timeframe.
#[derive(Clone, Copy)]
struct Stored<'a> {
    holding: &'a Holding,
    timeframe: Timeframe,
    end: UnixMillis,
}

impl Stored<'_> {
    /// From one bucket before `start` on, and `recent` behind them when nothing lies between.
    fn forward(&self, start: UnixMillis, wanted: &CandlesWanted, recent: Vec<Candle>) -> Vec<Candle> {
        let mut candles = Vec::new();
        let ends = self.holding.minutes_ends().filter(|(first, _)| *first < self.end);
        if let Some((first, last)) = ends {
            let neighbour = self.holding.minutes(first, start.min(self.end), 1, true).pop();
            let from = neighbour.map_or(start, |minute| minute.open_time).max(first);
            let mut from = self.timeframe.bucket(from).0;
            while from <= last && from < self.end {
                let to = from.plus(STRETCH_MS).min(month_of(from).1);
                self.append(&mut candles, self.fold(from, to));
                if wanted.is_passed_by(&candles, start) {
                    return candles;
                }
                from = to;
            }
        }
        self.append(&mut candles, recent);
        candles
    }

    /// The newest, as far back as it takes, and `recent` behind them.
    fn backward(&self, wanted: &CandlesWanted, recent: Vec<Candle>) -> Vec<Candle> {
        // Nothing from the end of the range on is wanted of the store, but for the first candle there.
        let beyond = wanted.end.and_then(|end| {
            let (open, close) = self.timeframe.bucket(end);
            self.holding.minutes(if open == end { open } else { close }, self.end, 1, false).pop()
        });
        let end = beyond.map_or(self.end, |minute| self.timeframe.bucket(minute.open_time).1.min(self.end));
        let Some((first, last)) = self.holding.minutes_ends() else { return recent };
        let (mut to, mut found) = (end.min(last.plus(UnixMillis::MINUTE)), wanted.below_end(&recent));
        let mut stretches = vec![recent];
        // Of each stretch one candle may go on in the next, and one may be of the bucket that the range ends in.
        while to > first && found <= wanted.limit.saturating_add(2) {
            let from = to.plus(-STRETCH_MS).max(month_of(to.plus(-1)).0);
            let stretch = self.fold(from, to);
            found += stretch.len().saturating_sub(1);
            stretches.push(stretch);
            to = from;
        }
        stretches.reverse();
        let mut candles = regroup(self.timeframe, &stretches.concat());
        if to > first && !candles.is_empty() {
            // It may lack minutes that were not read.
            candles.remove(0);
        }
        candles
    }

    /// Candles, the first and last of which may be parts, of the minutes in `[from, to)`, which lie in one month.
    fn fold(&self, from: UnixMillis, to: UnixMillis) -> Vec<Candle> {
        let minutes = self.holding.month(from);
        let places = minutes.places(from, to.min(self.end));
        let last = places.clone().next_back().and_then(|at| minutes.get(at));
        let mut candles: Vec<Candle> = minutes.fold_of(self.timeframe, places).iter().collect();
        if let Some((candle, minute)) = candles.last_mut().zip(last) {
            candle.closed = minute.close_time >= candle.close_time;
        }
        candles
    }

    /// Adds candles behind others; the last of those and the first of these may be parts of one.
    fn append(&self, candles: &mut Vec<Candle>, more: Vec<Candle>) {
        let parts: Vec<Candle> = candles.pop().into_iter().chain(more).collect();
        candles.extend(regroup(self.timeframe, &parts));
    }
}

fn month_of(time: UnixMillis) -> (UnixMillis, UnixMillis) {
    let (year, month) = time.year_month();
    (UnixMillis::month_start(year, month), UnixMillis::month_start(year, month + 1))
}
