//! What does a frame say that is not as the venue writes it today, or that is no hot shape? White space, escapes and unknown
//! fields are taken; repeated fields, missing ones and wrong types are errors. This parser alone decides what is an error.

use crate::exchange::binance::event::{DecodeError, Event, Outcome, Refusal, Reply};
use crate::exchange::binance::value::{self, ValueError, WireKline, WireTrade};
use crate::model::Trade;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The event of a frame, raw or in the combined envelope.
pub(super) fn event(frame: &[u8]) -> Result<Event<'_>, DecodeError> {
    let frame = std::str::from_utf8(frame).map_err(|_| DecodeError::Shapeless)?;
    if let Some(kind) = first_kind(frame)? {
        return Ok(Event::Unknown { kind });
    }
    match object::<Envelope<'_>>(frame)? {
        Envelope { stream: Some(_), data: Some(data) } => row(data.get()),
        _ => row(frame),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// An object; serde would take an array for a struct, too.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
    if text.trim_ascii_start().starts_with('{') { Ok(serde_json::from_str(text)?) } else { Err(DecodeError::Shapeless) }
}

/// The kind of an array's first row, if the text is an array.
fn first_kind(text: &str) -> Result<Option<&str>, DecodeError> {
    if !text.trim_ascii_start().starts_with('[') {
        return Ok(None);
    }
    let rows: Vec<&RawValue> = serde_json::from_str(text)?;
    let first = rows.first().ok_or(DecodeError::Shapeless)?;
    let head: Head<'_> = object(first.get())?;
    head.kind().map(Some).ok_or(DecodeError::Shapeless)
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
    error: Option<Refusal>,
    code: Option<i64>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// Tells `null` from a field that is absent.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
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
            (Some(refusal), ..) => Outcome::Refused(refusal),
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

fn row(text: &str) -> Result<Event<'_>, DecodeError> {
    if let Some(kind) = first_kind(text)? {
        return Ok(Event::Unknown { kind });
    }
    let head: Head<'_> = object(text)?;
    let Some(spelling) = head.e else {
        return head.reply(text).map(Event::Reply);
    };
    if head.is_foreign() {
        return Ok(Event::Foreign);
    }
    let kind: Cow<'_, str> = serde_json::from_str(spelling.get())?;
    match kind.as_ref() {
        "aggTrade" => agg_trade(object(text)?),
        "trade" => object::<TradeRow<'_>>(text)?.event(),
        "bookTicker" => object::<BookTickerRow<'_>>(text)?.event(),
        "kline" => object::<KlineRow<'_>>(text)?.event(),
        _ => Ok(Event::Unknown { kind: head.kind().unwrap_or_default() }),
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// An aggregate trade on a stream or, without `E` and `s`, in a REST body.
#[derive(Deserialize)]
pub(super) struct AggTradeRow<'a> {
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(borrow)]
    s: Option<Text<'a>>,
    a: u64,
    #[serde(borrow)]
    p: Text<'a>,
    #[serde(borrow)]
    q: Text<'a>,
    f: u64,
    l: u64,
    #[serde(rename = "T")]
    time: u64,
    m: bool,
}

impl AggTradeRow<'_> {
    /// The symbol, where the row names one.
    pub(super) fn symbol(&self) -> Option<&[u8]> {
        self.s.as_ref().map(Text::bytes)
    }

    /// The trade, its values checked.
    pub(super) fn trade(&self) -> Result<Trade, ValueError> {
        let wire = WireTrade {
            id: self.a,
            price: value::price("p", self.p.bytes())?,
            quantity: value::quantity("q", self.q.bytes())?,
            first_id: self.f,
            last_id: self.l,
            time: self.time,
            buyer_is_maker: self.m,
        };
        wire.checked("a")
    }
}

fn agg_trade(row: AggTradeRow<'_>) -> Result<Event<'_>, DecodeError> {
    let trade = row.trade()?;
    let event_time = value::time("E", row.event_time.ok_or(ValueError::Missing("E"))?)?;
    let symbol = row.s.ok_or(ValueError::Missing("s"))?.0;
    Ok(Event::AggTrade { symbol, trade, event_time })
}

#[derive(Deserialize)]
struct TradeRow<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(borrow)]
    s: Text<'a>,
    t: u64,
    #[serde(borrow)]
    p: Option<Text<'a>>,
    #[serde(borrow)]
    q: Option<Text<'a>>,
    #[serde(rename = "T")]
    time: u64,
    m: bool,
    /// Frames of 2019 lack it.
    #[serde(borrow, rename = "X")]
    execution: Option<Text<'a>>,
}

impl<'a> TradeRow<'a> {
    fn event(self) -> Result<Event<'a>, DecodeError> {
        let event_time = value::time("E", self.event_time)?;
        if self.execution.is_some_and(|execution| execution.bytes() != b"MARKET") {
            let time = value::time("T", self.time)?;
            let id = value::id("t", self.t)?;
            return Ok(Event::Burnt { symbol: self.s.0, id, time, event_time });
        }
        let (price, quantity) = (self.p.ok_or(ValueError::Missing("p"))?, self.q.ok_or(ValueError::Missing("q"))?);
        let wire = WireTrade {
            id: self.t,
            price: value::price("p", price.bytes())?,
            quantity: value::quantity("q", quantity.bytes())?,
            first_id: self.t,
            last_id: self.t,
            time: self.time,
            buyer_is_maker: self.m,
        };
        Ok(Event::Trade { symbol: self.s.0, trade: wire.checked("t")?, event_time })
    }
}

#[derive(Deserialize)]
struct BookTickerRow<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(borrow)]
    s: Text<'a>,
    u: u64,
    #[serde(borrow)]
    b: Text<'a>,
    #[serde(borrow, rename = "B")]
    bid_quantity: Text<'a>,
    #[serde(borrow)]
    a: Text<'a>,
    #[serde(borrow, rename = "A")]
    ask_quantity: Text<'a>,
    #[serde(rename = "T")]
    time: u64,
}

impl<'a> BookTickerRow<'a> {
    fn event(self) -> Result<Event<'a>, DecodeError> {
        Ok(Event::BookTicker {
            update_id: self.u,
            bid: value::price("b", self.b.bytes())?,
            bid_quantity: value::quantity("B", self.bid_quantity.bytes())?,
            ask: value::price("a", self.a.bytes())?,
            ask_quantity: value::quantity("A", self.ask_quantity.bytes())?,
            time: value::time("T", self.time)?,
            event_time: value::time("E", self.event_time)?,
            symbol: self.s.0,
        })
    }
}

#[derive(Deserialize)]
struct KlineRow<'a> {
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(borrow)]
    s: Text<'a>,
    #[serde(borrow)]
    k: &'a RawValue,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    t: u64,
    #[serde(rename = "T")]
    last_millisecond: u64,
    #[serde(borrow)]
    i: &'a RawValue,
    f: i64,
    #[serde(rename = "L")]
    last_id: i64,
    #[serde(borrow)]
    o: Text<'a>,
    #[serde(borrow)]
    c: Text<'a>,
    #[serde(borrow)]
    h: Text<'a>,
    #[serde(borrow)]
    l: Text<'a>,
    #[serde(borrow)]
    v: Text<'a>,
    n: u64,
    x: bool,
    #[serde(borrow)]
    q: Text<'a>,
    #[serde(borrow, rename = "V")]
    taker_buy_volume: Text<'a>,
    #[serde(borrow, rename = "Q")]
    taker_buy_quote_volume: Text<'a>,
}

impl<'a> KlineRow<'a> {
    fn event(self) -> Result<Event<'a>, DecodeError> {
        let bucket: Bucket<'_> = object(self.k.get())?;
        let interval = bucket.i.get().strip_prefix('"').and_then(|interval| interval.strip_suffix('"'));
        let interval = interval.ok_or(ValueError::OutOfRange("i"))?;
        let kline = bucket.wire().checked()?;
        let event_time = value::time("E", self.event_time)?;
        Ok(Event::Kline { symbol: self.s.0, interval, kline, event_time })
    }
}

impl Bucket<'_> {
    fn wire(&self) -> WireKline<'_> {
        WireKline {
            open_time: self.t,
            last_millisecond: self.last_millisecond,
            open: self.o.bytes(),
            high: self.h.bytes(),
            low: self.l.bytes(),
            close: self.c.bytes(),
            volume: self.v.bytes(),
            quote_volume: self.q.bytes(),
            taker_buy_volume: self.taker_buy_volume.bytes(),
            taker_buy_quote_volume: self.taker_buy_quote_volume.bytes(),
            count: self.n,
            first_id: self.f,
            last_id: self.last_id,
            closed: self.x,
        }
    }
}
