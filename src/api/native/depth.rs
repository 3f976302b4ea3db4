//! How are order books written as JSON?

use crate::{
    api::native::encode::{Decimals, decimal, integer},
    book::{Book, Depth, State, Summary, TickSize},
    model::{Level, Price, Rate, UnixMillis},
    store::record::StoredBook,
};

/// A synced book as it was at one moment: what of it is written, so that nobody waits for the writing.
#[derive(Clone, Debug)]
pub(in crate::api) struct Seen {
    time: UnixMillis,
    last_id: u64,
    sequence: u64,
    checksum: u32,
    reach: [Option<Price>; 2],
    summary: Summary,
    is_whole: bool,
}

impl Seen {
    /// The best `levels` a side, in steps of `group` if one is given.
    pub(in crate::api) fn of(book: &Book, group: Option<TickSize>, levels: usize) -> Self {
        let summary = Summary::of(book, group, levels);
        Self {
            time: book.time(),
            last_id: book.last_id(),
            sequence: book.sequence(),
            checksum: book.checksum(),
            reach: [book.bids().reach(), book.asks().reach()],
            is_whole: summary.is_whole(book, levels),
            summary,
        }
    }

    /// Whether as many levels are there as were asked for, or as the book has.
    pub(in crate::api) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// Appends a book that is synced as an object.
pub(in crate::api) fn book(seen: &Seen, decimals: Decimals, out: &mut Vec<u8>) {
    word(out, b"{\"state\":", State::Synced.name());
    integer(out, b",\"time\":", seen.time.get());
    integer(out, b",\"last_id\":", seen.last_id);
    integer(out, b",\"sequence\":", seen.sequence);
    integer(out, b",\"checksum\":", seen.checksum);
    reach(out, decimals, seen.reach);
    summary(&seen.summary, decimals, out);
    out.push(b'}');
}

/// Appends the same of a book that is not: there is nothing to be believed.
pub(in crate::api) fn no_book(state: State, out: &mut Vec<u8>) {
    word(out, b"{\"state\":", state.name());
    for name in ["time", "last_id", "sequence", "checksum"] {
        null(out, name);
    }
    out.extend_from_slice(b",\"reach\":{\"bid\":null,\"ask\":null}");
    summary(&Summary::default(), Decimals::Number, out);
    out.push(b'}');
}

/// Appends a snapshot that was recorded as an object.
pub(in crate::api) fn stored(book: &StoredBook, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"time\":", book.at.get());
    integer(out, b",\"book_time\":", book.time.get());
    price(out, b",\"tick_size\":", decimals, Some(book.tick_size.get()));
    summary(&book.summary, decimals, out);
    out.push(b'}');
}

/// Appends the prices beyond which nothing is known, as a member of an object that has begun.
pub(super) fn reach(out: &mut Vec<u8>, decimals: Decimals, [bid, ask]: [Option<Price>; 2]) {
    price(out, b",\"reach\":{\"bid\":", decimals, bid);
    price(out, b",\"ask\":", decimals, ask);
    out.push(b'}');
}

/// Appends levels and figures as members of an object that has begun.
pub(super) fn summary(summary: &Summary, decimals: Decimals, out: &mut Vec<u8>) {
    level(out, b",\"best_bid\":", decimals, summary.best_bid);
    level(out, b",\"best_ask\":", decimals, summary.best_ask);
    price(out, b",\"spread\":", decimals, summary.spread);
    price(out, b",\"mid\":", decimals, summary.mid);
    rate(out, b",\"spread_percent\":", decimals, summary.spread_percent);
    rate(out, b",\"imbalance\":", decimals, summary.imbalance);
    rate(out, b",\"depth_ratio\":", decimals, summary.depth_ratio);
    depths(out, b",\"bids\":[", decimals, &summary.bids);
    depths(out, b",\"asks\":[", decimals, &summary.asks);
}

fn depths(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, depths: &[Depth]) {
    out.extend_from_slice(prefix);
    for (at, depth) in depths.iter().enumerate() {
        let begin: &[u8] = if at == 0 { b"{\"price\":" } else { b",{\"price\":" };
        decimal(out, begin, decimals, |out| depth.price.write(out));
        decimal(out, b",\"quantity\":", decimals, |out| depth.quantity.write(out));
        decimal(out, b",\"cumulative\":", decimals, |out| depth.cumulative.write(out));
        decimal(out, b",\"cumulative_quote\":", decimals, |out| depth.cumulative_quote.write(out));
        out.push(b'}');
    }
    out.push(b']');
}

fn level(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, level: Option<Level>) {
    let Some(level) = level else { return nothing(out, prefix) };
    out.extend_from_slice(prefix);
    decimal(out, b"{\"price\":", decimals, |out| level.price.write(out));
    decimal(out, b",\"quantity\":", decimals, |out| level.quantity.write(out));
    out.push(b'}');
}

fn price(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, price: Option<Price>) {
    match price {
        Some(price) => decimal(out, prefix, decimals, |out| price.write(out)),
        None => nothing(out, prefix),
    }
}

fn rate(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, rate: Option<Rate>) {
    match rate {
        Some(rate) => decimal(out, prefix, decimals, |out| rate.write(out)),
        None => nothing(out, prefix),
    }
}

fn nothing(out: &mut Vec<u8>, prefix: &[u8]) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(b"null");
}

fn null(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":null");
}

/// Appends `prefix` and a word as text.
pub(super) fn word(out: &mut Vec<u8>, prefix: &[u8], word: &str) {
    out.extend_from_slice(prefix);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}
