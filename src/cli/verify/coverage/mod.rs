//! What does `verify` say of each contract and series: what is held, from where, and what is known of the rest?

pub(super) mod json;
pub(super) mod text;

use crate::{
    clock::Clock,
    history::{
        coverage::{Covered, CoveredSeries, of_store},
        jobs::Series,
    },
    model::Symbol,
    query::CoverageCounts,
    store::{
        coverage::{Hole as IdHole, HoleState, TimeHole},
        files::Disk,
        ledger::Witnesses,
        record::Origin,
        recovery::LoadError,
        verify::{Conflict, Report},
    },
};
use std::sync::Arc;

/// A contract's series. Amounts are ids, or milliseconds of a series without ids; so are places: an id, or a time.
#[derive(Debug)]
pub(super) struct Line {
    contract: u32,
    symbol: Option<Symbol>,
    series: Series,
    has_ids: bool,
    /// How much each source brought.
    held: Vec<(Origin, u64)>,
    counts: CoverageCounts,
    holes: Vec<Hole>,
    /// Keys of which another version is kept apart.
    conflicts: u64,
    /// From here on all is held or confirmed absent, up to the newest.
    whole_from: Option<i128>,
}

/// What lies between two places. The last is part of it where places are ids, and not where they are times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    from: i128,
    to: i128,
    state: HoleState<(Witnesses, i64)>,
}

/// What there is to say of the store that was checked, as of now.
pub(super) fn of(disk: &Arc<dyn Disk>, report: &Report) -> Result<Vec<Line>, LoadError> {
    let damaged =
        report.months.iter().flat_map(|month| month.damaged.iter().map(|ids| (month.contract, month.kind, *ids)));
    let damaged: Vec<_> = damaged.collect();
    let covered = of_store(disk, report.identity.store, &damaged, Clock::system().wall())?;
    Ok(covered.into_iter().map(|covered| line(covered, &report.conflicts)).collect())
}

fn line(CoveredSeries { contract, symbol, series, covered }: CoveredSeries, conflicts: &[Conflict]) -> Line {
    let own = conflicts.iter().filter(|own| (own.contract, own.kind) == (contract, series.kind()));
    let conflicts = own.map(|own| own.keys.count()).sum();
    let (has_ids, held, counts, holes, whole_from) = match covered {
        Covered::Ids(coverage) => (
            true,
            by_source(coverage.runs.iter().map(|run| (run.origin, run.ids.count()))),
            CoverageCounts::of(&coverage),
            coverage.holes.iter().map(hole_of_ids).collect(),
            coverage.whole_from_id.map(i128::from),
        ),
        Covered::Times(coverage) => (
            false,
            by_source(coverage.runs.iter().map(|run| (run.origin, run.end.since(run.start).unsigned_abs()))),
            CoverageCounts::of_times(&coverage),
            coverage.holes.iter().map(hole_of_times).collect(),
            coverage.whole_from.map(|time| time.get().into()),
        ),
    };
    Line { contract, symbol, series, has_ids, held, counts, holes, conflicts, whole_from }
}

fn hole_of_ids(hole: &IdHole) -> Hole {
    let state = hole.state.map(|absent| (absent.witnesses, absent.at.get()));
    Hole { from: hole.ids.first.into(), to: hole.ids.last.into(), state }
}

fn hole_of_times(hole: &TimeHole) -> Hole {
    let state = hole.state.map(|proof| (proof.witnesses, proof.at.get()));
    Hole { from: hole.start.get().into(), to: hole.end.get().into(), state }
}

fn by_source(runs: impl Iterator<Item = (Origin, u64)>) -> Vec<(Origin, u64)> {
    let mut sums = Origin::ALL.map(|source| (source, 0));
    for (origin, amount) in runs {
        sums.iter_mut().filter(|(source, _)| *source == origin).for_each(|(_, sum)| *sum += amount);
    }
    sums.into_iter().filter(|(_, sum)| *sum > 0).collect()
}

/// Who says that there is nothing.
fn names(witnesses: Witnesses) -> Vec<&'static str> {
    witnesses.sources().map(Origin::as_str).collect()
}
