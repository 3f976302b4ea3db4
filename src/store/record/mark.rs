//! How does a mark price become words?

use crate::{
    model::{MarkPrice, Price, Rate, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Kind, Record, Relation, Schema, Timed},
    },
};

/// By time in milliseconds. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "marks",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("mark", Shape::Delta, Relation::Stepped),
        Column::new("index", Shape::Plain, Relation::Over(2)),
        Column::new("settle", Shape::Plain, Relation::Over(2)),
        Column::new("funding_rate", Shape::Delta, Relation::Alone),
        Column::new("next_funding_time", Shape::Delta, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// What the venue values a contract at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// When, by the venue.
    pub time: UnixMillis,
    /// The mark price.
    pub mark: Price,
    /// The index price; 0 where there is none.
    pub index: Price,
    /// The estimated settlement price; 0 where there is none.
    pub settle: Price,
    /// The funding rate as it would be now, in 1e-8.
    pub funding_rate: i64,
    /// When funding is settled next; 0 where it is not.
    pub next_funding_time: UnixMillis,
}

impl From<MarkPrice> for MarkRow {
    fn from(mark: MarkPrice) -> Self {
        Self {
            time: mark.time,
            mark: mark.mark,
            index: mark.index.unwrap_or_default(),
            settle: mark.settle.unwrap_or_default(),
            funding_rate: mark.funding_rate.map_or(0, Rate::units),
            next_funding_time: mark.next_funding_time.unwrap_or_default(),
        }
    }
}

impl From<MarkRow> for MarkPrice {
    fn from(row: MarkRow) -> Self {
        let price = |price: Price| (price != Price::default()).then_some(price);
        let is_funded = row.next_funding_time > UnixMillis::default();
        Self {
            time: row.time,
            mark: row.mark,
            average: None,
            index: price(row.index),
            settle: price(row.settle),
            funding_rate: is_funded.then(|| Rate::from_units(row.funding_rate)),
            next_funding_time: is_funded.then_some(row.next_funding_time),
        }
    }
}

impl Record for MarkRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        words.extend([self.mark, self.index, self.settle].map(|price| price.units().cast_unsigned()));
        words.extend([self.funding_rate.cast_unsigned(), self.next_funding_time.get().cast_unsigned()]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[_, time, mark, index, settle, funding_rate, next_funding_time] = words else { return None };
        let price = |word: u64| Price::from_units(word.cast_signed());
        Some(Self {
            time: UnixMillis::new(time.cast_signed()),
            mark: price(mark),
            index: price(index),
            settle: price(settle),
            funding_rate: funding_rate.cast_signed(),
            next_funding_time: UnixMillis::new(next_funding_time.cast_signed()),
        })
    }

    fn key(&self) -> u64 {
        self.time.get().max(0).unsigned_abs()
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for MarkRow {
    const KIND: Kind = Kind::Mark;
    const BITS_BELOW: u32 = 0;
}
