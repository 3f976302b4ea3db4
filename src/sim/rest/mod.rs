//! What does the venue's REST API answer?

mod book;
mod faults;
mod klines;
mod limits;
mod listing;
mod query;
mod series;
mod state;
mod trades;

pub use faults::{RestFault, RestFaults};
pub(super) use limits::Limits;
pub(super) use query::{Query, percent_decoded};

use crate::sim::{
    answer::{Answer, Delivery, Request},
    exchange::Exchange,
};
use limits::{Charge, Pool, cost, seconds};
use serde_json::json;
use std::borrow::Cow;

/// An answer, ready for any HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers in lower case, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// How the body is delivered.
    pub delivery: Delivery,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::new(response.status, response.headers, response.body).delivered(response.delivery)
    }
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

fn malformed(name: &str) -> Refusal {
    let msg = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
    Refusal { status: 400, code: -1102, msg: msg.into() }
}

/// The venue says this of a contract that does not trade.
const fn not_trading() -> Refusal {
    refusal(-4108, "Symbol is on delivering or delivered or settling or closed or pre-trading.")
}

/// The venue says this when it is overloaded.
const fn overloaded() -> Refusal {
    let msg = "Server is currently overloaded with other requests. Please try again in a few minutes.";
    Refusal { status: 503, code: -1008, msg: Cow::Borrowed(msg) }
}

/// A request that may be answered.
struct Asked<'a> {
    exchange: &'a Exchange,
    path: &'a str,
    query: Query<'a>,
    has_key: bool,
    fault: Option<RestFault>,
}

/// Answers `GET target`, where `target` is path and query. Costs weight, refused or not (measured, 2026-10-07).
pub fn respond(exchange: &Exchange, target: &str) -> Response {
    respond_to(exchange, &Request { target, ..Request::default() })
}

/// Answers a GET.
pub(super) fn respond_to(exchange: &Exchange, request: &Request<'_>) -> Response {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let query = Query::new(query);
    let (pool, weight) = cost(path, &query);
    let now = exchange.now().get();
    let (used, charge) = exchange.limits().charge(now, pool, weight);
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if pool == Pool::Weight {
        headers.push(("x-mbx-used-weight-1m", used.to_string()));
    }
    match charge {
        Charge::Banned { until } => banned(now, until, headers),
        Charge::TooMany { seconds } => too_many(pool, Some(seconds), headers),
        Charge::Allowed => {
            let fault = exchange.faults().rest().take(path);
            let asked = Asked { exchange, path, query, has_key: request.has_key, fault };
            match refused_by(&asked, pool, &headers) {
                Some(response) => response,
                None => answered(&asked, headers),
            }
        }
    }
}

type Headers = Vec<(&'static str, String)>;

fn answered(asked: &Asked<'_>, headers: Headers) -> Response {
    let response = match route(asked) {
        Ok(body) => Response { status: 200, headers, body, delivery: Delivery::Whole },
        Err(refusal) => refusal.said(headers),
    };
    let delivery = match asked.fault {
        Some(RestFault::Never) => Delivery::Never,
        Some(RestFault::Cut) => Delivery::Cut(response.body.len() as u64 / 2),
        Some(RestFault::Slow { bytes_per_second }) => Delivery::Slow(bytes_per_second),
        _ => Delivery::Whole,
    };
    Response { delivery, ..response }
}

impl Refusal {
    fn said(self, headers: Headers) -> Response {
        let body = json!({ "code": self.code, "msg": self.msg }).to_string();
        Response { status: self.status, headers, body, delivery: Delivery::Whole }
    }
}

fn too_many(pool: Pool, retry_after: Option<i64>, mut headers: Headers) -> Response {
    headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
    let limit = pool.limit_text();
    let msg = format!("Too many requests; current limit is {limit}. Please use the websocket for live updates.");
    Refusal { status: 429, code: -1003, msg: msg.into() }.said(headers)
}

fn banned(now: i64, until: i64, mut headers: Headers) -> Response {
    headers.push(("retry-after", seconds(until - now).to_string()));
    let msg = format!(
        "Way too many requests; IP(127.0.0.1) banned until {until}. Please use the websocket for live updates to avoid bans."
    );
    Refusal { status: 418, code: -1003, msg: msg.into() }.said(headers)
}

/// The refusal that a fault asks for.
fn refused_by(asked: &Asked<'_>, pool: Pool, headers: &Headers) -> Option<Response> {
    let headers = || headers.clone();
    let now = asked.exchange.now().get();
    Some(match asked.fault? {
        RestFault::TooMany { has_retry_after } => too_many(pool, has_retry_after.then_some(60), headers()),
        RestFault::Banned { millis } => {
            asked.exchange.limits().ban_until(now.saturating_add(millis));
            banned(now, now.saturating_add(millis), headers())
        }
        RestFault::Forbidden => page(403, "403 Forbidden"),
        RestFault::BadGateway => page(502, "502 Bad Gateway"),
        RestFault::Restricted => {
            let msg = "Service unavailable from a restricted location according to 'b. Eligibility' in the terms.";
            let body = json!({ "code": 0, "msg": msg }).to_string();
            Response { status: 451, headers: headers(), body, delivery: Delivery::Whole }
        }
        RestFault::Overloaded => overloaded().said(headers()),
        RestFault::BackendTimeout => {
            let msg =
                "Timeout waiting for response from backend server. Send status unknown; execution status unknown.";
            Refusal { status: 408, code: -1007, msg: msg.into() }.said(headers())
        }
        _ => return None,
    })
}

/// An answer from before the exchange: HTML, and no header of its own.
fn page(status: u16, title: &str) -> Response {
    let body = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n");
    let headers = vec![("content-type", "text/html".to_owned())];
    Response { status, headers, body, delivery: Delivery::Whole }
}

fn route(asked: &Asked<'_>) -> Result<String, Refusal> {
    match asked.path {
        "/fapi/v1/ping" => Ok("{}".to_owned()),
        "/fapi/v1/time" => Ok(json!({ "serverTime": asked.exchange.now().get() }).to_string()),
        "/fapi/v1/exchangeInfo" => Ok(listing::exchange_info(asked.exchange)),
        "/fapi/v1/aggTrades" => trades::agg_trades(asked),
        "/fapi/v1/trades" => trades::recent(asked),
        "/fapi/v1/historicalTrades" => trades::historical(asked),
        "/fapi/v1/klines" => klines::klines(asked),
        "/fapi/v1/fundingRate" => series::funding_rate(asked),
        "/fapi/v1/fundingInfo" => Ok(series::funding_info(asked)),
        "/fapi/v1/openInterest" => series::open_interest(asked),
        "/fapi/v1/depth" => book::depth(asked),
        "/fapi/v1/ticker/bookTicker" => book::tickers(asked),
        "/fapi/v1/ticker/24hr" => state::tickers(asked),
        "/fapi/v1/premiumIndex" => state::premium_index(asked),
        "/futures/data/openInterestHist" => series::open_interest_hist(asked),
        path => Err(Refusal { status: 404, code: -5000, msg: format!("Path {path}, Method GET is invalid").into() }),
    }
}

impl Asked<'_> {
    /// The row of the contract that is named, or a list of all rows when none is.
    fn one_or_all<T: Copy>(
        &self,
        row: impl Fn(usize) -> Option<T>,
        write: impl Fn(&mut String, &(usize, T)),
    ) -> Result<String, Refusal> {
        let contracts = 0..self.exchange.contracts().len();
        if self.query.text("symbol").is_none() {
            let rows = contracts.filter_map(|contract| Some((contract, row(contract)?))).collect();
            return Ok(self.list(rows, write));
        }
        let contract = self.query.contract(self.exchange)?;
        let mut out = String::new();
        write(&mut out, &(contract, row(contract).ok_or_else(not_trading)?));
        Ok(out)
    }

    /// The rows as a list, spoilt where a fault says so.
    fn list<T: Copy>(&self, mut rows: Vec<T>, write: impl Fn(&mut String, &T)) -> String {
        if let Some(fault) = self.fault {
            fault.spoil(&mut rows);
        }
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
}
