//! Can any bytes in place of a REST answer's body do harm?
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapedeck::{exchange::binance::rest, model::Symbol};

fuzz_target!(|data: &[u8]| {
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    if let Ok(book) = rest::depth(data) {
        // A level is at least `["0","0"]`.
        assert!((book.bids.len() + book.asks.len()) * 9 <= data.len());
    }
    if let Ok(marks) = rest::premium_index(data) {
        assert!(marks.iter().all(|(symbol, mark)| symbol.len() < data.len() && mark.mark.units() >= 0));
    }
    if let Ok(listing) = rest::exchange_info(data) {
        assert!(listing.contracts.iter().all(|contract| contract.tick_size.units() >= 0));
    }
    drop(rest::book_tickers(data));
    drop(rest::funding_rates(data));
    drop(rest::funding_info(data));
    drop(rest::open_interest(&symbol, data));
    drop(rest::open_interest_history(&symbol, data));
    drop(rest::tickers(data));
    drop(rest::agg_trades(data));
    drop(rest::klines(data));
    drop(rest::server_time(data));
    if let Some(refusal) = rest::refusal(data) {
        assert!(!refusal.msg.is_empty());
        let _ = (refusal.banned_until(), refusal.is_beyond_reach());
    }
});
