//! What do `/api/v1/mark`, `/funding`, `/open-interest` and `/liquidations` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        native::{
            figures,
            rest::{answer, rows, unproven},
            tickers::newest,
        },
        params::Params,
    },
    market::{Contract, Series},
    model::{Funding, MarkPrice, OpenInterest, UnixMillis},
    query::{self, RecordPage, RecordRange},
    store::{
        Records,
        record::{FundingRow, LiquidationRow, MarkRow, OpenInterestRow, Record, Timed},
    },
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::sync::Arc;

/// What everybody has to know who sums liquidations up.
pub(super) const SAMPLE: &str = "the exchange tells at most one liquidation a contract and second (the largest of it since 2026-04-14): \
                      sums are too low";
/// The lengths of periods, with the first for those who name none: records as they are.
const PERIODS: [(&str, Option<i64>); 10] = [
    ("none", None),
    ("5m", Some(5 * UnixMillis::MINUTE)),
    ("15m", Some(15 * UnixMillis::MINUTE)),
    ("30m", Some(30 * UnixMillis::MINUTE)),
    ("1h", Some(UnixMillis::HOUR)),
    ("2h", Some(2 * UnixMillis::HOUR)),
    ("4h", Some(4 * UnixMillis::HOUR)),
    ("6h", Some(6 * UnixMillis::HOUR)),
    ("12h", Some(12 * UnixMillis::HOUR)),
    ("1d", Some(UnixMillis::DAY)),
];

/// What the venue values contracts at: the newest, or the stored past of one.
pub(in crate::api) async fn mark(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, start, end, limit, decimals")?;
    let decimals = params.decimals()?;
    let Some((contract, range)) = past(&params, &shared, &["start", "end", "limit"])? else {
        let contracts = params.contracts(&shared)?;
        return Ok(newest(&contracts, |contract| contract.figures.mark(), decimals, figures::mark));
    };
    let page = records::<MarkRow>(&contract, range).await?;
    let data = rows(&page.rows, |row, out| figures::mark(&MarkPrice::from(*row), decimals, out));
    let mut meta = meta(&contract, &range, &page);
    shared.options.followed.tell(&mut meta, &contract, Series::Marks);
    Ok(unproven(data, &meta))
}

/// Settled fundings of a contract and what is known of its next, or the newest of every contract.
pub(in crate::api) async fn funding(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, start, end, limit, decimals")?;
    let decimals = params.decimals()?;
    let Some((contract, range)) = past(&params, &shared, &["symbol", "start", "end", "limit"])? else {
        let settled = newest_fundings(&shared).await?;
        let data = rows(&settled, |(contract, row), out| {
            figures::named(&contract.symbol, out, |out| figures::funding(row, decimals, out));
        });
        return Ok(unproven(data, &json!({"count": settled.len()})));
    };
    let page = records::<FundingRow>(&contract, range).await?;
    let data = rows(&page.rows, |row, out| figures::funding(&Funding::from(*row), decimals, out));
    let mut meta = meta(&contract, &range, &page);
    shared.options.followed.tell(&mut meta, &contract, Series::Funding);
    add_terms(&mut meta, &contract);
    Ok(unproven(data, &meta))
}

async fn newest_fundings(shared: &Shared) -> Result<Vec<(Arc<Contract>, Funding)>, ApiError> {
    let contracts: Vec<_> = shared.contracts.iter().collect();
    if !contracts.iter().any(|contract| contract.records.get().is_some()) {
        return Err(ApiError::NoStore);
    }
    let newest = RecordRange { start: None, end: None, limit: 1 };
    let read = move |contract: Arc<Contract>| {
        let row = query::records::<FundingRow>(contract.records.get()?, &newest).rows.pop()?;
        Some((contract, Funding::from(row)))
    };
    Ok(web::block(move || contracts.into_iter().filter_map(read).collect()).await?)
}

/// What is known of a contract's next funding; rates as exact text.
fn add_terms(meta: &mut Value, contract: &Contract) {
    let mark = contract.figures.mark();
    let rate = mark.as_ref().and_then(|mark| mark.funding_rate);
    meta["current_rate"] = json!(rate.map(|rate| rate.to_string()));
    meta["current_rate_time"] = json!(mark.as_ref().map(|mark| mark.time.get()));
    meta["next_funding_time"] = json!(mark.and_then(|mark| mark.next_funding_time).map(UnixMillis::get));
    meta["terms"] = json!(contract.figures.terms().map(|terms| {
        json!({
            "cap": terms.cap.to_string(),
            "floor": terms.floor.to_string(),
            "interval_hours": terms.interval_hours,
            "changed": terms.changed.map(UnixMillis::get),
        })
    }));
}

/// How much is open: the newest, or the past of one contract.
pub(in crate::api) async fn open_interest(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, period, start, end, limit, decimals")?;
    let decimals = params.decimals()?;
    let period = params.choice("period", "5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h or 1d", &PERIODS)?;
    let Some((contract, range)) = past(&params, &shared, &["period", "start", "end", "limit"])? else {
        let contracts = params.contracts(&shared)?;
        let one = params.text("symbol").and(contracts.first());
        shared.options.followed.expect_open_interest(one.map(Arc::as_ref))?;
        return Ok(newest(&contracts, |contract| contract.figures.open_interest(), decimals, figures::open_interest));
    };
    let page = match period {
        Some(period_ms) => by_period(&contract, range, period_ms, shared.budget.now()).await?,
        None => whole(records::<OpenInterestRow>(&contract, range).await?),
    };
    let data = rows(&page.rows, |row, out| figures::open_interest(row, decimals, out));
    let mut meta = meta(&contract, &range, &page);
    shared.options.followed.tell(&mut meta, &contract, Series::OpenInterest);
    meta["period"] = json!(params.text("period"));
    if page.is_cut {
        meta["complete"] = json!(false);
        return Ok(answer(data, &meta, false));
    }
    Ok(unproven(data, &meta))
}

fn whole(page: RecordPage<OpenInterestRow>) -> RecordPage<OpenInterest> {
    let RecordPage { rows, next, held_from, is_damaged, is_cut } = page;
    RecordPage { rows: rows.into_iter().map(OpenInterest::from).collect(), next, held_from, is_damaged, is_cut }
}

async fn by_period(
    contract: &Contract,
    range: RecordRange,
    period_ms: i64,
    now: UnixMillis,
) -> Result<RecordPage<OpenInterest>, ApiError> {
    let records = stored(contract)?;
    Ok(web::block(move || query::open_interest_by(&records, &range, period_ms, now)).await?)
}

/// Liquidations of a contract.
pub(in crate::api) async fn liquidations(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, from_id, start, end, limit, decimals")?;
    let (decimals, from_id) = (params.decimals()?, params.id("from_id")?);
    let (contract, asked) = (params.contract(&shared)?, range(&params)?);
    let range = RecordRange { start: asked.start.max(from_id.map(LiquidationRow::time_of_key)), ..asked };
    let mut page = records::<LiquidationRow>(&contract, range).await?;
    page.rows.retain(|row| from_id.is_none_or(|from_id| row.key() >= from_id));
    let data = rows(&page.rows, |row, out| figures::liquidation(row.key(), &row.liquidation(), decimals, out));
    let mut meta = meta(&contract, &range, &page);
    shared.options.followed.tell(&mut meta, &contract, Series::Liquidations);
    meta["note"] = json!(SAMPLE);
    Ok(unproven(data, &meta))
}

/// Of which contract which past is asked for; nothing when none of `signs`, parameters, is there.
fn past(params: &Params, shared: &Shared, signs: &[&str]) -> Result<Option<(Arc<Contract>, RecordRange)>, ApiError> {
    if signs.iter().all(|sign| params.text(sign).is_none()) {
        return Ok(None);
    }
    if params.text("symbol").is_none() {
        return Err(ApiError::NeedsSymbol);
    }
    Ok(Some((params.contract(shared)?, range(params)?)))
}

fn range(params: &Params) -> Result<RecordRange, ApiError> {
    let (start, end) = params.range()?;
    Ok(RecordRange { start, end, limit: params.limit()? })
}

fn stored(contract: &Contract) -> Result<Records, ApiError> {
    contract.records.get().cloned().ok_or(ApiError::NoStore)
}

/// The store is read from the disk: not on a thread that serves sessions.
async fn records<R: Timed + Send + 'static>(
    contract: &Contract,
    range: RecordRange,
) -> Result<RecordPage<R>, ApiError> {
    let records = stored(contract)?;
    Ok(web::block(move || query::records(&records, &range)).await?)
}

fn meta<R>(contract: &Contract, range: &RecordRange, page: &RecordPage<R>) -> Value {
    json!({
        "symbol": contract.symbol.as_str(),
        "start": range.start.map(UnixMillis::get),
        "end": range.end.map(UnixMillis::get),
        "held_from": page.held_from.map(UnixMillis::get),
        "damaged": page.is_damaged,
        "next": page.next.map(UnixMillis::get),
    })
}
