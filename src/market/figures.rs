//! What does the venue say of a contract beside its trades?
//!
//! The newest of each is replaced whole, so that nobody waits. What is older than what is known is no news: two connections
//! may carry the same stream.

use crate::model::{
    BookTicker, FundingTerms, IdRange, Liquidation, MarkPrice, OpenInterest, Price, Ticker, UnixMillis,
};
use arc_swap::ArcSwapOption;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

/// Liquidations of a contract that memory holds: minutes of a cascade, days otherwise.
pub const LIQUIDATIONS_KEPT: usize = 256;
/// Bits of a liquidation's number below its time; see `store::record::LiquidationRow`.
const NUMBER_BITS: u32 = 12;

/// The newest figures of one contract.
#[derive(Debug, Default)]
pub struct Figures {
    mark: ArcSwapOption<MarkPrice>,
    ticker: ArcSwapOption<Ticker>,
    top: ArcSwapOption<BookTicker>,
    open_interest: ArcSwapOption<OpenInterest>,
    terms: ArcSwapOption<FundingTerms>,
    day_open: ArcSwapOption<DayOpen>,
    liquidations: Mutex<Liquidations>,
    /// Which of the times at which marks are stored was the last.
    mark_slot: AtomicI64,
}

/// The first trade of a day by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOpen {
    /// Where the day begins.
    pub day: UnixMillis,
    /// The trade's price.
    pub price: Price,
    /// The trade's time.
    pub time: UnixMillis,
}

/// A liquidation with its number: ascending, and the same after a restart.
pub type NumberedLiquidation = (u64, Liquidation);

/// Liquidations that a reader had not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// In the order in which they came, which is not always that of their numbers.
    pub rows: Vec<NumberedLiquidation>,
    /// Spans the numbers of those that came too long ago to be handed over, if there are any.
    pub lost: Option<IdRange>,
    /// How many ever came: where the reader goes on.
    pub next: u64,
}

/// The newest liquidations.
#[derive(Debug, Default)]
struct Liquidations {
    /// Ascending by number.
    rows: VecDeque<NumberedLiquidation>,
    /// The highest number that was dropped.
    dropped: Option<u64>,
    /// In the order in which they came.
    log: VecDeque<NumberedLiquidation>,
    /// Spans the numbers that have left the log.
    gone: Option<IdRange>,
    /// How many ever came.
    count: u64,
}

impl Figures {
    /// The mark price, and what goes with it.
    pub fn mark(&self) -> Option<Arc<MarkPrice>> {
        self.mark.load_full()
    }

    /// Takes a mark price; whether it is news.
    pub fn set_mark(&self, mark: MarkPrice) -> bool {
        renew(&self.mark, mark, |mark| mark.time)
    }

    /// Whether a mark of this time is the first of its stretch of `every_ms`, so that it is to be stored.
    pub fn is_mark_due(&self, time: UnixMillis, every_ms: i64) -> bool {
        let slot = time.get().div_euclid(every_ms.max(1));
        // Guards no other data.
        self.mark_slot.fetch_max(slot, Ordering::Relaxed) < slot
    }

    /// Statistics of 24 hours.
    pub fn ticker(&self) -> Option<Arc<Ticker>> {
        self.ticker.load_full()
    }

    /// Takes statistics; whether they are news.
    pub fn set_ticker(&self, ticker: Ticker) -> bool {
        renew(&self.ticker, ticker, |ticker| ticker.close_time)
    }

    /// The best bid and ask.
    pub fn top(&self) -> Option<Arc<BookTicker>> {
        self.top.load_full()
    }

    /// Takes a best bid and ask; whether they are news.
    pub fn set_top(&self, top: BookTicker) -> bool {
        renew(&self.top, top, |top| (top.time, top.update_id))
    }

    /// How much is open.
    pub fn open_interest(&self) -> Option<Arc<OpenInterest>> {
        self.open_interest.load_full()
    }

    /// Takes an open interest; whether it is news.
    pub fn set_open_interest(&self, open_interest: OpenInterest) -> bool {
        renew(&self.open_interest, open_interest, |open_interest| open_interest.time)
    }

    /// How funding is bounded, and how often it is settled.
    pub fn terms(&self) -> Option<Arc<FundingTerms>> {
        self.terms.load_full()
    }

    /// Takes terms of funding.
    pub fn set_terms(&self, terms: FundingTerms) {
        self.terms.store(Some(Arc::new(terms)));
    }

    /// The first trade of a day that was proven to be it; newer days take its place.
    pub fn day_open(&self, day: UnixMillis) -> Option<DayOpen> {
        self.day_open.load().as_ref().filter(|open| open.day == day).map(|open| **open)
    }

    /// Takes the first trade of a day.
    pub fn set_day_open(&self, open: DayOpen) {
        renew(&self.day_open, open, |open| open.day);
    }

    /// Takes a liquidation; its number, unless it was taken before.
    pub fn add_liquidation(&self, liquidation: Liquidation) -> Option<u64> {
        self.liquidations().add(liquidation)
    }

    /// Liquidations that came after the first `seen`.
    pub fn arrivals(&self, seen: u64) -> Arrivals {
        self.liquidations().since(seen)
    }

    /// The same, and all that are held then, ascending by number.
    pub fn arrivals_and_held(&self, seen: u64) -> (Arrivals, Vec<NumberedLiquidation>) {
        let liquidations = self.liquidations();
        (liquidations.since(seen), liquidations.rows.iter().copied().collect())
    }

    fn liquidations(&self) -> MutexGuard<'_, Liquidations> {
        self.liquidations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Liquidations {
    fn add(&mut self, liquidation: Liquidation) -> Option<u64> {
        let same_time = self.rows.iter().rev().take_while(|(_, other)| other.time >= liquidation.time);
        let (mut next, mut is_known) = (0, false);
        for (number, other) in same_time.filter(|(_, other)| other.time == liquidation.time) {
            is_known |= *other == liquidation;
            next = next.max(number % (1 << NUMBER_BITS) + 1);
        }
        let base = liquidation.time.get().max(0).unsigned_abs() << NUMBER_BITS;
        let number = base | next;
        if is_known || next >= 1 << NUMBER_BITS || self.dropped >= Some(number) {
            return None;
        }
        let at = self.rows.partition_point(|(other, _)| *other < number);
        self.rows.insert(at, (number, liquidation));
        if self.rows.len() > LIQUIDATIONS_KEPT {
            self.dropped = self.rows.pop_front().map(|(number, _)| number);
        }
        self.note((number, liquidation));
        Some(number)
    }

    fn note(&mut self, arrived: NumberedLiquidation) {
        self.count += 1;
        self.log.push_back(arrived);
        if self.log.len() > LIQUIDATIONS_KEPT
            && let Some((number, _)) = self.log.pop_front()
        {
            let span = self.gone.unwrap_or(IdRange { first: number, last: number });
            self.gone = Some(IdRange { first: span.first.min(number), last: span.last.max(number) });
        }
    }

    fn since(&self, seen: u64) -> Arrivals {
        let first = self.count - self.log.len() as u64;
        let skip = usize::try_from(seen.saturating_sub(first)).unwrap_or(usize::MAX);
        let rows = self.log.iter().skip(skip).copied().collect();
        Arrivals { rows, lost: self.gone.filter(|_| seen < first), next: self.count }
    }
}

/// Puts `new` in place of what is there if that is older.
fn renew<T, K: Ord>(place: &ArcSwapOption<T>, new: T, age: impl Fn(&T) -> K) -> bool {
    let key = age(&new);
    let new = Arc::new(new);
    let before = place.rcu(|held| {
        let is_news = held.as_ref().is_none_or(|held| age(held) < key);
        if is_news { Some(Arc::clone(&new)) } else { held.clone() }
    });
    before.is_none_or(|before| age(&before) < key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    fn liquidation(time: i64, quantity: i64) -> Liquidation {
        Liquidation {
            time: UnixMillis::new(time),
            price: Price::from_units(1),
            average_price: Price::from_units(1),
            quantity: Quantity::from_units(quantity),
            filled: Quantity::from_units(quantity),
            is_sell: true,
        }
    }

    #[test]
    fn an_older_figure_is_no_news() {
        let figures = Figures::default();
        let mark = |time: i64, price: i64| MarkPrice {
            time: UnixMillis::new(time),
            mark: Price::from_units(price),
            ..MarkPrice::default()
        };
        assert!(figures.set_mark(mark(2_000, 5)));
        assert!(!figures.set_mark(mark(1_000, 4)), "it came late");
        assert!(!figures.set_mark(mark(2_000, 5)), "it came twice");
        assert!(figures.set_mark(mark(3_000, 6)));
        assert_eq!(figures.mark().map(|mark| mark.mark), Some(Price::from_units(6)));
    }

    #[test]
    fn one_mark_of_each_stretch_is_stored() {
        let figures = Figures::default();
        let due = |time: i64| figures.is_mark_due(UnixMillis::new(time), 10_000);
        assert_eq!([10_100, 11_100, 19_999, 20_000, 20_100, 12_000].map(due), [true, false, false, true, false, false]);
    }

    #[test]
    fn liquidations_are_numbered_by_time_and_taken_once() {
        let figures = Figures::default();
        let first = figures.add_liquidation(liquidation(1_000, 7)).expect("new");
        assert_eq!(figures.add_liquidation(liquidation(1_000, 7)), None, "the other connection brings it, too");
        let second = figures.add_liquidation(liquidation(1_000, 8)).expect("another of the same time");
        let late = figures.add_liquidation(liquidation(900, 8)).expect("it is late");
        assert_eq!((first, second, late), (1_000 << 12, (1_000 << 12) + 1, 900 << 12));
        let numbers = |rows: Vec<NumberedLiquidation>| rows.iter().map(|row| row.0).collect::<Vec<_>>();
        let came = |seen| numbers(figures.arrivals(seen).rows);
        assert_eq!((came(0), came(2), came(3)), (vec![first, second, late], vec![late], vec![]), "as they came");
        assert_eq!(numbers(figures.arrivals_and_held(3).1), [late, first, second]);
    }

    #[test]
    fn who_is_too_far_behind_is_told_which_numbers_are_gone() {
        let figures = Figures::default();
        let kept = i64::try_from(LIQUIDATIONS_KEPT).expect("few");
        (1..=kept + 2).for_each(|time| assert!(figures.add_liquidation(liquidation(time, 1)).is_some()));
        let Arrivals { rows, lost, next } = figures.arrivals(0);
        assert_eq!((rows.len(), next), (LIQUIDATIONS_KEPT, LIQUIDATIONS_KEPT as u64 + 2));
        assert_eq!(lost, IdRange::new(1 << 12, 2 << 12), "the numbers of the two that are gone");
        assert_eq!((figures.arrivals(2).lost, figures.arrivals(next).rows), (None, vec![]));
        assert_eq!(figures.add_liquidation(liquidation(1, 1)), None, "it was taken, and is held no more");
    }
}
