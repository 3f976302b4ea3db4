//! What stands in a contract's order book at any time? A pure function of seed, contract and time.
//!
//! A book changes in steps at irregular times, each with ids of its own: no step needs the one before it. Prices stand on
//! levels, numbered by their multiple of the grid. A level's quantity is drawn anew from time to time: near the touch often,
//! further away every [`FAR_STEPS`] steps, each level at another one.

use crate::{
    model::{BookSnapshot, Level, Price, Quantity, UnixMillis},
    sim::{
        block,
        contract::Contract,
        noise::{hash, mix},
    },
};

/// Levels from the touch to the far end of a side, about.
const REACH: i64 = 1_500;
/// The far ends of a side stand on multiples of this many levels, so that they seldom move.
const EDGE: i64 = 64;
/// So many levels at the touch are never empty and change often.
const NEAR: i64 = 8;
/// Steps between two draws of a level near the touch.
const NEAR_STEPS: i64 = 4;
/// Steps between two draws of a level further away.
const FAR_STEPS: i64 = 256;
/// Spreads the levels over [`FAR_STEPS`]; odd, so that it has an inverse.
const SPREAD: i64 = 167;
/// `SPREAD * SPREAD_INVERSE` is 1 modulo [`FAR_STEPS`].
const SPREAD_INVERSE: i64 = 23;
/// Levels that a price may have: a tick finer than this is no step of the book.
const LEVELS_MAX: i64 = 4_000_000;
/// Update ids that a millisecond of the venue has room for.
const IDS_PER_MS: i64 = 1_024;
/// When update ids began, 2019-09-08 00:00 UTC.
const IDS_BEGIN: i64 = 1_567_900_800_000;

/// One side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Bid,
    Ask,
}

/// A contract's book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Book<'a> {
    contract: &'a Contract,
    /// What its prices are drawn from.
    market_key: u64,
    /// What all else is drawn from.
    key: u64,
    step_ms: i64,
    /// Units of price between two levels.
    grid: i64,
}

impl<'a> Book<'a> {
    /// The book of `contract`, whose market is drawn from `key`.
    pub(super) fn new(contract: &'a Contract, key: u64) -> Self {
        let tick = contract.tick.units().max(1);
        let coarse = contract.price.units() / tick / LEVELS_MAX + 1;
        let grid = tick.saturating_mul(coarse);
        Self { contract, market_key: key, key: mix(key ^ (0xd0 << 40)), step_ms: step_ms(contract), grid }
    }

    /// The newest step at or before `time`.
    pub(super) fn step_at(&self, time: i64) -> i64 {
        let step = time.div_euclid(self.step_ms);
        if self.time_of(step) > time { step - 1 } else { step }
    }

    /// When a step happens: once in each of its stretches of time.
    pub(super) fn time_of(&self, step: i64) -> i64 {
        let late = hash(self.key ^ (1 << 40), step) % self.step_ms.unsigned_abs().max(1);
        step * self.step_ms + late.cast_signed()
    }

    /// The first and the last update id of a step. They ascend with time in all contracts alike, and are not dense.
    pub(super) fn ids(&self, step: i64) -> (u64, u64) {
        let begin = self.time_of(step).saturating_sub(IDS_BEGIN).saturating_mul(IDS_PER_MS);
        let (begin, draw) = (u64::try_from(begin).unwrap_or(0), hash(self.key ^ (2 << 40), step));
        (begin + 1 + draw % 300, begin + 301 + (draw >> 20) % 700)
    }

    /// Best bid and best ask after a step.
    pub(super) fn top(&self, step: i64) -> (Level, Level) {
        let bid = self.bid(step);
        (self.level(Side::Bid, bid, bid, step), self.level(Side::Ask, bid + 1, bid, step))
    }

    /// The whole book after a step, or the best `levels` of each side.
    pub(super) fn whole(&self, step: i64, levels: usize) -> BookSnapshot {
        let bid = self.bid(step);
        let side = |side| {
            let (low, high) = span(side, bid);
            let levels_from_best = (0..=high - low).map(move |away| best_first(side, low, high, away));
            let held = levels_from_best.map(|index| self.level(side, index, bid, step));
            held.filter(|level| level.quantity.units() > 0).take(levels).collect()
        };
        BookSnapshot {
            last_id: self.ids(step).1,
            time: UnixMillis::new(self.time_of(step)),
            bids: side(Side::Bid),
            asks: side(Side::Ask),
        }
    }

    /// The levels that changed in any step after `from`, up to and with `to`, the best first: bids and asks, as they are after `to`.
    /// One that is again what it was before is among them: a snapshot may be from in between.
    pub(super) fn changes(&self, from: i64, to: i64) -> (Vec<Level>, Vec<Level>) {
        let bid = self.bid(to);
        let side = |side| {
            let mut indices = self.touched(side, from, to);
            indices.sort_unstable();
            indices.dedup();
            if side == Side::Bid {
                indices.reverse();
            }
            indices.into_iter().map(|index| self.level(side, index, bid, to)).collect()
        };
        (side(Side::Bid), side(Side::Ask))
    }

    /// The levels of a side that changed in any step after `from`, up to and with `to`.
    fn touched(&self, side: Side, from: i64, to: i64) -> Vec<i64> {
        let mut touched = Vec::new();
        let mut before = self.bid(from);
        for step in from + 1..=to {
            let after = self.bid(step);
            let has_changed =
                |index: &i64| self.level(side, *index, before, step - 1) != self.level(side, *index, after, step);
            touched.extend(candidates(side, (before, after), step).into_iter().filter(has_changed));
            before = after;
        }
        touched
    }

    /// A level below or above everything that the book holds after a step: nobody knows it.
    pub(super) fn unknown(&self, step: i64) -> Level {
        let (_, high) = span(Side::Ask, self.bid(step));
        Level { price: self.price(high + 10 * EDGE), quantity: Quantity::from_units(0) }
    }

    /// A bid far above the best ask after a step.
    pub(super) fn crossing(&self, step: i64) -> Level {
        Level { price: self.price(self.bid(step) + 20), quantity: self.contract.step }
    }

    /// The level of the best bid; the best ask stands on the next.
    fn bid(&self, step: i64) -> i64 {
        (block::bid(self.contract, self.market_key, self.time_of(step)).units() / self.grid).max(1)
    }

    fn price(&self, index: i64) -> Price {
        Price::from_units(index.saturating_mul(self.grid))
    }

    /// What stands on level `index` after `step`, when the best bid is on level `bid`.
    fn level(&self, side: Side, index: i64, bid: i64, step: i64) -> Level {
        let (low, high) = span(side, bid);
        let lots = if (low..=high).contains(&index) { self.lots(side, index, bid, step) } else { 0 };
        let quantity = self.contract.step.units().saturating_mul(lots);
        Level { price: self.price(index), quantity: Quantity::from_units(quantity) }
    }

    fn lots(&self, side: Side, index: i64, bid: i64, step: i64) -> i64 {
        let salt = if side == Side::Bid { 3 << 40 } else { 4 << 40 };
        let is_near = near(side, bid).contains(&index);
        let drawn =
            if is_near { (step + index).div_euclid(NEAR_STEPS) } else { (step + phase(index)).div_euclid(FAR_STEPS) };
        let draw = hash(mix(self.key ^ salt ^ index.cast_unsigned()), drawn);
        match draw % 8 {
            0 | 1 if !is_near => 0,
            0..6 => 1 + ((draw >> 8) % 400).cast_signed(),
            _ => 400 + ((draw >> 8) % 5_000).cast_signed(),
        }
    }
}

/// Between two steps, about: lively contracts' books change more often.
const fn step_ms(contract: &Contract) -> i64 {
    match contract.trades_per_minute {
        3_000.. => 20,
        200.. => 50,
        50.. => 200,
        10.. => 600,
        _ => 1_500,
    }
}

/// When, in [`FAR_STEPS`], a level is drawn anew.
const fn phase(index: i64) -> i64 {
    (index % FAR_STEPS * SPREAD).rem_euclid(FAR_STEPS)
}

/// The levels that a side reaches over.
fn span(side: Side, bid: i64) -> (i64, i64) {
    match side {
        Side::Bid => (((bid - REACH).div_euclid(EDGE) * EDGE).max(1), bid),
        Side::Ask => (bid + 1, (bid + 1 + REACH).div_euclid(EDGE) * EDGE),
    }
}

fn near(side: Side, bid: i64) -> std::ops::Range<i64> {
    match side {
        Side::Bid => bid + 1 - NEAR..bid + 1,
        Side::Ask => bid + 1..bid + 1 + NEAR,
    }
}

const fn best_first(side: Side, low: i64, high: i64, away: i64) -> i64 {
    match side {
        Side::Bid => high - away,
        Side::Ask => low + away,
    }
}

/// Every level of a side that may differ after `step`, when the best bid stood on these before and after it.
fn candidates(side: Side, (bid_from, bid_to): (i64, i64), step: i64) -> Vec<i64> {
    let ((low_from, high_from), (low_to, high_to)) = (span(side, bid_from), span(side, bid_to));
    let (low, high) = (low_from.min(low_to), high_from.max(high_to));
    if bid_from.abs_diff(bid_to) > 2 * REACH.unsigned_abs() {
        return (low_from..=high_from).chain(low_to..=high_to).collect();
    }
    let (near_from, near_to) = (near(side, bid_from), near(side, bid_to));
    let mut levels: Vec<i64> = (near_from.start.min(near_to.start)..near_from.end.max(near_to.end)).collect();
    levels.extend(low_from.min(low_to)..low_from.max(low_to));
    levels.extend(high_from.min(high_to)..=high_from.max(high_to));
    let remainder = (-step * SPREAD_INVERSE).rem_euclid(FAR_STEPS);
    let first = low + (remainder - low).rem_euclid(FAR_STEPS);
    levels.extend((first..=high).step_by(FAR_STEPS.unsigned_abs().try_into().unwrap_or(1)));
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sides(book: &BookSnapshot) -> [BTreeMap<Price, Quantity>; 2] {
        [&book.bids, &book.asks].map(|side| side.iter().map(|level| (level.price, level.quantity)).collect())
    }

    fn apply(held: &mut [BTreeMap<Price, Quantity>; 2], bids: &[Level], asks: &[Level]) {
        for (side, levels) in held.iter_mut().zip([bids, asks]) {
            for level in levels {
                side.remove(&level.price);
                if level.quantity.units() > 0 {
                    side.insert(level.price, level.quantity);
                }
            }
        }
    }

    #[test]
    fn changes_lead_from_any_step_to_any_later_one() {
        for contract in crate::sim::default_contracts() {
            let book = Book::new(&contract, 77);
            let mut step = book.step_at(1_795_168_830_000);
            for ahead in (0..40).map(|draw| 1 + (hash(5, draw) % 40).cast_signed()).chain([255, 256, 400, 90_000]) {
                let mut held = sides(&book.whole(step, usize::MAX));
                let (bids, asks) = book.changes(step, step + ahead);
                apply(&mut held, &bids, &asks);
                assert!(held == sides(&book.whole(step + ahead, usize::MAX)), "{} over {ahead}", contract.symbol);
                step += ahead;
            }
        }
    }

    #[test]
    fn changes_lead_on_from_any_step_in_between() {
        for contract in crate::sim::default_contracts() {
            let book = Book::new(&contract, 77);
            let begin = book.step_at(1_795_168_830_000);
            for draw in 0..60 {
                let (from, length) = (begin + 300 * draw, 2 + (hash(6, draw) % 12).cast_signed());
                let to = from + length;
                let (bids, asks) = book.changes(from, to);
                for between in from + 1..to {
                    let mut held = sides(&book.whole(between, usize::MAX));
                    apply(&mut held, &bids, &asks);
                    let truth = sides(&book.whole(to, usize::MAX));
                    assert!(held == truth, "{}: {from} {between} {to}", contract.symbol);
                }
            }
        }
    }

    #[test]
    fn books_are_never_crossed_and_ids_ascend() {
        for contract in crate::sim::default_contracts() {
            let book = Book::new(&contract, 3);
            let from = book.step_at(1_795_168_830_000);
            for step in from..from + 2_000 {
                let (bid, ask) = book.top(step);
                assert!(bid.price < ask.price && bid.quantity.units() > 0 && ask.quantity.units() > 0);
                let (ids, next) = (book.ids(step), book.ids(step + 1));
                assert!(ids.0 < ids.1 && ids.1 < next.0);
                assert_eq!(book.step_at(book.time_of(step)), step);
            }
        }
    }
}
