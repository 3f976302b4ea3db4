//! What does this frame say, and which of the two parsers had to say it?

use crate::exchange::binance::event::{DecodeError, Event};
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::{strict, tolerant};
use crate::model::{Level, MarkPrice, Ticker};

/// Reads frames, and keeps the rows of the last one of each kind that has rows, in buffers that are used again.
///
/// An event borrows from its frame alone, so whoever holds it may look at the rows meanwhile.
#[derive(Debug, Default)]
pub struct Decoder {
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
    pub(super) mark_prices: Rows<MarkPrice>,
    pub(super) tickers: Rows<Ticker>,
}

/// An event, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The event.
    pub event: Event<'a>,
    /// A hot shape (trade, kline, book ticker, depth, mark price) that only the tolerant parser could read: the venue changed how
    /// it writes. Replies, rare and unknown kinds have no other parser, so they are not slow.
    pub slow: bool,
}

impl Decoder {
    /// Reads one text frame, raw or in the combined envelope. Panics on no bytes, does no I/O, and allocates nothing for a hot
    /// shape as the venue writes it today, but what its longest array of rows needs once.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON, are neither event nor reply, or hold a value that cannot be meant. The rows of its kind are lost
    /// then. A row of an array that is refused beside others is left out and counted (`Rows::refused`).
    #[inline]
    pub fn decode<'a>(&mut self, frame: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        match strict::event(frame, self) {
            Some(event) => Ok(Decoded { event, slow: false }),
            None => self.fall_back(frame),
        }
    }

    #[cold]
    fn fall_back<'a>(&mut self, frame: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let event = tolerant::event(frame, self)?;
        let slow = matches!(
            event,
            Event::AggTrade { .. }
                | Event::Trade { .. }
                | Event::Burnt { .. }
                | Event::Kline { .. }
                | Event::BookTicker { .. }
                | Event::Depth { .. }
                | Event::MarkPrices { .. }
        );
        Ok(Decoded { event, slow })
    }

    /// The levels bid in the last [`Event::Depth`], in the venue's order, which need not be that of prices.
    pub fn bids(&self) -> &[Level] {
        &self.bids
    }

    /// The levels asked in the last [`Event::Depth`], likewise.
    pub fn asks(&self) -> &[Level] {
        &self.asks
    }

    /// The rows of the last [`Event::MarkPrices`].
    pub const fn mark_prices(&self) -> &Rows<MarkPrice> {
        &self.mark_prices
    }

    /// The rows of the last [`Event::Tickers`].
    pub const fn tickers(&self) -> &Rows<Ticker> {
        &self.tickers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance::event::Outcome;
    use proptest::prelude::*;

    const AGG_TRADE: &str = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":3477868433,"s":"BTCUSDT","p":"83091.70","q":"0.022","nq":"0.022","f":8153634393,"l":8153634394,"T":1791382992338,"m":false,"st":1}}"#;

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
        unknown(r#"{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","s":"XAUUSDT"}]}"#, "markPriceUpdate");
        unknown(r#"[{"e":"24hrTicker"}]"#, "24hrTicker");
        unknown(r#"{"e":"aggTrades","a":1}"#, "aggTrades");
        unknown(r#"{"e":"agg\u0054rade2"}"#, "agg\\u0054rade2");
        for frame in
            ["", "{", "{}", "[]", "[[]]", "null", "1", "\"e\"", r#"{"id":1}"#, r#"{"e":1}"#, "{\"e\":\"\u{0}\"}"]
        {
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
        let refused = |code, msg: &str| {
            Outcome::Refused(crate::exchange::binance::Refusal { code: Some(code), msg: msg.to_owned() })
        };
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

    /// Whether the strict parser took the frame; if it did, the tolerant one must say the same.
    fn agree(frame: &[u8]) -> Result<bool, TestCaseError> {
        let Some(event) = strict::event(frame) else {
            // Nothing may panic.
            drop(tolerant::event(frame));
            return Ok(false);
        };
        match tolerant::event(frame) {
            Ok(other) => prop_assert_eq!(&event, &other, "{}", String::from_utf8_lossy(frame)),
            Err(error) => prop_assert!(false, "{event:?}, but {error}: {}", String::from_utf8_lossy(frame)),
        }
        Ok(true)
    }

    fn natural() -> impl Strategy<Value = String> {
        prop_oneof![
            200 => (1u64..2_000_000_000_000).prop_map(|n| n.to_string()),
            2 => any::<u64>().prop_map(|n| n.to_string()),
            1 => prop::sample::select(vec![
                "0", "00", "01", "-0", "-1", "1.0", "1e3", "99999999999999999999", "123456789012345678901234567890", "", "null",
                "\"1\"", "true",
            ])
            .prop_map(str::to_owned),
        ]
    }

    fn decimal() -> impl Strategy<Value = String> {
        prop_oneof![
            150 => (0u64..10_000_000, 0u32..1_000_000).prop_map(|(whole, part)| format!("\"{whole}.{part}\"")),
            3 => "[1-9][0-9]{0,20}(\\.[0-9]{1,12})?".prop_map(|text| format!("\"{text}\"")),
            1 => prop::sample::select(vec![
                "\"0\"", "\"\"", "\"1e3\"", "\"1E-8\"", "\"-1\"", "\".5\"", "\"5.\"", "\"\\u0031\"", "\"1 \"", "1.5", "null",
                "\"0.000000001\"", "\"币\"",
            ])
            .prop_map(str::to_owned),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            100 => prop::sample::select(vec!["BTCUSDT", "币安人生USDT", "BTCUSDT_261225", "1m", "MARKET", "NA"])
                .prop_map(|text| format!("\"{text}\"")),
            1 => ".{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
            1 => prop::sample::select(vec!["\"\\n\"", "\"a\u{1}\"", "\"\\ud800\"", "\"", "null", "7"]).prop_map(str::to_owned),
        ]
    }

    fn junk() -> impl Strategy<Value = String> {
        let values = vec![
            "1",
            "-1.5",
            "1.",
            "01",
            "1e5",
            "null",
            "nul",
            "true",
            "[]",
            "{}",
            "{\"e\":\"trade\"}",
            "\"x\"",
            "\"\\\"\"",
            "",
        ];
        prop::sample::select(values).prop_map(str::to_owned)
    }

    /// A field: mostly there once, now and then absent or twice.
    fn field(key: &'static str, value: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Vec<String>> {
        let times = prop_oneof![200 => Just(1usize), 1 => Just(0), 1 => Just(2)];
        times.prop_flat_map(move |times| {
            prop::collection::vec(value.clone().prop_map(move |value| format!("\"{key}\":{value}")), times)
        })
    }

    fn fields(kind: &'static str, keys: &'static str) -> impl Strategy<Value = Vec<String>> {
        let typed: Vec<BoxedStrategy<Vec<String>>> =
            keys.split(' ')
                .map(|spec| {
                    let (key, shape) = spec.split_at(spec.len() - 1);
                    match shape {
                        "#" => field(key, natural().boxed()).boxed(),
                        "." => field(key, decimal().boxed()).boxed(),
                        "?" => field(key, prop::sample::select(vec!["true", "false"]).prop_map(str::to_owned).boxed())
                            .boxed(),
                        _ => field(key, text().boxed()).boxed(),
                    }
                })
                .collect();
        let extra = prop_oneof![
            9 => Just(vec![]),
            3 => prop::sample::select(vec!["st", "ps", "nq", "X", "z", "news", "stream", "data", "\\u0061", ""])
                .prop_flat_map(|key| junk().prop_map(move |value| vec![format!("\"{key}\":{value}")])),
        ];
        let kind = field("e", Just(format!("\"{kind}\"")).boxed());
        (kind, typed, extra, any::<bool>(), any::<prop::sample::Index>()).prop_map(
            |(kind, typed, extra, shuffled, by)| {
                let mut all: Vec<String> = kind.into_iter().chain(typed.into_iter().flatten()).chain(extra).collect();
                if shuffled && !all.is_empty() {
                    let by = by.index(all.len());
                    all.rotate_left(by);
                    all.swap(0, by / 2);
                }
                all
            },
        )
    }

    const BUCKET: &str = "t# T# s' i' f# L# o. c. h. l. v. n# x? q. V. Q. B.";

    fn row() -> impl Strategy<Value = String> {
        let object = |fields: Vec<String>| format!("{{{}}}", fields.join(","));
        let kline = (fields("kline", "E# s'"), fields("kline", BUCKET)).prop_map(move |(mut outer, inner)| {
            outer.push(format!("\"k\":{}", object(inner)));
            object(outer)
        });
        prop_oneof![
            3 => fields("aggTrade", "E# a# s' p. q. nq. f# l# T# m? st#").prop_map(object),
            3 => fields("aggTrade", "E# a# s' p. q. nq. T# m?").prop_map(move |mut row| {
                // Ordered raw ids, so that most of these are trades.
                row.extend(["\"f\":7".to_owned(), "\"l\":8".to_owned()]);
                object(row)
            }),
            2 => fields("trade", "E# T# s' t# p. q. X' m?").prop_map(object),
            2 => fields("bookTicker", "u# s' ps' b. B. a. A. T# E#").prop_map(object),
            2 => kline,
            1 => fields("other", "E# a# s'").prop_map(object),
        ]
    }

    fn frame() -> impl Strategy<Value = String> {
        let envelope = prop_oneof![
            6 => Just(("{\"stream\":\"btcusdt@x\",\"data\":", "}")),
            4 => Just(("", "")),
            1 => Just(("{\"data\":", ",\"stream\":\"x\"}")),
            1 => Just(("{\"stream\":\"x\",\"data\":", ",\"new\":1}")),
            1 => Just(("{\"stream\":\"\\u0000\",\"data\":", "}")),
        ];
        (row(), envelope, 0..12u8).prop_map(|(row, (before, after), spacing)| {
            let frame = format!("{before}{row}{after}");
            match spacing {
                0 => frame.replace(',', " , "),
                1 => frame.replace(':', ":\t"),
                2 => format!("{frame}\n"),
                _ => frame,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_the_strict_parser_takes_the_tolerant_one_takes_alike(frame in frame()) {
            agree(frame.as_bytes())?;
        }

        #[test]
        fn so_it_is_with_damaged_frames(
            frame in frame(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            let mut bytes = frame.into_bytes();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            agree(&bytes)?;
        }

        #[test]
        fn so_it_is_with_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            agree(&bytes)?;
        }
    }

    #[test]
    fn every_cut_and_every_single_byte_of_a_real_frame_agrees() {
        for cut in 0..AGG_TRADE.len() {
            agree(&AGG_TRADE.as_bytes()[..cut]).expect("both say the same");
        }
        let mut taken = 0;
        for at in 0..AGG_TRADE.len() {
            let mut bytes = AGG_TRADE.as_bytes().to_vec();
            for byte in
                [b'"', b'\\', b'0', b'9', b',', b'}', b'e', b'.', b' ', 0, 0x1F, 0x7F, 0x80, 0xE5, 0xFF, b'a', b'-']
            {
                bytes[at] = byte;
                taken += usize::from(agree(&bytes).expect("both say the same"));
            }
        }
        assert!(taken > 500, "{taken} of the damaged frames were still strict: too few to mean anything");
    }

    #[test]
    fn the_generator_makes_many_frames_that_are_strict() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;
        let mut runner = TestRunner::deterministic();
        let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
        for _ in 0..4_096 {
            let frame = frame().new_tree(&mut runner).expect("a frame").current();
            let kind = strict::event(frame.as_bytes()).map_or("none", |event| event.kind());
            *kinds.entry(kind).or_default() += 1;
        }
        for kind in ["aggTrade", "trade", "kline", "bookTicker", "foreign"] {
            assert!(kinds.get(kind).is_some_and(|count| *count > 20), "{kinds:?}");
        }
    }
}
