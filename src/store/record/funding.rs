//! How does a settled funding become words?

use crate::{
    model::{Funding, Price, Rate, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Kind, Record, Relation, Schema, Timed},
    },
};

/// By time in milliseconds. A row that comes again and differs is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "funding",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("rate", Shape::Plain, Relation::Alone),
        Column::new("mark", Shape::Delta, Relation::Stepped),
    ],
    dense: false,
    revision: None,
};

/// A funding that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingRow {
    /// When, by the venue.
    pub time: UnixMillis,
    /// The rate, in 1e-8.
    pub rate: i64,
    /// The mark price at that time; 0 where the venue does not say.
    pub mark: Price,
}

impl From<Funding> for FundingRow {
    fn from(funding: Funding) -> Self {
        Self { time: funding.time, rate: funding.rate.units(), mark: funding.mark.unwrap_or_default() }
    }
}

impl From<FundingRow> for Funding {
    fn from(row: FundingRow) -> Self {
        let mark = (row.mark != Price::default()).then_some(row.mark);
        Self { time: row.time, rate: Rate::from_units(row.rate), mark, interval_hours: None, is_special: false }
    }
}

impl Record for FundingRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        words.extend([self.rate.cast_unsigned(), self.mark.units().cast_unsigned()]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[_, time, rate, mark] = words else { return None };
        let (time, mark) = (UnixMillis::new(time.cast_signed()), Price::from_units(mark.cast_signed()));
        Some(Self { time, rate: rate.cast_signed(), mark })
    }

    fn key(&self) -> u64 {
        self.time.get().max(0).unsigned_abs()
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for FundingRow {
    const KIND: Kind = Kind::Funding;
    const BITS_BELOW: u32 = 0;
}
