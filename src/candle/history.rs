//! How are finished stretches of trades or candles folded?

use crate::{
    candle::Bar,
    model::{Candle, Source, Timeframe, Trade, UnixMillis},
};

/// Folds trades in ascending id order into the candles of one timeframe; every candle is closed and complete.
pub fn fold(timeframe: Timeframe, trades: &[Trade]) -> Vec<Candle> {
    let mut folded = fold_many(&[timeframe], trades);
    folded.pop().unwrap_or_default()
}

/// Folds trades in ascending id order into several timeframes at once.
///
/// Trades of one minute fall into one bucket of every timeframe, so each run of them is summed once and merged everywhere.
pub fn fold_many(timeframes: &[Timeframe], trades: &[Trade]) -> Vec<Vec<Candle>> {
    let mut series: Vec<Series> = timeframes.iter().map(|timeframe| Series::new(*timeframe)).collect();
    let mut rest = trades;
    while let Some(first) = rest.first() {
        let minute = Timeframe::MINUTE.bucket(first.time);
        let run = rest.iter().position(|trade| trade.time < minute.0 || trade.time >= minute.1).unwrap_or(rest.len());
        if let Some(bar) = Bar::of_run(&rest[..run]) {
            series.iter_mut().for_each(|series| series.merge(first.time, &bar));
        }
        rest = &rest[run..];
    }
    series.into_iter().map(Series::finish).collect()
}

/// Candles of one timeframe in the making. Ids decide the order of trades and times are monotone in them, but for a
/// defensive look back at earlier buckets.
struct Series {
    timeframe: Timeframe,
    bars: Vec<((UnixMillis, UnixMillis), Bar)>,
}

impl Series {
    fn new(timeframe: Timeframe) -> Self {
        Self { timeframe, bars: Vec::new() }
    }

    fn merge(&mut self, time: UnixMillis, bar: &Bar) {
        if let Some(((start, end), last)) = self.bars.last_mut()
            && *start <= time
            && time < *end
        {
            return last.merge(bar);
        }
        let bucket = self.timeframe.bucket(time);
        match self.bars.binary_search_by_key(&bucket.0, |((start, _), _)| *start) {
            Ok(at) => self.bars[at].1.merge(bar),
            Err(at) => self.bars.insert(at, (bucket, *bar)),
        }
    }

    fn finish(self) -> Vec<Candle> {
        let candle = |(bucket, bar): ((UnixMillis, UnixMillis), Bar)| Candle {
            closed: true,
            complete: true,
            ..bar.candle(bucket)
        };
        self.bars.into_iter().map(candle).collect()
    }
}

/// Folds candles, ascending, into a timeframe whose buckets they divide, or are a part of that was folded before.
///
/// A candle is complete when all its parts are, and their ids join: buckets without trades leave no candle, and their
/// absence counts as nothing. It is closed when its last part is closed and ends where it ends, or a later part follows.
pub fn regroup(timeframe: Timeframe, candles: &[Candle]) -> Vec<Candle> {
    let mut grouped: Vec<Candle> = Vec::new();
    for part in candles {
        let bucket = timeframe.bucket(part.open_time);
        let closed = part.closed && part.close_time >= bucket.1;
        match grouped.last_mut() {
            Some(last) if last.open_time == bucket.0 => *last = joined(last, part, closed),
            previous => {
                if let Some(previous) = previous {
                    previous.closed = true;
                }
                let is_whole = (part.open_time, part.close_time) == bucket;
                let revision = if is_whole { part.revision } else { 0 };
                grouped.push(Candle { open_time: bucket.0, close_time: bucket.1, closed, revision, ..*part });
            }
        }
    }
    grouped
}

fn joined(left: &Candle, right: &Candle, closed: bool) -> Candle {
    let mut bar = Bar::of_candle(left);
    bar.merge(&Bar::of_candle(right));
    let source = if left.source == right.source { left.source } else { Source::Mixed };
    // Minutes that were never stored, or cannot be read, leave a jump in the ids of those that were folded from trades.
    let is_jump = source == Source::Trades && left.last_id + 1 != right.first_id;
    let complete = left.complete && right.complete && !is_jump;
    Candle { closed, complete, source, ..bar.candle((left.open_time, left.close_time)) }
}
