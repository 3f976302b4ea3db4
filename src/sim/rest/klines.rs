//! What does REST show of klines?

use crate::{
    model::UnixMillis,
    sim::{
        json,
        kline::{Kline, interval},
        rest::{Asked, Refusal, malformed, overloaded, refusal},
        stream::costs_too_much,
    },
};

/// `/fapi/v1/klines`
pub(super) fn klines(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, query) = (asked.exchange, &asked.query);
    let contract = query.contract(exchange)?;
    let name = query.text("interval").ok_or_else(|| malformed("interval"))?;
    let timeframe = interval(name).ok_or(refusal(-1120, "Invalid interval."))?;
    let limit = query.limit(500, 1_500)?;
    let (start, end) = query.times()?;
    let now = exchange.now();
    let end = UnixMillis::new(end.unwrap_or(i64::MAX - 1)).min(now);
    let length = timeframe.bucket(now).1.since(timeframe.bucket(now).0);
    let span = length.saturating_mul(i64::try_from(limit).unwrap_or(i64::MAX));
    let start = start.unwrap_or_else(|| timeframe.bucket(end).0.get().saturating_sub(span - length));
    let start = start.max(exchange.market().begin());
    let last = end.plus(1).min(UnixMillis::new(start).plus(span));
    let listed = &exchange.contracts()[contract];
    if costs_too_much(listed, last.get() - start) {
        // A simulator folds every trade of a long range anew.
        return Err(overloaded());
    }
    let mut rows: Vec<Kline> = exchange.klines(contract, timeframe, (UnixMillis::new(start), last), now);
    rows.truncate(limit);
    Ok(asked.list(rows, |out, kline| json::kline_row(out, listed, kline)))
}
