//! What does a query string ask for?

use crate::sim::{
    contract::Contract,
    exchange::Exchange,
    rest::{Refusal, malformed, refusal},
};

/// Decoded query parameters.
pub(in crate::sim) struct Query<'a>(Vec<(&'a str, String)>);

impl<'a> Query<'a> {
    pub(in crate::sim) fn new(text: &'a str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name, percent_decoded(value))).collect())
    }

    pub(in crate::sim) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(str::parse).transpose().map_err(|_| malformed(name))
    }

    /// How many rows are wanted: `default` of them when nothing is said, at most `max`.
    pub(super) fn limit(&self, default: i64, max: i64) -> Result<usize, Refusal> {
        let limit = self.number("limit")?.unwrap_or(default);
        usize::try_from(limit)
            .ok()
            .filter(|_| (1..=max).contains(&limit))
            .ok_or(refusal(-1130, "Data sent for parameter 'limit' is not valid."))
    }

    /// `fromId`.
    pub(super) fn first_id(&self) -> Result<Option<u64>, Refusal> {
        self.number("fromId")?.map(u64::try_from).transpose().map_err(|_| malformed("fromId"))
    }

    /// `startTime` and `endTime`, both inclusive on the wire.
    pub(super) fn times(&self) -> Result<(Option<i64>, Option<i64>), Refusal> {
        match (self.number("startTime")?, self.number("endTime")?) {
            (Some(start), Some(end)) if start > end => Err(refusal(-1023, "Start time is greater than end time.")),
            times => Ok(times),
        }
    }

    /// The index of the contract named; lower case is accepted (measured, 2026-10-07).
    pub(super) fn contract(&self, exchange: &Exchange) -> Result<usize, Refusal> {
        let symbol = self.text("symbol").filter(|symbol| !symbol.is_empty()).ok_or_else(|| malformed("symbol"))?;
        let named = |contract: &Contract| contract.symbol.as_str().eq_ignore_ascii_case(symbol);
        exchange.market().find(named).ok_or(refusal(-1121, "Invalid symbol."))
    }
}

/// `text` with `%xx` replaced; what is no escape, or would be no UTF-8, stays as it is.
pub(in crate::sim) fn percent_decoded(text: &str) -> String {
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
