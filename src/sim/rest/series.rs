//! What does REST show of funding and open interest?

use crate::{
    model::UnixMillis,
    sim::{
        json::{self, Json},
        rest::{Asked, Refusal, malformed, not_trading, refusal},
        series::{self, FUNDING_MS, is_funded, next_funding},
    },
};
use serde_json::{Value, json};

/// How far back `openInterestHist` reaches (measured: 30 days answered, 35 refused).
const HIST_REACH: i64 = 31 * UnixMillis::DAY;
/// Open interest is told as it was at the last multiple of this (measured: 7 s old).
const INTEREST_AGE_MS: i64 = 10 * UnixMillis::SECOND;

/// `/fapi/v1/fundingRate`: of one contract or of all, the first past `startTime` or else the newest.
pub(super) fn funding_rate(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, query) = (asked.exchange, &asked.query);
    let chosen = query.text("symbol").map(|_| query.contract(exchange)).transpose()?;
    let limit = query.limit(100, 1_000)?;
    let (start, end) = query.times()?;
    let end = end.unwrap_or(i64::MAX).min(exchange.now().get());
    let market = exchange.market();
    let funded: Vec<(usize, u64)> = (0..market.contracts.len())
        .filter(|&contract| chosen.is_none_or(|chosen| chosen == contract) && is_funded(&market.contracts[contract]))
        .filter_map(|contract| Some((contract, market.key(contract)?)))
        .collect();
    let times = span(next_funding(market.begin()), end, FUNDING_MS, start, limit);
    let rows = times.flat_map(|due| funded.iter().map(move |&(contract, key)| (contract, key, due)));
    let is_within = |&(_, key, due): &(usize, u64, i64)| {
        let time = series::funding_time(key, due);
        start.is_none_or(|start| start <= time) && time <= end
    };
    let mut rows: Vec<_> = rows.filter(is_within).collect();
    shorten(&mut rows, start.is_some(), limit);
    Ok(asked.list(rows, |out, &(contract, key, due)| {
        let price = market.bid(contract, due).unwrap_or_default();
        json::funding_row(out, &market.contracts[contract], (key, due), price);
    }))
}

/// `/fapi/v1/fundingInfo`
pub(super) fn funding_info(asked: &Asked<'_>) -> String {
    let funded = asked.exchange.contracts().iter().filter(|contract| is_funded(contract));
    let rows = funded.map(|contract| {
        json!({
            "symbol": contract.symbol.as_str(),
            "adjustedFundingRateCap": "0.00300",
            "adjustedFundingRateFloor": "-0.00300",
            "fundingIntervalHours": series::FUNDING_HOURS,
            "disclaimer": false,
            "updateTime": null,
        })
    });
    rows.collect::<Value>().to_string()
}

/// `/fapi/v1/openInterest`
pub(super) fn open_interest(asked: &Asked<'_>) -> Result<String, Refusal> {
    let contract = asked.query.contract(asked.exchange)?;
    let listed = &asked.exchange.contracts()[contract];
    let key = asked.exchange.market().key(contract).filter(|_| listed.trades());
    let key = key.ok_or_else(not_trading)?;
    let time = asked.exchange.now().floor(INTEREST_AGE_MS, 0).get();
    let mut interest = String::new();
    Json(&mut interest).quantity(series::open_interest(listed, key, time), listed.quantity_places);
    Ok(json!({ "symbol": listed.symbol.as_str(), "openInterest": interest, "time": time }).to_string())
}

/// `/futures/data/openInterestHist`
pub(super) fn open_interest_hist(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, query) = (asked.exchange, &asked.query);
    let contract = query.contract(exchange)?;
    let period = query.text("period").ok_or_else(|| malformed("period"))?;
    let period = period_ms(period).ok_or(refusal(-1130, "Data sent for parameter 'period' is not valid."))?;
    let limit = query.limit(30, 500)?;
    let (start, end) = query.times()?;
    let now = exchange.now().get();
    if start.is_some_and(|start| start < now - HIST_REACH) {
        return Err(refusal(-1130, "parameter 'startTime' is invalid."));
    }
    let (market, listed) = (exchange.market(), &exchange.contracts()[contract]);
    let Some(key) = market.key(contract).filter(|_| listed.trades()) else { return Ok("[]".to_owned()) };
    let begin = (now - HIST_REACH).max(market.begin());
    let first = (begin + period - 1).div_euclid(period) * period;
    let mut times: Vec<i64> = span(first, end.unwrap_or(i64::MAX).min(now), period, start, limit).collect();
    shorten(&mut times, start.is_some(), limit);
    Ok(asked.list(times, |out, &time| {
        let price = market.bid(contract, time).unwrap_or_default();
        json::open_interest_row(out, listed, series::open_interest(listed, key, time), price, time);
    }))
}

/// Multiples of `period` on the grid of `first`, up to `end`: a few more than the `limit` that follow `start`, or the
/// last ones.
fn span(first: i64, end: i64, period: i64, start: Option<i64>, limit: usize) -> impl Iterator<Item = i64> {
    let reach = period.saturating_mul(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    let wanted = start.unwrap_or_else(|| end.saturating_sub(reach)).max(first);
    let begin = first + (wanted - first).div_euclid(period) * period;
    let last = if start.is_some() { end.min(begin.saturating_add(reach)) } else { end };
    let begin = if start.is_some_and(|start| begin + period <= start) { begin + period } else { begin };
    (0..).map(move |index| begin + index * period).take_while(move |time| *time <= last)
}

/// The first `limit` when a start was given, the last otherwise.
fn shorten<T>(rows: &mut Vec<T>, is_from_start: bool, limit: usize) {
    if is_from_start {
        rows.truncate(limit);
    } else {
        rows.drain(..rows.len().saturating_sub(limit));
    }
}

fn period_ms(name: &str) -> Option<i64> {
    Some(match name {
        "5m" => 5 * UnixMillis::MINUTE,
        "15m" => 15 * UnixMillis::MINUTE,
        "30m" => 30 * UnixMillis::MINUTE,
        "1h" => UnixMillis::HOUR,
        "2h" => 2 * UnixMillis::HOUR,
        "4h" => 4 * UnixMillis::HOUR,
        "6h" => 6 * UnixMillis::HOUR,
        "12h" => 12 * UnixMillis::HOUR,
        "1d" => UnixMillis::DAY,
        _ => return None,
    })
}
