//! What does `/api/v1/coverage` answer?

use crate::{
    api::{Shared, error::ApiError, native::rest::answer, params::Params},
    market::{Contract, TapeKind},
    model::{IdRange, UnixMillis},
    query::{self, CoverageCounts, DayCoverage},
    store::{
        Holding,
        coverage::{Hole, HoleState, Reach, Run},
        ledger::Witnesses,
        record::Origin,
    },
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::sync::Arc;

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };
/// Conflicts that one answer lists.
const CONFLICTS_MAX: usize = 1_000;

/// What is held and lacking: of every contract in short, or of one in runs or days.
pub(in crate::api) async fn coverage(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, start, end, from_id, by, limit")?;
    if params.text("symbol").is_none() {
        return every_contract(shared).await;
    }
    let contract = params.contract(&shared)?;
    let by_day = params.choice("by", "runs or day", &[("runs", false), ("day", true)])?;
    let (start, end) = params.range()?;
    let wanted = Wanted { start, end, from_id: params.id("from_id")?, limit: params.limit()? };
    let reach = reach(&shared, &contract);
    // Many footers may be looked at: not on a thread that serves sessions.
    let (data, meta, whole) = web::block(move || {
        let holding = contract.holding.get().cloned();
        holding.map(|holding| {
            if by_day { days(&contract, &holding, &wanted, reach) } else { runs(&contract, &holding, &wanted, reach) }
        })
    })
    .await?
    .ok_or(ApiError::NoStore)?;
    Ok(answer(data.to_string().into_bytes(), &meta, whole))
}

/// Which part of a contract's tape is asked about.
struct Wanted {
    start: Option<UnixMillis>,
    end: Option<UnixMillis>,
    from_id: Option<u64>,
    limit: usize,
}

impl Wanted {
    fn ids(&self, contract: &Contract, holding: &Holding) -> Option<IdRange> {
        let ids = query::ids_between(&contract.tape, holding, self.start, self.end)?;
        IdRange::new(ids.first.max(self.from_id.unwrap_or(0)), ids.last)
    }

    /// Whether all of it lies within what is held.
    fn is_within(&self, contract: &Contract, holding: &Holding) -> bool {
        let begins = self.from_id.is_none_or(|id| holding.ends().is_some_and(|ends| id >= ends.first));
        begins && query::reaches(&contract.tape, holding, self.start, self.end)
    }
}

fn reach(shared: &Shared, contract: &Contract) -> Reach {
    let back_ms = (contract.kind == TapeKind::Aggregate).then_some(shared.options.reach_ms);
    Reach { now: shared.budget.now(), back_ms }
}

async fn every_contract(shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let rows = web::block(move || {
        let row = |contract: Arc<Contract>| {
            let holding = contract.holding.get()?;
            let coverage = query::coverage(&contract.tape, holding, ALL, reach(&shared, &contract));
            let mut row = counts(&CoverageCounts::of(&coverage));
            row["symbol"] = json!(contract.symbol.as_str());
            row["whole_from_id"] = json!(coverage.whole_from_id);
            add_ends(&mut row, holding);
            Some((row, CoverageCounts::of(&coverage).is_whole() && holding.ends().is_some()))
        };
        shared.contracts.iter().filter_map(row).collect::<Vec<_>>()
    })
    .await?;
    let whole = rows.iter().all(|(_, whole)| *whole);
    let rows: Vec<Value> = rows.into_iter().map(|(row, _)| row).collect();
    Ok(answer(json!(rows).to_string().into_bytes(), &json!({"count": rows.len(), "complete": whole}), whole))
}

fn add_ends(row: &mut Value, holding: &Holding) {
    let ends = holding.ends();
    row["first_id"] = json!(ends.map(|ends| ends.first));
    row["last_id"] = json!(ends.map(|ends| ends.last));
    row["durable_through_id"] = json!(holding.durable_through_id());
}

fn runs(contract: &Contract, holding: &Holding, wanted: &Wanted, reach: Reach) -> (Value, Value, bool) {
    let ids = wanted.ids(contract, holding);
    let mut coverage = ids.map(|ids| query::coverage(&contract.tape, holding, ids, reach)).unwrap_or_default();
    let totals = CoverageCounts::of(&coverage);
    // A page is cut where both lists of it are whole.
    let end_of = |ends: &mut dyn Iterator<Item = u64>| ends.nth(wanted.limit.saturating_sub(1));
    let runs_end =
        end_of(&mut coverage.runs.iter().map(|run| run.ids.last)).filter(|_| coverage.runs.len() > wanted.limit);
    let holes_end =
        end_of(&mut coverage.holes.iter().map(|hole| hole.ids.last)).filter(|_| coverage.holes.len() > wanted.limit);
    let cut = runs_end.into_iter().chain(holes_end).min();
    coverage.runs.retain(|run| cut.is_none_or(|cut| run.ids.last <= cut));
    coverage.holes.retain(|hole| cut.is_none_or(|cut| hole.ids.last <= cut));
    let data = json!({
        "runs": coverage.runs.iter().map(run).collect::<Vec<_>>(),
        "holes": coverage.holes.iter().map(hole).collect::<Vec<_>>(),
    });
    let whole = totals.is_whole() && totals.held > 0 && wanted.is_within(contract, holding);
    let mut meta = meta(contract, holding, wanted, &totals, whole);
    meta["whole_from_id"] = json!(coverage.whole_from_id);
    meta["conflicts"] = json!(ids.map(|ids| holding.conflicts(ids, CONFLICTS_MAX)).unwrap_or_default());
    meta["next"] = json!(cut.map(|cut| cut + 1));
    (data, meta, whole)
}

fn days(contract: &Contract, holding: &Holding, wanted: &Wanted, reach: Reach) -> (Value, Value, bool) {
    let ids = wanted.ids(contract, holding);
    let mut days = ids.map(|ids| query::coverage_days(&contract.tape, holding, ids, reach)).unwrap_or_default();
    let next = days.get(wanted.limit).map(|day| day.day.get());
    days.truncate(wanted.limit);
    let sum = |sums: CoverageCounts, day: &DayCoverage| CoverageCounts {
        held: sums.held + day.counts.held,
        missing: sums.missing + day.counts.missing,
        awaiting_archive: sums.awaiting_archive + day.counts.awaiting_archive,
        confirmed_absent: sums.confirmed_absent + day.counts.confirmed_absent,
    };
    let totals = days.iter().fold(CoverageCounts::default(), sum);
    let whole = !days.is_empty() && days.iter().all(|day| day.complete) && wanted.is_within(contract, holding);
    let mut meta = meta(contract, holding, wanted, &totals, whole);
    meta["next"] = json!(next);
    (json!(days.iter().map(day).collect::<Vec<_>>()), meta, whole)
}

fn meta(contract: &Contract, holding: &Holding, wanted: &Wanted, totals: &CoverageCounts, whole: bool) -> Value {
    let mut meta = counts(totals);
    meta["symbol"] = json!(contract.symbol.as_str());
    meta["start"] = json!(wanted.start.map(UnixMillis::get));
    meta["end"] = json!(wanted.end.map(UnixMillis::get));
    meta["complete"] = json!(whole);
    add_ends(&mut meta, holding);
    meta
}

fn counts(counts: &CoverageCounts) -> Value {
    json!({
        "held": counts.held,
        "missing": counts.missing,
        "awaiting_archive": counts.awaiting_archive,
        "confirmed_absent": counts.confirmed_absent,
    })
}

fn day(day: &DayCoverage) -> Value {
    let mut row = counts(&day.counts);
    row["day"] = json!(day.day.get());
    row["first_id"] = json!(day.ids.map(|ids| ids.first));
    row["last_id"] = json!(day.ids.map(|ids| ids.last));
    row["complete"] = json!(day.complete);
    row
}

fn run(run: &Run) -> Value {
    json!({"first": run.ids.first, "last": run.ids.last, "source": source(run.origin)})
}

fn hole(hole: &Hole) -> Value {
    let mut row = json!({
        "first": hole.ids.first,
        "last": hole.ids.last,
        "state": match hole.state {
            HoleState::Missing => "missing",
            HoleState::AwaitingArchive => "awaiting_archive",
            HoleState::ConfirmedAbsent(_) => "confirmed_absent",
        },
        "after": hole.times.0.map(UnixMillis::get),
        "before": hole.times.1.map(UnixMillis::get),
    });
    if let HoleState::ConfirmedAbsent(absent) = hole.state {
        row["confirmed_by"] = json!(sources(absent.witnesses));
        row["confirmed_at"] = json!(absent.at.get());
    }
    row
}

fn sources(witnesses: Witnesses) -> Vec<&'static str> {
    let all = [Origin::Stream, Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive];
    all.into_iter().filter(|origin| witnesses.has(*origin)).map(source).collect()
}

const fn source(origin: Origin) -> &'static str {
    match origin {
        Origin::Stream => "stream",
        Origin::Rest => "rest",
        Origin::DailyArchive => "daily_archive",
        Origin::MonthlyArchive => "monthly_archive",
        Origin::Derived => "derived",
    }
}
