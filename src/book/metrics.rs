//! Which figures sum a book up?
//!
//! All are exact but those that divide or halve, which are rounded half to even at 1e-8. Only what is within reach is counted.

use crate::book::grouping::{TickSize, depths};
use crate::book::ladder::Side;
use crate::book::sides::Book;
use crate::model::{Level, Price, QuoteVolume, Rate, Volume};

/// A level or a group of levels, and everything from the best price to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Its price: that of the level, or the multiple of the tick size that is farthest from the other side.
    pub price: Price,
    /// What stands in it, in the base asset.
    pub quantity: Volume,
    /// What stands in it and before it.
    pub cumulative: Volume,
    /// The same in the quote currency: the sum of each level's own price x quantity, not of the group's price.
    pub cumulative_quote: QuoteVolume,
}

/// A book of so many levels a side, and its figures. What cannot be told is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The best bid, whatever the tick size.
    pub best_bid: Option<Level>,
    /// The best ask, whatever the tick size.
    pub best_ask: Option<Level>,
    /// Best ask - best bid.
    pub spread: Option<Price>,
    /// (Best bid + best ask) / 2.
    pub mid: Option<Price>,
    /// The spread in per cent of the mid before that is rounded: 200 x (ask - bid) / (ask + bid).
    pub spread_percent: Option<Rate>,
    /// (Bid - asked) / (bid + asked) of the quantities in the levels below: from -1, nothing is bid, to 1, nothing is asked.
    pub imbalance: Option<Rate>,
    /// Bid / asked of the same quantities; nothing when nothing is asked, or beyond 92 billion.
    pub depth_ratio: Option<Rate>,
    /// The best bids, the best first; fewer than asked for when the book has or knows no more.
    pub bids: Vec<Depth>,
    /// The best asks, likewise.
    pub asks: Vec<Depth>,
}

impl Summary {
    /// Sums up the `levels_max` best levels a side, or groups of levels if there is a tick size. Of a group that the book's reach cuts
    /// through nothing is told.
    pub fn of(book: &Book, tick_size: Option<TickSize>, levels_max: usize) -> Self {
        let [bids, asks] = [Side::Bid, Side::Ask].map(|side| depths(book.ladder(side), side, tick_size, levels_max));
        Self::new(book.bids().trusted().next(), book.asks().trusted().next(), bids, asks)
    }

    /// Sums up what was told of a book before: its best levels, and its `bids` and `asks` with their running sums.
    pub fn new(best_bid: Option<Level>, best_ask: Option<Level>, bids: Vec<Depth>, asks: Vec<Depth>) -> Self {
        let top = best_bid.zip(best_ask).map(|(bid, ask)| (units(bid.price), units(ask.price)));
        let [bid, asked] =
            [&bids, &asks].map(|depths: &Vec<Depth>| depths.last().map_or(0, |depth| depth.cumulative.units()));
        Self {
            best_bid,
            best_ask,
            spread: top.and_then(|(bid, ask)| price(ask - bid)),
            mid: top.and_then(|(bid, ask)| price(divided(bid + ask, 2)?)),
            spread_percent: top.and_then(|(bid, ask)| rate(200 * (ask - bid), ask + bid)),
            imbalance: rate(bid.saturating_sub(asked), bid.saturating_add(asked)),
            depth_ratio: rate(bid, asked),
            bids,
            asks,
        }
    }

    /// Whether as many levels of each side are told as were asked for, or as there are: what else there is of `book` is not known.
    pub fn is_whole(&self, book: &Book, levels_max: usize) -> bool {
        let sides = [(book.bids(), &self.bids), (book.asks(), &self.asks)];
        sides.iter().all(|(ladder, depths)| depths.len() >= levels_max || ladder.reach().is_none())
    }

    /// One summary for each tick size, all of one state of the book.
    pub fn at_each(book: &Book, tick_sizes: &[TickSize], levels_max: usize) -> Vec<Self> {
        tick_sizes.iter().map(|tick_size| Self::of(book, Some(*tick_size), levels_max)).collect()
    }
}

fn units(price: Price) -> i128 {
    i128::from(price.units())
}

fn price(units: i128) -> Option<Price> {
    i64::try_from(units).ok().map(Price::from_units)
}

/// `dividend` / `divisor` at 1e-8; nothing for a divisor that is not above 0, or a quotient that does not fit.
fn rate(dividend: i128, divisor: i128) -> Option<Rate> {
    let scaled = dividend.checked_mul(i128::from(Rate::UNITS_PER_ONE))?;
    i64::try_from(divided(scaled, divisor)?).ok().map(Rate::from_units)
}

/// The quotient, rounded half to even; nothing for a divisor that is not above 0.
fn divided(dividend: i128, divisor: i128) -> Option<i128> {
    if divisor <= 0 {
        return None;
    }
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    Some(floor + i128::from(up))
}
