//! How do the sums of a day's trades become words?

use crate::{
    model::{IdRange, Price, QuoteVolume, Trade, UnixMillis, Volume},
    store::{
        codec::Shape,
        record::{
            Column, Record, Relation, Schema,
            halves::{halves, whole},
        },
    },
};

/// Derived: rows of one segment, by day number.
pub(super) const SCHEMA: Schema = Schema {
    name: "day sums",
    columns: &[
        Column::new("day", Shape::Delta, Relation::Alone),
        Column::new("first_time", Shape::Delta, Relation::Alone),
        Column::new("trades", Shape::Plain, Relation::Alone),
        Column::new("first_id", Shape::Delta, Relation::Alone),
        Column::new("last_id", Shape::Plain, Relation::Over(3)),
        Column::new("low", Shape::Delta, Relation::Stepped),
        Column::new("high", Shape::Plain, Relation::Over(5)),
        Column::new("volume", Shape::Plain, Relation::Stepped),
        Column::new("volume_high", Shape::Plain, Relation::Alone),
        Column::new("quote_volume", Shape::Plain, Relation::Stepped),
        Column::new("quote_volume_high", Shape::Plain, Relation::Alone),
        Column::new("taker_buy_volume", Shape::Plain, Relation::Stepped),
        Column::new("taker_buy_volume_high", Shape::Plain, Relation::Alone),
        Column::new("taker_buy_quote_volume", Shape::Plain, Relation::Stepped),
        Column::new("taker_buy_quote_volume_high", Shape::Plain, Relation::Alone),
    ],
    dense: false,
    revision: None,
};

/// Sums over trades of one UTC day, each id once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRow {
    /// Days since the Unix epoch.
    pub day: i64,
    /// Time of the earliest.
    pub first_time: UnixMillis,
    /// How many.
    pub trades: u64,
    /// Lowest and highest id: the day is whole when there are as many trades, and its ends join the neighbours'.
    pub ids: IdRange,
    /// Lowest price.
    pub low: Price,
    /// Highest price.
    pub high: Price,
    /// Sum of quantities.
    pub volume: Volume,
    /// Sum of price x quantity.
    pub quote_volume: QuoteVolume,
    /// Of these, bought by takers.
    pub taker_buy_volume: Volume,
    /// Of these, bought by takers.
    pub taker_buy_quote_volume: QuoteVolume,
}

impl DayRow {
    /// The day that a time is in.
    pub const fn day_of(time: UnixMillis) -> i64 {
        time.get().div_euclid(UnixMillis::DAY)
    }

    /// The sums of one trade.
    pub fn of(trade: &Trade) -> Self {
        let (volume, quote_volume) = (Volume::from(trade.quantity), trade.price.times(trade.quantity));
        let bought = !trade.buyer_is_maker;
        Self {
            day: Self::day_of(trade.time),
            first_time: trade.time,
            trades: 1,
            ids: IdRange { first: trade.id, last: trade.id },
            low: trade.price,
            high: trade.price,
            volume,
            quote_volume,
            taker_buy_volume: if bought { volume } else { Volume::default() },
            taker_buy_quote_volume: if bought { quote_volume } else { QuoteVolume::default() },
        }
    }

    /// Adds the sums of other trades, of this day or, to sum up longer stretches, of others.
    pub fn add(&mut self, other: &Self) {
        self.first_time = self.first_time.min(other.first_time);
        self.trades += other.trades;
        self.ids.first = self.ids.first.min(other.ids.first);
        self.ids.last = self.ids.last.max(other.ids.last);
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.volume += other.volume;
        self.quote_volume += other.quote_volume;
        self.taker_buy_volume += other.taker_buy_volume;
        self.taker_buy_quote_volume += other.taker_buy_quote_volume;
    }

    /// Ids between its first and its last that are not held.
    pub fn missing(&self) -> u64 {
        self.ids.count().saturating_sub(self.trades)
    }
}

impl Record for DayRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.first_time.get().cast_unsigned()]);
        words.extend([self.trades, self.ids.first, self.ids.last]);
        words.extend([self.low, self.high].map(|price| price.units().cast_unsigned()));
        let all = [self.volume.units(), self.quote_volume.units()];
        let taker = [self.taker_buy_volume.units(), self.taker_buy_quote_volume.units()];
        all.into_iter().chain(taker).for_each(|sum| words.extend(halves(sum)));
    }

    fn read(words: &[u64]) -> Option<Self> {
        let words: &[u64; 15] = words.try_into().ok()?;
        let price = |at: usize| Price::from_units(words[at].cast_signed());
        let sum = |at: usize| whole([words[at], words[at + 1]]);
        Some(Self {
            day: words[0].cast_signed(),
            first_time: UnixMillis::new(words[1].cast_signed()),
            trades: words[2],
            ids: IdRange { first: words[3], last: words[4] },
            low: price(5),
            high: price(6),
            volume: Volume::from_units(sum(7)),
            quote_volume: QuoteVolume::from_units(sum(9)),
            taker_buy_volume: Volume::from_units(sum(11)),
            taker_buy_quote_volume: QuoteVolume::from_units(sum(13)),
        })
    }

    fn key(&self) -> u64 {
        self.day.cast_unsigned()
    }

    fn time(&self) -> UnixMillis {
        self.first_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    #[test]
    fn a_day_comes_back() {
        let trade = |id, price, buyer_is_maker| Trade {
            id,
            price: Price::from_units(price),
            quantity: Quantity::from_units(i64::MAX),
            first_id: 70,
            last_id: 79,
            time: UnixMillis::new(1_723_161_300_123),
            buyer_is_maker,
        };
        let mut day = DayRow::of(&trade(9, 6_180_770_000_000, false));
        day.add(&DayRow::of(&trade(7, 6_180_760_000_000, true)));
        assert_eq!((day.trades, day.missing(), day.taker_buy_volume.units()), (2, 1, i128::from(i64::MAX)));
        let mut words = Vec::new();
        day.write(&mut words);
        assert_eq!(words.len(), SCHEMA.columns.len());
        assert_eq!(DayRow::read(&words), Some(day));
    }
}
