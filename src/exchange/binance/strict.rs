//! How are the hot shapes read in one pass, without allocation? Keys may come in any order; whatever else is not as the venue
//! writes it today yields nothing, and the tolerant parser decides.

use crate::exchange::binance::cursor::{Cursor, LINE, Seen};
use crate::exchange::binance::event::Event;
use crate::exchange::binance::value::{self, WireKline, WireTrade};
use crate::model::{Price, Quantity, UnixMillis};
use std::borrow::Cow;

/// The field that names the kind, as it stands in every live frame: first.
const KIND: &[u8; 5] = br#""e":""#;
/// The product line of USD-M in `st`.
const USD_M: u64 = 1;

/// The event of a frame, raw or in the combined envelope.
#[inline(always)]
pub(super) fn event(frame: &[u8]) -> Option<Event<'_>> {
    let mut cursor = Cursor::new(frame);
    let enveloped = frame.starts_with(br#"{"stream":""#);
    if enveloped {
        cursor.literal(br#"{"stream":"#)?;
        cursor.long_text()?;
        cursor.literal(br#","data":{"#)?;
    } else {
        cursor.literal(b"{")?;
    }
    // A hint: the pass itself must meet the key at the row's own level.
    let rest = cursor.rest();
    let at = if rest.starts_with(KIND) { 0 } else { memchr::memmem::find(rest, KIND)? };
    let kind = rest.get(at + KIND.len()..)?;
    let value_at = cursor.at() + at + KIND.len() - 1;
    if kind.starts_with(b"aggTrade\"") {
        agg_trade(&mut cursor, Head::new(enveloped, value_at, b"aggTrade"))
    } else if kind.starts_with(b"trade\"") {
        trade(&mut cursor, Head::new(enveloped, value_at, b"trade"))
    } else if kind.starts_with(b"bookTicker\"") {
        book_ticker(&mut cursor, Head::new(enveloped, value_at, b"bookTicker"))
    } else if kind.starts_with(b"kline\"") {
        kline(&mut cursor, Head::new(enveloped, value_at, b"kline"))
    } else {
        None
    }
}

/// What every row says of itself.
struct Head<'a> {
    enveloped: bool,
    /// Where the kind was seen, and its length with quotes: the row's own `e` must be the one that was seen.
    kind: (usize, usize),
    symbol: &'a str,
    event_time: u64,
    line: Option<u64>,
}

impl<'a> Head<'a> {
    #[inline(always)]
    const fn new(enveloped: bool, at: usize, kind: &'static [u8]) -> Self {
        Self { enveloped, kind: (at, kind.len() + 2), symbol: "", event_time: 0, line: None }
    }

    /// Reads the value of a key that the kind itself has no use for.
    #[inline(always)]
    fn read(&mut self, key: u8, cursor: &mut Cursor<'a>) -> Option<()> {
        match key {
            b'e' if cursor.at() == self.kind.0 => cursor.advance(self.kind.1),
            b'e' => return None,
            b'E' => self.event_time = cursor.number()?,
            b's' => self.symbol = cursor.utf8()?,
            LINE if self.line.is_none() => self.line = Some(cursor.number()?),
            LINE => return None,
            _ => cursor.skip()?,
        }
        Some(())
    }

    /// After the row: the end of its envelope and of the frame.
    #[inline(always)]
    fn close(&self, cursor: &mut Cursor<'a>) -> Option<()> {
        if self.enveloped {
            cursor.literal(b"}")?;
        }
        cursor.end()
    }

    fn is_foreign(&self) -> bool {
        self.line.is_some_and(|line| line != USD_M)
    }

    fn symbol(&self) -> Cow<'a, str> {
        Cow::Borrowed(self.symbol)
    }

    fn event_time(&self) -> Option<UnixMillis> {
        value::time("E", self.event_time).ok()
    }
}

/// Reads the fields of one object with `read`, until its end; all `needed` keys must have come.
#[inline(always)]
fn fields<'a>(
    cursor: &mut Cursor<'a>,
    needed: Seen,
    mut read: impl FnMut(u8, &mut Cursor<'a>) -> Option<()>,
) -> Option<()> {
    let mut seen = Seen::NONE;
    loop {
        let key = cursor.key(&mut seen)?;
        read(key, cursor)?;
        if !cursor.more()? {
            return seen.holds(needed).then_some(());
        }
    }
}

#[inline(always)]
fn agg_trade<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
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
fn trade<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
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
fn book_ticker<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
    let (mut update_id, mut time) = (0, 0);
    let (mut bid, mut ask) = (Price::default(), Price::default());
    let (mut bid_quantity, mut ask_quantity) = (Quantity::default(), Quantity::default());
    fields(cursor, const { Seen::of(b"eEusbBaAT") }, |key, cursor| {
        match key {
            b'u' => update_id = cursor.number()?,
            b'b' => bid = Price::from_units(cursor.decimal()?),
            b'B' => bid_quantity = Quantity::from_units(cursor.decimal()?),
            b'a' => ask = Price::from_units(cursor.decimal()?),
            b'A' => ask_quantity = Quantity::from_units(cursor.decimal()?),
            b'T' => time = cursor.number()?,
            _ => head.read(key, cursor)?,
        }
        Some(())
    })?;
    head.close(cursor)?;
    if head.is_foreign() {
        return Some(Event::Foreign);
    }
    Some(Event::BookTicker {
        symbol: head.symbol(),
        update_id,
        bid,
        bid_quantity,
        ask,
        ask_quantity,
        time: value::time("T", time).ok()?,
        event_time: head.event_time()?,
    })
}

#[inline(always)]
fn kline<'a>(cursor: &mut Cursor<'a>, mut head: Head<'a>) -> Option<Event<'a>> {
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
