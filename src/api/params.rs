//! What do the parameters of a request's address say?

use crate::{
    api::{Shared, error::ApiError, native::Decimals},
    market::Contract,
    model::{Origin, Price, Quantity, QuoteVolume, TimeError, Timeframe, UnixMillis},
};
use actix_web::{HttpRequest, http::header, web};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, sync::Arc};

/// Rows of an answer when nothing else is asked for.
const LIMIT: usize = 1_000;
/// Rows of an answer at most.
const LIMIT_MAX: usize = 10_000;

/// The parameters, each known and there once.
#[derive(Debug)]
pub(in crate::api) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query string that may hold the parameters `known`, which are separated by commas.
    pub(in crate::api) fn read(query: &str, known: &'static str) -> Result<Self, ApiError> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
        let pairs = pairs.map_err(|_| ApiError::Invalid { param: "query", expected: "percent-encoded UTF-8" })?;
        let mut params = BTreeMap::new();
        for (param, value) in pairs.into_inner() {
            if !known.split(", ").any(|name| name == param) {
                return Err(ApiError::UnknownParam { param: param.chars().take(64).collect(), known });
            }
            if params.insert(param.clone(), value).is_some() {
                return Err(ApiError::Repeated { param });
            }
        }
        Ok(Self(params))
    }

    /// A parameter's text.
    pub(in crate::api) fn text(&self, param: &str) -> Option<&str> {
        self.0.get(param).map(String::as_str)
    }

    /// The contract that `symbol` names.
    pub(in crate::api) fn contract(&self, shared: &Shared) -> Result<Arc<Contract>, ApiError> {
        let symbol = self.text("symbol").ok_or(ApiError::Missing { param: "symbol" })?;
        shared.find(symbol).ok_or_else(|| ApiError::UnknownSymbol(symbol.chars().take(64).collect()))
    }

    /// The timeframe of `interval` and `origin`.
    pub(in crate::api) fn timeframe(&self) -> Result<Timeframe, ApiError> {
        let interval = self.text("interval").ok_or(ApiError::Missing { param: "interval" })?;
        let origin = self.choice("origin", "epoch or day", &[("epoch", Origin::Epoch), ("day", Origin::Day)])?;
        Ok(Timeframe::parse(interval)?.with_origin(origin))
    }

    /// `start` and `end`.
    pub(in crate::api) fn range(&self) -> Result<(Option<UnixMillis>, Option<UnixMillis>), ApiError> {
        let (start, end) = (self.time("start")?, self.time("end")?);
        match (start, end) {
            (Some(start), Some(end)) if start >= end => Err(ApiError::EmptyRange),
            range => Ok(range),
        }
    }

    /// `limit`.
    pub(in crate::api) fn limit(&self) -> Result<usize, ApiError> {
        self.count("limit", "a whole number from 1 to 10000", LIMIT, LIMIT_MAX)
    }

    /// A number from 1 to `max`; `default` when absent.
    pub(in crate::api) fn count(
        &self,
        param: &'static str,
        expected: &'static str,
        default: usize,
        max: usize,
    ) -> Result<usize, ApiError> {
        let Some(count) = self.text(param) else { return Ok(default) };
        let count = count.parse().ok().filter(|count| (1..=max).contains(count));
        count.ok_or(ApiError::Invalid { param, expected })
    }

    /// `decimals`.
    pub(in crate::api) fn decimals(&self) -> Result<Decimals, ApiError> {
        self.choice("decimals", "number or string", &[("number", Decimals::Number), ("string", Decimals::Text)])
    }

    /// A trade id.
    pub(in crate::api) fn id(&self, param: &'static str) -> Result<Option<u64>, ApiError> {
        let id = self.text(param).map(str::parse).transpose();
        id.map_err(|_| ApiError::Invalid { param, expected: "a whole number" })
    }

    /// An amount of the quote asset, exactly.
    pub(in crate::api) fn notional(&self, param: &'static str) -> Result<Option<QuoteVolume>, ApiError> {
        let Some(text) = self.text(param) else { return Ok(None) };
        let amount = Price::parse(text.as_bytes()).ok().filter(|amount| amount.units() >= 0);
        let amount = amount.ok_or(ApiError::Invalid { param, expected: "an amount in USD, such as 100000" })?;
        Ok(Some(amount.times(Quantity::from_units(Quantity::UNITS_PER_ONE))))
    }

    /// The contract that `symbol` names, or every one when it names none.
    pub(in crate::api) fn contracts(&self, shared: &Shared) -> Result<Vec<Arc<Contract>>, ApiError> {
        match self.text("symbol") {
            Some(_) => Ok(vec![self.contract(shared)?]),
            None => Ok(shared.contracts.iter().collect()),
        }
    }

    /// `true` or `false`; false when absent.
    pub(in crate::api) fn flag(&self, param: &'static str) -> Result<bool, ApiError> {
        self.choice(param, "true or false", &[("false", false), ("true", true)])
    }

    /// One of several words; the first when absent.
    pub(in crate::api) fn choice<T: Copy>(
        &self,
        param: &'static str,
        expected: &'static str,
        choices: &[(&str, T)],
    ) -> Result<T, ApiError> {
        let wrong = ApiError::Invalid { param, expected };
        match self.text(param) {
            None => choices.first().map(|(_, value)| *value).ok_or(wrong),
            Some(text) => choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or(wrong),
        }
    }

    /// A time: milliseconds, RFC 3339, or a date.
    fn time(&self, param: &'static str) -> Result<Option<UnixMillis>, ApiError> {
        let Some(text) = self.text(param) else { return Ok(None) };
        moment(text).map(Some).map_err(|error| match error {
            MomentError::Time(source) => ApiError::Time { param, source },
            MomentError::Form => ApiError::Invalid { param, expected: "milliseconds, RFC 3339 or a date" },
        })
    }
}

/// Why a text names no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// A number that can be no milliseconds.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Anything else.
    #[error("a time is written as milliseconds, RFC 3339 or a date")]
    Form,
}

/// The moment that people name by milliseconds, RFC 3339, or a date, whose first millisecond by UTC it then is.
///
/// # Errors
///
/// When the text is none of these.
pub fn moment(text: &str) -> Result<UnixMillis, MomentError> {
    if let Ok(millis) = text.parse() {
        return Ok(UnixMillis::from_typed(millis)?);
    }
    let date = || Some(text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    let timestamp = text.parse::<jiff::Timestamp>().ok().or_else(date);
    timestamp.map(|timestamp| UnixMillis::new(timestamp.as_millisecond())).ok_or(MomentError::Form)
}

/// The body of a request, which says that it is JSON.
///
/// A page elsewhere cannot send this type without asking first, and is told no.
pub(in crate::api) fn json_body<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(ApiError::MediaType);
    }
    serde_json::from_slice(body).map_err(|error| ApiError::Body(error.to_string()))
}
