//! Which rows are a snapshot of an order book, and which snapshots are in rows?

use crate::{
    book::{Depth, Side, Summary, TickSize},
    model::{Level, Price, Quantity, QuoteVolume, UnixMillis, Volume},
    store::record::BookLevelRow,
};

/// A book as it was recorded, with the figures of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBook {
    /// When it was taken, by the venue's clock.
    pub at: UnixMillis,
    /// When the book had changed last by then.
    pub time: UnixMillis,
    /// By which its levels are grouped.
    pub tick_size: TickSize,
    /// Its levels, and what follows from them.
    pub summary: Summary,
}

impl StoredBook {
    /// Its rows, ascending, as the snapshot `tick` of its time. Levels beyond [`BookLevelRow::LEVELS_MAX`] are left out.
    pub fn rows(&self, tick: u8) -> Vec<BookLevelRow> {
        let row = |is_ask, level, (price, quantity, quote)| {
            let (at, time) = (self.at, self.time);
            BookLevelRow { at, time, tick, is_ask, level, price, quantity, quote }
        };
        let mut rows = Vec::with_capacity(self.summary.bids.len() + self.summary.asks.len() + 3);
        for (is_ask, depths, best) in
            [(false, &self.summary.bids, self.summary.best_bid), (true, &self.summary.asks, self.summary.best_ask)]
        {
            let levels = (0..BookLevelRow::LEVELS_MAX).zip(own(depths));
            rows.extend(levels.map(|(level, own)| row(is_ask, level, own)));
            rows.extend(best.map(|best| row(is_ask, BookLevelRow::BEST, alone(best))));
            if !is_ask {
                let nothing = (Volume::default(), QuoteVolume::default());
                rows.push(row(is_ask, BookLevelRow::TICK_SIZE, (self.tick_size.get(), nothing.0, nothing.1)));
            }
        }
        rows
    }

    /// The snapshots that `rows`, ascending, are. One that does not say its tick size is left out.
    pub fn of(rows: &[BookLevelRow]) -> impl Iterator<Item = Self> {
        rows.chunk_by(|one, next| (one.at, one.tick) == (next.at, next.tick)).filter_map(Self::one)
    }

    fn one(rows: &[BookLevelRow]) -> Option<Self> {
        let first = rows.first()?;
        let special = |is_ask, level| rows.iter().find(|row| (row.is_ask, row.level) == (is_ask, level));
        let best = |is_ask| {
            special(is_ask, BookLevelRow::BEST).and_then(|row| {
                let quantity = i64::try_from(row.quantity.units()).ok().map(Quantity::from_units)?;
                Some(Level { price: row.price, quantity })
            })
        };
        let [bids, asks] = [Side::Bid, Side::Ask].map(|side| running(rows, side == Side::Ask));
        Some(Self {
            at: first.at,
            time: first.time,
            tick_size: TickSize::new(special(false, BookLevelRow::TICK_SIZE)?.price)?,
            summary: Summary::new(best(false), best(true), bids, asks),
        })
    }
}

/// Each with what stands in it alone.
fn own(depths: &[Depth]) -> impl Iterator<Item = (Price, Volume, QuoteVolume)> {
    let before = std::iter::once(0).chain(depths.iter().map(|depth| depth.cumulative_quote.units()));
    depths.iter().zip(before).map(|(depth, before)| {
        let quote = depth.cumulative_quote.units().saturating_sub(before);
        (depth.price, depth.quantity, QuoteVolume::from_units(quote))
    })
}

fn alone(level: Level) -> (Price, Volume, QuoteVolume) {
    let quantity = Volume::from_units(level.quantity.units().into());
    (level.price, quantity, level.price.times(level.quantity))
}

/// A side's levels with their running sums; sums that no 128 bits hold stay at the greatest.
fn running(rows: &[BookLevelRow], is_ask: bool) -> Vec<Depth> {
    let levels = rows.iter().filter(|row| row.is_ask == is_ask && row.level < BookLevelRow::LEVELS_MAX);
    let (mut cumulative, mut quote) = (0_i128, 0_i128);
    let depths = levels.map(|row| {
        cumulative = cumulative.saturating_add(row.quantity.units());
        quote = quote.saturating_add(row.quote.units());
        Depth {
            price: row.price,
            quantity: row.quantity,
            cumulative: Volume::from_units(cumulative),
            cumulative_quote: QuoteVolume::from_units(quote),
        }
    });
    depths.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        book::{Book, BookOptions},
        model::BookSnapshot,
        store::record::Record,
    };

    fn level(price: i64, quantity: i64) -> Level {
        Level { price: Price::from_units(price), quantity: Quantity::from_units(quantity) }
    }

    fn book(bids: &[Level], asks: &[Level]) -> Book {
        let mut book = Book::new(BookOptions { levels_max: 1_000, changes_max: 0 });
        let (bids, asks, time) = (bids.to_vec(), asks.to_vec(), UnixMillis::new(29_950));
        book.load(&BookSnapshot { last_id: 7, time, bids, asks }, 1_000).expect("a book");
        book
    }

    fn stored(book: &Book, size: i64, levels: usize) -> StoredBook {
        let tick_size = TickSize::new(Price::from_units(size)).expect("above 0");
        let summary = Summary::of(book, Some(tick_size), levels);
        StoredBook { at: UnixMillis::new(30_000), time: book.time(), tick_size, summary }
    }

    #[test]
    fn snapshots_of_several_tick_sizes_come_back_from_their_rows_with_every_figure() {
        let bids: Vec<_> = (1..=500).map(|away| level(100_000 - away * 3, away * away)).collect();
        let asks: Vec<_> = (1..=500).map(|away| level(100_000 + away * 7, 9 + away)).collect();
        let whole = book(&bids, &asks);
        let told = [(1, 15), (10, 200), (1_000, 15), (7, 1)].map(|(size, levels)| stored(&whole, size, levels));
        let rows: Vec<_> = (0..).zip(&told).flat_map(|(tick, book)| book.rows(tick)).collect();
        assert!(rows.is_sorted_by_key(Record::key));
        assert_eq!(StoredBook::of(&rows).collect::<Vec<_>>(), told);
    }

    #[test]
    fn a_side_without_orders_and_an_empty_book_come_back() {
        let told = [
            stored(&book(&[level(5, 1)], &[]), 1, 15),
            stored(&book(&[], &[level(5, 1)]), 2, 15),
            stored(&book(&[], &[]), 3, 15),
        ];
        let rows: Vec<_> = (0..).zip(&told).flat_map(|(tick, book)| book.rows(tick)).collect();
        assert_eq!(StoredBook::of(&rows).collect::<Vec<_>>(), told);
    }

    #[test]
    fn a_snapshot_that_does_not_say_its_tick_size_is_none() {
        let rows = stored(&book(&[level(5, 1)], &[level(6, 1)]), 1, 15).rows(0);
        let headless: Vec<_> = rows.into_iter().filter(|row| row.level != BookLevelRow::TICK_SIZE).collect();
        assert_eq!(StoredBook::of(&headless).count(), 0);
    }
}
