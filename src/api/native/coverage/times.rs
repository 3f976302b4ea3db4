//! What does `/api/v1/coverage` answer of series without ids?

use crate::{
    api::native::coverage::{CONFLICTS_MAX, Wanted, add_proof},
    history::{coverage::times, jobs::Series},
    market::Contract,
    model::{IdRange, UnixMillis},
    query::{self, CoverageCounts, DayCoverage},
    store::{
        Holding,
        coverage::{CoveredTimes, HoleState, TimeHole, TimeRun},
        record::Kind,
    },
};
use serde_json::{Value, json};

/// A series as it stands at a time.
type At = (Series, UnixMillis);

const BEGIN: UnixMillis = UnixMillis::new(0);
const END: UnixMillis = UnixMillis::new(i64::MAX);

/// One contract's, in runs or days: data, meta, and whether it is whole.
pub(super) fn one(
    contract: &Contract,
    holding: &Holding,
    wanted: &Wanted,
    at: At,
    by_day: bool,
) -> (Value, Value, bool) {
    let whole = of(contract, holding, at);
    let range = (wanted.start.unwrap_or(BEGIN), wanted.end.unwrap_or(END));
    let inside = whole.within(range.0, range.1);
    let counted = CoverageCounts::of_times(&inside);
    let is_within = whole.ends().is_some_and(|(first, last)| {
        wanted.start.is_none_or(|start| first <= start) && wanted.end.is_none_or(|end| end <= last)
    });
    let complete = is_within && counted.is_whole() && !inside.runs.is_empty();
    let (data, next) = if by_day { days(&whole, wanted) } else { runs(inside, wanted.limit) };
    let mut meta = counts(&counted);
    add_ends(&mut meta, contract, &whole);
    meta["series"] = json!(at.0.as_str());
    meta["start"] = json!(wanted.start.map(UnixMillis::get));
    meta["end"] = json!(wanted.end.map(UnixMillis::get));
    meta["complete"] = json!(complete);
    meta["conflicts"] = json!(conflicts(holding, at.0, range));
    meta["next"] = json!(next.map(UnixMillis::get));
    (data, meta, complete)
}

/// One contract's in short, and whether it is whole.
pub(super) fn in_short(contract: &Contract, holding: &Holding, at: At) -> (Value, bool) {
    let whole = of(contract, holding, at);
    let counted = CoverageCounts::of_times(&whole);
    let mut row = counts(&counted);
    add_ends(&mut row, contract, &whole);
    (row, counted.is_whole() && whole.ends().is_some())
}

fn of(contract: &Contract, holding: &Holding, (series, now): At) -> CoveredTimes {
    // No series with ids comes here.
    times(holding.library(), (holding.shelf().contract, Some(&contract.symbol)), series, now).unwrap_or_default()
}

/// A page is cut where both lists of it are whole.
fn runs(mut coverage: CoveredTimes, limit: usize) -> (Value, Option<UnixMillis>) {
    let last = limit.saturating_sub(1);
    let runs_end = coverage.runs.get(last).filter(|_| coverage.runs.len() > limit).map(|run| run.end);
    let holes_end = coverage.holes.get(last).filter(|_| coverage.holes.len() > limit).map(|hole| hole.end);
    let cut = runs_end.into_iter().chain(holes_end).min();
    if let Some(cut) = cut {
        coverage = coverage.within(BEGIN, cut);
    }
    let (runs, holes) = (coverage.runs.iter().map(run), coverage.holes.iter().map(hole));
    (json!({"runs": runs.collect::<Vec<_>>(), "holes": holes.collect::<Vec<_>>()}), cut)
}

fn days(whole: &CoveredTimes, wanted: &Wanted) -> (Value, Option<UnixMillis>) {
    let days = query::time_days(whole, wanted.start, wanted.end);
    let next = days.get(wanted.limit).map(|day| day.day);
    (json!(days.iter().take(wanted.limit).map(day).collect::<Vec<_>>()), next)
}

/// Times of rows of which another version is kept apart.
fn conflicts(holding: &Holding, series: Series, (start, end): (UnixMillis, UnixMillis)) -> Vec<u64> {
    // Of candles the latest version is served, and none is kept apart.
    if series.kind() == Kind::Candle {
        return Vec::new();
    }
    let key = |time: UnixMillis| time.get().max(0).unsigned_abs();
    let keys = key(end).checked_sub(1).and_then(|last| IdRange::new(key(start), last));
    let shelf = holding.library().shelf(holding.shelf().contract, series.kind());
    keys.map(|keys| shelf.conflicting_keys(holding.library(), keys, CONFLICTS_MAX)).unwrap_or_default()
}

fn counts(counts: &CoverageCounts) -> Value {
    json!({
        "held_ms": counts.held,
        "missing_ms": counts.missing,
        "awaiting_archive_ms": counts.awaiting_archive,
        "confirmed_absent_ms": counts.confirmed_absent,
    })
}

fn add_ends(row: &mut Value, contract: &Contract, whole: &CoveredTimes) {
    let ends = whole.ends();
    row["symbol"] = json!(contract.symbol.as_str());
    row["held_from"] = json!(ends.map(|(first, _)| first.get()));
    row["held_to"] = json!(ends.map(|(_, last)| last.get()));
    row["whole_from"] = json!(whole.whole_from.map(UnixMillis::get));
}

fn day(day: &DayCoverage) -> Value {
    let mut row = counts(&day.counts);
    row["day"] = json!(day.day.get());
    row["complete"] = json!(day.complete);
    row
}

fn run(run: &TimeRun) -> Value {
    json!({"start": run.start.get(), "end": run.end.get(), "source": run.origin.as_str()})
}

fn hole(hole: &TimeHole) -> Value {
    let mut row = json!({"start": hole.start.get(), "end": hole.end.get(), "state": hole.state.as_str()});
    if let HoleState::ConfirmedAbsent(proof) = hole.state {
        add_proof(&mut row, proof.witnesses, proof.at);
    }
    row
}
