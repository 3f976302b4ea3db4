//! What do `/api/v1/book` and `/api/v1/book/snapshots` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        native::{
            depth::{self, Seen},
            rest::{answer, rows},
            step::{self, STEP, StepError, tick_of},
        },
        params::Params,
    },
    book::{Step, TickSize},
    market::Contract,
    model::UnixMillis,
    query::{self, BooksWanted},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// Levels of a side at most: the venue tells no more.
const LEVELS_MAX: usize = 1_000;
/// Snapshots of an answer when nothing else is asked for, and at most.
const SNAPSHOTS: (usize, usize) = (100, 1_000);

/// A contract's book now.
pub(in crate::api) async fn now(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, levels, group, decimals")?;
    let contract = params.contract(&shared)?;
    let book = contract.book.as_ref().ok_or_else(|| ApiError::NoBook(contract.symbol.to_string()))?;
    let levels = params.count("levels", "a whole number from 1 to 1000", book.spec().levels, LEVELS_MAX)?;
    let (group, decimals) = (tick_size(&params, "group", &contract)?, params.decimals()?);
    // Written once its writer waits no more.
    let (state, seen) =
        book.read(|replica| (replica.state(), replica.book().map(|book| Seen::of(book, group, levels))));
    let is_whole = seen.as_ref().is_some_and(Seen::is_whole);
    let mut data = Vec::new();
    match &seen {
        Some(seen) => depth::book(seen, decimals, &mut data),
        None => depth::no_book(state, &mut data),
    }
    let meta = json!({
        "symbol": contract.symbol.as_str(),
        "state": state.name(),
        "levels": levels,
        "group": group.map(text),
        "tick_size": tick_of(&contract).map(|tick| tick.to_string()),
        "complete": is_whole,
    });
    Ok(answer(data, &meta, is_whole))
}

/// Snapshots of a contract's book that were recorded.
pub(in crate::api) async fn snapshots(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, tick_size, start, end, limit, decimals")?;
    let contract = params.contract(&shared)?;
    let records = contract.records.get().cloned().ok_or(ApiError::NoStore)?;
    let (start, end) = params.range()?;
    let limit = params.count("limit", "a whole number from 1 to 1000", SNAPSHOTS.0, SNAPSHOTS.1)?;
    // The contract's own may have been another when it was recorded.
    let (tick_size, decimals) = (step(&params, "tick_size", &contract)?, params.decimals()?);
    let wanted = BooksWanted { start, end, tick_size, limit };
    // The store is read from the disk: not on a thread that serves sessions.
    let page = web::block(move || query::books(&records, &wanted)).await?;
    let meta: Value = json!({
        "symbol": contract.symbol.as_str(),
        "tick_size": tick_size.map(text),
        "start": start.map(UnixMillis::get),
        "end": end.map(UnixMillis::get),
        "complete": page.complete,
        "next": page.next.map(UnixMillis::get),
    });
    let data = rows(&page.books, |book, out| depth::stored(book, decimals, out));
    Ok(answer(data, &meta, page.complete))
}

/// The tick size that a parameter names, which the contract's own divides.
fn tick_size(params: &Params, param: &'static str, contract: &Contract) -> Result<Option<TickSize>, ApiError> {
    named(params, param, |step| step::tick_size(step, contract))
}

/// The step of prices that a parameter names.
fn step(params: &Params, param: &'static str, contract: &Contract) -> Result<Option<TickSize>, ApiError> {
    named(params, param, |step| step::size(step, contract))
}

fn named(
    params: &Params,
    param: &'static str,
    size: impl FnOnce(Step) -> Result<TickSize, StepError>,
) -> Result<Option<TickSize>, ApiError> {
    let Some(text) = params.text(param) else { return Ok(None) };
    let wrong = || ApiError::Invalid { param, expected: STEP };
    let step = Step::parse(text).ok_or_else(wrong)?;
    size(step).map(Some).map_err(|error| match error {
        StepError::Beyond => wrong(),
        StepError::Unknown(error) => error.into(),
        StepError::NoMultiple(tick) => ApiError::TickSize { param, tick },
    })
}

fn text(tick_size: TickSize) -> String {
    tick_size.get().to_string()
}
