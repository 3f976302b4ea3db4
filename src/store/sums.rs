//! What was traded at each price, and on each day, without reading the trades?
//!
//! A segment sums up its own trades. Where nobody else holds any of its ids, its sums stand for them, as far as it lies in
//! the range; everything else is added up from the trades, each id once.

use crate::{
    model::{IdRange, Trade, UnixMillis},
    store::{
        Holding,
        codec::CodecError,
        derive::{Cover, Days, Prices, Sum},
        merge::Seen,
        record::{DayRow, Kind, ProfileRow, Record as _},
        shelf::{Part, SealedPart, Shelf, Span, dense_runs},
    },
};

/// Exact sums over a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums<R> {
    /// Ascending by price or day.
    pub rows: Vec<R>,
    /// Ids among which some are held and cannot be read: they are not in the sums.
    pub damaged: Vec<IdRange>,
    /// How many segments answered without all of their trades.
    pub segments: usize,
}

impl<R> Sums<R> {
    /// The sums over these trades, each of which is there once.
    pub fn of<S: Sum<Row = R>>(trades: &[Trade]) -> Self {
        let mut sum = S::default();
        trades.iter().for_each(|trade| sum.push(trade));
        Self { rows: sum.rows(), damaged: Vec::new(), segments: 0 }
    }
}

/// The trades whose ids are in none of the runs; both ascend.
pub fn without(trades: &[Trade], runs: &[IdRange]) -> Vec<Trade> {
    let is_in = |id: u64| runs.get(runs.partition_point(|run| run.last < id)).is_some_and(|run| run.contains(id));
    trades.iter().filter(|trade| !is_in(trade.id)).copied().collect()
}

impl Holding {
    /// The volume profile of the trades in `ids`.
    pub fn profile(&self, ids: IdRange) -> Sums<ProfileRow> {
        self.sums::<Prices>(ids, &[])
    }

    /// The sums of each UTC day over the trades in `ids`.
    pub fn days(&self, ids: IdRange) -> Sums<DayRow> {
        self.sums::<Days>(ids, &[])
    }

    /// The ids of the trades from `start` to before `end`.
    pub fn ids_between(&self, start: UnixMillis, end: UnixMillis) -> Option<IdRange> {
        let first = self.first_id_at(start)?;
        let last = self.first_id_at(end).map_or(Some(u64::MAX), |after| after.checked_sub(1))?;
        IdRange::new(first, last)
    }

    /// Sums over the trades in `ids`, and over others that are not held.
    pub fn sums<S: Sum>(&self, ids: IdRange, others: &[Trade]) -> Sums<S::Row> {
        let shelf = self.shelf();
        loop {
            let changes = shelf.changes();
            let (mut sum, damaged, segments) = self.sum::<S>(ids);
            others.iter().for_each(|trade| sum.push(trade));
            // What could not be read may just have been replaced.
            if damaged.is_empty() || shelf.changes() == changes {
                return Sums { rows: sum.rows(), damaged, segments };
            }
        }
    }

    fn sum<S: Sum>(&self, ids: IdRange) -> (S, Vec<IdRange>, usize) {
        let (mut sum, mut rest, mut segments) = (S::default(), Vec::new(), 0);
        let parts = self.shelf().parts(ids);
        let shared = shared(&parts);
        for (part, shared) in parts.into_iter().zip(shared) {
            let answered = match &part {
                // What it lost may be counted elsewhere.
                Part::Sealed(sealed) if !shared && sealed.lost.is_empty() => self.answer(sealed, ids, &mut sum),
                _ => None,
            };
            match answered {
                Some(()) => segments += 1,
                None => rest.push(part),
            }
        }
        let damaged = self.add_trades(rest, ids, &mut sum);
        (sum, damaged, segments)
    }

    /// Adds what a segment says of its trades in `ids`; nothing happens if that is not sure.
    fn answer<S: Sum>(&self, part: &SealedPart, ids: IdRange, sum: &mut S) -> Option<()> {
        let held = Span::of_section(&part.section).keys;
        let rows = self.summed::<S>(part)?;
        let Cover { rows: used, rest, is_excess } = S::cover(&rows, held, ids)?;
        let mut read = S::default();
        for ids in rest {
            let damaged = self.add_trades(vec![Part::Sealed(part.clone())], ids, &mut read);
            damaged.is_empty().then_some(())?;
        }
        rows[used].iter().for_each(|row| sum.add(row));
        if is_excess {
            sum.subtract(&read);
        } else {
            read.rows().iter().for_each(|row| sum.add(row));
        }
        Some(())
    }

    /// What a segment says of all trades that it holds; nothing when that is not sure.
    fn summed<S: Sum>(&self, part: &SealedPart) -> Option<Vec<S::Row>> {
        let shelf: &Shelf = self.shelf();
        let segment = self.library().segment(part.segment, &part.path).ok()?;
        let is_whole = !segment.is_rebuilt() && segment.section(shelf.contract, shelf.kind) == Some(&part.section);
        let section = segment.section(shelf.contract, S::KIND).filter(|_| is_whole && shelf.kind == Kind::Trade)?;
        let mut rows = Vec::new();
        for at in 0..section.blocks as usize {
            rows.extend(segment.rows(section, at).ok()?.iter().filter_map(S::Row::read));
        }
        Some(rows)
    }

    fn add_trades<S: Sum>(&self, parts: Vec<Part>, ids: IdRange, sum: &mut S) -> Vec<IdRange> {
        self.shelf().visit(self.library(), parts, ids, |seen| match seen {
            Seen::Rows(rows) => {
                rows.records::<Trade>().for_each(|trade| sum.push(&trade));
                Ok::<_, CodecError>(())
            }
            Seen::Block(block, wanted) => sum.push_block(block, wanted),
        })
    }
}

/// Of each part, whether another holds one of its ids.
fn shared(parts: &[Part]) -> Vec<bool> {
    let runs = |part: &Part| match part {
        Part::Queued(rows, _) => dense_runs(rows),
        Part::Journal(run) => vec![run.span.keys],
        Part::Sealed(part) => part.runs.iter().map(|run| IdRange { first: run.first, last: run.last }).collect(),
    };
    let claim = |(at, part)| runs(part).into_iter().map(move |run| (run, at)).collect::<Vec<_>>();
    let mut claims: Vec<(IdRange, usize)> = parts.iter().enumerate().flat_map(claim).collect();
    claims.sort_unstable();
    let (mut shared, mut reach) = (vec![false; parts.len()], None::<(u64, usize)>);
    for (run, at) in claims {
        match reach {
            Some((end, holder)) if run.first <= end => {
                // Whoever shares an id with this one shares it with the one that reaches furthest, too.
                (shared[holder], shared[at]) = (true, true);
                reach = Some(if run.last > end { (run.last, at) } else { (end, holder) });
            }
            _ => reach = Some((run.last, at)),
        }
    }
    shared
}
