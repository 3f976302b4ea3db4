//! Is a frame a row, an array of rows or a reply, and which kind of row?

use super::{book, contract, marks, prints, ticker};
use crate::exchange::binance::decode::Decoder;
use crate::exchange::binance::event::{DecodeError, Event, Outcome, Reply};
use crate::exchange::binance::field::{object, present};
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::value::ValueError;
use crate::model::{MarkPrice, Ticker, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;

/// The event of a frame, raw or in the combined envelope; rows go to `decoder`.
pub(in crate::exchange::binance) fn event<'a>(
    frame: &'a [u8],
    decoder: &mut Decoder,
) -> Result<Event<'a>, DecodeError> {
    let frame = std::str::from_utf8(frame).map_err(|_| DecodeError::Shapeless)?;
    if is_array(frame) {
        return array(frame, decoder);
    }
    match object::<Envelope<'_>>(frame)? {
        Envelope { stream: Some(_), data: Some(data) } if is_array(data.get()) => array(data.get(), decoder),
        Envelope { stream: Some(_), data: Some(data) } => row(data.get(), decoder),
        _ => row(frame, decoder),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn is_array(text: &str) -> bool {
    text.trim_ascii_start().starts_with('[')
}

/// What tells rows and replies apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<&'a RawValue>,
    #[serde(borrow)]
    st: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl<'a> Head<'a> {
    /// The kind as spelt, if it is a string.
    fn kind(&self) -> Option<&'a str> {
        self.e?.get().strip_prefix('"')?.strip_suffix('"')
    }

    /// A product line other than USD-M, whose number is 1; without the field a row is USD-M's.
    fn is_foreign(&self) -> bool {
        self.st.is_some_and(|line| line.get() != "1")
    }

    fn reply(self, text: &str) -> Result<Reply, DecodeError> {
        let id = self.id.and_then(|id| id.get().parse().ok());
        let outcome = match (self.error, self.code, self.result) {
            (Some(refusal), ..) => Outcome::Refused(object(refusal.get())?),
            (None, Some(_), _) => Outcome::Refused(object(text)?),
            (None, None, Some(result)) => outcome(result.get()),
            (None, None, None) => return Err(DecodeError::Shapeless),
        };
        Ok(Reply { id, outcome })
    }
}

/// The outcome of a request that was not refused; a result in an unknown form is an acknowledgement still.
fn outcome(result: &str) -> Outcome {
    if let Ok(names) = serde_json::from_str(result) {
        return Outcome::Names(names);
    }
    serde_json::from_str(result).map_or(Outcome::Done, Outcome::Property)
}

fn row<'a>(text: &'a str, decoder: &mut Decoder) -> Result<Event<'a>, DecodeError> {
    let head: Head<'_> = object(text)?;
    let Some(spelling) = head.e else {
        return head.reply(text).map(Event::Reply);
    };
    if head.is_foreign() {
        return Ok(Event::Foreign);
    }
    let kind: Cow<'_, str> = serde_json::from_str(spelling.get())?;
    match kind.as_ref() {
        "aggTrade" => prints::agg_trade(text),
        "trade" => prints::trade(text),
        "kline" => prints::kline(text),
        "bookTicker" => book::ticker(text),
        "depthUpdate" => book::depth(text, decoder),
        "markPriceUpdate" => mark_prices([text], &mut decoder.mark_prices),
        "24hrTicker" => tickers([text], &mut decoder.tickers),
        "forceOrder" => contract::liquidation(text),
        "contractInfo" => contract::notice(text),
        _ => Ok(Event::Unknown { kind: head.kind().unwrap_or_default() }),
    }
}

/// The rows of an array, whose kind is that of its first.
fn array<'a>(text: &'a str, decoder: &mut Decoder) -> Result<Event<'a>, DecodeError> {
    let rows: Vec<&RawValue> = serde_json::from_str(text)?;
    let rows = rows.into_iter().map(RawValue::get);
    let first: Head<'_> = object(rows.clone().next().ok_or(DecodeError::Shapeless)?)?;
    match first.kind().ok_or(DecodeError::Shapeless)? {
        "markPriceUpdate" => mark_prices(rows, &mut decoder.mark_prices),
        "24hrTicker" => tickers(rows, &mut decoder.tickers),
        kind => Ok(Event::Unknown { kind }),
    }
}

fn mark_prices<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    rows: &mut Rows<MarkPrice>,
) -> Result<Event<'a>, DecodeError> {
    let newest = fill(rows, texts, "markPriceUpdate", marks::mark_price)?;
    Ok(newest.map_or(Event::Foreign, |event_time| Event::MarkPrices { event_time }))
}

fn tickers<'a>(texts: impl IntoIterator<Item = &'a str>, rows: &mut Rows<Ticker>) -> Result<Event<'a>, DecodeError> {
    let newest = fill(rows, texts, "24hrTicker", ticker::ticker)?;
    Ok(newest.map_or(Event::Foreign, |event_time| Event::Tickers { event_time }))
}

/// A row, whose it is, and when it was sent.
pub(super) type Sent<'a, T> = (Cow<'a, str>, T, UnixMillis);

/// Fills `rows` with those of one kind; when the newest of ours was sent.
fn fill<'a, T>(
    rows: &mut Rows<T>,
    texts: impl IntoIterator<Item = &'a str>,
    kind: &str,
    read: impl Fn(&'a str) -> Result<Sent<'a, T>, DecodeError>,
) -> Result<Option<UnixMillis>, DecodeError> {
    let newest = Cell::new(None);
    rows.fill(texts, |text| {
        let head: Head<'_> = object(text)?;
        let spelling: Cow<'_, str> = serde_json::from_str(head.e.ok_or(ValueError::Missing("e"))?.get())?;
        if spelling != kind {
            return Err(ValueError::OutOfRange("e").into());
        }
        if head.is_foreign() {
            return Ok(None);
        }
        let (symbol, row, event_time) = read(text)?;
        newest.set(newest.get().max(Some(event_time)));
        Ok(Some((symbol, row)))
    })?;
    Ok(newest.get())
}
