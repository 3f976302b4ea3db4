//! What does `/api/v1/symbols` answer, and how do contracts come and go by it?

use crate::{
    api::{
        Shared,
        error::ApiError,
        params::{Params, json_body},
    },
    book::Replica,
    market::{Contract, TapeKind, Wish},
    model::{ContractId, Symbol, UnixMillis},
    store::Holding,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The state of a contract of which only what is stored is served.
const NOT_RECORDED: &str = "not_recorded";

/// The body of `POST /api/v1/symbols`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    symbol: String,
}

/// The recorded contracts.
pub(in crate::api) async fn list(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "stored")?;
    let mut data: Vec<_> = shared.contracts.iter().map(|contract| described(&contract)).collect();
    if params.flag("stored")? {
        data.extend(stored(&shared).iter().map(described));
    }
    Ok(HttpResponse::Ok().json(json!({"data": data, "meta": {"count": data.len()}})))
}

/// Contracts that are not recorded any more, by symbol.
fn stored(shared: &Shared) -> Vec<Contract> {
    let Some(shelving) = &shared.shelving else { return Vec::new() };
    let symbols: BTreeSet<_> = shelving.symbols().collect();
    let past = symbols.iter().filter(|symbol| shared.contracts.find(symbol.as_str()).is_none());
    past.filter_map(|symbol| shelving.past(symbol)).collect()
}

fn described(contract: &Contract) -> Value {
    let (state, since) = contract.fares();

    let tape = match contract.kind {
        TapeKind::Aggregate => "aggTrade",
        TapeKind::Raw => "trade",
    };
    let mut row = json!({
        "symbol": contract.symbol.as_str(),
        "tape": tape,
        "state": if contract.id == ContractId::NONE { NOT_RECORDED } else { state.name() },
        "since": since.map(UnixMillis::get),
        "newest_id": contract.tape.newest_id(),
        "ring_trades": contract.tape.capacity(),
        "missing_ids": contract.tape.aside().holes().count(),
        "held_from_id": contract.holding.get().and_then(Holding::ends).map(|ids| ids.first),
        "durable_through_id": contract.holding.get().and_then(Holding::durable_through_id),
        "book": contract.book.as_ref().map(|book| book.read(Replica::state).name()),
        "listing": Value::Null,
    });
    if let Some(listing) = contract.listing.load().as_ref() {
        row["listing"] = json!({
            "status": listing.status,
            "contract_type": listing.contract_type,
            "onboard_time": listing.onboard_time.get(),
            "base_asset": listing.base_asset,
            "quote_asset": listing.quote_asset,
            "tick_size": listing.tick_size.to_string(),
            "step_size": listing.step_size.to_string(),
            "ends": listing.ends.map(UnixMillis::get),
        });
    }
    row
}

/// Records a contract from now on, until the process ends.
pub(in crate::api) async fn add(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let Body { symbol } = json_body(&request, &body)?;
    let symbol = Symbol::new(&symbol)?;
    shared.roster.ask(symbol.clone(), Wish::Begin).await?;
    let location = format!("/api/v1/symbols/{}", escaped(&symbol));
    let contract = shared.contracts.find(symbol.as_str()).ok_or(ApiError::UnknownSymbol(symbol.to_string()))?;
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(json!({"data": described(&contract)})))
}

/// One contract.
pub(in crate::api) async fn one(
    request: HttpRequest,
    symbol: web::Path<String>,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    let contract = shared.contracts.find(&symbol);
    let contract = contract.ok_or_else(|| ApiError::UnknownSymbol(symbol.chars().take(64).collect()))?;
    Ok(HttpResponse::Ok().json(json!({"data": described(&contract)})))
}

/// Records a contract no more; what is stored of it stays.
pub(in crate::api) async fn remove(
    request: HttpRequest,
    symbol: web::Path<String>,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    Params::read(request.query_string(), "no parameters")?;
    shared.roster.ask(Symbol::new(&symbol)?, Wish::End).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// As it stands in a URL: UTF-8, percent-encoded.
fn escaped(symbol: &Symbol) -> String {
    let escape = |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    symbol.as_str().bytes().map(escape).collect()
}
