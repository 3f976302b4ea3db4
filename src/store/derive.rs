//! What is computed of trades when they are sealed, so that nobody has to read them for it?

use crate::{
    model::Trade,
    store::record::{DayRow, Kind, ProfileRow, Record as _, Rows},
};
use std::collections::BTreeMap;

/// Volume profile and day sums of trades, each id once, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    prices: BTreeMap<u64, ProfileRow>,
    days: BTreeMap<i64, DayRow>,
}

impl Derivation {
    /// Adds a row; of other kinds than trades nothing is derived.
    pub fn push_row(&mut self, kind: Kind, row: &[u64]) {
        if kind == Kind::Trade {
            Trade::read(row).iter().for_each(|trade| self.push(trade));
        }
    }

    /// Adds a trade.
    pub fn push(&mut self, trade: &Trade) {
        let key = trade.price.units().cast_unsigned();
        // The time is set for all rows at the end.
        let row = self.prices.entry(key).or_insert_with(|| ProfileRow::empty(trade.price, trade.time));
        row.since = row.since.min(trade.time);
        row.push(trade);
        self.add_day(&DayRow::of(trade));
    }

    /// Adds what was derived of other trades.
    pub fn add_profile(&mut self, row: &ProfileRow) {
        let own = self.prices.entry(row.key()).or_insert_with(|| ProfileRow::empty(row.price, row.since));
        own.add(row);
    }

    /// Adds what was derived of other trades.
    pub fn add_day(&mut self, row: &DayRow) {
        self.days.entry(row.day).and_modify(|own| own.add(row)).or_insert(*row);
    }

    /// Ascending by price.
    pub fn profile(&self) -> Vec<ProfileRow> {
        let since = self.prices.values().map(|row| row.since).min().unwrap_or_default();
        self.prices.values().map(|row| ProfileRow { since, ..*row }).collect()
    }

    /// Ascending by day.
    pub fn days(&self) -> Vec<DayRow> {
        self.days.values().copied().collect()
    }

    /// The sections to be written, each of a kind of its own.
    pub fn sections(&self) -> [Rows; 2] {
        [Rows::of(Kind::Profile, &self.profile()), Rows::of(Kind::Day, &self.days())]
    }
}
