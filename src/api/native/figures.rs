//! How are the figures of a contract, beside its trades and candles, written as JSON?
//!
//! Each function appends one object. What the venue does not say is null.

use crate::{
    api::native::encode::{Decimals, boolean, decimal, integer},
    market::DayOpen,
    model::{
        BookTicker, Funding, Level, Liquidation, MarkPrice, OpenInterest, Price, Rate, Symbol, Ticker, UnixMillis,
    },
};

/// Appends what the venue values a contract at.
pub(in crate::api) fn mark(mark: &MarkPrice, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"time\":", mark.time.get());
    decimal(out, b",\"mark\":", decimals, |out| mark.mark.write(out));
    price_if_any(out, b",\"index\":", decimals, mark.index);
    price_if_any(out, b",\"estimated_settle\":", decimals, mark.settle);
    price_if_any(out, b",\"average\":", decimals, mark.average);
    rate_if_any(out, b",\"funding_rate\":", decimals, mark.funding_rate);
    integer_if_any(out, b",\"next_funding_time\":", mark.next_funding_time.map(UnixMillis::get));
    out.push(b'}');
}

/// Appends a funding that was settled.
pub(in crate::api) fn funding(funding: &Funding, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"time\":", funding.time.get());
    decimal(out, b",\"rate\":", decimals, |out| funding.rate.write(out));
    price_if_any(out, b",\"mark\":", decimals, funding.mark);
    boolean(out, b",\"special\":", funding.is_special);
    integer_if_any(out, b",\"interval_hours\":", funding.interval_hours);
    out.push(b'}');
}

/// Appends how much of a contract is open.
pub(in crate::api) fn open_interest(open_interest: &OpenInterest, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"time\":", open_interest.time.get());
    decimal(out, b",\"quantity\":", decimals, |out| open_interest.quantity.write(out));
    if_any(out, b",\"value\":", open_interest.value, |out, prefix, value| {
        decimal(out, prefix, decimals, |out| value.write(out));
    });
    out.push(b'}');
}

/// Appends a liquidation and its number, which ascends and stays the same after a restart.
pub(in crate::api) fn liquidation(number: u64, liquidation: &Liquidation, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"id\":", number);
    integer(out, b",\"time\":", liquidation.time.get());
    let side: &[u8] = if liquidation.is_sell { b",\"side\":\"sell\"" } else { b",\"side\":\"buy\"" };
    out.extend_from_slice(side);
    decimal(out, b",\"price\":", decimals, |out| liquidation.price.write(out));
    decimal(out, b",\"average_price\":", decimals, |out| liquidation.average_price.write(out));
    decimal(out, b",\"quantity\":", decimals, |out| liquidation.quantity.write(out));
    decimal(out, b",\"filled\":", decimals, |out| liquidation.filled.write(out));
    let notional = liquidation.average_price.times(liquidation.filled);
    decimal(out, b",\"notional\":", decimals, |out| notional.write(out));
    out.push(b'}');
}

/// Appends statistics of 24 hours.
pub(in crate::api) fn ticker(ticker: &Ticker, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"open_time\":", ticker.open_time.get());
    integer(out, b",\"close_time\":", ticker.close_time.get());
    decimal(out, b",\"open\":", decimals, |out| ticker.open.write(out));
    decimal(out, b",\"high\":", decimals, |out| ticker.high.write(out));
    decimal(out, b",\"low\":", decimals, |out| ticker.low.write(out));
    decimal(out, b",\"last\":", decimals, |out| ticker.last.write(out));
    decimal(out, b",\"last_quantity\":", decimals, |out| ticker.last_quantity.write(out));
    decimal(out, b",\"change\":", decimals, |out| ticker.change.write(out));
    decimal(out, b",\"change_percent\":", decimals, |out| ticker.change_percent.write(out));
    decimal(out, b",\"average\":", decimals, |out| ticker.average.write(out));
    decimal(out, b",\"volume\":", decimals, |out| ticker.volume.write(out));
    decimal(out, b",\"quote_volume\":", decimals, |out| ticker.quote_volume.write(out));
    integer(out, b",\"raw_trades\":", ticker.count);
    integer_if_any(out, b",\"first_raw_id\":", Some(ticker.first_id).filter(|id| *id >= 0));
    integer_if_any(out, b",\"last_raw_id\":", Some(ticker.last_id).filter(|id| *id >= 0));
    out.push(b'}');
}

/// Appends the best bid and ask; a side without orders is null.
pub(in crate::api) fn book_ticker(top: &BookTicker, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"time\":", top.time.get());
    integer(out, b",\"update_id\":", top.update_id);
    side(out, [b",\"bid\":", b",\"bid_quantity\":"], decimals, top.bid);
    side(out, [b",\"ask\":", b",\"ask_quantity\":"], decimals, top.ask);
    out.push(b'}');
}

/// Appends the first price of a day, and whether it is proven to be the first; nulls before the first.
pub(in crate::api) fn day_open(open: Option<DayOpen>, complete: bool, decimals: Decimals, out: &mut Vec<u8>) {
    price_if_any(out, b"{\"open\":", decimals, open.map(|open| open.price));
    integer_if_any(out, b",\"time\":", open.map(|open| open.time.get()));
    boolean(out, b",\"complete\":", complete);
    out.push(b'}');
}

/// Appends what `write` appends, an object, with the contract's symbol as its first field.
pub(in crate::api) fn named(symbol: &Symbol, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"symbol\":");
    out.extend(serde_json::Value::from(symbol.as_str()).to_string().into_bytes());
    let opened = out.len();
    write(out);
    if let Some(brace) = out.get_mut(opened) {
        *brace = b',';
    }
}

fn side(out: &mut Vec<u8>, [price, quantity]: [&[u8]; 2], decimals: Decimals, level: Level) {
    let level = Some(level).filter(|level| level.price != Price::default());
    price_if_any(out, price, decimals, level.map(|level| level.price));
    if_any(out, quantity, level, |out, prefix, level| decimal(out, prefix, decimals, |out| level.quantity.write(out)));
}

fn price_if_any(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, price: Option<Price>) {
    if_any(out, prefix, price, |out, prefix, price| decimal(out, prefix, decimals, |out| price.write(out)));
}

fn rate_if_any(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, rate: Option<Rate>) {
    if_any(out, prefix, rate, |out, prefix, rate| decimal(out, prefix, decimals, |out| rate.write(out)));
}

fn integer_if_any<I: itoa::Integer>(out: &mut Vec<u8>, prefix: &[u8], value: Option<I>) {
    if_any(out, prefix, value, integer);
}

fn if_any<T>(out: &mut Vec<u8>, prefix: &[u8], value: Option<T>, write: impl FnOnce(&mut Vec<u8>, &[u8], T)) {
    match value {
        Some(value) => write(out, prefix, value),
        None => {
            out.extend_from_slice(prefix);
            out.extend_from_slice(b"null");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Quantity, QuoteVolume, Volume};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        String::from_utf8(out).expect("text")
    }

    fn price(text: &str) -> Price {
        Price::parse(text.as_bytes()).expect("a price")
    }

    #[test]
    fn what_the_venue_does_not_say_is_null() {
        let bare = MarkPrice { time: UnixMillis::new(5), mark: price("0.48683834"), ..MarkPrice::default() };
        let expected = r#"{"time":5,"mark":0.48683834,"index":null,"estimated_settle":null,"average":null,"funding_rate":null,"next_funding_time":null}"#;
        assert_eq!(written(|out| mark(&bare, Decimals::Number, out)), expected);
        let open = OpenInterest { time: UnixMillis::new(5), quantity: Volume::from_units(150_000_000), value: None };
        let expected = r#"{"time":5,"quantity":"1.5","value":null}"#;
        assert_eq!(written(|out| open_interest(&open, Decimals::Text, out)), expected);
    }

    #[test]
    fn digits_are_exact_in_both_forms() {
        let whole = MarkPrice {
            index: Some(price("85516.50151449")),
            funding_rate: Some(Rate::from_units(-743)),
            next_funding_time: Some(UnixMillis::new(9)),
            mark: price("85516.5"),
            ..MarkPrice::default()
        };
        let text = written(|out| mark(&whole, Decimals::Text, out));
        assert!(
            text.contains(r#""index":"85516.50151449""#) && text.contains(r#""funding_rate":"-0.00000743""#),
            "{text}"
        );
        let value = Some(QuoteVolume::from_units(1_505_707_840_780_797_900_000_001));
        let open = OpenInterest { time: UnixMillis::new(5), quantity: Volume::from_units(1), value };
        let text = written(|out| open_interest(&open, Decimals::Number, out));
        assert_eq!(text, r#"{"time":5,"quantity":0.00000001,"value":150570784.0780797900000001}"#);
    }

    #[test]
    fn a_liquidation_says_what_it_was_worth() {
        let sold = Liquidation {
            time: UnixMillis::new(5),
            price: price("99"),
            average_price: price("100.5"),
            quantity: Quantity::from_units(300_000_000),
            filled: Quantity::from_units(200_000_000),
            is_sell: true,
        };
        let expected = r#"{"id":7,"time":5,"side":"sell","price":99,"average_price":100.5,"quantity":3,"filled":2,"notional":201}"#;
        assert_eq!(written(|out| liquidation(7, &sold, Decimals::Number, out)), expected);
    }

    #[test]
    fn a_side_without_orders_is_null() {
        let bid = Level { price: price("1.5"), quantity: Quantity::from_units(1) };
        let top = BookTicker { update_id: 3, time: UnixMillis::new(5), bid, ask: Level::default() };
        let expected = r#"{"time":5,"update_id":3,"bid":1.5,"bid_quantity":0.00000001,"ask":null,"ask_quantity":null}"#;
        assert_eq!(written(|out| book_ticker(&top, Decimals::Number, out)), expected);
    }

    #[test]
    fn a_symbol_goes_before_the_other_fields() {
        let symbol = Symbol::new("币安人生USDT").expect("a symbol");
        let row = Funding {
            time: UnixMillis::new(5),
            rate: Rate::from_units(-1),
            mark: None,
            interval_hours: Some(4),
            is_special: true,
        };
        let expected =
            r#"{"symbol":"币安人生USDT","time":5,"rate":-0.00000001,"mark":null,"special":true,"interval_hours":4}"#;
        assert_eq!(written(|out| named(&symbol, out, |out| funding(&row, Decimals::Number, out))), expected);
    }

    #[test]
    fn a_window_without_trades_names_no_ids() {
        let quiet = Ticker { first_id: -1, last_id: -1, ..Ticker::default() };
        let text = written(|out| ticker(&quiet, Decimals::Number, out));
        assert!(text.ends_with(r#""raw_trades":0,"first_raw_id":null,"last_raw_id":null}"#), "{text}");
    }
}
