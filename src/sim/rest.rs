//! What does the venue's REST API answer?

use crate::{
    model::{Trade, UnixMillis},
    sim::{
        aggregate::published_at,
        contract::{Contract, Kind},
        exchange::Exchange,
        json::{self, Json},
        kline::{Kline, interval},
        stream::costs_too_much,
    },
};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Request weight a clock minute (Binance USD-M docs).
const WEIGHT_MAX: u32 = 2_400;
/// How far back `aggTrades` reaches (measured, 2026-10-07).
const AGG_TRADES_REACH: i64 = 2 * UnixMillis::DAY;

/// An answer, ready for any HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers in lower case, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// A refusal in the venue's words.
struct Refusal {
    status: u16,
    code: i32,
    msg: Cow<'static, str>,
}

const fn refusal(code: i32, msg: &'static str) -> Refusal {
    Refusal { status: 400, code, msg: Cow::Borrowed(msg) }
}

/// Answers `GET target`, where `target` is path and query. Costs weight, refused or not (measured, 2026-10-07).
pub fn respond(exchange: &Exchange, target: &str) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::new(query);
    let (used, is_allowed) = exchange.charge(weight(path, &query), WEIGHT_MAX);
    let mut headers = vec![("content-type", "application/json".to_owned()), ("x-mbx-used-weight-1m", used.to_string())];
    let answer = if is_allowed {
        route(exchange, path, &query)
    } else {
        let seconds = 60 - exchange.now().get().div_euclid(UnixMillis::SECOND).rem_euclid(60);
        headers.push(("retry-after", seconds.to_string()));
        let msg = format!("Too many requests; current limit is {WEIGHT_MAX} requests per minute.");
        Err(Refusal { status: 429, code: -1003, msg: msg.into() })
    };
    match answer {
        Ok(body) => Response { status: 200, headers, body },
        Err(Refusal { status, code, msg }) => {
            Response { status, headers, body: json!({ "code": code, "msg": msg }).to_string() }
        }
    }
}

fn weight(path: &str, query: &Query<'_>) -> u32 {
    match (path, query.number("limit")) {
        ("/fapi/v1/aggTrades", _) => 20,
        ("/fapi/v1/klines", Ok(Some(..=100))) => 1,
        ("/fapi/v1/klines", Ok(Some(..=500))) => 2,
        ("/fapi/v1/klines", Ok(Some(..=1_000) | None)) => 5,
        ("/fapi/v1/klines", _) => 10,
        _ => 1,
    }
}

fn route(exchange: &Exchange, path: &str, query: &Query<'_>) -> Result<String, Refusal> {
    match path {
        "/fapi/v1/ping" => Ok("{}".to_owned()),
        "/fapi/v1/time" => Ok(json!({ "serverTime": exchange.now().get() }).to_string()),
        "/fapi/v1/exchangeInfo" => Ok(exchange_info(exchange)),
        "/fapi/v1/aggTrades" => agg_trades(exchange, query),
        "/fapi/v1/klines" => klines(exchange, query),
        _ => Err(Refusal { status: 404, code: -5000, msg: format!("Path {path}, Method GET is invalid").into() }),
    }
}

/// Decoded query parameters.
struct Query<'a>(Vec<(&'a str, String)>);

impl<'a> Query<'a> {
    fn new(text: &'a str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name, percent_decoded(value))).collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(str::parse).transpose().map_err(|_| malformed(name))
    }

    fn limit(&self, max: i64) -> Result<usize, Refusal> {
        let limit = self.number("limit")?.unwrap_or(500);
        usize::try_from(limit)
            .ok()
            .filter(|_| (1..=max).contains(&limit))
            .ok_or(refusal(-1130, "Data sent for parameter 'limit' is not valid."))
    }

    /// `startTime` and `endTime`, both inclusive on the wire.
    fn times(&self) -> Result<(Option<i64>, Option<i64>), Refusal> {
        match (self.number("startTime")?, self.number("endTime")?) {
            (Some(start), Some(end)) if start > end => Err(refusal(-1023, "Start time is greater than end time.")),
            times => Ok(times),
        }
    }

    /// The index of the contract named; lower case is accepted (measured, 2026-10-07).
    fn contract(&self, exchange: &Exchange) -> Result<usize, Refusal> {
        let symbol = self.text("symbol").filter(|symbol| !symbol.is_empty()).ok_or_else(|| malformed("symbol"))?;
        let named = |contract: &Contract| contract.symbol.as_str().eq_ignore_ascii_case(symbol);
        exchange.market().find(named).ok_or(refusal(-1121, "Invalid symbol."))
    }
}

fn malformed(name: &str) -> Refusal {
    let msg = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
    Refusal { status: 400, code: -1102, msg: msg.into() }
}

/// `text` with `%xx` replaced; what is no escape, or would be no UTF-8, stays as it is.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        let byte = escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        rest = if byte.is_some() { &rest[3..] } else { tail };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn agg_trades(exchange: &Exchange, query: &Query<'_>) -> Result<String, Refusal> {
    let contract = query.contract(exchange)?;
    let limit = query.limit(1_000)?;
    let (start, end) = query.times()?;
    let from_id = query.number("fromId")?.map(u64::try_from).transpose().map_err(|_| malformed("fromId"))?;
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
    Ok(list(&rows, |out, trade| json::agg_trade_row(out, &exchange.contracts()[contract], trade)))
}

fn klines(exchange: &Exchange, query: &Query<'_>) -> Result<String, Refusal> {
    let contract = query.contract(exchange)?;
    let name = query.text("interval").ok_or_else(|| malformed("interval"))?;
    let timeframe = interval(name).ok_or(refusal(-1120, "Invalid interval."))?;
    let limit = query.limit(1_500)?;
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
        // The venue says this when it is overloaded; a simulator folds every trade of a long range anew.
        let msg = "Server is currently overloaded with other requests. Please try again in a few minutes.";
        return Err(Refusal { status: 503, code: -1008, msg: msg.into() });
    }
    let mut rows: Vec<Kline> = exchange.klines(contract, timeframe, (UnixMillis::new(start), last), now);
    rows.truncate(limit);
    Ok(list(&rows, |out, kline| json::kline_row(out, listed, kline)))
}

fn list<T>(rows: &[T], write: impl Fn(&mut String, &T)) -> String {
    let mut out = String::with_capacity(2 + rows.len() * 140);
    out.push('[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(&mut out, row);
    }
    out.push(']');
    out
}

fn exchange_info(exchange: &Exchange) -> String {
    let symbols: Vec<Value> = exchange.contracts().iter().map(symbol_info).collect();
    json!({
        "timezone": "UTC",
        "serverTime": exchange.now().get(),
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_MAX},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}],
        "symbols": symbols,
    })
    .to_string()
}

fn symbol_info(contract: &Contract) -> Value {
    let mut tick = String::new();
    Json(&mut tick).price(contract.tick, contract.price_places);
    let mut step = String::new();
    Json(&mut step).quantity(contract.step, contract.quantity_places);
    let underlying = match contract.kind {
        Kind::TradifiPerpetual => "COMMODITY",
        Kind::Perpetual | Kind::CurrentQuarter => "COIN",
    };
    json!({
        "symbol": contract.symbol.as_str(),
        "pair": contract.pair,
        "contractType": contract.kind.as_str(),
        "deliveryDate": contract.delivery.get(),
        "onboardDate": contract.onboard.get(),
        "status": contract.status.as_str(),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base_asset,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": contract.price_places,
        "quantityPrecision": contract.quantity_places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": underlying,
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120", "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    })
}
