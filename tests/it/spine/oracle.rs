//! What must a subscriber have seen? Judged from the exchange's truth and the definitions alone.

use super::{Rig, at, probe::View};
use std::collections::BTreeMap;
use tapedeck::{
    market::{Contract, TapeKind},
    model::{Candle, IdRange, QuoteVolume, Source, Timeframe, Trade, UnixMillis, Volume},
    sim::{Execution, Fill},
};

/// Everything the exchange published of a contract between two times; burnt ids of a raw tape apart.
pub(crate) fn truth(rig: &Rig, contract: &Contract, span: (i64, i64)) -> (Vec<Trade>, Vec<u64>) {
    let (from, to) = (at(span.0), at(span.1));
    if contract.kind == TapeKind::Aggregate {
        return (rig.exchange.truth(&contract.symbol, from, to), Vec::new());
    }
    let (trades, burnt): (Vec<Fill>, Vec<Fill>) = rig
        .exchange
        .truth_raw(&contract.symbol, from, to)
        .into_iter()
        .partition(|fill| fill.execution == Execution::Market);
    (trades.iter().map(raw_trade).collect(), burnt.iter().map(|fill| fill.id).collect())
}

fn raw_trade(fill: &Fill) -> Trade {
    let Fill { id, time, price, quantity, buyer_is_maker, .. } = *fill;
    Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker }
}

/// Candles by open time, folded in the plainest way: closed, complete, never revised.
pub(crate) fn fold(timeframe: Timeframe, trades: &[Trade]) -> BTreeMap<UnixMillis, Candle> {
    let mut buckets: BTreeMap<_, Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        buckets.entry(timeframe.bucket(trade.time)).or_default().push(trade);
    }
    buckets.into_iter().map(|(bucket, trades)| (bucket.0, candle(bucket, &trades))).collect()
}

fn candle((open_time, close_time): (UnixMillis, UnixMillis), trades: &[&Trade]) -> Candle {
    let (first, last) = (trades[0], trades[trades.len() - 1]);
    let base = |t: &Trade| i128::from(t.quantity.units());
    let quote = |t: &Trade| i128::from(t.price.units()) * i128::from(t.quantity.units());
    let sum = |of: &dyn Fn(&Trade) -> i128| trades.iter().map(|t| of(t)).sum::<i128>();
    let bought = |t: &Trade| i128::from(!t.buyer_is_maker);
    Candle {
        open_time,
        close_time,
        open: first.price,
        high: trades.iter().map(|t| t.price).max().expect("a trade"),
        low: trades.iter().map(|t| t.price).min().expect("a trade"),
        close: last.price,
        volume: Volume::from_units(sum(&base)),
        quote_volume: QuoteVolume::from_units(sum(&quote)),
        taker_buy_volume: Volume::from_units(sum(&|t| base(t) * bought(t))),
        taker_buy_quote_volume: QuoteVolume::from_units(sum(&|t| quote(t) * bought(t))),
        trades: trades.len() as u64,
        raw_trades: trades.iter().map(|t| t.last_id - t.first_id + 1).sum(),
        first_id: first.id,
        last_id: last.id,
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Trades,
    }
}

/// Missing ids, and the times of the trades on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing {
    ids: IdRange,
    from: UnixMillis,
    to: UnixMillis,
}

/// Runs of ids between the first and the last of `held` that are neither held nor burnt.
fn missing(held: &[Trade], burnt: &[u64]) -> Vec<Missing> {
    let mut ids: BTreeMap<u64, Option<UnixMillis>> = burnt.iter().map(|id| (*id, None)).collect();
    ids.extend(held.iter().map(|trade| (trade.id, Some(trade.time))));
    let mut runs = Vec::new();
    let (mut last_id, mut from) = (held[0].id, held[0].time);
    let mut waiting = None;
    for (&id, &time) in ids.range(held[0].id..=held[held.len() - 1].id).skip(1) {
        waiting = waiting.or(IdRange::new(last_id + 1, id - 1));
        last_id = id;
        if let Some(to) = time {
            runs.extend(waiting.take().map(|ids| Missing { ids, from, to }));
            from = to;
        }
    }
    runs
}

/// What [`judge`] found.
pub(super) struct Found {
    pub(super) holes: Vec<IdRange>,
    pub(super) closed: usize,
    pub(super) incomplete: usize,
    /// The newest trade that the client knows.
    last: Trade,
}

/// Compares what a client knows with the truth up to a little before now: every trade exactly once, in order, but for
/// the holes that are named; every candle folded from them, and complete unless it is the tape's first or a hole
/// touches it.
pub(super) fn judge(rig: &Rig, contract: &Contract, view: &View) -> Found {
    let found = judge_to_last(rig, contract, view);
    let (last, settled) = (found.last.time.get(), rig.exchange.now().plus(-1_000).get());
    assert_eq!(truth(rig, contract, (last + 1, settled)).0, [], "{}: none is late", contract.symbol);
    found
}

/// [`judge`], up to the last trade that the client knows.
pub(super) fn judge_to_last(rig: &Rig, contract: &Contract, view: &View) -> Found {
    let held = view.held();
    let (first, last) = (held[0], held[held.len() - 1]);
    let holes: Vec<IdRange> = contract.tape.aside().holes().iter().filter(|hole| hole.first > first.id).collect();
    let (mut published, mut burnt) = truth(rig, contract, (first.time.get() - 1_000, last.time.get() + 1));
    published.retain(|trade| (first.id..=last.id).contains(&trade.id));
    // Whether a burnt id was lost cannot be told from outside.
    burnt.retain(|id| !holes.iter().any(|hole| hole.contains(*id)));
    let missing = missing(&held, &burnt);
    let is_missing = |t: &&Trade| missing.iter().any(|run| run.ids.contains(t.id));
    let expected: Vec<Trade> = published.iter().filter(|t| !is_missing(t)).copied().collect();
    assert!(held == expected, "{}: what is held is what was published", contract.symbol);
    assert_eq!(holes, missing.iter().map(|run| run.ids).collect::<Vec<_>>(), "{}: holes are named", contract.symbol);
    let mut found = Found { holes, closed: 0, incomplete: 0, last };
    for (timeframe, candles) in &view.candles {
        let folded = fold(*timeframe, &held);
        for (open_time, expected) in folded.range(..).filter(|(_, candle)| candle.close_time <= last.time) {
            let (start, end) = (*open_time, expected.close_time);
            let touches = |run: &Missing| start <= run.to && run.from < end;
            // Ids start at 1: nothing can be missing before the first.
            let is_whole_from_start = first.time < start || first.id == 1;
            let complete = is_whole_from_start && !missing.iter().any(touches);
            let seen = candles.closed.get(open_time).unwrap_or_else(|| panic!("{}: no {expected:?}", contract.symbol));
            let expected = Candle { complete, revision: seen.revision, ..*expected };
            assert_eq!(*seen, expected, "{}", contract.symbol);
            found.closed += 1;
            found.incomplete += usize::from(!complete);
        }
        let extra = candles.closed.keys().find(|open_time| !folded.contains_key(open_time));
        assert_eq!(extra, None, "{}: a candle of nothing", contract.symbol);
    }
    found
}
