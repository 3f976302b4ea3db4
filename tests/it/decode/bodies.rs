//! Does every recorded body say what it should?

use super::{
    body, elements, fixture,
    oracle::{
        at, levels, price, quantity, same_book_ticker, same_funding, same_interest, same_kline, same_mark, same_rows,
        same_terms, same_ticker, same_trade,
    },
    recording,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use tapedeck::exchange::binance::{DecodeError, Refusal, ValueError, rest};
use tapedeck::model::{Symbol, UnixMillis};

#[test]
fn golden_bodies_decode() {
    assert_eq!(rest::server_time(fixture!("rest_time.json").as_bytes()).ok(), Some(UnixMillis::new(1_499_827_319_559)));
    same_trades(fixture!("rest_agg_trades.json").as_bytes());
    same_klines(fixture!("rest_klines.json").as_bytes());
    let refusals = elements(fixture!("rest_refusals.json")).into_iter().map(|body| rest::refusal(body.as_bytes()));
    let refusals: Vec<Refusal> = refusals.map(|refusal| refusal.expect("an error object")).collect();
    assert_eq!(
        refusals.iter().map(|refusal| refusal.code).collect::<Vec<_>>(),
        [Some(-1121), Some(-4166), Some(-1003), None]
    );
    let bans: Vec<_> = refusals.iter().map(Refusal::banned_until).collect();
    assert_eq!(bans, [None, None, Some(UnixMillis::new(1_721_393_459_728)), None]);
    for body in ["", "<html>403</html>", "[]", "[-1003,\"x\"]", "{}", "null"] {
        assert_eq!(rest::refusal(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn exchange_info_takes_unknown_values_and_counts_rows_it_cannot_use() {
    let info = rest::exchange_info(fixture!("rest_exchange_info.json").as_bytes()).expect("a body");
    assert_eq!(info.server_time, UnixMillis::new(1_791_382_991_286));
    assert_eq!(info.weight_per_minute, Some(2_400));
    assert_eq!(info.refused, 1, "the row without filters");
    let rows: Vec<_> = info
        .contracts
        .iter()
        .map(|row| (row.symbol.as_str(), row.status.as_str(), row.tick_size.to_string(), row.step_size.to_string()))
        .collect();
    let row = |symbol, status, tick: &str, step: &str| (symbol, status, tick.to_owned(), step.to_owned());
    let expected = [
        row("BTCUSDT", "TRADING", "0.1", "0.001"),
        row("币安人生USDT", "TRADING", "0.0001", "1"),
        row("XAUUSDT", "TRADING_HALT", "0.01", "0.001"),
        row("BTCUSDT_261225", "TRADING", "0.1", "0.001"),
        row("OMGUSDT", "SETTLING", "0.0001", "0.1"),
    ];
    assert_eq!(rows, expected);
    assert!(info.contracts[0].is_trading() && !info.contracts[2].is_trading());
    assert_eq!(info.contracts[0].ends(), None);
    assert_eq!(info.contracts[3].ends(), Some(UnixMillis::new(1_798_185_600_000)));
    assert_eq!(info.contracts[3].pair, "BTCUSDT");
    assert_eq!(info.contracts[2].contract_type, "TRADIFI_PERPETUAL");
}

fn same_trades(body: &[u8]) -> usize {
    let trades = rest::agg_trades(body).expect("a body");
    let rows: Vec<Value> = serde_json::from_slice(body).expect("rows");
    assert_eq!(trades.len(), rows.len());
    for (trade, row) in trades.iter().zip(&rows) {
        same_trade(trade, row, ["a", "f", "l"]);
    }
    rows.len()
}

fn same_klines(body: &[u8]) -> usize {
    let klines = rest::klines(body).expect("a body");
    let rows: Vec<Vec<Value>> = serde_json::from_slice(body).expect("rows");
    assert_eq!(klines.len(), rows.len());
    for (kline, row) in klines.iter().zip(&rows) {
        same_kline(kline, std::array::from_fn(|column| &row[column]));
        assert_eq!((kline.first_id, kline.last_id, kline.closed), (-1, -1, false));
    }
    rows.len()
}

pub(super) fn same_depth(body: &[u8], levels_a_side: usize) {
    let book = rest::depth(body).expect("a body");
    let value: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!((Some(book.last_id), book.time), (value["lastUpdateId"].as_u64(), at(&value["T"])));
    levels(&book.bids, &value["bids"]);
    levels(&book.asks, &value["asks"]);
    assert!(book.bids.len() <= levels_a_side && !book.bids.is_empty());
    assert!(book.bids.is_sorted_by(|a, b| a.price > b.price) && book.asks.is_sorted_by(|a, b| a.price < b.price));
}

/// Decodes the body of a path asked for `symbol`; how many rows it has, or nothing where nobody asks for such bodies.
fn decoded_rows(path: &str, symbol: Option<&Symbol>, body: &Value) -> Option<usize> {
    let bytes = body.to_string().into_bytes();
    let rows = match path {
        "/fapi/v1/aggTrades" => same_trades(&bytes),
        "/fapi/v1/klines" => same_klines(&bytes),
        "/fapi/v1/time" => usize::from(rest::server_time(&bytes).ok() == Some(at(&body["serverTime"]))),
        "/fapi/v1/exchangeInfo" => same_listing(&bytes),
        "/fapi/v1/depth" => {
            same_depth(&bytes, 1_000);
            1
        }
        "/fapi/v1/ticker/bookTicker" => {
            let keys = ["bidPrice", "bidQty", "askPrice", "askQty", "time"];
            let tickers = rest::book_tickers(&bytes).expect(path);
            same_rows(&tickers, body, "symbol", |ticker, row| same_book_ticker(ticker, row, keys))
        }
        "/fapi/v1/premiumIndex" => {
            let keys =
                ["markPrice", "none", "indexPrice", "estimatedSettlePrice", "lastFundingRate", "nextFundingTime"];
            let marks = rest::premium_index(&bytes).expect(path);
            same_rows(&marks, body, "symbol", |mark, row| {
                assert_eq!(mark.time, at(&row["time"]));
                same_mark(mark, row, keys);
            })
        }
        "/fapi/v1/fundingRate" => same_rows(&rest::funding_rates(&bytes).expect(path), body, "symbol", same_funding),
        "/fapi/v1/fundingInfo" => same_rows(&rest::funding_info(&bytes).expect(path), body, "symbol", same_terms),
        "/fapi/v1/openInterest" => {
            let interest = rest::open_interest(symbol.expect("a symbol"), &bytes).expect(path);
            assert_eq!(interest.time, at(&body["time"]));
            same_interest(&interest, &body["openInterest"], &Value::Null);
            1
        }
        "/futures/data/openInterestHist" => same_history(symbol.expect("a symbol"), body),
        "/fapi/v1/ticker/24hr" => same_rows(&rest::tickers(&bytes).expect(path), body, "symbol", |ticker, row| {
            same_ticker(ticker, row, TICKER_KEYS);
        }),
        _ => return None,
    };
    Some(rows)
}

const TICKER_KEYS: [&str; 15] = [
    "openTime",
    "closeTime",
    "openPrice",
    "highPrice",
    "lowPrice",
    "lastPrice",
    "lastQty",
    "priceChange",
    "priceChangePercent",
    "weightedAvgPrice",
    "volume",
    "quoteVolume",
    "count",
    "firstId",
    "lastId",
];

fn same_history(symbol: &Symbol, body: &Value) -> usize {
    let history = rest::open_interest_history(symbol, body.to_string().as_bytes()).expect("a body");
    let rows = body.as_array().expect("rows");
    assert_eq!(history.len(), rows.len());
    for (interest, row) in history.iter().zip(rows) {
        let time = row["timestamp"].as_str().map_or_else(|| row["timestamp"].as_i64(), |text| text.parse().ok());
        assert_eq!(Some(interest.time.get()), time);
        same_interest(interest, &row["sumOpenInterest"], &row["sumOpenInterestValue"]);
    }
    rows.len()
}

#[test]
fn golden_bodies_of_2026_decode() {
    let bodies = [
        ("/fapi/v1/depth", fixture!("rest_depth.json")),
        ("/fapi/v1/premiumIndex", fixture!("rest_premium_index.json")),
        ("/fapi/v1/fundingRate", fixture!("rest_funding_rate.json")),
        ("/fapi/v1/fundingInfo", fixture!("rest_funding_info.json")),
        ("/fapi/v1/openInterest", fixture!("rest_open_interest.json")),
        ("/futures/data/openInterestHist", fixture!("rest_open_interest_hist.json")),
        ("/fapi/v1/ticker/bookTicker", fixture!("rest_book_ticker.json")),
    ];
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    for (path, body) in bodies {
        let body = serde_json::from_str(body).expect("JSON");
        assert_eq!(decoded_rows(path, Some(&symbol), &body), Some(1), "{path}");
    }
}

#[test]
fn what_a_body_lacks_is_named_and_one_row_does_not_hide_the_others() {
    let text = fixture!("rest_premium_index.json");
    let quarterly =
        text.replace("\"0.00005000\",\"interestRate\"", "\"\",\"interestRate\"").replace("1791360000000", "0");
    let marks = rest::premium_index(format!("[{quarterly},{{\"symbol\":7}}]").as_bytes()).expect("rows");
    assert_eq!((marks.len(), marks.refused()), (1, 1));
    let (symbol, mark) = marks.iter().next().expect("a row");
    assert_eq!((symbol, mark.funding_rate, mark.next_funding_time), ("币安人生USDT", None, None));
    let error = |result: Result<(), DecodeError>| result.expect_err("refused").to_string();
    let refusal = br#"{"code":-1121,"msg":"Invalid symbol."}"#;
    assert_eq!(error(rest::premium_index(refusal).map(drop)), "field `time` is missing");
    assert_eq!(error(rest::depth(refusal).map(drop)), "field `lastUpdateId` is missing");
    assert_eq!(error(rest::tickers(refusal).map(drop)), "field `symbol` is missing");
    let other = Symbol::new("ETHUSDT").expect("a symbol");
    let interest = fixture!("rest_open_interest.json").as_bytes();
    assert_eq!(error(rest::open_interest(&other, interest).map(drop)), "field `symbol` is out of range");
    let page = fixture!("rest_funding_rate.json");
    assert_eq!(
        error(rest::funding_rates(page.replace("\"-0.00000743\"", "1").as_bytes()).map(drop)),
        "field `fundingRate` is of another type"
    );
    let early = rest::funding_rates(page.replace("85516.50151449", "").replace("Regular", "Special").as_bytes())
        .expect("a page");
    assert!(early.iter().all(|(_, funding)| funding.mark.is_none() && funding.is_special));
    for body in [&b""[..], b"[", b"[1]", b"\"x\"", b"[[]]", b"\xFF"] {
        assert!(rest::premium_index(body).is_err() && rest::depth(body).is_err() && rest::tickers(body).is_err());
        assert!(rest::funding_rates(body).is_err() && rest::open_interest_history(&other, body).is_err());
    }
}

#[test]
fn recorded_rest_bodies_decode() {
    let Some(lines) = recording("rest/gocryptotrader_fapi_rest_2020-10.jsonl.zst") else { return };
    let (mut rows, mut undecoded) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("a row");
        let (path, query) = (line["path"].as_str().expect("a path"), line["query"].as_str().expect("a query"));
        if let Some(refusal) = rest::refusal(line["body"].to_string().as_bytes()) {
            assert_eq!(refusal.code, line["body"]["code"].as_i64());
            continue;
        }
        let named =
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| ["symbol", "pair"].contains(key));
        let symbol = named.map(|(_, name)| Symbol::new(name).expect("a symbol"));
        match decoded_rows(path, symbol.as_ref(), &line["body"]) {
            Some(count) => *rows.entry(path.to_owned()).or_default() += count,
            None => drop(undecoded.insert(path.to_owned())),
        }
    }
    assert_eq!(rows.len(), 12, "{rows:?}");
    assert!(rows.values().all(|count| *count > 0), "{rows:?}");
    eprintln!("rows compared: {rows:?}; bodies that nobody asks for: {undecoded:?}");
    let body = body("aggtrades/CLUSDT-um-aggTrades-rest-2026-05-01.json.zst").expect("it lies beside the other");
    assert_eq!(same_trades(&body), 1_000);
}

#[test]
fn books_recorded_beside_their_streams_decode() {
    let Some(lines) = recording("ws_frames/cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("a row"));
    let answers =
        rows.filter(|row| row["t"] == "http" && row["url"].as_str().is_some_and(|url| url.contains("/depth?")));
    let bodies: Vec<Value> = answers.map(|row| row["data"].clone()).collect();
    assert_eq!(bodies.len(), 4);
    bodies.iter().for_each(|body| same_depth(body.as_str().expect("a body").as_bytes(), 1_000));
}

#[test]
fn recorded_exchange_infos_decode_whole() {
    let files = [
        ("exchange_info/fapi_mainnet_2021-07-21_cryptofeed.json.zst", 122),
        ("exchange_info/fapi_testnet_2025-12-24_AlphaDogs.json.zst", 660),
    ];
    for (name, count) in files {
        let Some(body) = body(name) else { return };
        assert_eq!(same_listing(&body), count, "{name}");
    }
}

fn same_listing(body: &[u8]) -> usize {
    let info = rest::exchange_info(body).expect("a body");
    let value: Value = serde_json::from_slice(body).expect("JSON");
    let rows = value["symbols"].as_array().expect("rows");
    assert_eq!((info.contracts.len(), info.refused), (rows.len(), 0));
    assert_eq!(info.server_time, at(&value["serverTime"]));
    for (contract, row) in info.contracts.iter().zip(rows) {
        assert_eq!(contract.symbol.as_str(), row["symbol"]);
        let texts =
            [&contract.status, &contract.contract_type, &contract.pair, &contract.base_asset, &contract.quote_asset];
        let keys = ["status", "contractType", "pair", "baseAsset", "quoteAsset"];
        texts.iter().zip(keys).for_each(|(text, key)| assert_eq!(text.as_str(), row[key].as_str().expect(key)));
        assert_eq!(contract.underlying_type, row["underlyingType"].as_str().expect("a type"));
        assert_eq!(contract.onboard_date, at(&row["onboardDate"]));
        assert_eq!(contract.is_trading(), row["status"] == "TRADING");
        assert_eq!(contract.ends().is_some(), row["deliveryDate"].as_i64() < Some(4_100_000_000_000));
        let places = ["pricePrecision", "quantityPrecision"].map(|key| row[key].as_u64());
        assert_eq!([contract.price_precision, contract.quantity_precision].map(|places| places.map(u64::from)), places);
        same_rules(contract, row);
    }
    rows.len()
}

fn same_rules(contract: &rest::ContractInfo, row: &Value) {
    let filters = row["filters"].as_array().expect("filters");
    let filter = |kind: &str| filters.iter().find(|filter| filter["filterType"] == kind).expect(kind);
    let (prices, lots, market) = (filter("PRICE_FILTER"), filter("LOT_SIZE"), filter("MARKET_LOT_SIZE"));
    price(contract.tick_size, &prices["tickSize"]);
    quantity(contract.step_size, &lots["stepSize"]);
    let range = contract.prices.expect("a range of prices");
    price(range.min, &prices["minPrice"]);
    price(range.max, &prices["maxPrice"]);
    let range = contract.quantities.expect("a range of quantities");
    quantity(range.min, &lots["minQty"]);
    quantity(range.max, &lots["maxQty"]);
    let rule = contract.market_orders.expect("rules of market orders");
    quantity(rule.step_size, &market["stepSize"]);
    quantity(rule.quantities.max, &market["maxQty"]);
    price(contract.notional_min.expect("a least notional"), &filter("MIN_NOTIONAL")["notional"]);
    assert_eq!(contract.permissions.len(), row["permissionSets"].as_array().map_or(0, Vec::len));
}

#[test]
fn a_page_with_one_impossible_row_is_refused_whole() {
    let body = fixture!("rest_agg_trades.json").replace("83084.30", "0");
    let error = rest::agg_trades(body.as_bytes()).expect_err("a price of 0");
    assert_eq!(error.to_string(), ValueError::OutOfRange("p").to_string());
    let row = fixture!("rest_klines.json");
    assert!(rest::klines(row.replace(",\"49.832\",\"4141805.93340\",\"0\"", "").as_bytes()).is_err());
    assert!(rest::klines(row.replace("\"0\"]]", "\"0\",\"new\",1]]").as_bytes()).is_ok());
}
