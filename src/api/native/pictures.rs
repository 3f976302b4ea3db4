//! How are order books, and what else channels tell as it is now, written as JSON?
//!
//! A level of a book that is followed is `[price, quantity]`: there are many.

use crate::{
    api::native::{
        depth::{self, word},
        encode::{Decimals, boolean, decimal, integer},
        figures,
    },
    book,
    live::{Figure, Picture, Status, View},
    market::NumberedLiquidation,
    model::Level,
};

/// Decimals of everything that is pushed.
const NUMBER: Decimals = Decimals::Number;

/// Appends liquidations.
pub(super) fn liquidations(rows: &[NumberedLiquidation], out: &mut Vec<u8>) {
    for (at, (number, liquidation)) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        figures::liquidation(*number, liquidation, NUMBER, out);
    }
}

/// Appends a figure.
pub(super) fn figure(figure: &Figure, out: &mut Vec<u8>) {
    match figure {
        Figure::Mark(mark) => figures::mark(mark, NUMBER, out),
        Figure::Ticker(ticker) => figures::ticker(ticker, NUMBER, out),
        Figure::BookTicker(top) => figures::book_ticker(top, NUMBER, out),
        Figure::OpenInterest(open_interest) => figures::open_interest(open_interest, NUMBER, out),
        Figure::Status(told) => status(told, out),
        Figure::View(told) => view(told, out),
    }
}

fn status(status: &Status, out: &mut Vec<u8>) {
    word(out, b"{\"state\":", status.state.name());
    integer(out, b",\"since\":", status.since.get());
    integer(out, b",\"missing\":", status.missing);
    out.push(b'}');
}

/// Appends a whole book, what changed in one, or that there is none.
pub(super) fn book(picture: &Picture, out: &mut Vec<u8>) {
    word(out, b"{\"state\":", picture.state.name());
    if picture.state == book::State::Synced {
        picture.from_sequence.into_iter().for_each(|from| integer(out, b",\"from_sequence\":", from));
        integer(out, b",\"sequence\":", picture.sequence);
        integer(out, b",\"last_id\":", picture.last_id);
        integer(out, b",\"time\":", picture.time.get());
        depth::reach(out, NUMBER, picture.reach);
        integer(out, b",\"checksum\":", picture.checksum);
        levels(out, b",\"bids\":[", picture.bids.iter().copied());
        levels(out, b",\"asks\":[", picture.asks.iter().copied());
    }
    out.push(b'}');
}

fn view(view: &View, out: &mut Vec<u8>) {
    word(out, b"{\"state\":", view.state.name());
    if view.state == book::State::Synced {
        integer(out, b",\"time\":", view.time.get());
        integer(out, b",\"last_id\":", view.last_id);
        boolean(out, b",\"complete\":", view.complete);
        depth::summary(&view.summary, NUMBER, out);
    }
    out.push(b'}');
}

fn levels(out: &mut Vec<u8>, name: &[u8], levels: impl Iterator<Item = Level>) {
    out.extend_from_slice(name);
    for (at, level) in levels.enumerate() {
        decimal(out, if at > 0 { b",[" } else { b"[" }, NUMBER, |out| level.price.write(out));
        decimal(out, b",", NUMBER, |out| level.quantity.write(out));
        out.push(b']');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Quantity, UnixMillis};

    fn level(price: i64, quantity: i64) -> Level {
        Level { price: Price::from_units(price), quantity: Quantity::from_units(quantity) }
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_change_says_what_it_goes_on_from_and_a_book_that_is_none_says_only_that() {
        let picture = Picture {
            state: book::State::Synced,
            from_sequence: Some(4),
            sequence: 6,
            last_id: 99,
            time: UnixMillis::new(5),
            reach: [Some(Price::from_units(150_000_000)), None],
            checksum: 7,
            bids: vec![level(200_000_000, 50_000_000), level(150_000_000, 0)],
            asks: Vec::new(),
        };
        let expected = r#"{"state":"synced","from_sequence":4,"sequence":6,"last_id":99,"time":5,"reach":{"bid":1.5,"ask":null},"checksum":7,"bids":[[2,0.5],[1.5,0]],"asks":[]}"#;
        assert_eq!(written(|out| book(&picture, out)), expected);
        let none = Picture { state: book::State::Rebuilding, ..picture };
        assert_eq!(written(|out| book(&none, out)), r#"{"state":"rebuilding"}"#);
    }
}
