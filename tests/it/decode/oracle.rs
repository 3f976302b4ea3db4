//! What does an independent reader find in the same JSON?

use rust_decimal::Decimal;
use serde_json::Value;
use std::str::FromStr;
use tapedeck::exchange::binance::{ContractNotice, Decoder, Event, Kline, Rows};
use tapedeck::model::{
    BookTicker, Funding, FundingTerms, Level, Liquidation, MarkPrice, OpenInterest, Price, Quantity, QuoteVolume, Rate,
    Ticker, Trade, UnixMillis, Volume,
};

pub(super) fn decimal(value: &Value) -> Decimal {
    Decimal::from_str(value.as_str().expect("decimals are strings")).expect("a decimal")
}

pub(super) fn at(value: &Value) -> UnixMillis {
    UnixMillis::new(value.as_i64().expect("times are integers"))
}

pub(super) fn price(price: Price, expected: &Value) {
    assert_eq!(Decimal::new(price.units(), 8), decimal(expected));
    assert_eq!(price.to_string(), decimal(expected).normalize().to_string());
}

pub(super) fn quantity(quantity: Quantity, expected: &Value) {
    assert_eq!(Decimal::new(quantity.units(), 8), decimal(expected));
    assert_eq!(quantity.to_string(), decimal(expected).normalize().to_string());
}

pub(super) fn level(level: Level, prices: &Value, quantities: &Value) {
    price(level.price, prices);
    quantity(level.quantity, quantities);
}

pub(super) fn levels(levels: &[Level], rows: &Value) {
    let rows = rows.as_array().expect("levels");
    assert_eq!(levels.len(), rows.len());
    levels.iter().zip(rows).for_each(|(found, row)| level(*found, &row[0], &row[1]));
}

/// Figures that the venue derived are rounded half to even, as this crate's `round_dp` does.
pub(super) fn derived(units: i64, expected: &Value) {
    assert_eq!(Decimal::new(units, 8), decimal(expected).round_dp(8));
}

/// The same of a figure that may be absent, null or empty.
pub(super) fn derived_if_any(units: Option<i64>, expected: &Value) {
    match units {
        Some(units) => derived(units, expected),
        None => assert!(expected.is_null() || expected == "", "{expected}"),
    }
}

/// A time that is 0, null or absent where there is none.
pub(super) fn planned(time: Option<UnixMillis>, expected: &Value) {
    assert_eq!(time.map_or(0, UnixMillis::get), expected.as_i64().unwrap_or(0));
}

pub(super) fn volume(volume: Volume, expected: &Value) {
    assert_eq!(Decimal::from_i128_with_scale(volume.units(), 8), decimal(expected));
}

pub(super) fn quote_volume(volume: QuoteVolume, expected: &Value) {
    assert_eq!(Decimal::from_i128_with_scale(volume.units(), 16), decimal(expected));
    assert_eq!(volume.to_string(), decimal(expected).normalize().to_string());
}

pub(super) fn same_trade(trade: &Trade, row: &Value, keys: [&str; 3]) {
    let ids = keys.map(|key| row[key].as_u64().expect("ids are integers"));
    assert_eq!([trade.id, trade.first_id, trade.last_id], ids);
    price(trade.price, &row["p"]);
    quantity(trade.quantity, &row["q"]);
    assert_eq!(trade.time, at(&row["T"]));
    assert_eq!(trade.buyer_is_maker, row["m"].as_bool().expect("flags are booleans"));
}

/// The columns of a REST row; on streams they have letters.
pub(super) fn same_kline(kline: &Kline, columns: [&Value; 11]) {
    let [open_time, open, high, low, close, base, last, quote, count, taker_base, taker_quote] = columns;
    assert_eq!(kline.open_time, at(open_time));
    assert_eq!(kline.close_time, at(last).plus(1));
    price(kline.open, open);
    price(kline.high, high);
    price(kline.low, low);
    price(kline.close, close);
    volume(kline.volume, base);
    quote_volume(kline.quote_volume, quote);
    volume(kline.taker_buy_volume, taker_base);
    quote_volume(kline.taker_buy_quote_volume, taker_quote);
    assert_eq!(Some(kline.count), count.as_u64());
}

/// The keys of a mark price's fields but its time: mark, average, index, settle, rate and next time.
pub(super) fn same_mark(mark: &MarkPrice, row: &Value, keys: [&str; 6]) {
    let [price, average, index, settle, rate, next] = keys.map(|key| &row[key]);
    derived(mark.mark.units(), price);
    derived_if_any(mark.average.map(Price::units), average);
    derived_if_any(mark.index.map(Price::units), index);
    derived_if_any(mark.settle.map(Price::units), settle);
    derived_if_any(mark.funding_rate.map(Rate::units), rate);
    assert!(next.is_i64() || next.is_u64());
    planned(mark.next_funding_time, next);
}

/// The keys of a ticker's fields, as `Ticker` has them.
pub(super) fn same_ticker(ticker: &Ticker, row: &Value, keys: [&str; 15]) {
    let [
        open_time,
        close_time,
        open,
        high,
        low,
        last,
        last_quantity,
        change,
        percent,
        average,
        base,
        quote,
        count,
        first,
        end,
    ] = keys.map(|key| &row[key]);
    assert_eq!([ticker.open_time, ticker.close_time], [at(open_time), at(close_time)]);
    let prices = [ticker.open, ticker.high, ticker.low, ticker.last, ticker.change, ticker.average];
    prices.iter().zip([open, high, low, last, change, average]).for_each(|(found, text)| derived(found.units(), text));
    derived(ticker.change_percent.units(), percent);
    quantity(ticker.last_quantity, last_quantity);
    volume(ticker.volume, base);
    quote_volume(ticker.quote_volume, quote);
    assert_eq!((Some(ticker.first_id), Some(ticker.last_id)), (first.as_i64(), end.as_i64()));
    assert_eq!(Some(ticker.count), count.as_u64());
}

pub(super) fn same_funding(funding: &Funding, row: &Value) {
    assert_eq!(funding.time, at(&row["fundingTime"]));
    derived(funding.rate.units(), &row["fundingRate"]);
    derived_if_any(funding.mark.map(Price::units), &row["markPrice"]);
    assert_eq!(funding.is_special, !row["rateType"].is_null() && row["rateType"] != "Regular");
}

pub(super) fn same_terms(terms: &FundingTerms, row: &Value) {
    derived(terms.cap.units(), &row["adjustedFundingRateCap"]);
    derived(terms.floor.units(), &row["adjustedFundingRateFloor"]);
    assert_eq!(Some(terms.interval_hours), row["fundingIntervalHours"].as_u64());
    planned(terms.changed, &row["updateTime"]);
}

pub(super) fn same_interest(interest: &OpenInterest, quantity: &Value, value: &Value) {
    volume(interest.quantity, quantity);
    match interest.value {
        Some(found) => quote_volume(found, value),
        None => assert!(value.is_null()),
    }
}

pub(super) fn same_book_ticker(ticker: &BookTicker, row: &Value, keys: [&str; 5]) {
    let [bid, bid_quantity, ask, ask_quantity, time] = keys.map(|key| &row[key]);
    level(ticker.bid, bid, bid_quantity);
    level(ticker.ask, ask, ask_quantity);
    assert_eq!(ticker.time, at(time));
}

/// The rows of one frame or body, those of another product line left out, each with its symbol.
pub(super) fn same_rows<T>(rows: &Rows<T>, value: &Value, symbol: &str, same: impl Fn(&T, &Value)) -> usize {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let all = if value.is_null() { &[] } else { all };
    let ours: Vec<&Value> = all.iter().filter(|row| row["st"] != 2).collect();
    assert_eq!((rows.len(), rows.foreign()), (ours.len(), (all.len() - ours.len()) as u64));
    assert_eq!(rows.refused(), 0);
    for ((name, row), expected) in rows.iter().zip(&ours) {
        assert_eq!(name, expected[symbol].as_str().expect("a symbol"));
        same(row, expected);
    }
    ours.len()
}

/// Compares an event with its row or rows, read by another parser.
pub(super) fn same(event: &Event<'_>, decoder: &Decoder, row: &Value) {
    if let Some(symbol) = event.symbol() {
        let symbols = if row["e"] == "forceOrder" { &row["o"]["s"] } else { &row["s"] };
        assert_eq!(symbol, symbols.as_str().expect("a symbol"));
        assert_eq!(event.event_time(), Some(at(&row["E"])));
    }
    match event {
        Event::AggTrade { .. } | Event::Trade { .. } | Event::Burnt { .. } => same_print(event, row),
        Event::BookTicker { .. } | Event::Depth { .. } => same_top_or_changes(event, decoder, row),
        Event::MarkPrices { .. } => {
            let keys = ["p", "ap", "i", "P", "r", "T"];
            same_rows(decoder.mark_prices(), row, "s", |mark, row| {
                assert_eq!(mark.time, at(&row["E"]));
                same_mark(mark, row, keys);
            });
        }
        Event::Tickers { .. } => {
            let keys = ["O", "C", "o", "h", "l", "c", "Q", "p", "P", "w", "v", "q", "n", "F", "L"];
            same_rows(decoder.tickers(), row, "s", |ticker, row| same_ticker(ticker, row, keys));
        }
        Event::Liquidation { liquidation, .. } => same_liquidation(liquidation, &row["o"]),
        Event::Contract { notice, .. } => same_notice(notice, row),
        Event::Kline { interval, kline, .. } => same_bucket(interval, kline, &row["k"]),
        Event::Unknown { kind } => assert_eq!(*kind, row["e"].as_str().expect("a kind")),
        Event::Reply(_) | Event::Foreign => panic!("no recording holds {event:?}"),
    }
}

fn same_liquidation(liquidation: &Liquidation, order: &Value) {
    assert_eq!(liquidation.time, at(&order["T"]));
    derived(liquidation.price.units(), &order["p"]);
    derived(liquidation.average_price.units(), &order["ap"]);
    quantity(liquidation.quantity, &order["q"]);
    quantity(liquidation.filled, &order["z"]);
    assert_eq!(if liquidation.is_sell { "SELL" } else { "BUY" }, order["S"].as_str().expect("a side"));
}

fn same_print(event: &Event<'_>, row: &Value) {
    match event {
        Event::AggTrade { trade, .. } => same_trade(trade, row, ["a", "f", "l"]),
        Event::Trade { trade, .. } => {
            assert!(row["X"] == "MARKET" || row["X"].is_null());
            same_trade(trade, row, ["t", "t", "t"]);
        }
        Event::Burnt { id, time, .. } => {
            assert_ne!(row["X"], "MARKET");
            assert_eq!((Some(*id), *time), (row["t"].as_u64(), at(&row["T"])));
        }
        _ => panic!("no print: {event:?}"),
    }
}

fn same_top_or_changes(event: &Event<'_>, decoder: &Decoder, row: &Value) {
    match event {
        Event::BookTicker { ticker, .. } => {
            assert_eq!(Some(ticker.update_id), row["u"].as_u64());
            same_book_ticker(ticker, row, ["b", "B", "a", "A", "T"]);
        }
        Event::Depth { update, .. } => {
            let ids = [update.first_id, update.last_id, update.previous_id].map(Some);
            assert_eq!(ids, ["U", "u", "pu"].map(|key| row[key].as_u64()));
            assert_eq!(update.time, at(&row["T"]));
            levels(decoder.bids(), &row["b"]);
            levels(decoder.asks(), &row["a"]);
        }
        _ => panic!("no book: {event:?}"),
    }
}

fn same_bucket(interval: &str, kline: &Kline, k: &Value) {
    same_kline(kline, ["t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q"].map(|key| &k[key]));
    assert_eq!(interval, k["i"].as_str().expect("an interval"));
    assert_eq!((Some(kline.first_id), Some(kline.last_id)), (k["f"].as_i64(), k["L"].as_i64()));
    assert_eq!(Some(kline.closed), k["x"].as_bool());
}

fn same_notice(notice: &ContractNotice<'_>, row: &Value) {
    assert_eq!([notice.onboard_date, notice.delivery_date], [at(&row["ot"]), at(&row["dt"])]);
    let words = [notice.contract_type.as_ref(), notice.status.as_ref()].map(Some);
    assert_eq!(words, ["ct", "cs"].map(|key| row[key].as_str()));
    assert_eq!(notice.pair.as_deref(), row["ps"].as_str());
}
