//! What do `/api/v1/trades` and `/api/v1/candles` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        native::{
            candles::{self, CandleRange, Fill},
            encode,
        },
        params::Params,
    },
    model::{Timeframe, UnixMillis},
    query::{self, CandlesWanted, TradeRange},
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::sync::Arc;

/// Says of an answer about a range whether everything is in it, as `meta.complete` does.
pub(in crate::api) const COMPLETE: &str = "x-tapedeck-complete";

/// Trades of a contract.
pub(in crate::api) async fn trades(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, from_id, start, end, limit, decimals, min_notional")?;
    let contract = params.contract(&shared)?;
    let (start, end) = params.range()?;
    let query = TradeRange { from_id: params.id("from_id")?, start, end, limit: params.limit()? };
    let decimals = params.decimals()?;
    // The store is read from the disk: not on a thread that serves sessions.
    let asked = Arc::clone(&contract);
    let notional_min = params.notional("min_notional")?;
    let read = move || match notional_min {
        Some(min) => query::large_trades(&asked.tape, asked.holding.get(), &query, min),
        None => query::trades(&asked.tape, asked.holding.get(), &query),
    };
    let page = web::block(read).await?;
    let holes: Vec<_> = page.holes.iter().map(|hole| json!({"first": hole.first, "last": hole.last})).collect();
    let meta = json!({
        "symbol": contract.symbol.as_str(),
        "start": start.map(UnixMillis::get),
        "end": end.map(UnixMillis::get),
        "first_id": page.trades.first().map(|trade| trade.id),
        "last_id": page.trades.last().map(|trade| trade.id),
        "complete": page.complete,
        "holes": holes,
        "next": page.next_id,
    });
    Ok(answer(rows(&page.trades, |trade, out| encode::trade(trade, decimals, out)), &meta, page.complete))
}

/// Candles of a contract.
pub(in crate::api) async fn candles(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    const KNOWN: &str = "symbol, interval, start, end, limit, fill, closed_only, origin, decimals, shape";
    let params = Params::read(request.query_string(), KNOWN)?;
    let (contract, timeframe) = (params.contract(&shared)?, params.timeframe()?);
    let symbol = contract.symbol.clone();
    let (start, end) = params.range()?;
    let limit = params.limit()?;
    let fills = [("none", Fill::None), ("null", Fill::Null), ("previous", Fill::Previous)];
    let fill = params.choice("fill", "none, null or previous", &fills)?;
    let columns = params.choice("shape", "rows or columns", &[("rows", false), ("columns", true)])?;
    let (decimals, closed_only) = (params.decimals()?, params.flag("closed_only")?);
    let range = CandleRange { timeframe, start, end, limit, fill, closed_only };
    // Everything that is in memory: only so are the ends of the range known.
    let live = shared.live.candles(contract.id, timeframe).await?;
    let minutes = match contract.holding.get() {
        Some(_) if timeframe != Timeframe::MINUTE => shared.live.candles(contract.id, Timeframe::MINUTE).await?,
        Some(_) => live.clone(),
        None => Vec::new(),
    };
    let wanted = CandlesWanted { timeframe, start, end, limit };
    let (oldest, held) = web::block(move || {
        let holding = contract.holding.get();
        (query::held_from(holding, timeframe), query::candles(holding, live, &minutes, &wanted))
    })
    .await?;
    let page = candles::page(held, &range);
    let meta = json!({
        "symbol": symbol.as_str(),
        "interval": timeframe.to_string(),
        "start": start.map(UnixMillis::get),
        "end": end.map(UnixMillis::get),
        "complete": page.complete,
        "held_from": oldest.into_iter().chain(page.held_from).min().map(UnixMillis::get),
        "next": page.next.map(UnixMillis::get),
    });
    let data = rows(&page.rows, |row, out| match fill {
        Fill::Null if row.trades == 0 => encode::no_candle(row, out),
        _ => encode::candle(row, decimals, out),
    });
    Ok(answer(if columns { turned(&data) } else { data }, &meta, page.complete))
}

/// An array of what `write` appends for each of `rows`.
pub(super) fn rows<T>(rows: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(row, &mut out);
    }
    out.push(b']');
    out
}

/// Rows of objects turned into an object of columns; the numbers keep their text.
fn turned(rows: &[u8]) -> Vec<u8> {
    type Row<'a> = std::collections::BTreeMap<&'a str, &'a serde_json::value::RawValue>;
    let rows: Vec<Row<'_>> = serde_json::from_slice(rows).unwrap_or_default();
    let mut columns: std::collections::BTreeMap<&str, Vec<Option<&serde_json::value::RawValue>>> = Default::default();
    for name in rows.iter().flat_map(|row| row.keys()) {
        columns.entry(name).or_default();
    }
    for (name, column) in &mut columns {
        column.extend(rows.iter().map(|row| row.get(name).copied()));
    }
    serde_json::to_vec(&columns).unwrap_or_default()
}

/// Data about a range, and whether that is all there is.
pub(super) fn answer(data: Vec<u8>, meta: &Value, complete: bool) -> HttpResponse {
    let complete = if complete { "true" } else { "false" };
    HttpResponse::Ok().insert_header((COMPLETE, complete)).content_type("application/json").body(body(data, meta))
}

/// Data of which nobody can say whether that is all.
pub(super) fn unproven(data: Vec<u8>, meta: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body(data, meta))
}

fn body(data: Vec<u8>, meta: &Value) -> Vec<u8> {
    let mut body = Vec::with_capacity(data.len() + 256);
    body.extend_from_slice(b"{\"data\":");
    body.extend(data);
    body.extend_from_slice(b",\"meta\":");
    body.extend(meta.to_string().into_bytes());
    body.push(b'}');
    body
}
