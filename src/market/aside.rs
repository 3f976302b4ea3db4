//! What of a tape does not stand in the ring: holes, and trades that came after theirs had been recorded?
//!
//! Late trades are numbered as they come, so that whoever follows the tape takes each exactly once by a place of its own,
//! as from the ring. A hole is filled and its trade is numbered in one step: who sees no hole has, or can get, the trade.

use crate::{
    market::{Holes, Print},
    model::{IdRange, Trade},
};
use std::collections::{BTreeMap, VecDeque};

/// Late trades kept until the store takes them.
const TRADES_MAX: usize = 65_536;
/// Late trades kept for readers that have not come by; a reader that comes too late is told.
const LOGGED_MAX: usize = 16_384;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Aside {
    holes: Holes,
    /// By id, each with its number.
    trades: BTreeMap<u64, (u64, Trade)>,
    /// The newest, in the order in which they came.
    log: VecDeque<Trade>,
    /// Spans the ids that have left the log.
    gone: Option<IdRange>,
    /// How many ever came: the number of the next one.
    count: u64,
    /// One more than the highest id that made room because the store holds it.
    whole_from: u64,
}

/// Late trades that a reader had not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Ascending by id.
    pub trades: Vec<Trade>,
    /// Spans those that came too long ago to be handed over, if there are any.
    pub lost: Option<IdRange>,
}

impl Aside {
    /// Missing ids between the tape's first trade and its newest.
    pub fn holes(&self) -> &Holes {
        &self.holes
    }

    /// Whether any id of `ids` is missing.
    pub fn is_missing(&self, ids: IdRange) -> bool {
        self.holes.within(ids).next().is_some()
    }

    /// The late trades of `ids`, ascending.
    pub fn trades(&self, ids: IdRange) -> impl Iterator<Item = Trade> {
        self.trades_before(u64::MAX, ids)
    }

    /// The late trades of `ids` that came before number `number`, ascending.
    pub(super) fn trades_before(&self, number: u64, ids: IdRange) -> impl Iterator<Item = Trade> {
        let of_ids = self.trades.range(ids.first..=ids.last);
        of_ids.filter(move |(_, (its, _))| *its < number).map(|(_, (_, trade))| *trade)
    }

    /// The newest late trade before `id`.
    pub fn before(&self, id: u64) -> Option<Trade> {
        self.trades.range(..id).next_back().map(|(_, (_, trade))| *trade)
    }

    /// The oldest late trade behind `id`.
    pub fn after(&self, id: u64) -> Option<Trade> {
        self.trades.range(id.checked_add(1)?..).next().map(|(_, (_, trade))| *trade)
    }

    /// The id from which on ring and late trades in memory are all that is held; of ids before it the store holds more.
    pub fn whole_from(&self) -> u64 {
        self.whole_from
    }

    /// How many late trades ever came.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn close(&mut self, ids: IdRange) {
        self.holes.close(ids);
    }

    pub(super) fn open(&mut self, hole: IdRange) {
        self.holes.open(hole);
    }

    /// Whether so many more fit. `stored` says whether the store holds every trade that was ever put on the tape: then all
    /// that are here make room when they have to.
    pub(super) fn make_room(&mut self, count: usize, stored: bool) -> bool {
        if self.trades.len() + count > TRADES_MAX
            && stored
            && let Some((last, _)) = self.trades.last_key_value()
        {
            self.whole_from = self.whole_from.max(last + 1);
            self.trades.clear();
        }
        self.trades.len() + count <= TRADES_MAX
    }

    /// Fills holes whose trades had been on the tape before and were lost on the way to the disk: they are news to nobody.
    pub(super) fn restock(&mut self, ids: impl IntoIterator<Item = u64>) {
        ids.into_iter().for_each(|id| {
            self.holes.fill(id);
        });
    }

    /// Fills holes. Refuses when there is no room, and the holes stay; `ring_from` is the oldest id in the ring: late
    /// trades before it are beyond what memory answers for, and make room first.
    pub(super) fn repair(&mut self, prints: &[Print], ring_from: impl FnOnce() -> u64) -> bool {
        if self.trades.len() + prints.len() > TRADES_MAX {
            self.trades = self.trades.split_off(&ring_from());
        }
        if self.trades.len() + prints.len() > TRADES_MAX {
            return false;
        }
        for print in prints {
            self.holes.fill(print.id());
            if let Print::Trade(trade) = print {
                self.trades.insert(trade.id, (self.count, *trade));
                self.log(trade);
            }
        }
        true
    }

    fn log(&mut self, trade: &Trade) {
        self.count += 1;
        self.log.push_back(*trade);
        if self.log.len() > LOGGED_MAX
            && let Some(Trade { id, .. }) = self.log.pop_front()
        {
            let span = self.gone.unwrap_or(IdRange { first: id, last: id });
            self.gone = Some(IdRange { first: span.first.min(id), last: span.last.max(id) });
        }
    }

    /// Those from number `next` on.
    pub fn since(&self, next: u64) -> Repairs {
        let first = self.count - self.log.len() as u64;
        let skip = usize::try_from(next.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut trades: Vec<_> = self.log.iter().skip(skip).copied().collect();
        trades.sort_unstable_by_key(|trade| trade.id);
        Repairs { trades, lost: self.gone.filter(|_| next < first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Quantity, UnixMillis};

    fn print(id: u64) -> Print {
        let (price, quantity, time) = (Price::from_units(1), Quantity::from_units(1), UnixMillis::new(1));
        Print::Trade(Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false })
    }

    fn ids(repairs: &Repairs) -> Vec<u64> {
        repairs.trades.iter().map(|trade| trade.id).collect()
    }

    #[test]
    fn each_reader_gets_each_trade_once_and_learns_of_what_is_gone() {
        let mut aside = Aside::default();
        aside.open(IdRange { first: 1, last: 100_000 });
        assert!(aside.repair(&[print(3), Print::Burnt(4), print(5)], || 0));
        assert!(aside.repair(&[print(1)], || 0));
        assert_eq!(
            (ids(&aside.since(0)), ids(&aside.since(2)), ids(&aside.since(3))),
            (vec![1, 3, 5], vec![1], vec![])
        );
        assert_eq!(aside.trades_before(2, IdRange { first: 1, last: 9 }).count(), 2);
        let many: Vec<_> = (10..10 + LOGGED_MAX as u64).map(print).collect();
        assert!(aside.repair(&many, || 0));
        let repairs = aside.since(2);
        assert_eq!((repairs.lost, repairs.trades.len()), (IdRange::new(1, 5), LOGGED_MAX));
        assert_eq!(aside.since(3).lost, None);
    }

    #[test]
    fn when_there_is_no_room_the_hole_stays_unless_the_ring_has_passed_by() {
        let mut aside = Aside::default();
        aside.open(IdRange { first: 1, last: 100_000 });
        let all: Vec<_> = (1..=TRADES_MAX as u64).map(print).collect();
        assert!(aside.repair(&all, || 1));
        assert!(!aside.repair(&[print(70_000)], || 1));
        assert!(aside.is_missing(IdRange { first: 70_000, last: 70_000 }));
        assert!(aside.repair(&[print(70_000)], || 60_000));
        assert_eq!(aside.trades(IdRange { first: 1, last: 100_000 }).next().map(|trade| trade.id), Some(60_000));
    }

    #[test]
    fn what_the_store_holds_makes_room_and_is_answered_for_by_it() {
        let mut aside = Aside::default();
        aside.open(IdRange { first: 1, last: 200_000 });
        let all: Vec<_> = (1..=TRADES_MAX as u64).map(print).collect();
        assert!(aside.make_room(all.len(), true) && aside.repair(&all, || 1));
        assert_eq!(aside.whole_from(), 0);
        assert!(!aside.make_room(1, false), "the store may lack some");
        assert!(aside.make_room(1, true));
        assert_eq!((aside.whole_from(), aside.trades.len()), (TRADES_MAX as u64 + 1, 0));
        assert!(!aside.is_missing(IdRange { first: 1, last: TRADES_MAX as u64 }));
    }
}
