//! What do `/api/v1/book` and `/api/v1/book/snapshots` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        native::{
            Decimals, depth,
            rest::{answer, rows},
        },
        params::Params,
    },
    book::{Replica, State, Step, Summary, TickSize},
    market::{ChangeError, Contract},
    model::{Price, UnixMillis},
    query::{self, BooksWanted},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// Levels of a side at most: the venue tells no more.
const LEVELS_MAX: usize = 1_000;
/// Snapshots of an answer when nothing else is asked for, and at most.
const SNAPSHOTS: (usize, usize) = (100, 1_000);
/// How a tick size is written.
const STEP: &str = "a step of prices such as 0.5, or so many of the contract's own such as 10x";

/// A contract's book now.
pub(in crate::api) async fn now(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, levels, group, decimals")?;
    let contract = params.contract(&shared)?;
    let book = contract.book.as_ref().ok_or_else(|| ApiError::NoBook(contract.symbol.to_string()))?;
    let levels = params.count("levels", "a whole number from 1 to 1000", book.spec.levels, LEVELS_MAX)?;
    let (group, decimals) = (tick_size(&params, "group", &contract)?, params.decimals()?);
    let (data, state, is_whole) = book.read(|replica| now_of(replica, group, levels, decimals));
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

/// The book as an object, how it stands, and whether as many levels are told as were asked for, or as there are.
fn now_of(replica: &Replica, group: Option<TickSize>, levels: usize, decimals: Decimals) -> (Vec<u8>, State, bool) {
    let (mut data, state) = (Vec::new(), replica.state());
    let Some(book) = replica.book() else {
        depth::no_book(state, &mut data);
        return (data, state, false);
    };
    let summary = Summary::of(book, group, levels);
    depth::book(book, &summary, decimals, &mut data);
    let is_whole = [(book.bids(), &summary.bids), (book.asks(), &summary.asks)]
        .iter()
        .all(|(ladder, depths)| depths.len() >= levels || ladder.reach().is_none());
    (data, state, is_whole)
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
    let (tick_size, decimals) = (tick_size(&params, "tick_size", &contract)?, params.decimals()?);
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
    let Some(text) = params.text(param) else { return Ok(None) };
    let step = Step::parse(text).ok_or(ApiError::Invalid { param, expected: STEP })?;
    let tick = tick_of(contract);
    let size = match (step.tick_size(tick), step) {
        (Some(size), _) => size,
        (None, Step::Ticks(_)) if tick.is_none() => return Err(ChangeError::ListingUnknown.into()),
        (None, _) => return Err(ApiError::Invalid { param, expected: STEP }),
    };
    match tick.filter(|tick| size.get().units().checked_rem(tick.units()).is_some_and(|rest| rest != 0)) {
        Some(tick) => Err(ApiError::TickSize { param, tick }),
        None => Ok(Some(size)),
    }
}

/// The contract's own step of prices, once the listing has been read.
fn tick_of(contract: &Contract) -> Option<Price> {
    contract.listing.load().as_ref().map(|listing| listing.tick_size)
}

fn text(tick_size: TickSize) -> String {
    tick_size.get().to_string()
}
