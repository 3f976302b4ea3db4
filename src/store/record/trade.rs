//! How does a trade become words?

use crate::{
    model::{Price, Quantity, Trade, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Record, Relation, Schema},
    },
};

const COLUMNS: &[Column] = &[
    Column { name: "id", shape: Shape::Delta, relation: Relation::Alone },
    Column { name: "time", shape: Shape::Delta, relation: Relation::Alone },
    Column { name: "price", shape: Shape::Delta, relation: Relation::Stepped },
    Column { name: "quantity", shape: Shape::Plain, relation: Relation::Stepped },
    Column { name: "first_id", shape: Shape::Plain, relation: Relation::Follows(5) },
    Column { name: "last_id", shape: Shape::Plain, relation: Relation::Over(4) },
    Column { name: "buyer_is_maker", shape: Shape::Bit, relation: Relation::Alone },
];

/// Where the columns of trades stand.
pub mod column {
    /// The trade's id.
    pub const ID: usize = 0;
    /// Its time.
    pub const TIME: usize = 1;
    /// Its price.
    pub const PRICE: usize = 2;
    /// Its quantity.
    pub const QUANTITY: usize = 3;
    /// Whether the buyer is the maker.
    pub const MAKER: usize = 6;
}

/// Aggregate trades.
pub(super) const SCHEMA: Schema = Schema { name: "trades", columns: COLUMNS, dense: true, revision: None };
/// Raw trades: ids that the venue burnt are missing like any other.
pub(super) const RAW_SCHEMA: Schema = Schema { name: "raw_trades", columns: COLUMNS, dense: true, revision: None };

impl Record for Trade {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([
            self.id,
            self.time.get().cast_unsigned(),
            self.price.units().cast_unsigned(),
            self.quantity.units().cast_unsigned(),
            self.first_id,
            self.last_id,
            u64::from(self.buyer_is_maker),
        ]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[id, time, price, quantity, first_id, last_id, maker @ (0 | 1)] = words else { return None };
        Some(Self {
            id,
            price: Price::from_units(price.cast_signed()),
            quantity: Quantity::from_units(quantity.cast_signed()),
            first_id,
            last_id,
            time: UnixMillis::new(time.cast_signed()),
            buyer_is_maker: maker == 1,
        })
    }

    fn key(&self) -> u64 {
        self.id
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}
