//! How does a candle of one minute become words?

use crate::{
    model::{Candle, Price, QuoteVolume, Source, UnixMillis, Volume},
    store::{
        codec::Shape,
        record::{
            Column, Record, Relation, Schema,
            halves::{halves, whole},
        },
    },
};

const COLUMNS: &[Column] = &[
    Column::new("minute", Shape::Delta, Relation::Alone),
    Column::new("open_time", Shape::Delta, Relation::Alone),
    Column::new("open", Shape::Delta, Relation::Stepped),
    Column::new("high", Shape::Plain, Relation::Over(2)),
    Column::new("low", Shape::Plain, Relation::Over(2)),
    Column::new("close", Shape::Plain, Relation::Over(2)),
    Column::new("volume", Shape::Plain, Relation::Stepped),
    Column::new("volume_high", Shape::Plain, Relation::Alone),
    Column::new("quote_volume", Shape::Plain, Relation::Stepped),
    Column::new("quote_volume_high", Shape::Plain, Relation::Alone),
    Column::new("taker_buy_volume", Shape::Plain, Relation::Stepped),
    Column::new("taker_buy_volume_high", Shape::Plain, Relation::Alone),
    Column::new("taker_buy_quote_volume", Shape::Plain, Relation::Stepped),
    Column::new("taker_buy_quote_volume_high", Shape::Plain, Relation::Alone),
    Column::new("trades", Shape::Plain, Relation::Alone),
    Column::new("raw_trades", Shape::Plain, Relation::Over(14)),
    Column::new("first_id", Shape::Plain, Relation::Follows(17)),
    Column::new("last_id", Shape::Plain, Relation::Over(16)),
    Column::new("complete", Shape::Bit, Relation::Alone),
    Column::new("source", Shape::Plain, Relation::Alone),
    Column::new("revision", Shape::Plain, Relation::Alone),
];

/// Candles of one minute.
pub(super) const SCHEMA: Schema = Schema { name: "candles", columns: COLUMNS, dense: false, revision: Some(20) };

impl Record for Candle {
    fn write(&self, words: &mut Vec<u64>) {
        let price = |price: Price| price.units().cast_unsigned();
        words.extend([self.key(), self.open_time.get().cast_unsigned()]);
        words.extend([price(self.open), price(self.high), price(self.low), price(self.close)]);
        let volumes = [self.volume.units(), self.quote_volume.units()];
        let taker = [self.taker_buy_volume.units(), self.taker_buy_quote_volume.units()];
        volumes.into_iter().chain(taker).for_each(|sum| words.extend(halves(sum)));
        words.extend([self.trades, self.raw_trades, self.first_id, self.last_id, u64::from(self.complete)]);
        words.extend([source_number(self.source), u64::from(self.revision)]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let words: &[u64; 21] = words.try_into().ok()?;
        let price = |at: usize| Price::from_units(words[at].cast_signed());
        let sum = |at: usize| whole([words[at], words[at + 1]]);
        let open_time = UnixMillis::new(words[1].cast_signed());
        Some(Self {
            open_time,
            close_time: open_time.plus(UnixMillis::MINUTE),
            open: price(2),
            high: price(3),
            low: price(4),
            close: price(5),
            volume: Volume::from_units(sum(6)),
            quote_volume: QuoteVolume::from_units(sum(8)),
            taker_buy_volume: Volume::from_units(sum(10)),
            taker_buy_quote_volume: QuoteVolume::from_units(sum(12)),
            trades: words[14],
            raw_trades: words[15],
            first_id: words[16],
            last_id: words[17],
            closed: true,
            complete: words[18] == 1,
            revision: u32::try_from(words[20]).ok()?,
            source: source_of(words[19])?,
        })
    }

    fn key(&self) -> u64 {
        self.open_time.get().div_euclid(UnixMillis::MINUTE).cast_unsigned()
    }

    fn time(&self) -> UnixMillis {
        self.open_time
    }
}

const fn source_number(source: Source) -> u64 {
    match source {
        Source::Trades => 0,
        Source::Klines => 1,
        Source::Mixed => 2,
    }
}

const fn source_of(number: u64) -> Option<Source> {
    match number {
        0 => Some(Source::Trades),
        1 => Some(Source::Klines),
        2 => Some(Source::Mixed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        candle::Bar,
        model::{Quantity, Timeframe, Trade},
    };

    #[test]
    fn a_candle_comes_back() {
        let trade = Trade {
            id: 7,
            price: Price::from_units(6_180_770_000_000),
            quantity: Quantity::from_units(i64::MAX),
            first_id: 70,
            last_id: 79,
            time: UnixMillis::new(1_723_161_300_123),
            buyer_is_maker: false,
        };
        let candle = Bar::of(&trade).candle(Timeframe::MINUTE.bucket(trade.time));
        for quote in [candle.quote_volume.units(), -candle.quote_volume.units()] {
            let candle = Candle { quote_volume: QuoteVolume::from_units(quote), closed: true, revision: 3, ..candle };
            let mut words = Vec::new();
            candle.write(&mut words);
            assert_eq!(words.len(), COLUMNS.len());
            assert_eq!(Candle::read(&words), Some(candle));
        }
    }
}
