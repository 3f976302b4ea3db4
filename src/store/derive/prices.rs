//! What was traded at each price?

use crate::{
    model::{IdRange, Price, Trade, UnixMillis, Volume},
    store::{
        codec::CodecError,
        derive::{Cover, Sum, outside},
        record::{Kind, ProfileRow, Record as _, column},
        segment::Block,
    },
};
use std::{collections::BTreeMap, ops::Range};

/// A block whose prices span at most so many ticks is added up in a table.
const TABLE_TICKS_MAX: u64 = 1 << 16;

/// A volume profile; prices at which nothing was traded are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    rows: BTreeMap<u64, ProfileRow>,
    since: Option<UnixMillis>,
}

impl Prices {
    pub(super) fn note(&mut self, time: UnixMillis) {
        self.since = Some(self.since.map_or(time, |since| since.min(time)));
    }

    fn row(&mut self, price: Price) -> &mut ProfileRow {
        let empty = ProfileRow::empty(price, UnixMillis::default());
        self.rows.entry(empty.key()).or_insert(empty)
    }

    pub(super) fn add_units(&mut self, price: i64, [buy, sell]: [i128; 2]) {
        let row = self.row(Price::from_units(price));
        row.buy += Volume::from_units(buy);
        row.sell += Volume::from_units(sell);
    }
}

impl Sum for Prices {
    type Row = ProfileRow;

    const KIND: Kind = Kind::Profile;

    fn push(&mut self, trade: &Trade) {
        self.note(trade.time);
        self.row(trade.price).push(trade);
    }

    fn push_block(&mut self, block: &Block<'_>, wanted: Range<usize>) -> Result<(), CodecError> {
        let (mut prices, mut quantities, mut makers) = (Vec::new(), Vec::new(), Vec::new());
        block.column(column::PRICE, wanted.clone(), &mut prices)?;
        block.column(column::QUANTITY, wanted.clone(), &mut quantities)?;
        block.column(column::MAKER, wanted, &mut makers)?;
        let Some((low, high)) = prices.iter().min().copied().zip(prices.iter().max()) else { return Ok(()) };
        self.note(block.header().times.0);
        let step = block.step(column::PRICE).max(1).unsigned_abs();
        let place = |price: i64| price.abs_diff(low) / step;
        let ticks = place(*high);
        let side = |maker: i64| usize::from(maker == 1);
        let rows = prices.iter().zip(&quantities).zip(&makers);
        if ticks >= TABLE_TICKS_MAX {
            for ((price, quantity), maker) in rows {
                let mut sums = [0; 2];
                sums[side(*maker)] = i128::from(*quantity);
                self.add_units(*price, sums);
            }
            return Ok(());
        }
        let mut table = vec![[0_i128; 2]; usize::try_from(ticks).unwrap_or_default() + 1];
        for ((price, quantity), maker) in rows {
            let at = usize::try_from(place(*price)).unwrap_or_default();
            table[at][side(*maker)] += i128::from(*quantity);
        }
        let mut price = low;
        for sums in table {
            if sums != [0, 0] {
                self.add_units(price, sums);
            }
            price = price.saturating_add_unsigned(step);
        }
        Ok(())
    }

    fn add(&mut self, row: &ProfileRow) {
        self.note(row.since);
        self.row(row.price).add(row);
    }

    fn subtract(&mut self, other: &Self) {
        for row in other.rows.values() {
            self.add_units(row.price.units(), [-row.buy.units(), -row.sell.units()]);
        }
    }

    fn rows(&self) -> Vec<ProfileRow> {
        let since = self.since.unwrap_or_default();
        let traded = self.rows.values().filter(|row| (row.buy.units(), row.sell.units()) != (0, 0));
        traded.map(|row| ProfileRow { since, ..*row }).collect()
    }

    fn cover(rows: &[ProfileRow], held: IdRange, ids: IdRange) -> Option<Cover> {
        let rest = outside(held, ids);
        // Of trades inside and outside the range, the fewer are read.
        let excess = rest.iter().map(IdRange::count).fold(0, u64::saturating_add);
        (excess <= held.count() / 2).then_some(Cover { rows: 0..rows.len(), rest, is_excess: true })
    }
}
