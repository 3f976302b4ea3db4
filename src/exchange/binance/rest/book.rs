//! What do bodies say of order books?

use super::rows;
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::value::ValueError;
use crate::model::{BookSnapshot, BookTicker, Level};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDepth<'a> {
    #[serde(borrow)]
    last_update_id: Raw<'a>,
    #[serde(borrow, rename = "T")]
    time: Raw<'a>,
    #[serde(borrow)]
    bids: Raw<'a>,
    #[serde(borrow)]
    asks: Raw<'a>,
}

/// Reads the body of `/fapi/v1/depth`: at most 1,000 levels a side; beyond the worst of them the book is unknown.
///
/// # Errors
///
/// When the body is not of this shape, or a level cannot be meant.
pub fn depth(body: &[u8]) -> Result<BookSnapshot, DecodeError> {
    let wire: WireDepth<'_> = object(super::text(body)?)?;
    let mut book = BookSnapshot {
        last_id: Field("lastUpdateId", wire.last_update_id).natural()?,
        time: Field("T", wire.time).time()?,
        ..BookSnapshot::default()
    };
    Field("bids", wire.bids).levels(&mut book.bids)?;
    Field("asks", wire.asks).levels(&mut book.asks)?;
    Ok(book)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTicker<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    bid_price: Raw<'a>,
    #[serde(borrow)]
    bid_qty: Raw<'a>,
    #[serde(borrow)]
    ask_price: Raw<'a>,
    #[serde(borrow)]
    ask_qty: Raw<'a>,
    #[serde(borrow)]
    time: Raw<'a>,
    #[serde(borrow)]
    last_update_id: Raw<'a>,
}

/// Reads the body of `/fapi/v1/ticker/bookTicker`, of one contract or of all. Where it does not say the book's version, that is 0.
///
/// # Errors
///
/// When the body is no list of rows, or none of them is understood.
pub fn book_tickers(body: &[u8]) -> Result<Rows<BookTicker>, DecodeError> {
    let mut tickers = Rows::default();
    tickers.fill(rows(body)?, |row| {
        let wire: WireTicker<'_> = object(row)?;
        let level = |price: Field<'_>, quantity: Field<'_>| {
            Ok::<_, ValueError>(Level { price: price.price()?, quantity: quantity.quantity()? })
        };
        let version = wire.last_update_id.map(|_| Field("lastUpdateId", wire.last_update_id).natural());
        let ticker = BookTicker {
            update_id: version.transpose()?.unwrap_or_default(),
            time: Field("time", wire.time).time()?,
            bid: level(Field("bidPrice", wire.bid_price), Field("bidQty", wire.bid_qty))?,
            ask: level(Field("askPrice", wire.ask_price), Field("askQty", wire.ask_qty))?,
        };
        Ok(Some((Field("symbol", wire.symbol).text()?, ticker)))
    })?;
    Ok(tickers)
}
