//! Which page is asked for next, and what do the pages say of each id?

use crate::{
    exchange::binance::AGG_TRADES_ROWS_MAX,
    history::rest::page::{PageError, PageWanted, judge},
    model::{IdRange, Symbol, Trade, UnixMillis},
};

/// The edge of the venue's reach is looked for until a sixty-fourth of the run is left in doubt, or a page: each look costs as
/// much as a page, and what lies in between is in the archive anyway.
const DOUBT_PARTS: u64 = 64;

/// The trades that are wanted of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The contract's ticker.
    pub symbol: Symbol,
    /// Their ids.
    pub ids: IdRange,
    /// The time of the trade held before them, if one is.
    pub not_before: Option<UnixMillis>,
    /// The time of the trade held after them, if one is.
    pub not_after: Option<UnixMillis>,
}

/// What became of a run of the ids wanted. Pieces come in ascending order and leave no id between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Consecutive trades, a page at most.
    Trades(Vec<Trade>),
    /// Older than the venue's REST API reaches: the archive has them, or will.
    AwaitingArchive(IdRange),
    /// The venue steps over them.
    Absent(Absent),
}

/// Ids that the REST API stepped over, twice, though asked from the first of them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The ids.
    pub ids: IdRange,
    /// When the venue said so, in its own time.
    pub at: UnixMillis,
}

impl Piece {
    /// The ids that it speaks of.
    pub fn ids(&self) -> Option<IdRange> {
        match self {
            Self::Trades(trades) => IdRange::new(trades.first()?.id, trades.last()?.id),
            Self::AwaitingArchive(ids) | Self::Absent(Absent { ids, .. }) => Some(*ids),
        }
    }
}

/// Where a run of ids stands between what is told and what is left.
#[derive(Debug)]
pub(super) struct Walk {
    left: Option<IdRange>,
    /// The time of the newest trade before what is left.
    not_before: Option<UnixMillis>,
    not_after: Option<UnixMillis>,
    /// The first id that a page gave instead of the first that is left: asked again, the venue may do better.
    doubt: Option<u64>,
    /// Where the edge of the venue's reach is looked for, while it is.
    edge: Option<Edge>,
}

/// The venue's reach begins behind `refused`, and at or before `reached`.
#[derive(Clone, Copy, Debug)]
struct Edge {
    refused: u64,
    reached: Option<u64>,
}

impl Walk {
    pub(super) fn new(want: &Want) -> Self {
        let Want { ids, not_before, not_after, .. } = *want;
        // The venue keeps ids in signed 64 bits; so one more never overflows here.
        let left = IdRange::new(ids.first, ids.last.min(i64::MAX.unsigned_abs()));
        Self { left, not_before, not_after, doubt: None, edge: None }
    }

    /// What no piece has spoken of yet.
    pub(super) fn left(&self) -> Option<IdRange> {
        self.left
    }

    /// The page to be asked for, until nothing is left.
    pub(super) fn wanted(&self) -> Option<PageWanted> {
        let left = self.left?;
        let (from, rows) = match self.edge {
            Some(Edge { reached: None, .. }) => (left.last, 1),
            Some(Edge { refused, reached: Some(reached) }) => (refused + (reached - refused) / 2, 1),
            None => (left.first, u16::try_from(left.count()).unwrap_or(u16::MAX).min(AGG_TRADES_ROWS_MAX)),
        };
        Some(PageWanted { from, rows, not_before: self.not_before })
    }

    /// The page wanted came, at the venue's time `at`.
    pub(super) fn take(&mut self, mut page: Vec<Trade>, at: UnixMillis) -> Result<Vec<Piece>, PageError> {
        let (Some(left), Some(wanted)) = (self.left, self.wanted()) else { return Ok(Vec::new()) };
        judge(&wanted, &page)?;
        let beyond = page.iter().position(|trade| trade.id > left.last).unwrap_or(page.len());
        self.judge_times(&page[..beyond])?;
        if let Some(edge) = &mut self.edge {
            edge.reached = Some(wanted.from);
            return Ok(self.settle_edge(left));
        }
        let first = page[0].id;
        if first > left.first {
            return Ok(self.step_over(left, first, at));
        }
        let jump = page.windows(2).position(|pair| pair[0].id + 1 != pair[1].id).map_or(page.len(), |at| at + 1);
        self.doubt = page.get(jump).map(|trade| trade.id);
        page.truncate(jump);
        let last = page.last().copied();
        self.not_before = last.map(|trade| trade.time).or(self.not_before);
        self.go_on(left, last.map_or(left.first, |trade| trade.id + 1));
        Ok(vec![Piece::Trades(page)])
    }

    /// The page wanted is older than the venue reaches.
    pub(super) fn beyond_reach(&mut self) -> Vec<Piece> {
        let (Some(left), Some(wanted)) = (self.left, self.wanted()) else { return Vec::new() };
        let reached = self.edge.and_then(|edge| edge.reached);
        self.doubt = None;
        self.edge = Some(Edge { refused: wanted.from, reached });
        self.settle_edge(left)
    }

    /// Rows within what is left lie before the trade that is held after it.
    fn judge_times(&self, rows: &[Trade]) -> Result<(), PageError> {
        let late = rows.last().filter(|last| self.not_after.is_some_and(|not_after| last.time > not_after));
        late.map_or(Ok(()), |trade| Err(PageError::Time { id: trade.id, time: trade.time }))
    }

    /// Ends the search for the edge once little is in doubt: what may lie before it is the archive's.
    fn settle_edge(&mut self, left: IdRange) -> Vec<Piece> {
        let Some(edge) = self.edge else { return Vec::new() };
        let doubt_max = (left.count() / DOUBT_PARTS).clamp(1, u64::from(AGG_TRADES_ROWS_MAX));
        let next = match edge.reached {
            None if edge.refused == left.last => left.last + 1,
            Some(reached) if reached - edge.refused <= doubt_max => reached,
            _ => return Vec::new(),
        };
        self.edge = None;
        self.go_on(left, next);
        IdRange::new(left.first, next - 1).map(Piece::AwaitingArchive).into_iter().collect()
    }

    /// The page begins at `first`, behind what was asked for: said twice, it is so.
    fn step_over(&mut self, left: IdRange, first: u64, at: UnixMillis) -> Vec<Piece> {
        let Some(before) = self.doubt else {
            self.doubt = Some(first);
            return Vec::new();
        };
        let next = first.min(before).min(left.last + 1);
        self.go_on(left, next);
        self.doubt = None;
        IdRange::new(left.first, next - 1).map(|ids| Piece::Absent(Absent { ids, at })).into_iter().collect()
    }

    fn go_on(&mut self, left: IdRange, next: u64) {
        self.left = IdRange::new(next, left.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Quantity};

    fn rows(ids: impl Iterator<Item = u64>) -> Vec<Trade> {
        let row = |id: u64| Trade {
            id,
            price: Price::from_units(1),
            quantity: Quantity::from_units(1),
            first_id: id,
            last_id: id,
            time: UnixMillis::new(1_795_168_830_000),
            buyer_is_maker: false,
        };
        ids.map(row).collect()
    }

    #[test]
    fn a_doubt_ends_where_the_reach_moves_over_it() {
        let symbol = Symbol::new("BTCUSDT").expect("a symbol");
        let ids = IdRange::new(1, 640).expect("some");
        let mut walk = Walk::new(&Want { symbol, ids, not_before: None, not_after: None });
        let at = UnixMillis::new(1_795_168_830_000);
        let page = rows((1..=9).chain(20..=640));
        assert_eq!(walk.take(page, at), Ok(vec![Piece::Trades(rows(1..=9))]));
        // Asked from 10 on, the venue says that this is too old by now.
        assert!(walk.beyond_reach().is_empty());
        let mut told = Vec::new();
        while told.is_empty() {
            let from = walk.wanted().expect("the edge is looked for").from;
            told = if from < 300 { walk.beyond_reach() } else { walk.take(rows(from..=from), at).expect("a page") };
        }
        let [Piece::AwaitingArchive(old)] = &told[..] else { panic!("{told:?}") };
        assert!(old.first == 10 && (299..310).contains(&old.last), "{old:?}");
        let from = walk.wanted().expect("more").from;
        assert_eq!(from, old.last + 1);
        assert_eq!(walk.take(rows(from + 3..=640), at), Ok(vec![]), "said once");
        let absent = Absent { ids: IdRange::new(from, from + 2).expect("three"), at };
        assert_eq!(walk.take(rows(from + 3..=640), at), Ok(vec![Piece::Absent(absent)]), "said twice");
    }
}
