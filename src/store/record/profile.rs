//! How does what was traded at one price become words?

use crate::{
    model::{Price, Trade, UnixMillis, Volume},
    store::{
        codec::Shape,
        record::{
            Column, Record, Relation, Schema,
            halves::{halves, whole},
        },
    },
};

/// Derived: rows of one segment, ascending by price.
pub(super) const SCHEMA: Schema = Schema {
    name: "profile rows",
    columns: &[
        Column::new("price", Shape::Delta, Relation::Stepped),
        Column::new("since", Shape::Delta, Relation::Alone),
        Column::new("buy_quantity", Shape::Plain, Relation::Stepped),
        Column::new("buy_quantity_high", Shape::Plain, Relation::Alone),
        Column::new("sell_quantity", Shape::Plain, Relation::Stepped),
        Column::new("sell_quantity_high", Shape::Plain, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// What was bought and sold by takers at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// The price.
    pub price: Price,
    /// Not after any of the trades that the profile was made of.
    pub since: UnixMillis,
    /// Bought by takers.
    pub buy: Volume,
    /// Sold by takers.
    pub sell: Volume,
}

impl ProfileRow {
    /// Nothing yet at a price.
    pub fn empty(price: Price, since: UnixMillis) -> Self {
        Self { price, since, buy: Volume::default(), sell: Volume::default() }
    }

    /// Adds a trade at this price.
    pub fn push(&mut self, trade: &Trade) {
        let side = if trade.buyer_is_maker { &mut self.sell } else { &mut self.buy };
        *side += trade.quantity.into();
    }

    /// Adds another row of this price, made of other trades.
    pub fn add(&mut self, other: &Self) {
        self.since = self.since.min(other.since);
        self.buy += other.buy;
        self.sell += other.sell;
    }
}

impl Record for ProfileRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.since.get().cast_unsigned()]);
        [self.buy, self.sell].into_iter().for_each(|sum| words.extend(halves(sum.units())));
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[price, since, buy, buy_high, sell, sell_high] = words else { return None };
        Some(Self {
            price: Price::from_units(price.cast_signed()),
            since: UnixMillis::new(since.cast_signed()),
            buy: Volume::from_units(whole([buy, buy_high])),
            sell: Volume::from_units(whole([sell, sell_high])),
        })
    }

    fn key(&self) -> u64 {
        self.price.units().cast_unsigned()
    }

    fn time(&self) -> UnixMillis {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_row_comes_back() {
        let row = ProfileRow {
            price: Price::from_units(6_180_770_000_000),
            since: UnixMillis::new(1_723_161_300_123),
            buy: Volume::from_units(i128::from(u64::MAX) * 3),
            sell: Volume::from_units(7),
        };
        let mut words = Vec::new();
        row.write(&mut words);
        assert_eq!(words.len(), SCHEMA.columns.len());
        assert_eq!(ProfileRow::read(&words), Some(row));
    }
}
