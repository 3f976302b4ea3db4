//! Which trades does the tape hold for a range, and is the range whole?
//!
//! The one read path. Today it merges the ring with the trades that came late.

use crate::{
    market::Tape,
    model::{IdRange, Trade, UnixMillis},
};

/// Which trades are wanted. Without `from_id` and `start` the newest ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct TradeRange {
    /// Ids from it on.
    pub from_id: Option<u64>,
    /// Times from it on.
    pub start: Option<UnixMillis>,
    /// Times before it.
    pub end: Option<UnixMillis>,
    /// At most so many.
    pub limit: usize,
}

/// Trades, and what is known of the range they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TradePage {
    /// Ascending by id.
    pub trades: Vec<Trade>,
    /// Whether no id is missing from the first to the last, and the range does not reach before what is held.
    pub complete: bool,
    /// Ids that are missing between the first and the last.
    pub holes: Vec<IdRange>,
    /// Where the next page begins; none when there is nothing after this one yet.
    pub next_id: Option<u64>,
}

/// Reads trades off a tape.
pub fn trades(tape: &Tape, query: &TradeRange) -> TradePage {
    let held = held(tape);
    let reaches_back = match (query.from_id, query.start, held.first()) {
        (_, _, None) => false,
        (Some(id), _, Some(first)) => first.id <= id,
        // Trades of the same millisecond may have come before the first that is held.
        (None, Some(start), Some(first)) => first.id == 1 || first.time < start,
        (None, None, Some(_)) => true,
    };
    let mut wanted: Vec<Trade> = held.into_iter().filter(|trade| is_wanted(trade, query)).collect();
    let found = wanted.len();
    if query.from_id.is_none() && query.start.is_none() {
        wanted.drain(..found.saturating_sub(query.limit));
    } else {
        wanted.truncate(query.limit);
    }
    let span = wanted.first().zip(wanted.last()).map(|(first, last)| IdRange { first: first.id, last: last.id });
    let holes: Vec<_> = span.map(|span| tape.aside().holes.within(span).collect()).unwrap_or_default();
    let cut_short = wanted.len() < found && (query.from_id.is_some() || query.start.is_some());
    let next_id = wanted.last().filter(|_| cut_short).map(|trade| trade.id + 1);
    TradePage { complete: reaches_back && holes.is_empty(), holes, next_id, trades: wanted }
}

fn is_wanted(trade: &Trade, query: &TradeRange) -> bool {
    query.from_id.is_none_or(|id| trade.id >= id)
        && query.start.is_none_or(|start| trade.time >= start)
        && query.end.is_none_or(|end| trade.time < end)
}

/// Every trade that memory holds, ascending by id, each once.
fn held(tape: &Tape) -> Vec<Trade> {
    let mut held = tape.held();
    let Some(oldest) = held.first().map(|trade| trade.id) else { return held };
    let late: Vec<_> = tape.aside().trades.range(oldest..).map(|(_, trade)| *trade).collect();
    if !late.is_empty() {
        held.extend(late);
        held.sort_unstable_by_key(|trade| trade.id);
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Quantity};
    use std::sync::Arc;

    fn trade(id: u64) -> Trade {
        let time = UnixMillis::new(1_000 * id.cast_signed());
        let (price, quantity) = (Price::from_units(1), Quantity::from_units(1));
        Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false }
    }

    /// Holds 10 to 14, 16 late, 18 to 19; 15 and 17 are missing.
    fn tape() -> Arc<Tape> {
        let tape = Arc::new(Tape::new(16));
        let mut writer = tape.writer().expect("the first");
        (10..=14).chain(18..=19).for_each(|id| writer.push(&trade(id), id != 10 && id != 18));
        tape.aside().holes.open(IdRange { first: 15, last: 15 });
        tape.aside().holes.open(IdRange { first: 17, last: 17 });
        writer.push_late(&trade(16));
        tape
    }

    fn check(query: TradeRange, ids: &[u64], complete: bool, next_id: Option<u64>) {
        let page = trades(&tape(), &query);
        let found: Vec<_> = page.trades.iter().map(|trade| trade.id).collect();
        assert_eq!((found.as_slice(), page.complete, page.next_id), (ids, complete, next_id), "{query:?}");
    }

    #[test]
    fn pages_follow_ids_and_name_what_is_missing() {
        let all = TradeRange { limit: 100, ..TradeRange::default() };
        check(TradeRange { limit: 2, ..all }, &[18, 19], true, None);
        check(TradeRange { limit: 3, ..all }, &[16, 18, 19], false, None);
        check(TradeRange { from_id: Some(12), limit: 3, ..all }, &[12, 13, 14], true, Some(15));
        check(TradeRange { from_id: Some(15), ..all }, &[16, 18, 19], false, None);
        check(TradeRange { from_id: Some(5), limit: 1, ..all }, &[10], false, Some(11));
        check(TradeRange { from_id: Some(20), ..all }, &[], true, None);
        let (start, end) = (Some(UnixMillis::new(11_000)), Some(UnixMillis::new(14_000)));
        check(TradeRange { start, end, ..all }, &[11, 12, 13], true, None);
        assert_eq!(trades(&tape(), &all).holes.len(), 2);
        assert_eq!(trades(&Tape::new(2), &all), TradePage::default());
    }
}
