//! What is computed of trades when they are sealed, so that nobody has to read them for it?

mod days;
mod lately;
mod prices;

pub use days::Days;
pub use prices::Prices;

use crate::{
    model::{IdRange, Trade},
    store::{
        codec::CodecError,
        derive::lately::Lately,
        record::{DayRow, Kind, Record, Rows},
        segment::Block,
    },
};
use std::ops::Range;

/// Sums over trades, each id once, in any order.
pub trait Sum: Default {
    /// What it consists of.
    type Row: Record;

    /// The kind of section that holds it.
    const KIND: Kind;

    /// Adds a trade.
    fn push(&mut self, trade: &Trade);

    /// Adds some rows of a block of trades.
    ///
    /// # Errors
    ///
    /// When it cannot be decoded; then nothing was added.
    fn push_block(&mut self, block: &Block<'_>, wanted: Range<usize>) -> Result<(), CodecError>;

    /// Adds what was summed up of other trades.
    fn add(&mut self, row: &Self::Row);

    /// Takes away trades that are in it.
    fn subtract(&mut self, other: &Self);

    /// Ascending by key.
    fn rows(&self) -> Vec<Self::Row>;

    /// How a segment's `rows`, of trades whose ids span `held`, serve for the trades in `ids`; nothing if they do not.
    fn cover(rows: &[Self::Row], held: IdRange, ids: IdRange) -> Option<Cover>;
}

/// How a segment's sums serve for a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The rows that are added.
    pub rows: Range<usize>,
    /// Ids whose trades have to be read.
    pub rest: Vec<IdRange>,
    /// Whether these trades are in the rows and not in the range, rather than the other way round.
    pub is_excess: bool,
}

/// Ids of `held` below and above `ids`.
fn outside(held: IdRange, ids: IdRange) -> Vec<IdRange> {
    let below = ids.first.checked_sub(1).and_then(|last| IdRange::new(held.first, last.min(held.last)));
    let above = ids.last.checked_add(1).and_then(|first| IdRange::new(first.max(held.first), held.last));
    below.into_iter().chain(above).collect()
}

/// What a segment says of its trades beside themselves.
#[derive(Clone, Debug, Default)]
pub struct Derivation {
    prices: Prices,
    /// Not in `prices` yet.
    lately: Lately,
    days: Days,
    /// Not in `days` yet.
    day: Option<DayRow>,
}

impl Derivation {
    /// Adds a row; of other kinds than trades nothing is derived.
    pub fn push_row(&mut self, kind: Kind, row: &[u64]) {
        let Some(trade) = Trade::read(row).filter(|_| kind == Kind::Trade) else { return };
        self.prices.note(trade.time);
        if let Some((price, sums)) = self.lately.add(&trade) {
            self.prices.add_units(price, sums);
        }
        let row = DayRow::of(&trade);
        match &mut self.day {
            Some(day) if day.day == row.day => day.add(&row),
            day => day.replace(row).iter().for_each(|done| self.days.add(done)),
        }
    }

    /// The sections to be written, each of a kind of its own.
    pub fn sections(mut self) -> [Rows; 2] {
        self.lately.drain().for_each(|(price, sums)| self.prices.add_units(price, sums));
        self.day.iter().for_each(|day| self.days.add(day));
        [Rows::of(Kind::Profile, &self.prices.rows()), Rows::of(Kind::Day, &self.days.rows())]
    }
}
