//! How are all trades of a range looked at without making rows of them?

use crate::{
    candle::{CandleColumns, ColumnFold, TradeColumns},
    model::{IdRange, Timeframe},
    store::{
        Holding,
        codec::{CodecError, Tier},
        merge::{Piece, groups},
        record::Rows,
        segment::Block,
    },
};

/// Rows decoded at once: a mini-block of the recent tier; the cold tier decodes from a block's start.
const ROWS_AT_ONCE: usize = 256;

/// Where columns are decoded to.
#[derive(Default)]
struct Scratch {
    ids: Vec<i64>,
    times: Vec<i64>,
    prices: Vec<i64>,
    quantities: Vec<i64>,
    spans: Vec<i64>,
    makers: Vec<i64>,
}

impl Scratch {
    fn columns_mut(&mut self) -> [&mut Vec<i64>; 6] {
        let Self { ids, times, prices, quantities, spans, makers } = self;
        [ids, times, prices, quantities, spans, makers]
    }

    fn columns(&self, steps: (i64, i64)) -> TradeColumns<'_> {
        TradeColumns {
            ids: &self.ids,
            times: &self.times,
            prices: &self.prices,
            price_step: steps.0,
            quantities: &self.quantities,
            quantity_step: steps.1,
            spans: &self.spans,
            makers: &self.makers,
        }
    }

    /// Decodes a block of trades piece by piece.
    fn visit_block(&mut self, block: &Block<'_>, look: &mut impl FnMut(&TradeColumns<'_>)) -> Result<(), CodecError> {
        // Columns of a trade's words, as `record::trade` has them; the fifth is left out.
        const COLUMNS: [usize; 6] = [0, 1, 2, 3, 5, 6];
        let (count, steps) = (block.header().rows as usize, (block.step(2), block.step(3)));
        let at_once = if block.header().tier == Tier::Recent { ROWS_AT_ONCE } else { count };
        for from in (0..count).step_by(at_once) {
            let rows = at_once.min(count - from);
            for (column, values) in COLUMNS.into_iter().zip(self.columns_mut()) {
                values.resize(rows, 0);
                block.residues(column, from, values)?;
            }
            look(&self.columns(steps));
        }
        Ok(())
    }

    fn visit_rows(&mut self, rows: &Rows, look: &mut impl FnMut(&TradeColumns<'_>)) {
        let mut rest = rows.iter().peekable();
        while rest.peek().is_some() {
            self.columns_mut().into_iter().for_each(Vec::clear);
            for row in rest.by_ref().take(ROWS_AT_ONCE) {
                let [id, time, price, quantity, first, last, maker] = *row else { continue };
                let values = [id, time, price, quantity, last.wrapping_sub(first), maker];
                for (column, value) in self.columns_mut().into_iter().zip(values) {
                    column.push(value.cast_signed());
                }
            }
            look(&self.columns((1, 1)));
        }
    }
}

impl Holding {
    /// Shows every trade with an id in `ids` to `look`, ascending, some hundreds at once. Says which cannot be read.
    pub fn visit(&self, ids: IdRange, mut look: impl FnMut(&TradeColumns<'_>)) -> Vec<IdRange> {
        let (shelf, library) = (self.shelf(), self.library());
        let (mut scratch, mut damaged) = (Scratch::default(), Vec::new());
        for group in groups(shelf.pieces(library, ids)) {
            let inside = |keys: IdRange| ids.first <= keys.first && keys.last <= ids.last;
            match group.as_slice() {
                // Nothing overlaps this block, and all of it is wanted.
                [Piece::Block(segment, section, at, index)]
                    if IdRange::new(index.first_key, index.last_key).is_some_and(inside) =>
                {
                    let seen = segment.with_block(section, *at, |block| scratch.visit_block(block, &mut look));
                    if let Err(why) = seen {
                        library.note_damage(segment, section, index, &why);
                        damaged.extend(group[0].keys().and_then(|keys| keys.meet(ids)));
                    }
                }
                group => scratch.visit_rows(&shelf.load(library, group, ids, &mut damaged), &mut look),
            }
        }
        damaged
    }

    /// Reads the id of every trade in `ids` and says between which of them ids are missing, and which cannot be read.
    pub fn check_neighbours(&self, ids: IdRange) -> (Vec<IdRange>, Vec<IdRange>) {
        let (shelf, library) = (self.shelf(), self.library());
        let (mut last, mut missing, mut damaged, mut own) = (None, Vec::new(), Vec::new(), Vec::new());
        let mut check = |ids: &[i64]| {
            for id in ids.iter().map(|id| id.cast_unsigned()) {
                if last.is_some_and(|last: u64| last + 1 != id) {
                    missing.extend(last.and_then(|last| IdRange::new(last + 1, id - 1)));
                }
                last = Some(id);
            }
        };
        for group in groups(shelf.pieces(library, ids)) {
            let inside = |keys: IdRange| ids.first <= keys.first && keys.last <= ids.last;
            match group.as_slice() {
                [Piece::Block(segment, section, at, index)]
                    if IdRange::new(index.first_key, index.last_key).is_some_and(inside) =>
                {
                    let rows = index.rows as usize;
                    let read = segment.with_block(section, *at, |block| block.column(0, 0..rows, &mut own));
                    match read {
                        Ok(()) => check(&own),
                        Err(why) => {
                            library.note_damage(segment, section, index, &why);
                            damaged.extend(group[0].keys().and_then(|keys| keys.meet(ids)));
                        }
                    }
                }
                group => {
                    let rows = shelf.load(library, group, ids, &mut damaged);
                    own.clear();
                    own.extend(rows.keys().map(u64::cast_signed));
                    check(&own);
                }
            }
        }
        (missing, damaged)
    }

    /// Candles folded from the trades with ids in `ids`, on two threads; whether they are complete is not looked at. And what
    /// cannot be read.
    pub fn fold(&self, ids: IdRange, timeframe: Timeframe) -> (CandleColumns, Vec<IdRange>) {
        let ids = self.ends().and_then(|ends| ids.meet(ends));
        let Some(ids) = ids else { return (CandleColumns::default(), Vec::new()) };
        let middle = ids.first + (ids.last - ids.first) / 2;
        let fold = |part: Option<IdRange>| {
            let mut fold = ColumnFold::new(timeframe);
            let damaged = part.map(|ids| self.visit(ids, |trades| fold.push(trades))).unwrap_or_default();
            (fold, damaged)
        };
        std::thread::scope(|scope| {
            let later = scope.spawn(|| fold(IdRange::new(middle + 1, ids.last)));
            let (first, mut damaged) = fold(IdRange::new(ids.first, middle));
            let Ok((later, more)) = later.join() else { return (first.finish(), vec![ids]) };
            damaged.extend(more);
            (first.join(later), damaged)
        })
    }
}
