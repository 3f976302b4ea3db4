//! How does a snapshot of an order book become words?
//!
//! A row a level: a snapshot is the rows of one time and tick size.

use crate::{
    model::{Price, Quantity, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Kind, Record, Relation, Schema, Timed},
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
    ],
    dense: false,
    revision: None,
};

/// One level of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevelRow {
    /// When the book stood so.
    pub time: UnixMillis,
    /// Which of the contract's configured tick sizes the book was grouped by, 0 to 7.
    pub tick: u8,
    /// Whether it is an ask.
    pub is_ask: bool,
    /// From 0, the best, outwards.
    pub level: u8,
    /// The price.
    pub price: Price,
    /// What is offered or asked for there.
    pub quantity: Quantity,
}

impl Record for BookLevelRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        words.extend([self.price.units().cast_unsigned(), self.quantity.units().cast_unsigned()]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[key, time, price, quantity] = words else { return None };
        Some(Self {
            time: UnixMillis::new(time.cast_signed()),
            tick: u8::try_from((key >> (LEVEL_BITS + SIDE_BITS)) % (1 << TICK_BITS)).ok()?,
            is_ask: (key >> LEVEL_BITS) % 2 == 1,
            level: u8::try_from(key % (1 << LEVEL_BITS)).ok()?,
            price: Price::from_units(price.cast_signed()),
            quantity: Quantity::from_units(quantity.cast_signed()),
        })
    }

    fn key(&self) -> u64 {
        let tick = u64::from(self.tick).min((1 << TICK_BITS) - 1);
        let place = (((tick << SIDE_BITS) | u64::from(self.is_ask)) << LEVEL_BITS) | u64::from(self.level);
        (self.time.get().max(0).unsigned_abs() << (LEVEL_BITS + SIDE_BITS + TICK_BITS)) | place
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for BookLevelRow {
    const KIND: Kind = Kind::BookLevel;
    const BITS_BELOW: u32 = LEVEL_BITS + SIDE_BITS + TICK_BITS;
}
