//! How does a snapshot of an order book become words?
//!
//! A row a level or a group of levels: a snapshot is the rows of one time and tick size. Two levels that no side reaches say the rest
//! of it, so that it means the same whatever is configured later.

use crate::{
    model::{Price, QuoteVolume, UnixMillis, Volume},
    store::{
        codec::Shape,
        record::{
            Column, Kind, Record, Relation, Schema, Timed,
            halves::{halves, whole},
        },
    },
};

/// Bits of a key below the time: 3 for the tick size, 1 for the side, 8 for the level.
const LEVEL_BITS: u32 = 8;
const SIDE_BITS: u32 = 1;
const TICK_BITS: u32 = 3;

/// By time in milliseconds x 4096 + tick size x 512 + side x 256 + level. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "book levels",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("price", Shape::Delta, Relation::Stepped),
        Column::new("quantity", Shape::Plain, Relation::Stepped),
        Column::new("quantity_high", Shape::Plain, Relation::Alone),
        Column::new("quote", Shape::Plain, Relation::Stepped),
        Column::new("quote_high", Shape::Plain, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// One level of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevelRow {
    /// When the snapshot was taken, by the venue's clock.
    pub at: UnixMillis,
    /// When the book had changed last by then.
    pub time: UnixMillis,
    /// Which of the snapshots of that time it belongs to, 0 to 7: they differ in tick size.
    pub tick: u8,
    /// Whether it is an ask.
    pub is_ask: bool,
    /// From 0, the best, outwards; or [`BookLevelRow::TICK_SIZE`] or [`BookLevelRow::BEST`].
    pub level: u8,
    /// The price: that of a group is its multiple of the tick size farthest from the other side.
    pub price: Price,
    /// What is offered or asked for there.
    pub quantity: Volume,
    /// The same in the quote currency: the sum of each level's own price x quantity.
    pub quote: QuoteVolume,
}

impl BookLevelRow {
    /// The level of the row whose price is the snapshot's tick size: among the bids of each snapshot.
    pub const TICK_SIZE: u8 = 255;
    /// The level of the row that is the side's best level before grouping; none when the side is empty.
    pub const BEST: u8 = 254;
    /// Levels of a side that a snapshot has at most.
    pub const LEVELS_MAX: u8 = 200;
}

impl Record for BookLevelRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned(), self.price.units().cast_unsigned()]);
        words.extend(halves(self.quantity.units()));
        words.extend(halves(self.quote.units()));
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[key, time, price, quantity, quantity_high, quote, quote_high] = words else { return None };
        Some(Self {
            at: Self::time_of_key(key),
            time: UnixMillis::new(time.cast_signed()),
            tick: u8::try_from((key >> (LEVEL_BITS + SIDE_BITS)) % (1 << TICK_BITS)).ok()?,
            is_ask: (key >> LEVEL_BITS) % 2 == 1,
            level: u8::try_from(key % (1 << LEVEL_BITS)).ok()?,
            price: Price::from_units(price.cast_signed()),
            quantity: Volume::from_units(whole([quantity, quantity_high])),
            quote: QuoteVolume::from_units(whole([quote, quote_high])),
        })
    }

    fn key(&self) -> u64 {
        let tick = u64::from(self.tick).min((1 << TICK_BITS) - 1);
        let place = (((tick << SIDE_BITS) | u64::from(self.is_ask)) << LEVEL_BITS) | u64::from(self.level);
        Self::first_key(self.at) | place
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for BookLevelRow {
    const KIND: Kind = Kind::BookLevel;
    const BITS_BELOW: u32 = LEVEL_BITS + SIDE_BITS + TICK_BITS;
}
