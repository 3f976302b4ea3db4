//! How does the venue write order books?

use crate::{
    model::{BookSnapshot, BookTicker, BookUpdate, Level, UnixMillis},
    sim::{
        contract::{Contract, Line},
        json::Json,
    },
};

/// A `depthUpdate` event sent at `sent`, of a diff stream and of a partial one alike.
pub(in crate::sim) fn depth(
    out: &mut String,
    contract: &Contract,
    update: &BookUpdate,
    (bids, asks): (&[Level], &[Level]),
    sent: i64,
) {
    let mut json = Json(out);
    json.text(r#"{"e":"depthUpdate","E":"#).number(sent).text(r#","T":"#).number(update.time.get());
    json.text(r#","s":""#).text(contract.symbol.as_str()).text(r#"","ps":""#).text(&contract.pair);
    json.text(r#"","U":"#).number(update.first_id).text(r#","u":"#).number(update.last_id);
    json.text(r#","pu":"#).number(update.previous_id).text(r#","b":"#);
    levels(&mut json, contract, bids);
    json.text(r#","a":"#);
    levels(&mut json, contract, asks);
    json.text(r#","st":1}"#);
}

/// The body of REST `depth` asked for at `now`.
pub(in crate::sim) fn snapshot(out: &mut String, contract: &Contract, book: &BookSnapshot, now: UnixMillis) {
    let mut json = Json(out);
    json.text(r#"{"lastUpdateId":"#).number(book.last_id).text(r#","E":"#).number(now.get());
    json.text(r#","T":"#).number(book.time.get()).text(r#","bids":"#);
    levels(&mut json, contract, &book.bids);
    json.text(r#","asks":"#);
    levels(&mut json, contract, &book.asks);
    json.text("}");
}

fn levels(json: &mut Json<'_>, contract: &Contract, levels: &[Level]) {
    json.text("[");
    for (index, level) in levels.iter().enumerate() {
        json.text(if index > 0 { r#",[""# } else { r#"[""# }).price(level.price, contract.price_places);
        json.text(r#"",""#).quantity(level.quantity, contract.quantity_places).text(r#""]"#);
    }
    json.text("]");
}

/// A `bookTicker` event sent at `sent`.
pub(in crate::sim) fn ticker(
    out: &mut String,
    (contract, line): (&Contract, Line),
    ticker: &BookTicker,
    sent: UnixMillis,
) {
    let mut json = Json(out);
    json.text(r#"{"e":"bookTicker","u":"#).number(ticker.update_id).text(r#","s":""#).symbol(contract, line);
    json.text(r#"","ps":""#).pair(contract, line);
    for (prices, quantities, level) in [("b", "B", &ticker.bid), ("a", "A", &ticker.ask)] {
        json.name(prices).price(level.price, contract.price_places);
        json.name(quantities).quantity(level.quantity, contract.quantity_places);
    }
    json.text(r#"","T":"#).number(ticker.time.get()).text(r#","E":"#).number(sent.get());
    json.line(line).text("}");
}

/// A row of REST `ticker/bookTicker`.
pub(in crate::sim) fn ticker_row(out: &mut String, contract: &Contract, ticker: &BookTicker) {
    let (price, quantity) = (contract.price_places, contract.quantity_places);
    let mut json = Json(out);
    json.text(r#"{"symbol":""#).text(contract.symbol.as_str());
    json.text(r#"","bidPrice":""#).price(ticker.bid.price, price);
    json.text(r#"","bidQty":""#).quantity(ticker.bid.quantity, quantity);
    json.text(r#"","askPrice":""#).price(ticker.ask.price, price);
    json.text(r#"","askQty":""#).quantity(ticker.ask.quantity, quantity);
    json.text(r#"","time":"#).number(ticker.time.get());
    json.text(r#","lastUpdateId":"#).number(ticker.update_id).text("}");
}
