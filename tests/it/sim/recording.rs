//! Do recordings, our own and others', replay as they were received?

use super::*;
use std::path::{Path, PathBuf};
use tapedeck::{model::Timeframe, sim::record};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings/seed1_sol_shib_90s.txt.zst")
}

const FIXTURE_STREAMS: [&str; 6] = [
    "solusdt@aggTrade",
    "solusdt@trade",
    "solusdt@kline_1m",
    "1000shibusdt@aggTrade",
    "1000shibusdt@bookTicker",
    "solusdt@markPrice@1s",
];

/// What `fixture()` holds, made anew. `TAPEDECK_WRITE_FIXTURES=1` makes the tests write it.
fn recorded() -> Vec<u8> {
    let mut bytes = Vec::new();
    record(&exchange(START), &FIXTURE_STREAMS, 90 * UnixMillis::SECOND, &mut bytes).expect("memory");
    bytes
}

#[tokio::test(start_paused = true)]
async fn the_fixture_is_what_its_seed_gives() {
    if std::env::var_os("TAPEDECK_WRITE_FIXTURES").is_some() {
        let packed = zstd::encode_all(recorded().as_slice(), 19).expect("packed");
        std::fs::write(fixture(), packed).expect("written");
    }
    let held = zstd::decode_all(std::fs::File::open(fixture()).expect("the fixture")).expect("zstd");
    assert!(held == recorded(), "the generated market has changed: stores made from a seed no longer match it");
}

fn replay(path: PathBuf) -> Arc<Exchange> {
    let options = Options { recording: Some(path), ..Options::default() };
    Exchange::open(&options, Clock::starting_at(at(START + UnixMillis::DAY))).expect("readable")
}

#[tokio::test(start_paused = true)]
async fn the_fixture_replays_at_its_own_times() {
    let replayed = replay(fixture());
    assert_eq!(replayed.now().get() / 1_000, START / 1_000, "the exchange's time is the recording's");
    let original = exchange(START);
    let mut client = connect(&replayed, "/market/stream?streams=solusdt@aggTrade/1000shibusdt@aggTrade").await;
    let text = String::from_utf8(recorded()).expect("UTF-8");
    let sent: Vec<Value> = text
        .lines()
        .filter(|line| line.contains("@aggTrade"))
        .map(|line| serde_json::from_str(line.split_once(' ').expect("a stamp").1).expect("JSON"))
        .collect();
    for frame in &sent {
        assert_eq!(next_json(&mut client).await, *frame);
        assert_eq!(Some(replayed.now().get()), frame["data"]["E"].as_i64());
    }
    let sol = symbol("SOLUSDT");
    let truth = replayed.truth(&sol, at(0), at(i64::MAX));
    let mut published = original.truth(&sol, truth[0].time, truth[truth.len() - 1].time.plus(1));
    published.retain(|trade| (truth[0].id..=truth[truth.len() - 1].id).contains(&trade.id));
    assert_eq!(truth, published);
    let (_, page) = get(&replayed, &format!("/fapi/v1/aggTrades?symbol=SOLUSDT&fromId={}&limit=3", truth[0].id));
    assert_eq!(page.as_array().expect("rows").iter().map(trade_of).collect::<Vec<_>>(), truth[..3]);
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ws_frames").join(name);
    if !path.exists() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    Some(path)
}

#[tokio::test(start_paused = true)]
async fn a_recorded_market_folds_to_the_official_candle() {
    let Some(path) = shared("hftbacktest_um_btcusdt_20240808.gz") else { return };
    let exchange = replay(path);
    let btc = symbol("BTCUSDT");
    assert_eq!(exchange.truth(&btc, at(0), at(i64::MAX)).len(), 8_325, "aggregates by the rule");
    let opens = 1_723_161_300_000; // 2024-08-08 23:55:00
    let five = Timeframe::minutes(5).expect("in range");
    let klines = exchange.truth_klines(&btc, five, at(opens), at(opens + 1));
    let [kline] = klines.as_slice() else { panic!("{klines:?}") };
    let shown = [kline.open, kline.high, kline.low, kline.close].map(|price| price.to_string());
    assert_eq!(shown, ["61807.7", "61839.9", "61590.3", "61659.8"]);
    assert_eq!(kline.volume.to_string(), "2303.399");
    let mut book = connect(&exchange, "/public/ws/btcusdt@bookTicker/btcusdt@depth@0ms").await;
    for _ in 0..1_000 {
        let frame = next_json(&mut book).await;
        assert!(frame["E"].as_i64() <= Some(exchange.now().get()), "no frame comes before its event");
    }
    let mut trades = connect(&exchange, "/market/ws/btcusdt@aggTrade").await;
    let derived = trade_of(&next_json(&mut trades).await);
    assert_eq!(
        exchange.truth(&btc, derived.time, derived.time.plus(1)).iter().find(|t| t.id == derived.id),
        Some(&derived)
    );
}

#[tokio::test(start_paused = true)]
async fn the_other_recorders_formats_are_read() {
    let Some(path) = shared("cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    let exchange = replay(path);
    let all: usize = exchange.contracts().iter().map(|c| exchange.truth(&c.symbol, at(0), at(i64::MAX)).len()).sum();
    assert_eq!(all, 91);
    let mut client = connect(&exchange, "/market/ws/sushiusdt@aggTrade/sushiusdt@kline_1m").await;
    assert_eq!(next_json(&mut client).await["s"], "SUSHIUSDT");
    let Some(path) = shared("collect-binancefutures_um_btcusdt_20220811.txt.zst") else { return };
    let exchange = replay(path);
    assert_eq!(exchange.truth_raw(&symbol("BTCUSDT"), at(0), at(i64::MAX)).len(), 1_326);
}
