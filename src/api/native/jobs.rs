//! What do `/api/v1/backfill`, `/api/v1/jobs` and `/api/v1/admin/weight` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        moment,
        params::{Params, json_body},
    },
    history::{
        budget::{Priority, Snapshot},
        jobs::{Contract, Job, Jobs, Series, SubmitError, Want, check},
    },
    market::TapeKind,
    model::{Symbol, UnixMillis},
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};

/// The body of `POST /api/v1/backfill`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    symbol: Option<String>,
    #[serde(default)]
    symbols: Vec<String>,
    from: Moment,
    to: Option<Moment>,
    #[serde(default)]
    series: Vec<Series>,
}

/// A moment as a number or as a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Millis(i64),
    Text(String),
}

impl Moment {
    fn millis(self, param: &'static str) -> Result<i64, ApiError> {
        let text = match self {
            Self::Millis(millis) => millis.to_string(),
            Self::Text(text) => text,
        };
        moment(&text).map(UnixMillis::get).map_err(|source| ApiError::Moment { param, source })
    }
}

/// Takes a job.
pub(in crate::api) async fn submit(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let body: Body = json_body(&request, &body)?;
    let jobs = jobs(&shared)?;
    let want = check(want(body, &shared)?, shared.budget.now(), |symbol| known(&shared, symbol))?;
    let job = web::block(move || jobs.submit(want)).await??;
    let location = format!("/api/v1/jobs/{}", job.id);
    let answer = json!({"data": described(&job, shared.clock.wall())});
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, location)).json(answer))
}

fn want(body: Body, shared: &Shared) -> Result<Want, ApiError> {
    let Body { symbol, symbols, from, to, mut series } = body;
    let symbols: Vec<String> = symbol.into_iter().chain(symbols).collect();
    if series.is_empty() {
        // What the tapes of these contracts are made of.
        let contracts = symbols.iter().filter_map(|symbol| shared.contracts.find(symbol));
        series.extend(contracts.map(|contract| series_of(contract.kind)));
        // An unknown symbol is to be called that.
        if series.is_empty() {
            series.push(Series::Trades);
        }
    }
    let to = to.map_or_else(|| Ok(shared.budget.now().get()), |to| to.millis("to"))?;
    Ok(Want { symbols, series, from: from.millis("from")?, to, replaced_only: false })
}

const fn series_of(kind: TapeKind) -> Series {
    match kind {
        TapeKind::Aggregate => Series::Trades,
        TapeKind::Raw => Series::RawTrades,
    }
}

fn known(shared: &Shared, symbol: &Symbol) -> Option<Contract> {
    let contract = shared.contracts.find(symbol.as_str())?;
    let onboard_time = contract.listing.load().as_ref().map(|listing| listing.onboard_time);
    Some(Contract { onboard_time, keeps_trades: true, tape: Some(series_of(contract.kind)) })
}

/// All jobs.
pub(in crate::api) async fn list(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let (jobs, now) = (jobs(&shared)?, shared.clock.wall());
    // One may just be being filed.
    let jobs = web::block(move || jobs.list()).await?;
    let data: Vec<_> = jobs.iter().map(|job| described(job, now)).collect();
    Ok(HttpResponse::Ok().json(json!({"data": data, "meta": {"count": data.len()}})))
}

/// One job.
pub(in crate::api) async fn one(
    request: HttpRequest,
    id: web::Path<String>,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let (jobs, id) = (jobs(&shared)?, number(&id)?);
    told(web::block(move || jobs.get(id)).await?, id, &shared)
}

/// Calls a job off.
pub(in crate::api) async fn cancel(
    request: HttpRequest,
    id: web::Path<String>,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let (jobs, id) = (jobs(&shared)?, number(&id)?);
    told(web::block(move || jobs.cancel(id)).await?.map_err(SubmitError::from)?, id, &shared)
}

fn told(job: Option<Job>, id: u64, shared: &Shared) -> Result<HttpResponse, ApiError> {
    let job = job.ok_or_else(|| ApiError::UnknownJob(id.to_string()))?;
    Ok(HttpResponse::Ok().json(json!({"data": described(&job, shared.clock.wall())})))
}

fn jobs(shared: &Shared) -> Result<Jobs, ApiError> {
    shared.jobs.clone().ok_or(ApiError::NoStore)
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| ApiError::UnknownJob(id.chars().take(32).collect()))
}

/// A job and what is told from it.
fn described(job: &Job, now: UnixMillis) -> Value {
    let mut value = serde_json::to_value(job).unwrap_or_default();
    value["bytes_per_second"] = json!(job.bytes_per_second(now));
    value["remaining_ms"] = json!(job.remaining_ms(now));
    value
}

/// How the budget of requests to the venue stands.
pub(in crate::api) async fn weight(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    Ok(HttpResponse::Ok().json(json!({"data": budget(&shared.budget.snapshot())})))
}

fn budget(snapshot: &Snapshot) -> Value {
    let time = |time: Option<UnixMillis>| time.map(UnixMillis::get);
    let pools = snapshot.pools.iter().map(|pool| {
        json!({
            "pool": pool.pool.name(),
            "used": pool.used,
            "limit": pool.limit,
            "allowed": pool.allowed,
            "window_ms": pool.window_ms,
            "frozen_until": time(pool.frozen_until),
            "waiting": pool.waiting.iter().sum::<usize>(),
        })
    });
    let granted = Priority::ALL.map(|priority| (priority.name(), snapshot.counts.granted_to(priority)));
    json!({
        "time": snapshot.now.get(),
        "used": snapshot.used,
        "limit": snapshot.limit,
        "allowed": snapshot.allowed,
        "reserved": snapshot.reserved,
        "frozen_until": time(snapshot.frozen_until),
        "banned_until": time(snapshot.banned_until),
        "waiting": snapshot.waiting.iter().sum::<usize>(),
        "granted": granted.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "refused": snapshot.counts.refused,
        "pools": pools.collect::<Vec<_>>(),
    })
}
