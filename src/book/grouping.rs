//! What stands in a book when its prices are counted in coarser steps?

use crate::book::ladder::{Ladder, Side};
use crate::book::metrics::Depth;
use crate::model::{Level, Price, QuoteVolume, Volume};
use std::{fmt, num::NonZeroU32};

/// A step of prices, above 0; it need not be a multiple of the contract's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TickSize(Price);

impl TickSize {
    /// Nothing when `size` is not above 0.
    pub fn new(size: Price) -> Option<Self> {
        (size.units() > 0).then_some(Self(size))
    }

    /// The step.
    pub const fn get(self) -> Price {
        self.0
    }

    /// Whether it is so many times `tick`.
    pub fn is_multiple_of(self, tick: Price) -> bool {
        self.0.units().checked_rem(tick.units()) == Some(0)
    }

    /// The multiple of the step to which a price of `side` belongs: the next one away from the other side, so bids go down and asks go
    /// up. A multiple that no price holds becomes the last that one does.
    pub fn group(self, side: Side, price: Price) -> Price {
        let (size, units) = (i128::from(self.0.units()), i128::from(price.units()));
        let floor = units.div_euclid(size) * size;
        match side {
            Side::Bid => Price::from_units(i64::try_from(floor).unwrap_or(i64::MIN)),
            Side::Ask if floor == units => price,
            Side::Ask => Price::from_units(i64::try_from(floor + size).unwrap_or(i64::MAX)),
        }
    }
}

/// A step of prices as people choose it before they know the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// So much, written as a price such as `0.5`.
    Price(TickSize),
    /// So many of the contract's own steps, written such as `10x`.
    Ticks(NonZeroU32),
}

impl Step {
    /// Reads `0.5` or `10x`; nothing when `text` is neither, or is not above 0.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('x') {
            Some(count) => count.parse().ok().map(Self::Ticks),
            None => Price::parse(text.as_bytes()).ok().and_then(TickSize::new).map(Self::Price),
        }
    }

    /// The step, where the contract's own is `tick`; nothing while that is not known and has to be, or beyond 92 billion.
    pub fn tick_size(self, tick: Option<Price>) -> Option<TickSize> {
        match self {
            Self::Price(tick_size) => Some(tick_size),
            Self::Ticks(count) => {
                let units = tick?.units().checked_mul(i64::from(count.get()))?;
                TickSize::new(Price::from_units(units))
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(tick_size) => tick_size.get().fmt(f),
            Self::Ticks(count) => write!(f, "{count}x"),
        }
    }
}

/// The `count` best groups of a side that are wholly within reach, the best first; levels themselves without a step.
pub(super) fn depths(ladder: &Ladder, side: Side, tick_size: Option<TickSize>, count: usize) -> Vec<Depth> {
    let mut depths: Vec<Depth> = Vec::with_capacity(count.min(ladder.trusted_count()));
    for level in ladder.trusted() {
        // Division is dear, and most levels belong to the group of the level before.
        match depths.last_mut() {
            Some(depth) if belongs(side, level.price, depth.price) => add(depth, level),
            last => {
                let before = last.map(|depth| *depth).unwrap_or_default();
                let price = tick_size.map_or(level.price, |tick_size| tick_size.group(side, level.price));
                if depths.len() == count || !ladder.reaches(price) {
                    break;
                }
                let mut depth = Depth { price, quantity: Volume::default(), ..before };
                add(&mut depth, level);
                depths.push(depth);
            }
        }
    }
    depths
}

fn belongs(side: Side, price: Price, group: Price) -> bool {
    match side {
        Side::Bid => price >= group,
        Side::Ask => price <= group,
    }
}

/// Sums that no 128 bits hold stay at the greatest.
fn add(depth: &mut Depth, level: Level) {
    let quantity = i128::from(level.quantity.units());
    let quote = level.price.times(level.quantity).units();
    depth.quantity = Volume::from_units(depth.quantity.units().saturating_add(quantity));
    depth.cumulative = Volume::from_units(depth.cumulative.units().saturating_add(quantity));
    depth.cumulative_quote = QuoteVolume::from_units(depth.cumulative_quote.units().saturating_add(quote));
}
