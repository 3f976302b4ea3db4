//! Does one frame say what it should, in each form it may come in?

use super::{Decoded, Decoder};
use crate::exchange::binance::event::{DecodeError, Event, Outcome};
use crate::model::{Level, Price, Quantity, UnixMillis};

const AGG_TRADE: &str = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":3477868433,"s":"BTCUSDT","p":"83091.70","q":"0.022","nq":"0.022","f":8153634393,"l":8153634394,"T":1791382992338,"m":false,"st":1}}"#;

fn decode(frame: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    Decoder::default().decode(frame)
}

fn of(frame: &str) -> Decoded<'_> {
    decode(frame.as_bytes()).unwrap_or_else(|error| panic!("{frame}: {error}"))
}

fn error(frame: &str) -> String {
    decode(frame.as_bytes()).expect_err(frame).to_string()
}

#[test]
fn a_row_without_its_envelope_or_with_other_spacing_says_the_same() {
    let expected = of(AGG_TRADE);
    assert!(!expected.slow);
    let raw = AGG_TRADE.strip_prefix(r#"{"stream":"btcusdt@aggTrade","data":"#).expect("an envelope");
    assert_eq!(of(&raw[..raw.len() - 1]), expected);
    let spaced = AGG_TRADE.replace(':', ": ").replace(',', ",\n");
    let spaced = of(&spaced);
    assert!(spaced.slow);
    assert_eq!(spaced.event, expected.event);
}

#[test]
fn escapes_in_a_symbol_are_taken_by_the_tolerant_parser() {
    let frame = AGG_TRADE.replace("BTCUSDT", "\\u5e01\\u5b89\\u4eba\\u751fUSDT");
    let decoded = of(&frame);
    assert!(decoded.slow);
    assert_eq!(decoded.event.symbol(), Some("币安人生USDT"));
    let frame = AGG_TRADE.replace("BTCUSDT", "币安人生USDT");
    let decoded = of(&frame);
    assert!(!decoded.slow);
    assert_eq!(decoded.event.symbol(), Some("币安人生USDT"));
}

#[test]
fn another_product_line_is_foreign_and_a_missing_line_is_ours() {
    assert_eq!(of(&AGG_TRADE.replace("\"st\":1", "\"st\":2")), Decoded { event: Event::Foreign, slow: false });
    assert_eq!(of(&AGG_TRADE.replace("\"st\":1", "\"st\":\"2\"")).event, Event::Foreign);
    assert_eq!(of(&AGG_TRADE.replace(",\"st\":1", "")), of(AGG_TRADE));
    assert_eq!(of(&AGG_TRADE.replace("\"st\":1", "\"st\":null")).event, of(AGG_TRADE).event);
}

#[test]
fn values_that_cannot_be_meant_are_errors_that_name_the_field() {
    let with = |from: &str, to: &str| error(&AGG_TRADE.replace(from, to));
    assert_eq!(with("3477868433", "0"), "field `a` is out of range");
    assert_eq!(with("83091.70", "0.00"), "field `p` is out of range");
    assert_eq!(with("83091.70", "-1"), "field `p` is out of range");
    assert_eq!(with("83091.70", "0.123456789"), "field `p`: finer than 1e-8");
    assert_eq!(with("83091.70", "1e99"), "field `p`: out of range");
    assert_eq!(with("1791382992338", "1791382992338000"), "field `T` is out of range");
    assert_eq!(with("8153634394", "8153634392"), "field `l` is out of range");
    assert!(with("1791382992338", "-1").starts_with("invalid value: integer `-1`"));
    assert!(with("\"a\":3477868433,", "").starts_with("missing field `a`"));
    assert!(with("\"nq\"", "\"q\"").starts_with("duplicate field `q`"));
    assert!(with("\"83091.70\"", "83091.70").starts_with("invalid type: floating point"));
}

#[test]
fn other_frames_are_told_apart() {
    let unknown = |frame: &str, expected: &str| match of(frame) {
        Decoded { event: Event::Unknown { kind }, slow: false } => assert_eq!(kind, expected),
        other => panic!("{frame}: {other:?}"),
    };
    unknown(r#"{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","s":"XAUUSDT"}]}"#, "24hrMiniTicker");
    unknown(r#"[{"e":"kline"}]"#, "kline");
    unknown(r#"{"e":"aggTrades","a":1}"#, "aggTrades");
    unknown(r#"{"e":"agg\u0054rade2"}"#, "agg\\u0054rade2");
    for frame in ["", "{", "{}", "[]", "[[]]", "null", "1", "\"e\"", r#"{"id":1}"#, r#"{"e":1}"#, "{\"e\":\"\u{0}\"}"] {
        error(frame);
    }
    assert!(decode(b"{\"e\":\"aggTrade\",\"s\":\"\xFF\"}").is_err());
    let deep = "[".repeat(100_000);
    error(&deep);
    error(&format!("{{\"stream\":\"x\",\"data\":{deep}"));
}

#[test]
fn replies_come_in_every_measured_shape() {
    let reply = |frame: &str| match of(frame) {
        Decoded { event: Event::Reply(reply), slow: false } => (reply.id, reply.outcome),
        other => panic!("{frame}: {other:?}"),
    };
    let refused =
        |code, msg: &str| Outcome::Refused(crate::exchange::binance::Refusal { code: Some(code), msg: msg.to_owned() });
    assert_eq!(reply(r#"{"result":null,"id":1}"#), (Some(1), Outcome::Done));
    let names = Outcome::Names(vec!["btcusdt@aggTrade".to_owned()]);
    assert_eq!(reply(r#"{"result":["btcusdt@aggTrade"],"id":3}"#), (Some(3), names));
    assert_eq!(reply(r#"{"result":[],"id":3}"#), (Some(3), Outcome::Names(vec![])));
    assert_eq!(reply(r#"{"result":true,"id":2}"#), (Some(2), Outcome::Property(true)));
    let flat = r#"{"code":2,"msg":"Invalid request: too many parameters"}"#;
    assert_eq!(reply(flat), (None, refused(2, "Invalid request: too many parameters")));
    let nested = r#"{"error":{"code":4,"msg":"Too many subscriptions"},"id":9}"#;
    assert_eq!(reply(nested), (Some(9), refused(4, "Too many subscriptions")));
    assert_eq!(reply(&nested.replace(",\"id\":9", "")).0, None);
    assert_eq!(reply(r#"{"id":"text","result":{"new":1}}"#), (None, Outcome::Done));
}

const DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1791382994616,"T":1791382994613,"s":"BTCUSDT","ps":"BTCUSDT","U":11757092616793,"u":11757092625654,"pu":11757092616661,"b":[["83091.60","4.215"],["83000.00","0.000"]],"a":[["83091.70","3.768"]],"st":1}}"#;

fn level(price: &str, quantity: &str) -> Level {
    let price = Price::parse(price.as_bytes()).expect("a price");
    Level { price, quantity: Quantity::parse(quantity.as_bytes()).expect("a quantity") }
}

#[test]
fn the_levels_are_those_of_the_last_book_and_stay_while_other_frames_come() {
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(DEPTH.as_bytes()).expect("a book");
    assert!(!decoded.slow);
    assert_eq!(decoder.bids(), [level("83091.60", "4.215"), level("83000", "0")]);
    assert_eq!(decoder.asks(), [level("83091.70", "3.768")]);
    decoder.decode(AGG_TRADE.as_bytes()).expect("a trade");
    assert_eq!(decoder.bids().len(), 2);
    let empty = DEPTH.replace(r#"[["83091.60","4.215"],["83000.00","0.000"]]"#, "[]");
    let decoded = decoder.decode(empty.as_bytes()).expect("a book with an empty side");
    assert!(!decoded.slow);
    assert_eq!((decoder.bids().len(), decoder.asks().len()), (0, 1));
    // As another release of the venue might write it, with a column more.
    let other = DEPTH.replace(r#""4.215"]"#, r#""4.215",[]]"#).replace(",\"a\":", " , \"a\": ");
    let decoded = decoder.decode(other.as_bytes()).expect("a book");
    assert!(decoded.slow);
    assert_eq!(decoder.bids(), [level("83091.60", "4.215"), level("83000", "0")]);
}

#[test]
fn what_a_book_lacks_or_cannot_mean_is_named() {
    let with = |from: &str, to: &str| error(&DEPTH.replace(from, to));
    assert_eq!(with("\"pu\":11757092616661,", ""), "field `pu` is missing");
    assert_eq!(with("\"pu\":11757092616661", "\"pu\":\"11757092616661\""), "field `pu` is of another type");
    assert_eq!(with("11757092616793", "11757092625655"), "field `u` is out of range");
    assert_eq!(with("\"b\":[[", "\"b\":[{},["), "field `b` is of another type");
    assert_eq!(with("[\"83091.70\",\"3.768\"]", "[\"83091.70\"]"), "field `a` is of another type");
    assert_eq!(with("\"3.768\"", "3.768"), "field `a` is of another type");
    assert_eq!(with("3.768", "-3.768"), "field `a` is out of range");
    assert_eq!(with("83091.70", "83091.700000001"), "field `a`: finer than 1e-8");
    assert_eq!(with("\"s\":\"BTCUSDT\",", ""), "field `s` is missing");
    assert_eq!(with("\"T\":1791382994613", "\"T\":null"), "field `T` is missing");
    assert!(with("\"pu\"", "\"u\"").starts_with("duplicate field `u`"));
    assert_eq!(of(&DEPTH.replace("\"st\":1", "\"st\":2")).event, Event::Foreign);
}

const MARK: &str = r#"{"e":"markPriceUpdate","E":1791382992684,"s":"XAUUSDT","p":"4103.92233180","ap":"4103.92233180","P":"4098.72755326","i":"4100.14187735","r":"-0.00019799","T":1791388800000,"st":1}"#;

/// A symbol and its funding rate.
type Rated = (String, Option<i64>);

/// The symbols and rates of mark prices, how many rows were foreign and refused, and whether the tolerant parser was needed.
fn marks(frame: &str) -> (Vec<Rated>, [u64; 2], bool) {
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(frame.as_bytes()).expect(frame);
    assert!(matches!(decoded.event, Event::MarkPrices { .. }), "{:?}", decoded.event);
    let rows = decoder.mark_prices();
    let rates = rows.iter().map(|(symbol, mark)| (symbol.to_owned(), mark.funding_rate.map(|rate| rate.units())));
    (rates.collect(), [rows.foreign(), rows.refused()], decoded.slow)
}

#[test]
fn mark_prices_come_alone_or_in_arrays_with_another_lines_rows_among_them() {
    let one = vec![("XAUUSDT".to_owned(), Some(-19_799))];
    assert_eq!(marks(MARK), (one.clone(), [0, 0], false));
    assert_eq!(marks(&format!("[{MARK}]")), (one.clone(), [0, 0], false));
    let coin = MARK.replace("XAUUSDT", "BTCUSD_PERP").replace("\"st\":1", "\"st\":2");
    let without_funding =
        MARK.replace("XAUUSDT", "币安人生USDT").replace("-0.00019799", "").replace("1791388800000", "0");
    let frame = format!("{{\"stream\":\"!markPrice@arr@1s\",\"data\":[{coin},{MARK},{without_funding}]}}");
    let two = vec![one[0].clone(), ("币安人生USDT".to_owned(), None)];
    assert_eq!(marks(&frame), (two.clone(), [1, 0], false));
    assert_eq!(marks(&frame.replace("},{", "},\n{")), (two.clone(), [1, 0], true));
    assert_eq!(marks(&frame.replace("\"r\":\"\"", "\"r\":null")), (two, [1, 0], true));
    assert_eq!(of(&format!("[{coin}]")).event, Event::Foreign);
    assert_eq!(of(&format!(" [{coin}]")).event, Event::Foreign);
}

#[test]
fn one_row_that_is_not_understood_does_not_hide_the_others() {
    let odd = MARK.replace("\"p\":\"4103.92233180\"", "\"p\":4103.9");
    let (rows, [foreign, refused], slow) = marks(&format!("[{odd},{MARK}]"));
    assert_eq!((rows.len(), foreign, refused, slow), (1, 0, 1, true));
    assert_eq!(error(&odd), "field `p` is of another type");
    assert_eq!(error(&format!("[{odd}]")), "field `p` is of another type");
    assert_eq!(error(&MARK.replace("\"r\":\"-0.00019799\",", "")), "field `r` is missing");
    assert_eq!(error(&MARK.replace("1791388800000", "1791388800000000")), "field `T` is out of range");
    assert_eq!(error(&format!("[{}]", MARK.replace("\"e\"", "\"f\""))), "neither an event nor a reply");
    let (rows, [_, refused], _) = marks(&format!("[{MARK},{}]", MARK.replace("markPriceUpdate", "indexPriceUpdate")));
    assert_eq!((rows.len(), refused), (1, 1));
}

#[test]
fn derived_prices_are_rounded_half_to_even() {
    let mut decoder = Decoder::default();
    let frame = MARK.replace("4100.14187735", "4100.141877345").replace("-0.00019799", "-0.000197985");
    assert!(decoder.decode(frame.as_bytes()).expect("a mark price").slow);
    let (_, mark) = decoder.mark_prices().iter().next().expect("a row");
    assert_eq!(mark.index.map(|index| index.to_string()).as_deref(), Some("4100.14187734"));
    assert_eq!(mark.funding_rate.map(|rate| rate.to_string()).as_deref(), Some("-0.00019798"));
    assert_eq!(mark.next_funding_time, Some(UnixMillis::new(1_791_388_800_000)));
}

const FORCE_ORDER: &str = r#"{"e":"forceOrder","E":1791391083124,"o":{"s":"ILVUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"116.5","p":"3.80300","ap":"3.85642","X":"FILLED","l":"25.2","z":"116.5","T":1791391082119,"ps":"ILVUSDT","st":1}}"#;

#[test]
fn a_liquidation_says_its_side_and_its_product_line_inside() {
    let side = |frame: &str| match of(frame) {
        Decoded { event: Event::Liquidation { liquidation, .. }, slow: false } => liquidation.is_sell,
        other => panic!("{frame}: {other:?}"),
    };
    assert!(side(FORCE_ORDER));
    assert!(!side(&FORCE_ORDER.replace("SELL", "BUY")));
    for foreign in [FORCE_ORDER.replace("\"st\":1", "\"st\":2"), FORCE_ORDER.replace("}}", "},\"st\":2}")] {
        assert_eq!(of(&foreign).event, Event::Foreign, "{foreign}");
    }
    let with = |from: &str, to: &str| error(&FORCE_ORDER.replace(from, to));
    assert_eq!(with("SELL", "HOLD"), "field `S` is out of range");
    assert_eq!(with("\"z\":\"116.5\",", ""), "field `z` is missing");
    assert_eq!(with("\"o\":{", "\"x\":{"), "field `o` is missing");
    assert_eq!(error(r#"{"e":"forceOrder","E":1791391083124,"o":[]}"#), "field `o` is of another type");
}

#[test]
fn a_notice_may_name_no_pair_and_states_of_the_future() {
    let frame = r#"{"e":"contractInfo","E":1669356423908,"s":"IOTAUSDT","ct":"","dt":4133404800000,"ot":1569398400000,"cs":"NAPPING"}"#;
    let Event::Contract { notice, .. } = of(frame).event else { panic!("a notice") };
    assert_eq!((notice.pair, notice.contract_type.as_ref(), notice.status.as_ref()), (None, "", "NAPPING"));
    assert_eq!(error(&frame.replace("\"cs\":\"NAPPING\"", "\"cs\":7")), "field `cs` is of another type");
}
