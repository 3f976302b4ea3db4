//! Do recordings, replayed through the whole live path, give the candles that the venue published?

use super::*;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use tapedeck::{
    model::Candle,
    net::{DialLimits, TcpDialer, tls::client_config},
    sim::Server,
};

/// How much faster than real time the exchange runs over real sockets.
const SPEED: u32 = 100;
/// 2024-08-08 23:55:00 UTC.
const FIVE_OPENS: i64 = 1_723_161_300_000;
/// 2021-07-22 22:26:00 UTC: the minute whose beginning the other recording holds.
const MINUTE_OPENS: i64 = 1_626_992_760_000;
const HFTBACKTEST: &str = "hftbacktest_um_btcusdt_20240808.gz";

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ws_frames").join(name);
    if !path.exists() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    Some(path)
}

/// Waits until the exchange has sent everything and candles have been closed by the clock.
async fn finish(rig: &Rig, symbol: &str, speed: u32) {
    let trades = rig.exchange.truth(&super::symbol(symbol), at(0), at(i64::MAX));
    let end = trades.last().expect("it trades").time.plus(5_000);
    while rig.exchange.now() < end {
        tokio::time::sleep(Duration::from_millis(500) / speed).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn assert_official(candle: &Candle) {
    let shown = [candle.open, candle.high, candle.low, candle.close].map(|price| price.to_string());
    assert_eq!(shown, ["61807.7", "61839.9", "61590.3", "61659.8"]);
    assert_eq!(candle.volume.to_string(), "2303.399");
}

fn official_five(view: &probe::View) -> Candle {
    view.candles[&minutes(5)].closed[&at(FIVE_OPENS)]
}

#[test]
fn recorded_raw_trades_give_the_official_candle() {
    let Some(path) = shared(HFTBACKTEST) else { return };
    in_virtual_time(async {
        let rig = Setup::recorded(path, &[("BTCUSDT", TapeKind::Raw)]).start();
        let probe = rig.probe("BTCUSDT", &[1, 5], (0, 0));
        finish(&rig, "BTCUSDT", 1).await;
        let view = probe.view();
        assert_official(&official_five(&view));
        assert!(!official_five(&view).complete, "nothing proves the last 357 ms, which were not recorded");
        oracle::judge(&rig, &probe.contract, &view);
        assert_eq!(rig.counter("decode_errors_total"), 0);
    });
}

#[test]
fn their_aggregates_give_the_same_candle() {
    let Some(path) = shared(HFTBACKTEST) else { return };
    in_virtual_time(async {
        let rig = Setup::recorded(path, &[("BTCUSDT", TapeKind::Aggregate)]).start();
        let probe = rig.probe("BTCUSDT", &[1, 5], (0, 0));
        finish(&rig, "BTCUSDT", 1).await;
        let view = probe.view();
        assert_official(&official_five(&view));
        let found = oracle::judge(&rig, &probe.contract, &view);
        assert_eq!(found.holes, []);
        let published = rig.exchange.truth(&probe.contract.symbol, at(0), at(i64::MAX));
        assert_eq!(published.len(), 8_325);
        assert!(view.trades == published[published.len() - view.trades.len()..], "to the last one");
        assert!(published.len() - view.trades.len() < 10, "{} of 8325", view.trades.len());
    });
}

#[test]
fn the_same_over_real_sockets() {
    let Some(path) = shared(HFTBACKTEST) else { return };
    in_system(false, async {
        let mut setup = Setup::recorded(path, &[("BTCUSDT", TapeKind::Raw)]);
        setup.exchange.speed = SPEED;
        let exchange = setup.open();
        let server = Server::bind(Arc::clone(&exchange), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = server.await.expect("a free port");
        let tls = client_config(None).expect("the built-in roots");
        let dialer = Arc::new(TcpDialer::new(tls, DialLimits::default()));
        let rig = setup.start_over(exchange, dialer, &format!("ws://{}", server.local_addr()));
        let probe = rig.probe("BTCUSDT", &[5], (0, 0));
        finish(&rig, "BTCUSDT", SPEED).await;
        assert_official(&official_five(&probe.view()));
        server.stop().await;
    });
}

#[test]
fn the_committed_recording_replays_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings/seed1_sol_shib_90s.txt.zst");
    let contracts = [("SOLUSDT", TapeKind::Aggregate), ("1000SHIBUSDT", TapeKind::Aggregate)];
    in_virtual_time(async {
        let rig = Setup::recorded(path, &contracts).start();
        let probes = contracts.map(|(symbol, _)| rig.probe(symbol, &[1], (0, 0)));
        finish(&rig, "SOLUSDT", 1).await;
        for probe in probes {
            let view = probe.view();
            let found = oracle::judge(&rig, &probe.contract, &view);
            assert_eq!(found.holes, []);
            assert!(found.closed >= 1);
            assert!(view.trades == rig.exchange.truth(&probe.contract.symbol, at(0), at(i64::MAX)), "all of them");
        }
    });
}

/// The open klines that the venue sent while the recorder listened, by contract, with their last raw trade id.
fn recorded_klines(path: &Path) -> BTreeMap<String, Vec<serde_json::Value>> {
    let packed = std::fs::read(path).expect("readable");
    let text = String::from_utf8(zstd::decode_all(packed.as_slice()).expect("zstd")).expect("text");
    let mut klines: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let Some(frame) = line["data"].as_str() else { continue };
        let Ok(mut frame) = serde_json::from_str::<serde_json::Value>(frame) else { continue };
        let kline = frame["data"]["k"].take();
        if let Some(symbol) = kline["s"].as_str() {
            klines.entry(symbol.to_owned()).or_default().push(kline);
        }
    }
    klines
}

#[test]
fn recorded_aggregates_agree_with_the_klines_recorded_beside_them() {
    let Some(path) = shared("cryptofeed_BINANCE_FUTURES_20210722.jsonl.zst") else { return };
    let klines = recorded_klines(&path);
    let names = ["SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"];
    let mut agreed = 0;
    in_virtual_time(async {
        let rig = Setup::recorded(path, &names.map(|name| (name, TapeKind::Aggregate))).start();
        let probes = names.map(|name| rig.probe(name, &[1], (0, 0)));
        tokio::time::sleep(2 * MINUTE).await;
        for probe in &probes {
            let trades = probe.view().held();
            for kline in &klines[probe.contract.symbol.as_str()] {
                let last = kline["L"].as_u64();
                let upto: Vec<_> =
                    trades.iter().filter(|t| t.time >= at(MINUTE_OPENS) && Some(t.last_id) <= last).copied().collect();
                // A frame may stand inside an aggregate, or be of a trade that was not recorded.
                if kline["t"] != MINUTE_OPENS || upto.last().map(|t| t.last_id) != last {
                    continue;
                }
                let folded = oracle::fold(Timeframe::MINUTE, &upto)[&at(MINUTE_OPENS)];
                let units = |name: &str| {
                    Price::parse(kline[name].as_str().expect("text").as_bytes()).expect("a decimal").units()
                };
                let shown = ["o", "h", "l", "c"].map(units);
                assert_eq!([folded.open, folded.high, folded.low, folded.close].map(Price::units), shown, "{kline}");
                let sums = [folded.volume.units(), folded.taker_buy_volume.units()];
                assert_eq!(sums, ["v", "V"].map(|name| i128::from(units(name))), "{kline}");
                assert_eq!(folded.quote_volume.units(), i128::from(units("q")) * 100_000_000, "{kline}");
                assert_eq!(
                    (Some(folded.raw_trades), kline["f"].as_u64()),
                    (kline["n"].as_u64(), Some(upto[0].first_id))
                );
                agreed += 1;
            }
        }
    });
    assert!(agreed >= 10, "{agreed} frames agree");
}
