//! How are trades and klines read?

use super::{Head, fields};
use crate::exchange::binance::cursor::{Cursor, Seen};
use crate::exchange::binance::event::Event;
use crate::exchange::binance::value::{self, WireKline, WireTrade};
use crate::model::{Price, Quantity};

#[inline(always)]
pub(super) fn agg_trade<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
    let mut wire = WireTrade::default();
    fields(cursor, const { Seen::of(b"eEaspqflTm") }, |key, cursor| {
        match key {
            b'a' => wire.id = cursor.number()?,
            b'p' => wire.price = Price::from_units(cursor.decimal()?),
            b'q' => wire.quantity = Quantity::from_units(cursor.decimal()?),
            b'f' => wire.first_id = cursor.number()?,
            b'l' => wire.last_id = cursor.number()?,
            b'T' => wire.time = cursor.number()?,
            b'm' => wire.buyer_is_maker = cursor.boolean()?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    let trade = wire.checked("a").ok()?;
    Some(Event::AggTrade { symbol: head.symbol(), trade, event_time: head.event_time()? })
}

#[inline(always)]
pub(super) fn trade<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
    let mut wire = WireTrade::default();
    let mut execution: &[u8] = b"MARKET";
    fields(cursor, const { Seen::of(b"eEstpqTm") }, |key, cursor| {
        match key {
            b't' => wire.id = cursor.number()?,
            b'p' => wire.price = Price::from_units(cursor.decimal()?),
            b'q' => wire.quantity = Quantity::from_units(cursor.decimal()?),
            b'T' => wire.time = cursor.number()?,
            b'm' => wire.buyer_is_maker = cursor.boolean()?,
            b'X' => execution = cursor.text()?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    let (symbol, event_time) = (head.symbol(), head.event_time()?);
    if execution != b"MARKET" {
        let time = value::time("T", wire.time).ok()?;
        return Some(Event::Burnt { symbol, id: value::id("t", wire.id).ok()?, time, event_time });
    }
    (wire.first_id, wire.last_id) = (wire.id, wire.id);
    Some(Event::Trade { symbol, trade: wire.checked("t").ok()?, event_time })
}

#[inline(always)]
pub(super) fn kline<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
    let mut bucket = None;
    fields(cursor, const { Seen::of(b"eEsk") }, |key, cursor| {
        match key {
            b'k' => bucket = Some(bucket_of(cursor)?),
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    let (interval, wire) = bucket?;
    let kline = wire.checked().ok()?;
    Some(Event::Kline { symbol: head.symbol(), interval, kline, event_time: head.event_time()? })
}

#[inline(always)]
fn bucket_of<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a str, WireKline<'a>)> {
    let mut wire = WireKline::default();
    let mut interval = "";
    cursor.literal(b"{")?;
    fields(cursor, const { Seen::of(b"tTifLochlvnxqVQ") }, |key, cursor| {
        match key {
            b't' => wire.open_time = cursor.number()?,
            b'T' => wire.last_millisecond = cursor.number()?,
            b'i' => interval = cursor.utf8()?,
            b'f' => wire.first_id = cursor.signed()?,
            b'L' => wire.last_id = cursor.signed()?,
            b'o' => wire.open = cursor.text()?,
            b'c' => wire.close = cursor.text()?,
            b'h' => wire.high = cursor.text()?,
            b'l' => wire.low = cursor.text()?,
            b'v' => wire.volume = cursor.text()?,
            b'n' => wire.count = cursor.number()?,
            b'x' => wire.closed = cursor.boolean()?,
            b'q' => wire.quote_volume = cursor.text()?,
            b'V' => wire.taker_buy_volume = cursor.text()?,
            b'Q' => wire.taker_buy_quote_volume = cursor.text()?,
            _ => cursor.skip()?,
        }
        Some(())
    })?;
    Some((interval, wire))
}
