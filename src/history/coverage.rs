//! What of each series is held and lacking, with what the ledger remembers of the archive's files?

use crate::{
    exchange::binance::archive::{Cadence, Folder},
    history::jobs::{Series, origin},
    model::{IdRange, Symbol, UnixMillis},
    store::{
        Holding,
        coverage::{Archives, Coverage, CoveredTimes, Reach, TakenFile},
        files::Disk,
        library::Library,
        record::Kind,
        recovery::{LoadError, load},
    },
};
use std::sync::Arc;

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };
/// How often a store is read anew in which something could not be read: its writer may have replaced it.
const ATTEMPTS: usize = 4;

/// One series of one contract of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredSeries {
    /// The contract's number in the store.
    pub contract: u32,
    /// Its ticker, when it is known.
    pub symbol: Option<Symbol>,
    /// Which series.
    pub series: Series,
    /// What is held and lacking.
    pub covered: Covered,
}

/// What is held and lacking of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covered {
    /// By ids.
    Ids(Coverage),
    /// By times, of series without ids.
    Times(CoveredTimes),
}

/// What the store with number `store` holds and lacks at `now` of every contract and series, beside its writer or not.
/// `lost` are ids that were found to stand nowhere where they can be read.
///
/// # Errors
///
/// When the store cannot be read at all.
pub fn of_store(
    disk: &Arc<dyn Disk>,
    store: u128,
    lost: &[(u32, Kind, IdRange)],
    now: UnixMillis,
) -> Result<Vec<CoveredSeries>, LoadError> {
    let mut attempt = 1;
    loop {
        let library = load(disk, store)?.library;
        lost.iter().for_each(|(contract, kind, ids)| library.shelf(*contract, *kind).note_lost(*ids));
        let covered = of_library(&library, now);
        if library.damaged_reads() == 0 || attempt == ATTEMPTS {
            return Ok(covered);
        }
        attempt += 1;
    }
}

fn of_library(library: &Arc<Library>, now: UnixMillis) -> Vec<CoveredSeries> {
    let contracts = library.contracts();
    let symbol_of = |contract: u32| contracts.iter().find(|row| row.number == contract).and_then(|row| row.symbol());
    let shelves = library.shelves().into_iter().filter(|shelf| shelf.ends().is_some());
    let covered = shelves.filter_map(|shelf| {
        let series = Series::ALL.into_iter().find(|series| series.kind() == shelf.kind)?;
        let (contract, symbol) = (shelf.contract, symbol_of(shelf.contract));
        let by_time = times(library, (contract, symbol.as_ref()), series, now).map(Covered::Times);
        let by_id = || {
            let reach = Reach { now, back_ms: series.reach_ms() };
            Covered::Ids(Holding::reading(library, contract, shelf.kind).coverage(ALL, &[], reach))
        };
        Some(CoveredSeries { contract, symbol, series, covered: by_time.unwrap_or_else(by_id) })
    });
    let mut covered: Vec<CoveredSeries> = covered.collect();
    covered.sort_by_key(|covered| (covered.contract, covered.series));
    covered
}

/// What is held and lacking at `now` of a series of the contract with that number in the store; nothing of series with ids,
/// whose coverage is that of their ids. Reads the keys of all its rows.
pub fn times(
    library: &Library,
    (contract, symbol): (u32, Option<&Symbol>),
    series: Series,
    now: UnixMillis,
) -> Option<CoveredTimes> {
    let taken = |cadence: &Cadence| {
        let files = symbol.map(|symbol| taken(library, symbol, series, *cadence));
        (origin(*cadence), files.unwrap_or_default())
    };
    let archives = Archives::new(series.dataset().cadences().iter().map(taken).collect());
    let reach = Reach { now, back_ms: series.reach_ms() };
    CoveredTimes::of(&library.shelf(contract, series.kind()), library, &archives, reach)
}

/// The files of a series that were taken, ascending. One that was seen before such files are whole says nothing of what it
/// lacks.
fn taken(library: &Library, symbol: &Symbol, series: Series, cadence: Cadence) -> Vec<TakenFile> {
    let Ok(folder) = Folder::new(symbol.clone(), series.dataset(), cadence) else { return Vec::new() };
    let known = library.ledger().archives_below(&folder.prefix()).into_iter();
    let known = known.filter_map(|(key, file)| Some((folder.place_of(&key)?.period(), file)));
    let trusted = known.filter(|(period, file)| period.is_trusted(file.checked));
    let mut files: Vec<TakenFile> = trusted
        .map(|(period, file)| {
            let (start, end) = series.span_of(period);
            TakenFile { start, end, at: file.checked }
        })
        .collect();
    files.sort_unstable_by_key(|file| file.start);
    files
}
