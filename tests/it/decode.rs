//! Does every recorded frame and body say what an independent reader finds in it?

use rust_decimal::Decimal;
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::str::FromStr;
use tapedeck::exchange::binance::{Decoded, Event, Kline, Outcome, Refusal, Reply, ValueError, decode, rest};
use tapedeck::model::{Price, Quantity, QuoteVolume, Trade, UnixMillis, Volume};

/// A recording, decompressed by its name; nothing, and a word about it, when the recordings are not there.
fn recording(name: &str) -> Option<Box<dyn BufRead>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    let file = std::fs::File::open(folder.join(name)).expect(name);
    let reader: Box<dyn Read> = match name.rsplit('.').next() {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).expect(name)),
        _ => Box::new(file),
    };
    Some(Box::new(BufReader::new(reader)))
}

fn body(name: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    recording(name)?.read_to_end(&mut body).expect(name);
    Some(body)
}

/// The frames of a recording: after a receive time, in the `data` of a `recv` row, or a line each.
fn frames(name: &str) -> Option<impl Iterator<Item = String>> {
    let lines = recording(name)?.lines().map(|line| line.expect("text"));
    Some(lines.filter_map(|line| match line.as_bytes().first()? {
        b'0'..=b'9' => line.split_once(' ').map(|(_, frame)| frame.to_owned()),
        _ if !line.starts_with("{\"t\":") => Some(line),
        _ => {
            let row: Value = serde_json::from_str(&line).expect("a row");
            (row["t"] == "recv").then(|| row["data"].as_str().expect("a frame").to_owned())
        }
    }))
}

fn decimal(value: &Value) -> Decimal {
    Decimal::from_str(value.as_str().expect("decimals are strings")).expect("a decimal")
}

fn at(value: &Value) -> UnixMillis {
    UnixMillis::new(value.as_i64().expect("times are integers"))
}

fn price(price: Price, expected: &Value) {
    assert_eq!(Decimal::new(price.units(), 8), decimal(expected));
    assert_eq!(price.to_string(), decimal(expected).normalize().to_string());
}

fn quantity(quantity: Quantity, expected: &Value) {
    assert_eq!(Decimal::new(quantity.units(), 8), decimal(expected));
    assert_eq!(quantity.to_string(), decimal(expected).normalize().to_string());
}

fn volume(volume: Volume, expected: &Value) {
    assert_eq!(Decimal::from_i128_with_scale(volume.units(), 8), decimal(expected));
}

fn quote_volume(volume: QuoteVolume, expected: &Value) {
    assert_eq!(Decimal::from_i128_with_scale(volume.units(), 16), decimal(expected));
    assert_eq!(volume.to_string(), decimal(expected).normalize().to_string());
}

fn same_trade(trade: &Trade, row: &Value, keys: [&str; 3]) {
    let ids = keys.map(|key| row[key].as_u64().expect("ids are integers"));
    assert_eq!([trade.id, trade.first_id, trade.last_id], ids);
    price(trade.price, &row["p"]);
    quantity(trade.quantity, &row["q"]);
    assert_eq!(trade.time, at(&row["T"]));
    assert_eq!(trade.buyer_is_maker, row["m"].as_bool().expect("flags are booleans"));
}

/// The columns of a REST row; on streams they have letters.
fn same_kline(kline: &Kline, columns: [&Value; 11]) {
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

/// Compares an event with its row, read by another parser.
fn same(event: &Event<'_>, row: &Value) {
    if let Some(symbol) = event.symbol() {
        assert_eq!(symbol, row["s"].as_str().expect("a symbol"));
        assert_eq!(event.event_time(), Some(at(&row["E"])));
    }
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
        Event::BookTicker { update_id, bid, bid_quantity, ask, ask_quantity, time, .. } => {
            assert_eq!(Some(*update_id), row["u"].as_u64());
            price(*bid, &row["b"]);
            quantity(*bid_quantity, &row["B"]);
            price(*ask, &row["a"]);
            quantity(*ask_quantity, &row["A"]);
            assert_eq!(*time, at(&row["T"]));
        }
        Event::Kline { interval, kline, .. } => {
            let k = &row["k"];
            same_kline(kline, ["t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q"].map(|key| &k[key]));
            assert_eq!(*interval, k["i"].as_str().expect("an interval"));
            assert_eq!((Some(kline.first_id), Some(kline.last_id)), (k["f"].as_i64(), k["L"].as_i64()));
            assert_eq!(Some(kline.closed), k["x"].as_bool());
        }
        Event::Unknown { kind } => assert_eq!(*kind, row["e"].as_str().expect("a kind")),
        Event::Reply(_) | Event::Foreign => panic!("no recording holds {event:?}"),
    }
}

/// Decodes a whole recording; what was met by kind, and the frames that were refused.
fn check(name: &str) -> Option<(BTreeMap<&'static str, u64>, Vec<String>)> {
    let (mut kinds, mut refused) = (BTreeMap::new(), Vec::new());
    for frame in frames(name)? {
        let value: Value = serde_json::from_str(&frame).expect("frames are JSON");
        let row = if value["stream"].is_string() { &value["data"] } else { &value };
        match decode(frame.as_bytes()) {
            Ok(Decoded { event, slow }) => {
                assert!(!slow, "a recorded shape took the tolerant parser: {frame}");
                same(&event, row);
                *kinds.entry(event.kind()).or_default() += 1;
            }
            Err(_) => refused.push(frame),
        }
    }
    Some((kinds, refused))
}

#[test]
fn raw_trades_and_book_tickers_of_2024_decode() {
    let Some((kinds, refused)) = check("ws_frames/hftbacktest_um_btcusdt_20240808.gz") else { return };
    // The counts are those of the recording's index.
    assert_eq!(kinds, BTreeMap::from([("bookTicker", 66_089), ("trade", 21_313), ("unknown", 6_551)]));
    assert_eq!(refused.len(), 1, "the REST depth that stands inline is no event");
    assert!(refused[0].starts_with("{\"lastUpdateId\":"));
}

#[test]
fn four_contracts_of_2021_decode() {
    let Some((kinds, refused)) = check("ws_frames/cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    assert_eq!(kinds, BTreeMap::from([("aggTrade", 91), ("bookTicker", 613), ("kline", 67), ("unknown", 764)]));
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_burst_of_2022_decodes() {
    let Some((kinds, refused)) = check("ws_frames/collect-binancefutures_um_btcusdt_20220811.txt.zst") else { return };
    assert_eq!(kinds, BTreeMap::from([("trade", 1_326), ("unknown", 206)]));
    assert_eq!(refused.len(), 1, "the REST depth that stands inline is no event");
}

#[test]
fn vintages_of_2019_to_2021_decode() {
    let Some((kinds, refused)) = check("ws_frames/tardis_node_um_frames.jsonl") else { return };
    assert_eq!(kinds, BTreeMap::from([("bookTicker", 1), ("trade", 3), ("unknown", 8)]));
    // The aggregate of 2019 has no id, so it has no place on a tape; the two others were not sent by the venue.
    let (generated, rest): (Vec<_>, Vec<_>) = refused.iter().partition(|frame| frame.contains("\"generated\":true"));
    assert_eq!((generated.len(), rest.len()), (2, 1));
    assert!(rest[0].contains("@aggTrade") && !rest[0].contains("\"a\":"));
}

#[test]
fn decoded_trades_fold_to_the_official_kline() {
    let Some(frames) = frames("ws_frames/hftbacktest_um_btcusdt_20240808.gz") else { return };
    let (start, end) = (UnixMillis::new(1_723_161_300_000), UnixMillis::new(1_723_161_600_000));
    let trades: Vec<Trade> = frames
        .filter_map(|frame| match decode(frame.as_bytes()).ok()?.event {
            Event::Trade { trade, .. } if start <= trade.time && trade.time < end => Some(trade),
            _ => None,
        })
        .collect();
    let mut base = Volume::default();
    for trade in &trades {
        base += trade.quantity.into();
    }
    let open = trades.iter().min_by_key(|trade| trade.id).expect("trades").price;
    let close = trades.iter().max_by_key(|trade| trade.id).expect("trades").price;
    let high = trades.iter().map(|trade| trade.price).max().expect("trades");
    let low = trades.iter().map(|trade| trade.price).min().expect("trades");
    // The 5-minute kline that the venue published for 2024-08-08 23:55.
    assert_eq!([open, high, low, close].map(|p| p.to_string()), ["61807.7", "61839.9", "61590.3", "61659.8"]);
    assert_eq!(base.to_string(), "2303.399");
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/binance/", $name)).trim_end()
    };
}

#[test]
fn golden_frames_decode_without_the_tolerant_parser() {
    let kinds = [
        (fixture!("agg_trade.json"), "aggTrade"),
        (fixture!("trade.json"), "trade"),
        (fixture!("trade_na.json"), "trade"),
        (fixture!("trade_insurance_fund.json"), "trade"),
        (fixture!("kline.json"), "kline"),
        (fixture!("book_ticker.json"), "bookTicker"),
    ];
    for (frame, kind) in kinds {
        let Decoded { event, slow } = decode(frame.as_bytes()).expect(frame);
        assert!(!slow, "{frame}");
        assert_eq!(event.kind(), kind);
        let value: Value = serde_json::from_str(frame).expect("JSON");
        same(&event, if value["stream"].is_string() { &value["data"] } else { &value });
    }
    for (frame, burnt) in
        [(fixture!("trade_na.json"), 8_097_313_956), (fixture!("trade_insurance_fund.json"), 73_701_056)]
    {
        let event = decode(frame.as_bytes()).expect(frame).event;
        assert!(matches!(event, Event::Burnt { id, .. } if id == burnt), "{event:?}");
    }
}

/// The elements of an array, each as it is spelt.
fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).expect("an array");
    elements.into_iter().map(RawValue::get).collect()
}

#[test]
fn kinds_without_a_decoder_are_named() {
    let kinds: Vec<_> = elements(fixture!("undecoded.json"))
        .into_iter()
        .map(|frame| match decode(frame.as_bytes()).expect(frame) {
            Decoded { event: Event::Unknown { kind }, slow: false } => kind,
            other => panic!("{frame}: {other:?}"),
        })
        .collect();
    let expected = ["markPriceUpdate", "forceOrder", "depthUpdate", "24hrTicker", "24hrMiniTicker", "contractInfo"];
    assert_eq!(kinds, expected);
}

#[test]
fn replies_and_refusals_decode_in_both_error_shapes() {
    let reply = |frame: &str| match decode(frame.as_bytes()).expect("a reply").event {
        Event::Reply(reply) => reply,
        other => panic!("{frame}: {other:?}"),
    };
    let replies: Vec<Reply> = elements(fixture!("replies.json")).into_iter().map(reply).collect();
    let expected = [
        Reply { id: Some(1), outcome: Outcome::Done },
        Reply { id: Some(3), outcome: Outcome::Names(vec!["btcusdt@aggTrade".to_owned()]) },
        Reply { id: Some(2), outcome: Outcome::Property(true) },
    ];
    assert_eq!(replies, expected);
    let refused: Vec<_> = elements(fixture!("refusals.json"))
        .into_iter()
        .map(|frame| match reply(frame) {
            Reply { id, outcome: Outcome::Refused(Refusal { code, msg }) } if !msg.is_empty() => (id, code),
            other => panic!("{frame}: {other:?}"),
        })
        .collect();
    let codes = [0, 1, 2, 2, 2, 3, 4].map(|code| (None, Some(code)));
    assert_eq!(refused, [&codes[..], &[(Some(1025), Some(4))]].concat());
}

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

#[test]
fn recorded_rest_bodies_decode() {
    let Some(lines) = recording("rest/gocryptotrader_fapi_rest_2020-10.jsonl.zst") else { return };
    let (mut trades, mut klines) = (0, 0);
    for line in lines.lines() {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("a row");
        let body = line["body"].to_string();
        match line["path"].as_str() {
            Some("/fapi/v1/aggTrades") => trades += same_trades(body.as_bytes()),
            Some("/fapi/v1/klines") => klines += same_klines(body.as_bytes()),
            _ => {}
        }
    }
    assert!(trades > 0 && klines > 0, "{trades} trades, {klines} klines");
    let body = body("aggtrades/CLUSDT-um-aggTrades-rest-2026-05-01.json.zst").expect("it lies beside the other");
    assert_eq!(same_trades(&body), 1_000);
}

#[test]
fn recorded_exchange_infos_decode_whole() {
    let files = [
        ("exchange_info/fapi_mainnet_2021-07-21_cryptofeed.json.zst", 122),
        ("exchange_info/fapi_testnet_2025-12-24_AlphaDogs.json.zst", 660),
    ];
    for (name, count) in files {
        let Some(body) = body(name) else { return };
        let info = rest::exchange_info(&body).expect(name);
        assert_eq!((info.contracts.len(), info.refused), (count, 0), "{name}");
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(info.server_time, at(&value["serverTime"]));
        for (contract, row) in info.contracts.iter().zip(value["symbols"].as_array().expect("rows")) {
            assert_eq!(contract.symbol.as_str(), row["symbol"]);
            assert_eq!(contract.status, row["status"].as_str().expect("a status"));
            assert_eq!(contract.contract_type, row["contractType"].as_str().expect("a type"));
            assert_eq!(contract.onboard_date, at(&row["onboardDate"]));
            assert_eq!(contract.is_trading(), row["status"] == "TRADING");
            assert_eq!(contract.ends().is_some(), row["deliveryDate"].as_i64() < Some(4_100_000_000_000));
            let filters = row["filters"].as_array().expect("filters");
            let filter = |kind: &str| filters.iter().find(|filter| filter["filterType"] == kind).expect(kind);
            price(contract.tick_size, &filter("PRICE_FILTER")["tickSize"]);
            quantity(contract.step_size, &filter("LOT_SIZE")["stepSize"]);
        }
    }
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
