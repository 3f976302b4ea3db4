//! How are trades and klines read?

use crate::exchange::binance::event::{DecodeError, Event};
use crate::exchange::binance::field::{Text, object};
use crate::exchange::binance::value::{self, ValueError, WireKline, WireTrade};
use crate::model::Trade;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An aggregate trade on a stream or, without `E` and `s`, in a REST body.
#[derive(Deserialize)]
pub(in crate::exchange::binance) struct AggTradeRow<'a> {
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
    pub(in crate::exchange::binance) fn symbol(&self) -> Option<&[u8]> {
        self.s.as_ref().map(Text::bytes)
    }

    /// The trade, its values checked.
    pub(in crate::exchange::binance) fn trade(&self) -> Result<Trade, ValueError> {
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

pub(super) fn agg_trade(text: &str) -> Result<Event<'_>, DecodeError> {
    let row: AggTradeRow<'_> = object(text)?;
    let trade = row.trade()?;
    let event_time = value::time("E", row.event_time.ok_or(ValueError::Missing("E"))?)?;
    let symbol = row.s.ok_or(ValueError::Missing("s"))?.0;
    Ok(Event::AggTrade { symbol, trade, event_time })
}

pub(super) fn trade(text: &str) -> Result<Event<'_>, DecodeError> {
    object::<TradeRow<'_>>(text)?.event()
}

pub(super) fn kline(text: &str) -> Result<Event<'_>, DecodeError> {
    object::<KlineRow<'_>>(text)?.event()
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
