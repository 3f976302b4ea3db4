//! How are the top of a book and its changes read?

use super::{Head, fields};
use crate::exchange::binance::cursor::{Cursor, PREVIOUS, Seen};
use crate::exchange::binance::event::Event;
use crate::exchange::binance::value::{self, WireBookUpdate};
use crate::model::{BookTicker, Level, Price, Quantity};

#[inline(always)]
pub(super) fn ticker<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
    let (mut ticker, mut time) = (BookTicker::default(), 0);
    fields(cursor, const { Seen::of(b"eEusbBaAT") }, |key, cursor| {
        match key {
            b'u' => ticker.update_id = cursor.number()?,
            b'b' => ticker.bid.price = Price::from_units(cursor.decimal()?),
            b'B' => ticker.bid.quantity = Quantity::from_units(cursor.decimal()?),
            b'a' => ticker.ask.price = Price::from_units(cursor.decimal()?),
            b'A' => ticker.ask.quantity = Quantity::from_units(cursor.decimal()?),
            b'T' => time = cursor.number()?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    ticker.time = value::time("T", time).ok()?;
    Some(Event::BookTicker { symbol: head.symbol(), ticker, event_time: head.event_time()? })
}

/// Levels go to `bids` and `asks`. Not inlined, so that the code for the shapes before it stays small.
#[inline(never)]
pub(super) fn depth<'a>(
    mut cursor: Cursor<'a>,
    mut head: Head<'a>,
    bids: &mut Vec<Level>,
    asks: &mut Vec<Level>,
) -> Option<Event<'a>> {
    let mut wire = WireBookUpdate::default();
    fields(&mut cursor, const { Seen::of(b"eETsUu[ba") }, |key, cursor| {
        match key {
            b'U' => wire.first_id = cursor.number()?,
            b'u' => wire.last_id = cursor.number()?,
            PREVIOUS => wire.previous_id = cursor.number()?,
            b'T' => wire.time = cursor.number()?,
            b'b' => levels(cursor, bids)?,
            b'a' => levels(cursor, asks)?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(&mut cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    let update = wire.checked().ok()?;
    Some(Event::Depth { symbol: head.symbol(), update, event_time: head.event_time()? })
}

/// Pairs of price and quantity, as they come.
#[inline(always)]
fn levels(cursor: &mut Cursor<'_>, levels: &mut Vec<Level>) -> Option<()> {
    levels.clear();
    cursor.literal(b"[")?;
    if cursor.step_over(b']') {
        return Some(());
    }
    loop {
        cursor.literal(b"[\"")?;
        let price = Price::from_units(cursor.bare_decimal()?);
        cursor.literal(b"\",\"")?;
        let quantity = Quantity::from_units(cursor.bare_decimal()?);
        cursor.literal(b"\"]")?;
        levels.push(Level { price, quantity });
        if !cursor.more_elements()? {
            return Some(());
        }
    }
}
