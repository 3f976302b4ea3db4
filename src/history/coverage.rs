//! Which times of a series without ids are held, and of which others did the archive's files say that there is nothing?

use crate::{
    exchange::binance::archive::{Cadence, Folder},
    history::jobs::{Series, origin},
    model::{Symbol, UnixMillis},
    store::{
        coverage::{Archives, Reach, TakenFile, TimeCoverage},
        library::Library,
    },
};

/// What is held and lacking at `now` of a series of the contract with that number in the store; nothing of series with ids,
/// whose coverage is that of their ids. Reads the keys of all its rows.
pub fn times(
    library: &Library,
    (contract, symbol): (u32, &Symbol),
    series: Series,
    now: UnixMillis,
) -> Option<TimeCoverage> {
    let taken = |cadence: &Cadence| (origin(*cadence), taken(library, symbol, series, *cadence));
    let archives = Archives::new(series.dataset().cadences().iter().map(taken).collect());
    let reach = Reach { now, back_ms: series.reach_ms() };
    TimeCoverage::of(&library.shelf(contract, series.kind()), library, &archives, reach)
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
