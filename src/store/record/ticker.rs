//! How do best bid and ask become words?

use crate::{
    model::{Price, Quantity, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Record, Relation, Schema},
    },
};

/// By the venue's update id, which is not dense. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "book tickers",
    columns: &[
        Column::new("update_id", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("bid", Shape::Delta, Relation::Stepped),
        Column::new("bid_quantity", Shape::Plain, Relation::Stepped),
        Column::new("ask", Shape::Plain, Relation::Over(2)),
        Column::new("ask_quantity", Shape::Plain, Relation::Stepped),
    ],
    dense: false,
    revision: None,
};

/// The best bid and the best ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTickerRow {
    /// The venue's number of the book's change.
    pub update_id: u64,
    /// When, by the venue.
    pub time: UnixMillis,
    /// The highest price that is bid.
    pub bid: Price,
    /// How much is bid there.
    pub bid_quantity: Quantity,
    /// The lowest price that is asked.
    pub ask: Price,
    /// How much is asked there.
    pub ask_quantity: Quantity,
}

impl Record for BookTickerRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.update_id, self.time.get().cast_unsigned()]);
        words.extend([self.bid.units().cast_unsigned(), self.bid_quantity.units().cast_unsigned()]);
        words.extend([self.ask.units().cast_unsigned(), self.ask_quantity.units().cast_unsigned()]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[update_id, time, bid, bid_quantity, ask, ask_quantity] = words else { return None };
        Some(Self {
            update_id,
            time: UnixMillis::new(time.cast_signed()),
            bid: Price::from_units(bid.cast_signed()),
            bid_quantity: Quantity::from_units(bid_quantity.cast_signed()),
            ask: Price::from_units(ask.cast_signed()),
            ask_quantity: Quantity::from_units(ask_quantity.cast_signed()),
        })
    }

    fn key(&self) -> u64 {
        self.update_id
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}
