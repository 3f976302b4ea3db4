//! Does every recorded frame say what it should?

use super::{bodies::same_depth, elements, fixture, frames, oracle::same};
use serde_json::Value;
use std::collections::BTreeMap;
use tapedeck::exchange::binance::{Decoded, Decoder, Event, Outcome, Refusal, Reply};
use tapedeck::model::{Trade, UnixMillis, Volume};

/// Decodes a whole recording; what was met by kind, and the frames that were refused.
fn check(name: &str) -> Option<(BTreeMap<&'static str, u64>, Vec<String>)> {
    let (mut kinds, mut refused) = (BTreeMap::new(), Vec::new());
    let mut decoder = Decoder::default();
    for frame in frames(name)? {
        let value: Value = serde_json::from_str(&frame).expect("frames are JSON");
        let row = if value["stream"].is_string() { &value["data"] } else { &value };
        match decoder.decode(frame.as_bytes()) {
            Ok(Decoded { event, slow }) => {
                assert!(!slow, "a recorded shape took the tolerant parser: {frame}");
                same(&event, &decoder, row);
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
    assert_eq!(kinds, BTreeMap::from([("bookTicker", 66_089), ("depthUpdate", 6_551), ("trade", 21_313)]));
    assert_eq!(refused.len(), 1, "the REST depth that stands inline is no event");
    same_depth(refused[0].as_bytes(), 1_000);
}

#[test]
fn four_contracts_of_2021_decode() {
    let Some((kinds, refused)) = check("ws_frames/cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    assert_eq!(kinds, BTreeMap::from([("aggTrade", 91), ("bookTicker", 613), ("depthUpdate", 764), ("kline", 67)]));
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_burst_of_2022_decodes() {
    let Some((kinds, refused)) = check("ws_frames/collect-binancefutures_um_btcusdt_20220811.txt.zst") else { return };
    assert_eq!(kinds, BTreeMap::from([("depthUpdate", 206), ("trade", 1_326)]));
    assert_eq!(refused.len(), 1, "the REST depth that stands inline is no event");
    same_depth(refused[0].as_bytes(), 1_000);
}

#[test]
fn vintages_of_2019_to_2021_decode() {
    let Some((kinds, refused)) = check("ws_frames/tardis_node_um_frames.jsonl") else { return };
    let expected = BTreeMap::from([
        ("24hrTicker", 2),
        ("bookTicker", 1),
        ("depthUpdate", 2),
        ("forceOrder", 1),
        ("markPriceUpdate", 3),
        ("trade", 3),
    ]);
    assert_eq!(kinds, expected);
    // The aggregate of 2019 has no id, so it has no place on a tape; the two others were not sent by the venue.
    let (generated, rest): (Vec<_>, Vec<_>) = refused.iter().partition(|frame| frame.contains("\"generated\":true"));
    assert_eq!((generated.len(), rest.len()), (2, 1));
    assert!(rest[0].contains("@aggTrade") && !rest[0].contains("\"a\":"));
}

#[test]
fn decoded_trades_fold_to_the_official_kline() {
    let Some(frames) = frames("ws_frames/hftbacktest_um_btcusdt_20240808.gz") else { return };
    let (start, end) = (UnixMillis::new(1_723_161_300_000), UnixMillis::new(1_723_161_600_000));
    let mut decoder = Decoder::default();
    let trades: Vec<Trade> = frames
        .filter_map(|frame| match decoder.decode(frame.as_bytes()).ok()?.event {
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

#[test]
fn golden_frames_decode_without_the_tolerant_parser() {
    let kinds = [
        (fixture!("agg_trade.json"), "aggTrade"),
        (fixture!("trade.json"), "trade"),
        (fixture!("trade_na.json"), "trade"),
        (fixture!("trade_insurance_fund.json"), "trade"),
        (fixture!("kline.json"), "kline"),
        (fixture!("book_ticker.json"), "bookTicker"),
        (fixture!("depth_partial.json"), "depthUpdate"),
        (fixture!("mark_price_array.json"), "markPriceUpdate"),
        (fixture!("force_order_all.json"), "forceOrder"),
        (fixture!("ticker.json"), "24hrTicker"),
        (fixture!("contract_info.json"), "contractInfo"),
    ];
    let mut decoder = Decoder::default();
    for (frame, kind) in kinds {
        let Decoded { event, slow } = decoder.decode(frame.as_bytes()).expect(frame);
        assert!(!slow, "{frame}");
        assert_eq!(event.kind(), kind);
        let value: Value = serde_json::from_str(frame).expect("JSON");
        same(&event, &decoder, if value["stream"].is_string() { &value["data"] } else { &value });
    }
    for (frame, burnt) in
        [(fixture!("trade_na.json"), 8_097_313_956), (fixture!("trade_insurance_fund.json"), 73_701_056)]
    {
        let event = decoder.decode(frame.as_bytes()).expect(frame).event;
        assert!(matches!(event, Event::Burnt { id, .. } if id == burnt), "{event:?}");
    }
}

#[test]
fn kinds_without_a_decoder_are_named() {
    let kinds: Vec<_> = elements(fixture!("undecoded.json"))
        .into_iter()
        .map(|frame| match Decoder::default().decode(frame.as_bytes()).expect(frame) {
            Decoded { event: Event::Unknown { kind }, slow: false } => kind,
            other => panic!("{frame}: {other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["24hrMiniTicker", "EquityUpdate"]);
}

#[test]
fn replies_and_refusals_decode_in_both_error_shapes() {
    let reply = |frame: &str| match Decoder::default().decode(frame.as_bytes()).expect("a reply").event {
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
fn a_streams_arrays_are_the_rows_of_their_single_frames() {
    let single: Value = serde_json::from_str(fixture!("ticker.json")).expect("JSON");
    let row = |symbol: &str, line: u64| {
        let mut row = single["data"].clone();
        (row["s"], row["st"]) = (symbol.into(), line.into());
        row
    };
    let array = Value::from(vec![row("BTCUSDT", 1), row("BTCUSD_PERP", 2), row("币安人生USDT", 1)]);
    let frame = serde_json::json!({ "stream": "!ticker@arr", "data": array }).to_string();
    let mut decoder = Decoder::default();
    let event = decoder.decode(frame.as_bytes()).expect("an array").event;
    same(&event, &decoder, &array);
    assert_eq!((decoder.tickers().len(), decoder.tickers().foreign()), (2, 1));
}

#[test]
fn the_array_of_marks_comes_in_two_frames_of_hundreds() {
    // Rows as many as on 2026-10-07, 30 of COIN-M and 51 without funding among the first.
    let single: Value = serde_json::from_str(fixture!("mark_price_array.json")).expect("JSON");
    let frame = |count: usize| {
        let rows = (0..count).map(|index| {
            let mut row = single["data"][0].clone();
            row["s"] = format!("{index}币USDT").into();
            row["p"] = format!("{index}.00000001").into();
            if count > 700 && index < 30 {
                row["st"] = 2.into();
            } else if count > 700 && index < 81 {
                (row["T"], row["r"]) = (0.into(), "0.00000000".into());
            }
            row
        });
        let rows = rows.map(|row| row.to_string().replacen("{", "{\"e\":\"markPriceUpdate\",", 1));
        let rows = rows.map(|row| row.replacen(",\"e\":\"markPriceUpdate\"", "", 1)).collect::<Vec<_>>().join(",");
        format!("{{\"stream\":\"!markPrice@arr@1s\",\"data\":[{rows}]}}")
    };
    let mut decoder = Decoder::default();
    for (count, ours) in [(745, 715), (217, 217), (745, 715)] {
        let frame = frame(count);
        let Decoded { event, slow } = decoder.decode(frame.as_bytes()).expect("an array");
        assert!(!slow);
        let value: Value = serde_json::from_str(&frame).expect("JSON");
        same(&event, &decoder, &value["data"]);
        assert_eq!(decoder.mark_prices().len(), ours);
    }
}
