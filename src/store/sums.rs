//! What was traded at each price, and on each day, without reading the trades?
//!
//! A segment sums up its own trades. Where it lies wholly in the range and nobody else holds any of its ids, its sums
//! stand for them; everything else is added up from the trades, each id once.

use crate::{
    model::{IdRange, Trade, UnixMillis},
    store::{
        Holding,
        derive::Derivation,
        record::{DayRow, Kind, ProfileRow, Rows},
        segment::Segment,
        shelf::{Part, SealedPart, Shelf, Span, dense_runs},
    },
};
use std::sync::Arc;

/// Exact sums over a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums<R> {
    /// Ascending by price or day.
    pub rows: Vec<R>,
    /// Ids among which some are held and cannot be read: they are not in the sums.
    pub damaged: Vec<IdRange>,
    /// How many segments answered without their trades.
    pub segments: usize,
}

impl Holding {
    /// The volume profile of the trades in `ids`.
    pub fn profile(&self, ids: IdRange) -> Sums<ProfileRow> {
        self.sums(ids, Kind::Profile, Derivation::profile)
    }

    /// The sums of each UTC day over the trades in `ids`.
    pub fn days(&self, ids: IdRange) -> Sums<DayRow> {
        self.sums(ids, Kind::Day, Derivation::days)
    }

    /// The ids of the trades from `start` to before `end`.
    pub fn ids_between(&self, start: UnixMillis, end: UnixMillis) -> Option<IdRange> {
        let first = self.first_id_at(start)?;
        let last = self.first_id_at(end).map_or(Some(u64::MAX), |after| after.checked_sub(1))?;
        IdRange::new(first, last)
    }

    fn sums<R>(&self, ids: IdRange, kind: Kind, rows: impl Fn(&Derivation) -> Vec<R>) -> Sums<R> {
        let shelf = self.shelf();
        loop {
            let changes = shelf.changes();
            let (derivation, damaged, segments) = self.derive(ids, kind);
            // What could not be read may just have been replaced.
            if damaged.is_empty() || shelf.changes() == changes {
                return Sums { rows: rows(&derivation), damaged, segments };
            }
        }
    }

    fn derive(&self, ids: IdRange, kind: Kind) -> (Derivation, Vec<IdRange>, usize) {
        let (mut derivation, mut rest, mut segments) = (Derivation::default(), Vec::new(), 0);
        let parts = self.shelf().parts(ids, None);
        let shared = shared(&parts);
        for (part, shared) in parts.into_iter().zip(shared) {
            let summed = match &part {
                Part::Sealed(sealed) if !shared && is_within(sealed, ids) => self.summed(sealed, kind),
                _ => None,
            };
            match summed {
                Some(sums) => {
                    sums.iter().for_each(|rows| add(&mut derivation, rows));
                    segments += 1;
                }
                None => rest.push(part),
            }
        }
        let damaged = self.shelf().visit(self.library(), rest, ids, |rows: &Rows| {
            rows.records::<Trade>().for_each(|trade| derivation.push(&trade));
        });
        (derivation, damaged, segments)
    }

    /// What a segment says of all trades that it holds; nothing when that is not sure.
    fn summed(&self, part: &SealedPart, kind: Kind) -> Option<Vec<Rows>> {
        let shelf: &Shelf = self.shelf();
        let segment: Arc<Segment> = self.library().segment(part.segment, &part.path).ok()?;
        let is_whole = !segment.is_rebuilt() && segment.section(shelf.contract, shelf.kind) == Some(&part.section);
        let section = segment.section(shelf.contract, kind).filter(|_| is_whole && shelf.kind == Kind::Trade)?;
        (0..section.blocks as usize).map(|at| segment.rows(section, at).ok()).collect()
    }
}

fn is_within(part: &SealedPart, ids: IdRange) -> bool {
    let own = Span::of_section(&part.section).keys;
    ids.first <= own.first && own.last <= ids.last
}

fn add(derivation: &mut Derivation, rows: &Rows) {
    match rows.kind() {
        Kind::Profile => rows.records().for_each(|row: ProfileRow| derivation.add_profile(&row)),
        Kind::Day => rows.records().for_each(|row: DayRow| derivation.add_day(&row)),
        _ => {}
    }
}

/// Of each part, whether another holds one of its ids.
fn shared(parts: &[Part]) -> Vec<bool> {
    let runs = |part: &Part| match part {
        Part::Queued(rows) => dense_runs(rows),
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
