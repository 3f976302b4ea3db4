//! What was traded at each price or on each day of a range, and is that all of it?

use crate::{
    market::Tape,
    model::{IdRange, Trade},
    query::holes::Known,
    store::{
        Holding,
        derive::Sum,
        sums::{Sums, without},
    },
};

/// Sums over a range, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumPage<R> {
    /// Ascending by price or day.
    pub rows: Vec<R>,
    /// The ids asked for, as far as they are between the oldest and the newest that are held.
    pub ids: Option<IdRange>,
    /// Whether no id of the range is missing, and the range does not reach before what is held.
    pub complete: bool,
    /// Ids of the range that are missing.
    pub holes: Vec<IdRange>,
}

/// Sums over a contract's trades in `ids`: each once, whether it is in the ring, came late, or is stored.
pub fn sums<S: Sum>(tape: &Tape, holding: Option<&Holding>, ids: IdRange) -> SumPage<S::Row> {
    let newest = tape.newest_id().max(holding.and_then(Holding::ends).map(|ends| ends.last));
    let asked = newest.and_then(|newest| IdRange::new(ids.first, ids.last.min(newest)));
    let Some(asked) = asked else {
        return SumPage { rows: Vec::new(), ids: None, complete: false, holes: Vec::new() };
    };
    loop {
        let unstored = in_memory_only(tape, holding, asked);
        let sums = match holding {
            Some(holding) => holding.sums::<S>(asked, &unstored),
            None => Sums::of::<S>(&unstored),
        };
        // What was handed to the store between the two looks was counted by both.
        if unstored.is_empty() || without(&unstored, &stored(holding, asked)).len() == unstored.len() {
            return page(tape, holding, (asked, ids), &unstored, sums);
        }
    }
}

/// Trades in `ids` that the store does not hold, ascending.
fn in_memory_only(tape: &Tape, holding: Option<&Holding>, ids: IdRange) -> Vec<Trade> {
    let stored = stored(holding, ids);
    let mut trades = tape.held();
    trades.extend(tape.aside().trades(ids));
    trades.retain(|trade| ids.contains(trade.id));
    trades.sort_unstable_by_key(|trade| trade.id);
    trades.dedup_by_key(|trade| trade.id);
    without(&trades, &stored)
}

/// Runs of ids in `ids` that the store holds, ascending.
fn stored(holding: Option<&Holding>, ids: IdRange) -> Vec<IdRange> {
    let runs = holding.map(|holding| holding.shelf().runs()).unwrap_or_default();
    runs.into_iter().filter_map(|(run, _)| run.meet(ids)).collect()
}

fn page<R>(
    tape: &Tape,
    holding: Option<&Holding>,
    (asked, ids): (IdRange, IdRange),
    unstored: &[Trade],
    sums: Sums<R>,
) -> SumPage<R> {
    let known = Known::of(tape, tape.aside().holes().clone(), holding);
    let mut held = stored(holding, asked);
    held.extend(unstored.iter().map(|trade| IdRange { first: trade.id, last: trade.id }));
    held.sort_unstable();
    let stored_from = holding.and_then(Holding::ends).map(|ends| ends.first);
    let oldest = stored_from.into_iter().chain(tape.start()).min();
    let span = oldest.and_then(|oldest| IdRange::new(asked.first.max(oldest), asked.last));
    let mut holes = span.map(|span| known.missing(span, held, &sums.damaged)).unwrap_or_default();
    let before = sums.damaged.iter().filter(|ids| ids.first < known.from);
    holes.extend(before.flat_map(|ids| known.open_parts(*ids)));
    holes.sort_unstable();
    // Ids count from 1: nothing came before that one.
    let reaches_before = oldest.is_none_or(|oldest| ids.first.max(1) < oldest);
    SumPage { rows: sums.rows, ids: span, complete: holes.is_empty() && !reaches_before, holes }
}
