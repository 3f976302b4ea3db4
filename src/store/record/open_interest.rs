//! How does an open interest become words?

use crate::{
    model::{OpenInterest, QuoteVolume, UnixMillis, Volume},
    store::{
        codec::Shape,
        record::{
            Column, Kind, Record, Relation, Schema, Timed,
            halves::{halves, whole},
        },
    },
};

/// By time in milliseconds. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "open interest",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("quantity", Shape::Delta, Relation::Stepped),
        Column::new("quantity_high", Shape::Plain, Relation::Alone),
        Column::new("value", Shape::Plain, Relation::Stepped),
        Column::new("value_high", Shape::Plain, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// How much of a contract is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInterestRow {
    /// When, by the venue.
    pub time: UnixMillis,
    /// In the contract's base asset.
    pub quantity: Volume,
    /// In its quote asset; 0 where the venue does not say.
    pub value: QuoteVolume,
}

impl OpenInterestRow {
    /// Whether it does not contradict another of its time: what is polled has no value.
    pub fn agrees(&self, other: &Self) -> bool {
        let unknown = QuoteVolume::default();
        let is_same = self.value == other.value || self.value == unknown || other.value == unknown;
        (self.time, self.quantity) == (other.time, other.quantity) && is_same
    }
}

impl From<OpenInterest> for OpenInterestRow {
    fn from(open: OpenInterest) -> Self {
        Self { time: open.time, quantity: open.quantity, value: open.value.unwrap_or_default() }
    }
}

impl From<OpenInterestRow> for OpenInterest {
    fn from(row: OpenInterestRow) -> Self {
        let value = (row.value != QuoteVolume::default()).then_some(row.value);
        Self { time: row.time, quantity: row.quantity, value }
    }
}

impl Record for OpenInterestRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        words.extend(halves(self.quantity.units()));
        words.extend(halves(self.value.units()));
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[_, time, quantity, quantity_high, value, value_high] = words else { return None };
        Some(Self {
            time: UnixMillis::new(time.cast_signed()),
            quantity: Volume::from_units(whole([quantity, quantity_high])),
            value: QuoteVolume::from_units(whole([value, value_high])),
        })
    }

    fn key(&self) -> u64 {
        self.time.get().max(0).unsigned_abs()
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for OpenInterestRow {
    const KIND: Kind = Kind::OpenInterest;
    const BITS_BELOW: u32 = 0;
}
