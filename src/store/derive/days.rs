//! What was traded on each UTC day?

use crate::{
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
    store::{
        codec::CodecError,
        derive::{Cover, Sum},
        record::{DayRow, Kind, column},
        segment::Block,
    },
};
use std::{collections::BTreeMap, ops::Range};

/// Sums of each day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days(BTreeMap<i64, DayRow>);

impl Sum for Days {
    type Row = DayRow;

    const KIND: Kind = Kind::Day;

    fn push(&mut self, trade: &Trade) {
        self.add(&DayRow::of(trade));
    }

    fn push_block(&mut self, block: &Block<'_>, wanted: Range<usize>) -> Result<(), CodecError> {
        let mut columns: [Vec<i64>; 5] = Default::default();
        let wanted_columns = [column::ID, column::TIME, column::PRICE, column::QUANTITY, column::MAKER];
        for (at, values) in wanted_columns.into_iter().zip(&mut columns) {
            block.column(at, wanted.clone(), values)?;
        }
        let [ids, times, prices, quantities, makers] = &columns;
        let mut day: Option<DayRow> = None;
        for at in 0..ids.len() {
            let id = ids[at].cast_unsigned();
            let row = DayRow::of(&Trade {
                id,
                price: Price::from_units(prices[at]),
                quantity: Quantity::from_units(quantities[at]),
                first_id: 0,
                last_id: 0,
                time: UnixMillis::new(times[at]),
                buyer_is_maker: makers[at] == 1,
            });
            match &mut day {
                Some(day) if day.day == row.day => day.add(&row),
                _ => day.replace(row).iter().for_each(|done| self.add(done)),
            }
        }
        day.iter().for_each(|day| self.add(day));
        Ok(())
    }

    fn add(&mut self, row: &DayRow) {
        self.0.entry(row.day).and_modify(|own| own.add(row)).or_insert(*row);
    }

    /// Extremes cannot be taken back: no cover asks for it.
    fn subtract(&mut self, _: &Self) {}

    fn rows(&self) -> Vec<DayRow> {
        self.0.values().copied().collect()
    }

    fn cover(rows: &[DayRow], held: IdRange, ids: IdRange) -> Option<Cover> {
        let is_inside = |row: &DayRow| ids.first <= row.ids.first && row.ids.last <= ids.last;
        let first = rows.iter().position(is_inside)?;
        let rows_inside = first..first + rows[first..].iter().take_while(|row| is_inside(row)).count();
        let days = &rows[rows_inside.clone()];
        // Where times do not ascend with ids, days overlap: then only all of them serve.
        let ascend = rows.is_sorted_by(|a, b| a.ids.last < b.ids.first);
        if !ascend && rows_inside != (0..rows.len()) {
            return None;
        }
        let (low, high) = (ids.first.max(held.first), ids.last.min(held.last));
        let below = days[0].ids.first.checked_sub(1).and_then(|last| IdRange::new(low, last));
        let above = days.last().and_then(|day| IdRange::new(day.ids.last.checked_add(1)?, high));
        let rest = below.into_iter().chain(above).filter(|_| ascend).collect();
        Some(Cover { rows: rows_inside, rest, is_excess: false })
    }
}
