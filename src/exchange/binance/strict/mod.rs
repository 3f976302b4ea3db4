//! How are the hot shapes read in one pass, without allocation? Keys may come in any order; whatever else is not as the venue
//! writes it today yields nothing, and the tolerant parser decides.

mod book;
mod marks;
mod prints;

use crate::exchange::binance::cursor::{Cursor, LINE, Seen};
use crate::exchange::binance::decode::Decoder;
use crate::exchange::binance::event::Event;
use crate::exchange::binance::value;
use crate::model::UnixMillis;
use std::borrow::Cow;

/// The field that names the kind, as it stands in every live frame: first.
const KIND: &[u8; 5] = br#""e":""#;
/// The product line of USD-M in `st`.
const USD_M: u64 = 1;

/// The event of a frame, raw or in the combined envelope; rows go to `decoder`, whose earlier ones may be lost even when there
/// is no event.
#[inline(always)]
pub(super) fn event<'a>(frame: &'a [u8], decoder: &mut Decoder) -> Option<Event<'a>> {
    let mut cursor = Cursor::new(frame);
    let enveloped = frame.starts_with(br#"{"stream":""#);
    if enveloped {
        cursor.literal(br#"{"stream":"#)?;
        cursor.long_text()?;
        cursor.literal(br#","data":"#)?;
    }
    if cursor.step_over(b'[') {
        return marks::array(cursor, enveloped, &mut decoder.mark_prices);
    }
    cursor.literal(b"{")?;
    // A hint: the pass itself must meet the key at the row's own level.
    let rest = cursor.rest();
    let at = if rest.starts_with(KIND) { 0 } else { memchr::memmem::find(rest, KIND)? };
    let kind = rest.get(at + KIND.len()..)?;
    let value_at = cursor.at() + at + KIND.len() - 1;
    let head = |kind| Head::new(enveloped, value_at, kind);
    if kind.starts_with(b"aggTrade\"") {
        prints::agg_trade(&mut cursor, head(b"aggTrade"))
    } else if kind.starts_with(b"trade\"") {
        prints::trade(&mut cursor, head(b"trade"))
    } else if kind.starts_with(b"bookTicker\"") {
        book::ticker(&mut cursor, head(b"bookTicker"))
    } else if kind.starts_with(b"depthUpdate\"") {
        book::depth(cursor, head(b"depthUpdate"), &mut decoder.bids, &mut decoder.asks)
    } else if kind.starts_with(b"kline\"") {
        prints::kline(&mut cursor, head(b"kline"))
    } else if kind.starts_with(b"markPriceUpdate\"") {
        marks::single(cursor, head(b"markPriceUpdate"), &mut decoder.mark_prices)
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
        close(cursor, self.enveloped)
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

#[inline(always)]
fn close(cursor: &mut Cursor<'_>, enveloped: bool) -> Option<()> {
    if enveloped {
        cursor.literal(b"}")?;
    }
    cursor.end()
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
