//! What does REST show of trades, aggregated and raw?

use crate::{
    model::{Trade, UnixMillis},
    sim::{
        aggregate::published_at,
        block::{Execution, Fill},
        json,
        rest::{Asked, Refusal, refusal},
    },
};
use std::borrow::Cow;

/// How far back `aggTrades` reaches (measured, 2026-10-07).
const AGG_TRADES_REACH: i64 = 2 * UnixMillis::DAY;
/// How far back `historicalTrades` reaches (Binance USD-M change log, 2026-03-19: one month).
const HISTORICAL_REACH: i64 = 30 * UnixMillis::DAY;

/// `/fapi/v1/aggTrades`
pub(super) fn agg_trades(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, query) = (asked.exchange, &asked.query);
    let contract = query.contract(exchange)?;
    let limit = query.limit(500, 1_000)?;
    let (start, end) = query.times()?;
    let from_id = query.first_id()?;
    let now = exchange.now().get();
    let too_far = || refusal(-4166, "Search window is restricted to recent 2 days only.");
    if start.is_some_and(|start| start < now - AGG_TRADES_REACH) {
        return Err(too_far());
    }
    let market = exchange.market();
    let trades = match (from_id, start) {
        (Some(id), _) => market.trades_from_id(contract, id),
        (None, Some(start)) => Some(market.trades_from(contract, start)),
        (None, None) => market
            .newest(contract, end.unwrap_or(i64::MAX), now)
            .and_then(|newest| market.trades_from_id(contract, (newest.id + 1).saturating_sub(limit as u64))),
    };
    let end = end.filter(|_| from_id.is_none()).unwrap_or(i64::MAX);
    let mut rows: Vec<Trade> = Vec::new();
    if let Some(mut trades) = trades {
        while let Some(trade) = trades.next().filter(|trade| rows.len() < limit && trade.time.get() <= end) {
            if published_at(&trade, trades.peek().map(|next| next.time)).get() > now {
                break;
            }
            rows.push(trade);
        }
    }
    if from_id.is_some() && rows.first().is_some_and(|trade| trade.time.get() < now - AGG_TRADES_REACH) {
        return Err(too_far());
    }
    Ok(asked.list(rows, |out, trade| json::agg_trade_row(out, &exchange.contracts()[contract], trade)))
}

/// `/fapi/v1/trades`: the newest raw trades.
pub(super) fn recent(asked: &Asked<'_>) -> Result<String, Refusal> {
    let contract = asked.query.contract(asked.exchange)?;
    let limit = asked.query.limit(500, 1_000)?;
    Ok(raw_rows(asked, contract, newest(asked, contract, limit)))
}

/// `/fapi/v1/historicalTrades`: raw trades by id, for those who have a key.
pub(super) fn historical(asked: &Asked<'_>) -> Result<String, Refusal> {
    if !asked.has_key {
        let msg = Cow::Borrowed("API-key format invalid.");
        return Err(Refusal { status: 401, code: -2014, msg });
    }
    let exchange = asked.exchange;
    let contract = asked.query.contract(exchange)?;
    let limit = asked.query.limit(100, 500)?;
    let Some(id) = asked.query.first_id()? else {
        return Ok(raw_rows(asked, contract, newest(asked, contract, limit)));
    };
    let now = exchange.now().get();
    let fills = exchange.market().fills_from_id(contract, id).into_iter().flatten();
    let happened = fills.take_while(|fill| fill.time.get() <= now);
    let rows: Vec<Fill> = happened.filter(|fill| fill.execution == Execution::Market).take(limit).collect();
    if rows.first().is_some_and(|fill| fill.time.get() < now - HISTORICAL_REACH) {
        return Err(refusal(-4166, "Search window is restricted to recent 1 month only."));
    }
    Ok(raw_rows(asked, contract, rows))
}

/// The newest raw trades: at most `limit`, fewer where ids are burnt.
fn newest(asked: &Asked<'_>, contract: usize, limit: usize) -> Vec<Fill> {
    let (market, now) = (asked.exchange.market(), asked.exchange.now().get());
    let Some(last) = market.last_fill_before(contract, now + 1) else { return Vec::new() };
    let fills = market.fills_from_id(contract, (last.id + 1).saturating_sub(limit as u64)).into_iter().flatten();
    fills.take_while(|fill| fill.id <= last.id).filter(|fill| fill.execution == Execution::Market).collect()
}

fn raw_rows(asked: &Asked<'_>, contract: usize, rows: Vec<Fill>) -> String {
    asked.list(rows, |out, fill| json::raw_trade_row(out, &asked.exchange.contracts()[contract], fill))
}
