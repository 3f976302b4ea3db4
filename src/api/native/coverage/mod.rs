//! What does `/api/v1/coverage` answer?

mod times;

use crate::{
    api::{Shared, error::ApiError, native::rest::answer, params::Params},
    history::jobs::Series,
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

/// The series by name; nothing stands for the trades of a contract's tape, of whatever kind.
const SERIES: &[(&str, Option<Series>)] = &[
    ("trades", None),
    ("candles", Some(Series::Candles)),
    ("open_interest", Some(Series::OpenInterest)),
    ("funding", Some(Series::Funding)),
];

/// What is held and lacking of a series: of every contract in short, or of one in runs or days.
pub(in crate::api) async fn coverage(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, series, start, end, from_id, by, limit")?;
    let series = params.choice("series", "trades, candles, open_interest or funding", SERIES)?;
    if params.text("symbol").is_none() {
        return every_contract(shared, series).await;
    }
    let contract = params.contract(&shared)?;
    let by_day = params.choice("by", "runs or day", &[("runs", false), ("day", true)])?;
    let (start, end) = params.range()?;
    let wanted = Wanted { start, end, from_id: params.id("from_id")?, limit: params.limit()? };
    if series.is_some() && wanted.from_id.is_some() {
        return Err(ApiError::Invalid { param: "from_id", expected: "left out: this series has no ids, use `start`" });
    }
    let (reach, now) = (reach(&shared, &contract), shared.budget.now());
    // Many footers may be looked at: not on a thread that serves sessions.
    let (data, meta, whole) = web::block(move || {
        let holding = contract.holding.get().cloned();
        holding.map(|holding| match series {
            Some(series) => times::one(&contract, &holding, &wanted, (series, now), by_day),
            None if by_day => days(&contract, &holding, &wanted, reach),
            None => runs(&contract, &holding, &wanted, reach),
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

async fn every_contract(shared: web::Data<Shared>, series: Option<Series>) -> Result<HttpResponse, ApiError> {
    let rows = web::block(move || {
        let row = |contract: Arc<Contract>| {
            let holding = contract.holding.get()?;
            Some(match series {
                Some(series) => times::in_short(&contract, holding, (series, shared.budget.now())),
                None => in_short(&contract, holding, reach(&shared, &contract)),
            })
        };
        shared.contracts.iter().filter_map(row).collect::<Vec<_>>()
    })
    .await?;
    let whole = rows.iter().all(|(_, whole)| *whole);
    let rows: Vec<Value> = rows.into_iter().map(|(row, _)| row).collect();
    Ok(answer(json!(rows).to_string().into_bytes(), &json!({"count": rows.len(), "complete": whole}), whole))
}

fn in_short(contract: &Contract, holding: &Holding, reach: Reach) -> (Value, bool) {
    let coverage = query::coverage(&contract.tape, holding, ALL, reach);
    let counted = CoverageCounts::of(&coverage);
    let mut row = counts(&counted);
    row["symbol"] = json!(contract.symbol.as_str());
    row["whole_from_id"] = json!(coverage.whole_from_id);
    add_ends(&mut row, holding);
    (row, counted.is_whole() && holding.ends().is_some())
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
    let totals = days.iter().fold(CoverageCounts::default(), |sum, day| sum.and(day.counts));
    let whole = !days.is_empty() && days.iter().all(|day| day.complete) && wanted.is_within(contract, holding);
    let mut meta = meta(contract, holding, wanted, &totals, whole);
    meta["next"] = json!(next);
    (json!(days.iter().map(day).collect::<Vec<_>>()), meta, whole)
}

fn meta(contract: &Contract, holding: &Holding, wanted: &Wanted, totals: &CoverageCounts, whole: bool) -> Value {
    let mut meta = counts(totals);
    meta["symbol"] = json!(contract.symbol.as_str());
    meta["series"] = json!("trades");
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
    json!({"first": run.ids.first, "last": run.ids.last, "source": run.origin.as_str()})
}

fn hole(hole: &Hole) -> Value {
    let mut row = json!({
        "first": hole.ids.first,
        "last": hole.ids.last,
        "state": hole.state.as_str(),
        "after": hole.times.0.map(UnixMillis::get),
        "before": hole.times.1.map(UnixMillis::get),
    });
    if let HoleState::ConfirmedAbsent(absent) = hole.state {
        add_proof(&mut row, absent.witnesses, absent.at);
    }
    row
}

fn add_proof(row: &mut Value, witnesses: Witnesses, at: UnixMillis) {
    row["confirmed_by"] = json!(sources(witnesses));
    row["confirmed_at"] = json!(at.get());
}

fn sources(witnesses: Witnesses) -> Vec<&'static str> {
    witnesses.sources().map(Origin::as_str).collect()
}
