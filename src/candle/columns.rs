//! How are many candles held, and folded into longer ones, column by column?

use crate::{
    candle::Bar,
    model::{Candle, Price, QuoteVolume, Source, Timeframe, UnixMillis, Volume},
};
use std::ops::Range;

/// Closed candles of one timeframe as columns, ascending. Prices are in 1e-8, sums of quantities in 1e-8, sums of price x
/// quantity in 1e-16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CandleColumns {
    /// First millisecond.
    pub open_time: Vec<i64>,
    /// Exclusive end.
    pub close_time: Vec<i64>,
    /// Price of the lowest id.
    pub open: Vec<i64>,
    /// Highest price.
    pub high: Vec<i64>,
    /// Lowest price.
    pub low: Vec<i64>,
    /// Price of the highest id.
    pub close: Vec<i64>,
    /// Sum of quantities; what 64 bits do not hold is cut to their bounds, which no contract reaches in a year.
    pub volume: Vec<i64>,
    /// The same where the taker bought.
    pub taker_buy_volume: Vec<i64>,
    /// Sum of price x quantity.
    pub quote_volume: Vec<i128>,
    /// The same where the taker bought.
    pub taker_buy_quote_volume: Vec<i128>,
    /// Aggregate trades.
    pub trades: Vec<u64>,
    /// Raw trades, an upper bound.
    pub raw_trades: Vec<u64>,
    /// Lowest id.
    pub first_id: Vec<u64>,
    /// Highest id.
    pub last_id: Vec<u64>,
    /// Whether each is complete.
    pub complete: Vec<bool>,
    /// Where each comes from.
    pub source: Vec<Source>,
    /// How often each was corrected.
    pub revision: Vec<u32>,
}

impl CandleColumns {
    /// None yet, with room for `candles`.
    pub fn with_capacity(candles: usize) -> Self {
        let (times, sums) = (|| Vec::with_capacity(candles), || Vec::with_capacity(candles));
        let counts = || Vec::with_capacity(candles);
        Self {
            open_time: times(),
            close_time: times(),
            open: times(),
            high: times(),
            low: times(),
            close: times(),
            volume: times(),
            taker_buy_volume: times(),
            quote_volume: sums(),
            taker_buy_quote_volume: sums(),
            trades: counts(),
            raw_trades: counts(),
            first_id: counts(),
            last_id: counts(),
            complete: Vec::with_capacity(candles),
            source: Vec::with_capacity(candles),
            revision: Vec::with_capacity(candles),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.open_time.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.open_time.is_empty()
    }

    /// Adds a candle behind the others.
    pub fn push(&mut self, candle: &Candle) {
        let narrow = |sum: i128| i64::try_from(sum).unwrap_or(i64::MAX);
        self.open_time.push(candle.open_time.get());
        self.close_time.push(candle.close_time.get());
        self.open.push(candle.open.units());
        self.high.push(candle.high.units());
        self.low.push(candle.low.units());
        self.close.push(candle.close.units());
        self.volume.push(narrow(candle.volume.units()));
        self.taker_buy_volume.push(narrow(candle.taker_buy_volume.units()));
        self.quote_volume.push(candle.quote_volume.units());
        self.taker_buy_quote_volume.push(candle.taker_buy_quote_volume.units());
        self.trades.push(candle.trades);
        self.raw_trades.push(candle.raw_trades);
        self.first_id.push(candle.first_id);
        self.last_id.push(candle.last_id);
        self.complete.push(candle.complete);
        self.source.push(candle.source);
        self.revision.push(candle.revision);
    }

    /// Adds a candle behind the others, or to the last one when it is of the same bucket.
    pub fn push_or_merge(&mut self, candle: &Candle) {
        let Some(at) = self.len().checked_sub(1).filter(|at| self.open_time[*at] == candle.open_time.get()) else {
            return self.push(candle);
        };
        let Some(last) = self.get(at) else { return };
        let mut bar = Bar::of_candle(&last);
        bar.merge(&Bar::of_candle(candle));
        self.truncate(at);
        let complete = last.complete && candle.complete;
        self.push(&Candle { closed: true, complete, ..bar.candle((last.open_time, last.close_time)) });
    }

    fn truncate(&mut self, len: usize) {
        for column in [&mut self.open_time, &mut self.close_time, &mut self.open, &mut self.high, &mut self.low] {
            column.truncate(len);
        }
        for column in [&mut self.close, &mut self.volume, &mut self.taker_buy_volume] {
            column.truncate(len);
        }
        for column in [&mut self.quote_volume, &mut self.taker_buy_quote_volume] {
            column.truncate(len);
        }
        for column in [&mut self.trades, &mut self.raw_trades, &mut self.first_id, &mut self.last_id] {
            column.truncate(len);
        }
        self.complete.truncate(len);
        self.source.truncate(len);
        self.revision.truncate(len);
    }

    /// The candle at `at`.
    pub fn get(&self, at: usize) -> Option<Candle> {
        let (open_time, close_time) = (*self.open_time.get(at)?, self.close_time[at]);
        Some(Candle {
            open_time: UnixMillis::new(open_time),
            close_time: UnixMillis::new(close_time),
            open: Price::from_units(self.open[at]),
            high: Price::from_units(self.high[at]),
            low: Price::from_units(self.low[at]),
            close: Price::from_units(self.close[at]),
            volume: Volume::from_units(self.volume[at].into()),
            quote_volume: QuoteVolume::from_units(self.quote_volume[at]),
            taker_buy_volume: Volume::from_units(self.taker_buy_volume[at].into()),
            taker_buy_quote_volume: QuoteVolume::from_units(self.taker_buy_quote_volume[at]),
            trades: self.trades[at],
            raw_trades: self.raw_trades[at],
            first_id: self.first_id[at],
            last_id: self.last_id[at],
            closed: true,
            complete: self.complete[at],
            revision: self.revision[at],
            source: self.source[at],
        })
    }

    /// Candles of a longer timeframe whose buckets these divide; each is complete when all its parts are.
    pub fn fold(&self, timeframe: Timeframe) -> Self {
        self.fold_of(timeframe, 0..self.len())
    }

    /// The same of the candles at some places, which reach no further than there are any.
    pub fn fold_of(&self, timeframe: Timeframe, places: Range<usize>) -> Self {
        let (mut from, end) = (places.start, places.end.min(self.len()));
        let mut folded = Self::with_capacity(self.buckets_of(timeframe).min(end.saturating_sub(from)));
        while from < end {
            let bucket = timeframe.bucket(UnixMillis::new(self.open_time[from]));
            let to = self.end_of(from, bucket.1.get()).min(end);
            folded.push_sum(self, (from, to), bucket);
            from = to;
        }
        folded
    }

    /// The places of the candles that open in `[start, end)`.
    pub fn places(&self, start: UnixMillis, end: UnixMillis) -> Range<usize> {
        let place = |time: UnixMillis| self.open_time.partition_point(|open| *open < time.get());
        let from = place(start);
        from..place(end).max(from)
    }

    /// The candles, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Candle> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// About how many buckets of a longer timeframe these fall into.
    fn buckets_of(&self, timeframe: Timeframe) -> usize {
        let Some((first, last)) = self.open_time.first().zip(self.open_time.last()) else { return 0 };
        let (start, end) = timeframe.bucket(UnixMillis::new(*first));
        let buckets = (last - start.get()) / end.since(start).max(1) + 2;
        usize::try_from(buckets).unwrap_or(0).min(self.len())
    }

    /// The first place behind `from` that opens at or after `end`. Minutes hardly ever lack: it is where it would be then.
    fn end_of(&self, from: usize, end: i64) -> usize {
        let length = self.close_time[from] - self.open_time[from];
        let guess = usize::try_from((end - self.open_time[from]) / length.max(1)).unwrap_or(usize::MAX);
        let guess = from.saturating_add(guess).min(self.len());
        let fits = self.open_time[guess - 1] < end && self.open_time.get(guess).is_none_or(|open| *open >= end);
        if fits { guess } else { from + self.open_time[from..].partition_point(|open| *open < end) }
    }

    fn push_sum(&mut self, parts: &Self, (from, to): (usize, usize), bucket: (UnixMillis, UnixMillis)) {
        let (own, last) = (from..to, to - 1);
        let first_source = parts.source[from];
        let one_source = parts.source[own.clone()].iter().all(|source| *source == first_source);
        self.open_time.push(bucket.0.get());
        self.close_time.push(bucket.1.get());
        self.open.push(parts.open[from]);
        self.high.push(parts.high[own.clone()].iter().copied().max().unwrap_or_default());
        self.low.push(parts.low[own.clone()].iter().copied().min().unwrap_or_default());
        self.close.push(parts.close[last]);
        self.volume.push(parts.volume[own.clone()].iter().sum());
        self.taker_buy_volume.push(parts.taker_buy_volume[own.clone()].iter().sum());
        self.quote_volume.push(parts.quote_volume[own.clone()].iter().sum());
        self.taker_buy_quote_volume.push(parts.taker_buy_quote_volume[own.clone()].iter().sum());
        self.raw_trades.push(parts.raw_trades[own.clone()].iter().sum());
        self.first_id.push(parts.first_id[from]);
        self.last_id.push(parts.last_id[last]);
        // As `regroup` has it: a jump in the ids shows parts that are not here. Where every id is a trade, counting shows it.
        let trades: u64 = parts.trades[own.clone()].iter().sum();
        self.trades.push(trades);
        let joins = !one_source
            || first_source != Source::Trades
            || trades == parts.last_id[last] - parts.first_id[from] + 1
            || (from + 1..to).all(|at| parts.last_id[at - 1] + 1 == parts.first_id[at]);
        self.complete.push(joins && parts.complete[own].iter().all(|complete| *complete));
        self.source.push(if one_source { first_source } else { Source::Mixed });
        let is_whole = (parts.open_time[from], parts.close_time[from]) == (bucket.0.get(), bucket.1.get());
        self.revision.push(if is_whole { parts.revision[from] } else { 0 });
    }

    /// Cumulated net volume (taker buys less taker sells) at the end of every bucket of a longer timeframe, from 0, with the
    /// bucket's start; in 1e-8.
    pub fn cumulative_delta(&self, timeframe: Timeframe) -> Vec<(UnixMillis, i128)> {
        let (mut from, mut sum, mut points) = (0, 0_i128, Vec::new());
        while from < self.len() {
            let bucket = timeframe.bucket(UnixMillis::new(self.open_time[from]));
            let to = self.end_of(from, bucket.1.get());
            let bought: i64 = self.taker_buy_volume[from..to].iter().sum();
            let all: i64 = self.volume[from..to].iter().sum();
            sum += 2 * i128::from(bought) - i128::from(all);
            points.push((bucket.0, sum));
            from = to;
        }
        points
    }
}

impl FromIterator<Candle> for CandleColumns {
    fn from_iter<I: IntoIterator<Item = Candle>>(candles: I) -> Self {
        let mut columns = Self::default();
        candles.into_iter().for_each(|candle| columns.push(&candle));
        columns
    }
}
