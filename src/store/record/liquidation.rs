//! How does a liquidation become words?

use crate::{
    model::{Liquidation, Price, Quantity, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Kind, Record, Relation, Schema, Timed},
    },
};

/// Bits of a key that number the liquidations of one millisecond: the venue sends at most one a contract and second.
const NUMBER_BITS: u32 = 12;

/// By time in milliseconds x 4096 + number. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "liquidations",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("price", Shape::Delta, Relation::Stepped),
        Column::new("average_price", Shape::Plain, Relation::Over(2)),
        Column::new("quantity", Shape::Plain, Relation::Stepped),
        Column::new("filled", Shape::Plain, Relation::Over(4)),
        Column::new("is_sell", Shape::Bit, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// An order by which the venue closed somebody's position. It publishes a sample of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidationRow {
    /// When, by the venue.
    pub time: UnixMillis,
    /// Tells those of one millisecond apart, from 0; at most 4,095.
    pub number: u16,
    /// The order's price.
    pub price: Price,
    /// The mean price of its fills.
    pub average_price: Price,
    /// The order's quantity.
    pub quantity: Quantity,
    /// What was filled of it.
    pub filled: Quantity,
    /// Whether it sold, that is, a long position was closed.
    pub is_sell: bool,
}

impl LiquidationRow {
    /// A liquidation under a key that was given to it.
    pub const fn numbered(key: u64, liquidation: &Liquidation) -> Self {
        let Liquidation { time, price, average_price, quantity, filled, is_sell } = *liquidation;
        // Less than 2^12, so it fits.
        let number = (key % (1 << NUMBER_BITS)) as u16;
        Self { time, number, price, average_price, quantity, filled, is_sell }
    }

    /// The liquidation.
    pub const fn liquidation(&self) -> Liquidation {
        let Self { time, price, average_price, quantity, filled, is_sell, .. } = *self;
        Liquidation { time, price, average_price, quantity, filled, is_sell }
    }
}

impl Record for LiquidationRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        words.extend([self.price, self.average_price].map(|price| price.units().cast_unsigned()));
        words.extend([self.quantity, self.filled].map(|quantity| quantity.units().cast_unsigned()));
        words.push(u64::from(self.is_sell));
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[key, time, price, average_price, quantity, filled, is_sell @ (0 | 1)] = words else { return None };
        let price_of = |word: u64| Price::from_units(word.cast_signed());
        let quantity_of = |word: u64| Quantity::from_units(word.cast_signed());
        Some(Self {
            time: UnixMillis::new(time.cast_signed()),
            number: u16::try_from(key % (1 << NUMBER_BITS)).ok()?,
            price: price_of(price),
            average_price: price_of(average_price),
            quantity: quantity_of(quantity),
            filled: quantity_of(filled),
            is_sell: is_sell == 1,
        })
    }

    fn key(&self) -> u64 {
        let number = u64::from(self.number).min((1 << NUMBER_BITS) - 1);
        (self.time.get().max(0).unsigned_abs() << NUMBER_BITS) | number
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for LiquidationRow {
    const KIND: Kind = Kind::Liquidation;
    const BITS_BELOW: u32 = NUMBER_BITS;
}
