//! Of which stretches of time is nothing missing?

use crate::{
    exchange::binance::archive::{Cadence, Dataset, Folder, Period},
    history::{
        jobs::{file::origin, series::Series},
        plan::{Span, periods},
    },
    model::{IdRange, Symbol},
    store::{
        Holding,
        coverage::{Coverage, Hole, HoleState, Reach},
        desk::Desk,
        library::Library,
        record::Kind,
    },
};
use std::sync::Arc;

/// One series of one contract in the store.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) library: Arc<Library>,
    pub(super) holding: Holding,
    pub(super) symbol: Symbol,
    pub(super) series: Series,
    pub(super) contract: u32,
}

/// Every id.
const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

impl Held {
    /// Nothing for a contract that the store does not know.
    pub(super) fn of(library: &Arc<Library>, desk: &Desk, symbol: &Symbol, series: Series) -> Option<Self> {
        let contract = library.find(symbol)?.number;
        let holding = Holding::new(library, desk, contract, series.kind());
        Some(Self { library: Arc::clone(library), holding, symbol: symbol.clone(), series, contract })
    }

    /// What is held and lacking, of series whose ids are dense.
    pub(super) fn coverage(&self, reach: Reach) -> Coverage {
        if self.series.kind().schema().dense { self.holding.coverage(ALL, &[], reach) } else { Coverage::default() }
    }

    /// Where the archive has such rows.
    pub(super) fn folders(&self) -> Vec<Folder> {
        let dataset = self.series.dataset();
        // Each is one of those that the dataset has.
        let folder = |cadence: &Cadence| Folder::new(self.symbol.clone(), dataset, *cadence).ok();
        dataset.cadences().iter().filter_map(folder).collect()
    }

    /// What is held is not absent, whoever stepped over it before. Blocks on the disk.
    pub(super) fn take_back(&self) {
        take_back(&self.holding);
    }

    /// The stretches within `span` that are held whole, a day or month each. Reads the disk.
    pub(super) fn spans(&self, span: Span, coverage: &Coverage) -> Vec<Span> {
        let dataset = self.series.dataset();
        let cadences = dataset.cadences();
        let months = cadences.contains(&Cadence::Monthly);
        let smallest = if cadences.contains(&Cadence::Daily) { Cadence::Daily } else { Cadence::Monthly };
        let is_held = |period: &Period| {
            let month = Period::of(Cadence::Monthly, period.start());
            self.is_remembered(dataset, *period, coverage)
                || (months && *period != month && self.is_remembered(dataset, month, coverage))
                || self.is_spanned(*period, coverage)
        };
        periods(smallest, span).filter(is_held).map(|period| (period.start(), period.end())).collect()
    }

    /// Whether its file was taken, and is not contradicted by a hole that it did not step over.
    fn is_remembered(&self, dataset: Dataset, period: Period, coverage: &Coverage) -> bool {
        let Ok(folder) = Folder::new(self.symbol.clone(), dataset, period.cadence()) else { return false };
        let known = self.library.ledger().archive(&folder.place(period.start()).key());
        known.is_some_and(|file| self.has_rows(period) && is_between(file.ids, coverage))
            && holes_in(coverage, (period.start(), period.end())).all(|hole| self.stepped_over(hole, period.cadence()))
    }

    /// Whether any row of the period is held: what was given up, or lost with its segment, is not held for having been.
    fn has_rows(&self, period: Period) -> bool {
        let first = self.holding.first_id_at(period.start());
        first.and_then(|id| self.holding.from_id(id, 1).trades.pop()).is_some_and(|trade| trade.time < period.end())
            || !self.series.kind().schema().dense
    }

    /// Whether a file of that cadence stepped over all of a hole. Raw ids that name no trade are no loss.
    pub(super) fn stepped_over(&self, hole: &Hole, cadence: Cadence) -> bool {
        if self.series.kind() != Kind::Trade {
            return true;
        }
        let said = self.library.ledger().absent(self.contract, Kind::Trade, hole.ids);
        let mut next = hole.ids.first;
        for absent in said.iter().filter(|absent| absent.witnesses.has(origin(cadence))) {
            if absent.ids.first > next {
                return false;
            }
            next = next.max(absent.ids.last.saturating_add(1));
        }
        next > hole.ids.last
    }

    /// Whether one run of ids holds the last trade before the period, and the first after it.
    fn is_spanned(&self, period: Period, coverage: &Coverage) -> bool {
        if coverage.runs.is_empty() {
            return false;
        }
        let first = self.holding.first_id_at(period.start()).and_then(|id| id.checked_sub(1));
        let last = first.and_then(|_| self.holding.first_id_at(period.end()));
        let (Some(first), Some(last)) = (first, last) else { return false };
        let mut next = first;
        for run in coverage.runs.iter().filter(|run| run.ids.last >= first) {
            if run.ids.first > next {
                break;
            }
            next = run.ids.last.saturating_add(1);
        }
        next > last
    }
}

/// Whether what a file held lies between the first and the last id held: rows at an end of the tape that were lost with their
/// segment are no hole.
fn is_between(ids: Option<IdRange>, coverage: &Coverage) -> bool {
    let ends = coverage.runs.first().zip(coverage.runs.last());
    ids.is_none_or(|ids| ends.is_some_and(|(low, high)| low.ids.first <= ids.first && ids.last <= high.ids.last))
}

/// Takes back in the ledger that ids are absent which are held: a source had them after all. Blocks on the disk.
pub(super) fn take_back(holding: &Holding) {
    let (shelf, ledger) = (holding.shelf(), holding.library().ledger());
    if shelf.kind != Kind::Trade {
        return;
    }
    let taken = ledger.take_back((shelf.contract, shelf.kind), &shelf.runs());
    if !matches!(taken, Ok(0)) {
        tracing::warn!(contract = shelf.contract, ?taken, "ids that sources had stepped over are held after all");
    }
}

/// Holes whose trades may lie in a stretch of time, and that are not known to be none.
pub(super) fn holes_in(coverage: &Coverage, (from, to): Span) -> impl Iterator<Item = &Hole> {
    let meets = move |hole: &&Hole| {
        let is_open = !matches!(hole.state, HoleState::ConfirmedAbsent(_));
        is_open && hole.times.0.is_none_or(|before| before < to) && hole.times.1.is_none_or(|after| after >= from)
    };
    coverage.holes.iter().filter(meets)
}
