//! Which trades does the tape hold for a range, and is the range whole?

use crate::{
    market::{Aside, Tape},
    model::{IdRange, Trade, UnixMillis},
    query::holes::Known,
    store::Holding,
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

/// Reads trades of a contract: off its ring, and what the store holds.
pub fn trades(tape: &Tape, holding: Option<&Holding>, query: &TradeRange) -> TradePage {
    let mut held = held(tape, query);
    // Ring first, then everything aside in one look: a hole is recorded before the trade that shows it.
    let aside = tape.aside();
    merge_late(&mut held, &aside);
    let (known_holes, whole_from) = (aside.holes().clone(), aside.whole_from());
    // The store is read from the disk: nobody waits for that under the lock.
    drop(aside);
    let damaged = holding.map(|holding| merge_stored(&mut held, whole_from, holding, query)).unwrap_or_default();
    let slice = Slice::of(&held, query);
    let trades = held[slice.from..slice.to].to_vec();
    let next_id = trades.last().filter(|_| slice.cut_after).map(|trade| trade.id + 1);
    let span = slice.span(&held, query);
    let known = Known::of(tape, known_holes, holding);
    let ids = held.iter().map(|trade| IdRange { first: trade.id, last: trade.id });
    let holes = span.map(|span| known.missing(span, ids, &damaged)).unwrap_or_default();
    let complete = holes.is_empty() && !slice.reaches_before(&held, query);
    TradePage { trades, complete, holes, next_id }
}

/// Which of the held trades answer a query.
#[derive(Clone, Copy, Debug)]
struct Slice {
    from: usize,
    to: usize,
    /// Whether the limit left out older trades of the range.
    cut_before: bool,
    /// Whether the limit left out newer trades of the range.
    cut_after: bool,
}

impl Slice {
    fn of(held: &[Trade], query: &TradeRange) -> Self {
        let is_before = |trade: &Trade| {
            query.from_id.is_some_and(|id| trade.id < id) || query.start.is_some_and(|start| trade.time < start)
        };
        let low = held.partition_point(is_before);
        let high = low + held[low..].partition_point(|trade| query.end.is_none_or(|end| trade.time < end));
        let (from, to) = if query.goes_forward() {
            (low, high.min(low.saturating_add(query.limit)))
        } else {
            (low.max(high.saturating_sub(query.limit)), high)
        };
        Self { from, to, cut_before: from > low, cut_after: to < high }
    }

    /// The ids that the page stands for: not only from its first trade to its last, but up to the held trades around it,
    /// so that a hole between two pages, or a range inside a hole, is named.
    fn span(self, held: &[Trade], query: &TradeRange) -> Option<IdRange> {
        let first = match self.from.checked_sub(1) {
            Some(before) if !self.cut_before => held[before].id + 1,
            _ => held.get(self.from)?.id,
        };
        let last = match held.get(self.to) {
            Some(after) if !self.cut_after => after.id - 1,
            _ => held.get(self.to.checked_sub(1)?)?.id,
        };
        IdRange::new(first.max(query.from_id.unwrap_or(0)), last)
    }

    /// Whether the range may begin with trades older than every one that is held.
    fn reaches_before(self, held: &[Trade], query: &TradeRange) -> bool {
        let Some(first) = held.first() else { return true };
        // Trades of the same millisecond may have come before the first that is held.
        let asked = query.from_id.is_none_or(|id| id < first.id) && query.start.is_none_or(|start| start <= first.time);
        // Ids count from 1: nothing came before that one.
        first.id > 1 && asked && self.from == 0 && (query.goes_forward() || (query.end.is_some() && self.to == 0))
    }
}

impl TradeRange {
    /// Whether the oldest trades of the range are wanted rather than the newest.
    fn goes_forward(&self) -> bool {
        self.from_id.is_some() || self.start.is_some()
    }
}

/// The trades in the ring that the query may want, ascending.
fn held(tape: &Tape, query: &TradeRange) -> Vec<Trade> {
    let all = query.goes_forward() || query.end.is_some();
    // One more than is wanted, so that the page's older neighbour is seen.
    if all { tape.held() } else { tape.newest(query.limit.saturating_add(1)) }
}

/// Adds what the store holds for a query, and the neighbours of that, where `held` may lack it, as it may before id
/// `whole_from`. Says what of it cannot be read.
fn merge_stored(held: &mut Vec<Trade>, whole_from: u64, holding: &Holding, query: &TradeRange) -> Vec<IdRange> {
    let limit = query.limit.saturating_add(1);
    let stored = if query.goes_forward() {
        let first = match (query.from_id, query.start) {
            (id, None) => id,
            (id, Some(start)) => holding.first_id_at(start).map(|first| first.max(id.unwrap_or(0))),
        };
        // From the neighbour before the first on; when what memory has whole begins before that, it has it all.
        let begins_behind = |first: u64| first <= whole_from || held.first().is_none_or(|trade| trade.id >= first);
        let Some(first) = first.filter(|first| begins_behind(*first)) else { return Vec::new() };
        let mut stored = holding.up_to_id(first.saturating_sub(1), 1);
        let after = holding.from_id(first, limit);
        stored.trades.extend(after.trades);
        stored.damaged.extend(after.damaged);
        stored
    } else {
        let end = query.end.and_then(|end| holding.first_id_at(end));
        let below = end.unwrap_or(u64::MAX);
        let in_ring = held.partition_point(|trade| trade.id < below && query.end.is_none_or(|end| trade.time < end));
        let whole = in_ring.saturating_sub(held.partition_point(|trade| trade.id < whole_from));
        if whole > query.limit {
            return Vec::new();
        }
        let mut stored = holding.up_to_id(below.saturating_sub(1), limit);
        stored.trades.extend(end.into_iter().flat_map(|id| holding.from_id(id, 1).trades));
        stored
    };
    held.extend(stored.trades);
    held.sort_by_key(|trade| trade.id);
    held.dedup_by_key(|trade| trade.id);
    // What was not asked for is not known to be whole: a page ends where one of its two sources does.
    stored.damaged
}

/// Adds the late trades between the first and the last of `held`; each id is there once.
fn merge_late(held: &mut Vec<Trade>, aside: &Aside) {
    let Some((first, last)) = held.first().zip(held.last()) else { return };
    let late: Vec<_> = aside.trades(IdRange { first: first.id, last: last.id }).collect();
    if !late.is_empty() {
        held.extend(late);
        held.sort_unstable_by_key(|trade| trade.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        market::Print,
        model::{Price, Quantity},
    };
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
        writer.begin(10);
        (10..=14).chain(18..=19).for_each(|id| writer.push(&trade(id), id != 10 && id != 18));
        writer.open_holes(&[IdRange { first: 15, last: 17 }]);
        assert!(writer.repair(&[Print::Trade(trade(16))]));
        tape
    }

    fn check(query: TradeRange, ids: &[u64], complete: bool, next_id: Option<u64>) {
        let page = trades(&tape(), None, &query);
        let found: Vec<_> = page.trades.iter().map(|trade| trade.id).collect();
        assert_eq!((found.as_slice(), page.complete, page.next_id), (ids, complete, next_id), "{query:?}");
    }

    #[test]
    fn a_hole_between_two_pages_or_around_a_range_is_named() {
        let all = TradeRange { limit: 100, ..TradeRange::default() };
        let holes = |query: TradeRange| -> Vec<_> {
            trades(&tape(), None, &query).holes.iter().map(|hole| (hole.first, hole.last)).collect()
        };
        let at = |seconds: i64| Some(UnixMillis::new(1_000 * seconds));
        assert_eq!(holes(TradeRange { from_id: Some(15), limit: 1, ..all }), [(15, 15)]);
        check(TradeRange { from_id: Some(17), ..all }, &[18, 19], false, None);
        check(TradeRange { start: at(15), end: at(16), ..all }, &[], false, None);
        check(TradeRange { start: at(12), end: at(15), ..all }, &[12, 13, 14], false, None);
        check(TradeRange { end: at(10), ..all }, &[], false, None);
        check(TradeRange { end: at(12), limit: 1, ..all }, &[11], true, None);
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
        assert_eq!(trades(&tape(), None, &all).holes.len(), 2);
        assert_eq!(trades(&Tape::new(2), None, &all), TradePage::default());
    }
}
