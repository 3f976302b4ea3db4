//! How does the venue write what a contract is worth, what it did in a day, and what became of it?

use crate::{
    model::{Liquidation, MarkPrice, Price, Rate, Ticker, UnixMillis},
    sim::{
        contract::{Contract, Line, Status},
        json::Json,
    },
};

/// A `markPriceUpdate` event.
pub(in crate::sim) fn mark_price(out: &mut String, (contract, line): (&Contract, Line), mark: &MarkPrice) {
    let mut json = Json(out);
    json.text(r#"{"e":"markPriceUpdate","E":"#).number(mark.time.get()).text(r#","s":""#).symbol(contract, line);
    json.text(r#"","p":""#).price(mark.mark, 8).text(r#"","ap":""#).price(mark.average.unwrap_or_default(), 8);
    json.text(r#"","P":""#).price(mark.settle.unwrap_or_default(), 8);
    json.text(r#"","i":""#).price(mark.index.unwrap_or_default(), 8);
    json.text(r#"","r":""#).signed(mark.funding_rate.map_or(0, Rate::units), 8, 8);
    json.text(r#"","T":"#).number(mark.next_funding_time.map_or(0, UnixMillis::get)).line(line).text("}");
}

/// A row of REST `premiumIndex`.
pub(in crate::sim) fn premium_row(out: &mut String, contract: &Contract, mark: &MarkPrice) {
    let mut json = Json(out);
    json.text(r#"{"symbol":""#).text(contract.symbol.as_str());
    json.text(r#"","markPrice":""#).price(mark.mark, 8);
    json.text(r#"","indexPrice":""#).price(mark.index.unwrap_or_default(), 8);
    json.text(r#"","estimatedSettlePrice":""#).price(mark.settle.unwrap_or_default(), 8);
    json.text(r#"","lastFundingRate":""#).signed(mark.funding_rate.map_or(0, Rate::units), 8, 8);
    json.text(r#"","interestRate":"0.00010000","nextFundingTime":"#);
    json.number(mark.next_funding_time.map_or(0, UnixMillis::get));
    json.text(r#","time":"#).number(mark.time.get()).text("}");
}

/// A `forceOrder` event sent at `sent`.
pub(in crate::sim) fn force_order(out: &mut String, contract: &Contract, order: &Liquidation, sent: i64) {
    let (price, quantity) = (contract.price_places, contract.quantity_places);
    let mut json = Json(out);
    json.text(r#"{"e":"forceOrder","E":"#).number(sent).text(r#","o":{"s":""#).text(contract.symbol.as_str());
    json.text(r#"","S":""#).text(if order.is_sell { "SELL" } else { "BUY" });
    json.text(r#"","o":"LIMIT","f":"IOC","q":""#).quantity(order.quantity, quantity);
    json.text(r#"","p":""#).price(order.price, price).text(r#"","ap":""#).price(order.average_price, price);
    json.text(r#"","X":"FILLED","l":""#).quantity(contract.step, quantity);
    json.text(r#"","z":""#).quantity(order.filled, quantity).text(r#"","T":"#).number(order.time.get());
    json.text(r#","ps":""#).text(&contract.pair).text(r#"","st":1}}"#);
}

/// A `24hrTicker` event, sent when the ticker's window ends.
pub(in crate::sim) fn ticker(out: &mut String, (contract, line): (&Contract, Line), ticker: &Ticker) {
    let mut json = Json(out);
    json.text(r#"{"e":"24hrTicker","E":"#).number(ticker.close_time.get()).text(r#","s":""#).symbol(contract, line);
    json.text(r#"","ps":""#).pair(contract, line);
    let names = ["p", "P", "w", "c", "Q", "o", "h", "l", "v", "q", "O", "C", "F", "L", "n"];
    ticker_fields(&mut json, contract, ticker, names);
    json.line(line).text("}");
}

/// A row of REST `ticker/24hr`.
pub(in crate::sim) fn ticker_row(out: &mut String, contract: &Contract, ticker: &Ticker) {
    let mut json = Json(out);
    json.text(r#"{"symbol":""#).text(contract.symbol.as_str());
    let names = [
        "priceChange",
        "priceChangePercent",
        "weightedAvgPrice",
        "lastPrice",
        "lastQty",
        "openPrice",
        "highPrice",
        "lowPrice",
        "volume",
        "quoteVolume",
        "openTime",
        "closeTime",
        "firstId",
        "lastId",
        "count",
    ];
    ticker_fields(&mut json, contract, ticker, names);
    json.text("}");
}

/// The figures of a ticker under `names`, after an open text.
fn ticker_fields(json: &mut Json<'_>, contract: &Contract, ticker: &Ticker, names: [&str; 15]) {
    let (price, quantity) = (contract.price_places, contract.quantity_places);
    let [change, percent, average, last, last_quantity, open, high, low, volume, quote, times @ ..] = names;
    json.name(change).signed(ticker.change.units(), 8, price);
    json.name(percent).signed(ticker.change_percent.units(), 8, 3);
    let prices: [(&str, Price); 2] = [(average, ticker.average), (last, ticker.last)];
    for (name, value) in prices {
        json.name(name).price(value, price);
    }
    json.name(last_quantity).quantity(ticker.last_quantity, quantity);
    for (name, value) in [(open, ticker.open), (high, ticker.high), (low, ticker.low)] {
        json.name(name).price(value, price);
    }
    json.name(volume).fixed(ticker.volume.units(), 8, quantity);
    json.name(quote).fixed(ticker.quote_volume.units(), 16, contract.quote_places()).text(r#"""#);
    let numbers =
        [ticker.open_time.get(), ticker.close_time.get(), ticker.first_id, ticker.last_id, ticker.count.cast_signed()];
    for (name, number) in times.into_iter().zip(numbers) {
        json.text(r#",""#).text(name).text(r#"":"#).number(number);
    }
}

/// A `24hrMiniTicker` event.
pub(in crate::sim) fn mini_ticker(out: &mut String, (contract, line): (&Contract, Line), ticker: &Ticker) {
    let price = contract.price_places;
    let mut json = Json(out);
    json.text(r#"{"e":"24hrMiniTicker","E":"#).number(ticker.close_time.get());
    json.text(r#","s":""#).symbol(contract, line);
    for (name, value) in [("c", ticker.last), ("o", ticker.open), ("h", ticker.high), ("l", ticker.low)] {
        json.name(name).price(value, price);
    }
    json.name("v").fixed(ticker.volume.units(), 8, contract.quantity_places);
    json.name("q").fixed(ticker.quote_volume.units(), 16, contract.quote_places());
    json.name("ps").pair(contract, line).text(r#"""#).line(line).text("}");
}

/// A `contractInfo` event sent at `sent`.
pub(in crate::sim) fn contract_info(out: &mut String, contract: &Contract, status: Status, sent: i64) {
    let mut json = Json(out);
    json.text(r#"{"e":"contractInfo","E":"#).number(sent).text(r#","s":""#).text(contract.symbol.as_str());
    json.text(r#"","ct":""#).text(contract.kind.as_str()).text(r#"","dt":"#).number(contract.delivery.get());
    json.text(r#","ot":"#).number(contract.onboard.get()).text(r#","cs":""#).text(status.as_str());
    json.text(r#"","st":1}"#);
}
