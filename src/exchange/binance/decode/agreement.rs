//! Do the two parsers agree on whatever the strict one takes?

use super::Decoder;
use crate::exchange::binance::event::Event;
use crate::exchange::binance::{strict, tolerant};
use proptest::prelude::*;

/// Whether the strict parser took the frame; if it did, the tolerant one must say the same.
fn agree(frame: &[u8]) -> Result<bool, TestCaseError> {
    let (mut left, mut right) = (Decoder::default(), Decoder::default());
    let strict = strict::event(frame, &mut left);
    // Nothing may panic, taken or not.
    let tolerant = tolerant::event(frame, &mut right);
    let Some(event) = strict else { return Ok(false) };
    match tolerant {
        Ok(other) => prop_assert_eq!(&event, &other, "{}", String::from_utf8_lossy(frame)),
        Err(error) => prop_assert!(false, "{event:?}, but {error}: {}", String::from_utf8_lossy(frame)),
    }
    match event {
        Event::Depth { .. } => prop_assert_eq!((left.bids, left.asks), (right.bids, right.asks)),
        Event::MarkPrices { .. } => prop_assert_eq!(left.mark_prices, right.mark_prices),
        _ => {}
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

fn decimal() -> impl Strategy<Value = String> + Clone {
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

fn rate() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        60 => (any::<bool>(), decimal()).prop_map(|(negative, text)| {
            if negative { text.replacen('"', "\"-", 1) } else { text }
        }),
        3 => prop::sample::select(vec!["\"\"", "\"-0\"", "\"--1\"", "\"+1\"", "\"-\"", "-1"]).prop_map(str::to_owned),
    ]
}

fn levels() -> impl Strategy<Value = String> + Clone {
    let level = prop_oneof![
        200 => (decimal(), decimal()).prop_map(|(price, quantity)| format!("[{price},{quantity}]")),
        1 => prop::sample::select(vec!["[]", "[\"1\"]", "[\"1\",\"2\",\"3\"]", "{}", "[\"1\", \"2\"]", ""]).prop_map(str::to_owned),
    ];
    prop_oneof![
        50 => prop::collection::vec(level, 0..4).prop_map(|levels| format!("[{}]", levels.join(","))),
        1 => prop::sample::select(vec!["null", "{}", "[", "[]]", "[ ]"]).prop_map(str::to_owned),
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
    let typed: Vec<BoxedStrategy<Vec<String>>> = keys
        .split(' ')
        .map(|spec| {
            let (key, shape) = spec.split_at(spec.len() - 1);
            match shape {
                "#" => field(key, natural().boxed()).boxed(),
                "." => field(key, decimal().boxed()).boxed(),
                "~" => field(key, rate().boxed()).boxed(),
                "@" => field(key, levels().boxed()).boxed(),
                "?" => field(key, prop::sample::select(vec!["true", "false"]).prop_map(str::to_owned).boxed()).boxed(),
                _ => field(key, text().boxed()).boxed(),
            }
        })
        .collect();
    let extra = prop_oneof![
        9 => Just(vec![]),
        3 => prop::sample::select(vec![
                "st", "ps", "pu", "ap", "nq", "X", "z", "id", "code", "error", "result", "news", "stream", "data", "\\u0061", "",
            ])
            .prop_flat_map(|key| junk().prop_map(move |value| vec![format!("\"{key}\":{value}")])),
    ];
    let kind = field("e", Just(format!("\"{kind}\"")).boxed());
    (kind, typed, extra, any::<bool>(), any::<prop::sample::Index>()).prop_map(|(kind, typed, extra, shuffled, by)| {
        let mut all: Vec<String> = kind.into_iter().chain(typed.into_iter().flatten()).chain(extra).collect();
        if shuffled && !all.is_empty() {
            let by = by.index(all.len());
            all.rotate_left(by);
            all.swap(0, by / 2);
        }
        all
    })
}

const BUCKET: &str = "t# T# s' i' f# L# o. c. h. l. v. n# x? q. V. Q. B.";

const MARK: &str = "E# s' p. ap. P. i. r~ T#";

/// A row of an array: its kind first, and mostly ours.
fn mark_row() -> impl Strategy<Value = Vec<String>> {
    let line = prop::sample::select(vec!["1", "1", "1", "2"]).prop_map(|line| format!("\"st\":{line}"));
    (fields("markPriceUpdate", MARK), line).prop_map(|(mut row, line)| {
        let kind = row.iter().position(|field| field.starts_with("\"e\""));
        row.swap(0, kind.unwrap_or_default());
        row.push(line);
        row
    })
}

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
        2 => fields("depthUpdate", "E# T# s' U# u# pu# b@ a@").prop_map(object),
        2 => fields("depthUpdate", "E# T# s' pu# b@ a@ st#").prop_map(move |mut row| {
            row.extend(["\"U\":7".to_owned(), "\"u\":8".to_owned()]);
            object(row)
        }),
        2 => fields("markPriceUpdate", MARK).prop_map(object),
        // Rows that are sound, so that whole arrays are.
        2 => prop::collection::vec((mark_row(), prop::option::weighted(0.03, fields("other", "p. r~"))), 0..5).prop_map(move |rows| {
            let rows = rows.into_iter().map(|(row, other)| object(other.unwrap_or(row)));
            format!("[{}]", rows.collect::<Vec<_>>().join(","))
        }),
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

/// Frames as the venue sends them.
const REAL: [&str; 3] = [
    r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":3477868433,"s":"BTCUSDT","p":"83091.70","q":"0.022","nq":"0.022","f":8153634393,"l":8153634394,"T":1791382992338,"m":false,"st":1}}"#,
    r#"{"stream":"btcusdt@depth20@100ms","data":{"e":"depthUpdate","E":1791382994616,"T":1791382994613,"s":"BTCUSDT","ps":"BTCUSDT","U":11757092616793,"u":11757092625654,"pu":11757092616661,"b":[["83091.60","4.215"]],"a":[["83091.70","3.768"]],"st":1}}"#,
    r#"{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","E":1791382992684,"s":"XAUUSDT","p":"4103.92233180","ap":"4103.92233180","P":"4098.72755326","i":"4100.14187735","r":"0.00019799","T":1791388800000,"st":1}]}"#,
];

#[test]
fn every_cut_and_every_single_byte_of_a_real_frame_agrees() {
    for frame in REAL {
        for cut in 0..frame.len() {
            agree(&frame.as_bytes()[..cut]).expect("both say the same");
        }
        let mut taken = 0;
        for at in 0..frame.len() {
            let mut bytes = frame.as_bytes().to_vec();
            for byte in [
                b'"', b'\\', b'0', b'9', b',', b'}', b'e', b'.', b' ', 0, 0x1F, 0x7F, 0x80, 0xE5, 0xFF, b'a', b'-',
                b']',
            ] {
                bytes[at] = byte;
                taken += usize::from(agree(&bytes).expect("both say the same"));
            }
        }
        assert!(taken > 500, "{taken} of the damaged frames were still strict: too few to mean anything");
    }
}

#[test]
fn the_generator_makes_many_frames_that_are_strict() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..4_096 {
        let frame = frame().new_tree(&mut runner).expect("a frame").current();
        let event = strict::event(frame.as_bytes(), &mut Decoder::default());
        let kind = event.map_or("none", |event| event.kind());
        *kinds.entry(kind).or_default() += 1;
    }
    for kind in ["aggTrade", "trade", "kline", "bookTicker", "depthUpdate", "markPriceUpdate", "foreign"] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 20), "{kinds:?}");
    }
}
