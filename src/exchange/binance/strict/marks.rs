//! How are mark prices read, one or an array of them?

use super::{Head, KIND, close, fields};
use crate::exchange::binance::cursor::{AVERAGE, Cursor, Seen};
use crate::exchange::binance::event::Event;
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::value;
use crate::model::{MarkPrice, Price, Rate, UnixMillis};

/// The only kind whose arrays are read here.
const MARK: &[u8; 15] = b"markPriceUpdate";

/// A frame of one row, which becomes the only one of `rows`.
#[inline(never)]
pub(super) fn single<'a>(mut cursor: Cursor<'a>, mut head: Head<'a>, rows: &mut Rows<MarkPrice>) -> Option<Event<'a>> {
    rows.clear();
    let wire = row(&mut cursor, &mut head)?;
    head.close(&mut cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    let event_time = head.event_time()?;
    rows.push(head.symbol, wire.checked(event_time)?);
    Some(Event::MarkPrices { event_time })
}

/// A frame of many rows, from behind the bracket that opens it.
#[inline(never)]
pub(super) fn array<'a>(mut cursor: Cursor<'a>, enveloped: bool, rows: &mut Rows<MarkPrice>) -> Option<Event<'a>> {
    rows.clear();
    let mut newest = None;
    loop {
        cursor.literal(b"{")?;
        let mut head = head_of(&cursor, enveloped)?;
        let wire = row(&mut cursor, &mut head)?;
        if head.is_foreign() {
            rows.skip_foreign();
        } else {
            let event_time = head.event_time()?;
            rows.push(head.symbol, wire.checked(event_time)?);
            newest = newest.max(Some(event_time));
        }
        if !cursor.more_elements()? {
            break;
        }
    }
    close(&mut cursor, enveloped)?;
    Some(newest.map_or(Event::Foreign, |event_time| Event::MarkPrices { event_time }))
}

/// The head of a row that begins with its kind.
#[inline(always)]
fn head_of<'a>(cursor: &Cursor<'a>, enveloped: bool) -> Option<Head<'a>> {
    let kind = cursor.rest().strip_prefix(KIND)?;
    let is_mark = kind.starts_with(MARK) && kind.get(MARK.len()) == Some(&b'"');
    is_mark.then(|| Head::new(enveloped, cursor.at() + KIND.len() - 1, MARK))
}

/// A mark price as the wire has it.
#[derive(Default)]
struct WireMark {
    mark: Price,
    average: Option<Price>,
    index: Option<Price>,
    settle: Option<Price>,
    funding_rate: Option<Rate>,
    next_funding_time: u64,
}

impl WireMark {
    fn checked(&self, time: UnixMillis) -> Option<MarkPrice> {
        Some(MarkPrice {
            time,
            mark: self.mark,
            average: self.average,
            index: self.index,
            settle: self.settle,
            funding_rate: self.funding_rate,
            next_funding_time: value::planned_time("T", self.next_funding_time).ok()?,
        })
    }
}

#[inline(always)]
fn row<'a>(cursor: &mut Cursor<'a>, head: &mut Head<'a>) -> Option<WireMark> {
    let mut wire = WireMark::default();
    fields(cursor, const { Seen::of(b"eEsprT") }, |key, cursor| {
        match key {
            b'p' => wire.mark = Price::from_units(cursor.decimal()?),
            AVERAGE => wire.average = Some(Price::from_units(cursor.decimal()?)),
            b'P' => wire.settle = Some(Price::from_units(cursor.decimal()?)),
            b'i' => wire.index = Some(Price::from_units(cursor.decimal()?)),
            b'r' => wire.funding_rate = rate(cursor)?,
            b'T' => wire.next_funding_time = cursor.number()?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    Some(wire)
}

/// A rate; contracts without funding have an empty text.
#[inline(always)]
fn rate(cursor: &mut Cursor<'_>) -> Option<Option<Rate>> {
    if cursor.rest().starts_with(b"\"\"") {
        cursor.advance(2);
        return Some(None);
    }
    Some(Some(Rate::from_units(cursor.signed_decimal()?)))
}
