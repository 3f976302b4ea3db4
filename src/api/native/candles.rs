//! Which rows answer a request for candles, and what is known of the range they stand for?

use crate::model::{Candle, QuoteVolume, Timeframe, UnixMillis, Volume};

/// What stands in for a bucket without trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    None,
    Null,
    Previous,
}

/// Which candles are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct CandleRange {
    pub(super) timeframe: Timeframe,
    /// Buckets that open at or after it, the oldest first; without it the newest ones.
    pub(super) start: Option<UnixMillis>,
    /// Buckets that open before it.
    pub(super) end: Option<UnixMillis>,
    pub(super) limit: usize,
    pub(super) fill: Fill,
    pub(super) closed_only: bool,
}

/// Rows, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CandlePage {
    /// Ascending. One without trades stands for an empty bucket.
    pub(super) rows: Vec<Candle>,
    /// Whether there are closed candles, each is complete, and the range does not begin before what is held.
    pub(super) complete: bool,
    /// Where the oldest candle opens that memory holds.
    pub(super) held_from: Option<UnixMillis>,
    /// The `start` of the next page; none when there is nothing after this one yet.
    pub(super) next: Option<UnixMillis>,
}

/// Answers a range from every candle that is held, ascending, the current one last.
pub(super) fn page(held: Vec<Candle>, range: &CandleRange) -> CandlePage {
    let held_from = held.first().map(|candle| candle.open_time);
    let reaches_before = range.reaches_before(&held);
    let mut rows = if range.fill == Fill::None { held } else { filled(range, &held) };
    rows.retain(|row| range.contains(row.open_time) && (row.closed || !range.closed_only));
    let next = if range.start.is_some() {
        let next = rows.get(range.limit).map(|row| row.open_time);
        rows.truncate(range.limit);
        next
    } else {
        rows.drain(..rows.len().saturating_sub(range.limit));
        None
    };
    CandlePage { complete: is_complete(&rows) && !reaches_before, rows, held_from, next }
}

impl CandleRange {
    fn contains(&self, open_time: UnixMillis) -> bool {
        self.start.is_none_or(|start| open_time >= start) && self.end.is_none_or(|end| open_time < end)
    }

    /// Whether the range may begin with candles older than every one that is held.
    fn reaches_before(&self, held: &[Candle]) -> bool {
        let (Some(start), Some(oldest)) = (self.start, held.first()) else { return false };
        let (open_time, close_time) = self.timeframe.bucket(start);
        let first = if open_time == start { open_time } else { close_time };
        // Ids count from 1: nothing came before that one.
        first < oldest.open_time && oldest.first_id > 1
    }
}

/// Whether there are closed candles and every one is complete; the current one speaks for itself.
fn is_complete(rows: &[Candle]) -> bool {
    let mut closed = rows.iter().filter(|row| row.closed).peekable();
    closed.peek().is_some() && closed.all(|row| row.complete)
}

/// The candles held with something in every bucket of the range between two of them, whether those are in it or not.
fn filled(range: &CandleRange, held: &[Candle]) -> Vec<Candle> {
    let mut filled = Vec::with_capacity(held.len());
    for (at, candle) in held.iter().enumerate() {
        filled.push(*candle);
        let Some(next) = held.get(at + 1) else { break };
        let mut end = candle.close_time;
        while end < next.open_time {
            let bucket = range.timeframe.bucket(end);
            if range.contains(bucket.0) {
                filled.push(flat(candle, next, bucket));
            }
            end = bucket.1;
        }
    }
    filled
}

/// A bucket in which nothing traded: the price stays.
fn flat(last: &Candle, next: &Candle, (open_time, close_time): (UnixMillis, UnixMillis)) -> Candle {
    let (none, no_quote) = (Volume::default(), QuoteVolume::default());
    Candle {
        open_time,
        close_time,
        open: last.close,
        high: last.close,
        low: last.close,
        volume: none,
        quote_volume: no_quote,
        taker_buy_volume: none,
        taker_buy_quote_volume: no_quote,
        trades: 0,
        raw_trades: 0,
        closed: true,
        // A hole here would lie between their trades, and touch both.
        complete: last.complete || next.complete,
        revision: 0,
        ..*last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Source};

    fn at(minute: i64) -> UnixMillis {
        UnixMillis::new(1_795_168_800_000 + minute * UnixMillis::MINUTE)
    }

    fn candle(minute: i64, closed: bool) -> Candle {
        let (price, id) = (Price::from_units(100 + minute), 100 + minute.unsigned_abs());
        let (volume, quote) = (Volume::from_units(7), QuoteVolume::default());
        Candle {
            open_time: at(minute),
            close_time: at(minute + 1),
            open: price,
            high: price,
            low: price,
            close: price,
            volume,
            quote_volume: quote,
            taker_buy_volume: volume,
            taker_buy_quote_volume: quote,
            trades: 1,
            raw_trades: 1,
            first_id: id,
            last_id: id,
            closed,
            complete: closed,
            revision: 0,
            source: Source::Trades,
        }
    }

    /// Minutes 10, 11, 12 and 15 are closed, 17 is current.
    fn held() -> Vec<Candle> {
        [(10, true), (11, true), (12, true), (15, true), (17, false)].map(|(at, closed)| candle(at, closed)).to_vec()
    }

    const ALL: CandleRange = CandleRange {
        timeframe: Timeframe::MINUTE,
        start: None,
        end: None,
        limit: 100,
        fill: Fill::None,
        closed_only: false,
    };

    /// Checks the minutes of the rows, completeness, and the minute of the next page.
    fn check(range: CandleRange, minutes: &[i64], complete: bool, next: Option<i64>) {
        let page = page(held(), &range);
        let found: Vec<_> = page.rows.iter().map(|row| row.open_time).collect();
        assert_eq!(found, minutes.iter().map(|minute| at(*minute)).collect::<Vec<_>>(), "{range:?}");
        assert_eq!((page.complete, page.next), (complete, next.map(at)), "{range:?}");
        assert_eq!(page.held_from, Some(at(10)));
    }

    #[test]
    fn pages_go_on_where_the_last_one_was_cut() {
        let from = |minute, limit| CandleRange { start: Some(at(minute)), limit, ..ALL };
        check(from(10, 2), &[10, 11], true, Some(12));
        check(from(12, 2), &[12, 15], true, Some(17));
        check(from(17, 2), &[17], false, None);
        check(from(10, 5), &[10, 11, 12, 15, 17], true, None);
        check(CandleRange { end: Some(at(12)), ..from(10, 2) }, &[10, 11], true, None);
        check(CandleRange { limit: 2, ..ALL }, &[15, 17], true, None);
        check(CandleRange { end: Some(at(12)), limit: 1, ..ALL }, &[11], true, None);
    }

    #[test]
    fn what_is_not_closed_takes_no_place_of_a_page() {
        let closed = CandleRange { closed_only: true, ..ALL };
        check(CandleRange { limit: 2, ..closed }, &[12, 15], true, None);
        check(CandleRange { start: Some(at(12)), limit: 2, ..closed }, &[12, 15], true, None);
        check(CandleRange { start: Some(at(17)), ..closed }, &[], false, None);
    }

    #[test]
    fn a_range_that_begins_before_memory_is_not_complete() {
        let from = |millis| CandleRange { start: Some(at(10).plus(millis)), limit: 2, ..ALL };
        check(from(0), &[10, 11], true, Some(12));
        check(from(-59_999), &[10, 11], true, Some(12));
        check(from(-60_000), &[10, 11], false, Some(12));
        check(CandleRange { end: Some(at(9)), ..from(-600_000) }, &[], false, None);
        check(CandleRange { end: Some(at(9)), ..ALL }, &[], false, None);
        let mut first = held();
        first[0].first_id = 1;
        assert!(page(first, &from(-60_000)).complete, "nothing was before the first trade of all");
        let nothing = page(Vec::new(), &from(0));
        assert_eq!(nothing, CandlePage { rows: Vec::new(), complete: false, held_from: None, next: None });
    }

    #[test]
    fn empty_buckets_are_filled_across_the_ends_of_a_page() {
        let filled = CandleRange { fill: Fill::Previous, ..ALL };
        let from = |minute, limit| CandleRange { start: Some(at(minute)), limit, ..filled };
        check(filled, &[10, 11, 12, 13, 14, 15, 16, 17], true, None);
        check(from(12, 2), &[12, 13], true, Some(14));
        check(from(14, 2), &[14, 15], true, Some(16));
        check(CandleRange { end: Some(at(15)), limit: 2, ..filled }, &[13, 14], true, None);
        check(CandleRange { closed_only: true, limit: 3, ..filled }, &[14, 15, 16], true, None);
        let flat = page(held(), &from(14, 1)).rows[0];
        assert_eq!((flat.open, flat.close, flat.trades), (candle(12, true).close, candle(12, true).close, 0));
        assert_eq!((flat.volume, flat.closed), (Volume::default(), true));
    }

    #[test]
    fn an_empty_bucket_is_complete_unless_both_its_neighbours_are_not() {
        for (before, after, complete) in [(true, false, true), (false, true, true), (false, false, false)] {
            let mut held = held();
            (held[2].complete, held[3].complete) = (before, after);
            let range = CandleRange { start: Some(at(13)), end: Some(at(15)), fill: Fill::Null, ..ALL };
            let page = page(held, &range);
            assert_eq!((page.rows.len(), page.complete), (2, complete), "{before} {after}");
        }
    }
}
