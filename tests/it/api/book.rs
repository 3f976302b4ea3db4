//! Does the server tell of order books what the exchange has?

use super::*;
use crate::spine::books::{recording::recorded, serve_snapshots, steps, truth_at};
use serde_json::{Value, json};
use tapedeck::{
    book::State,
    exchange::binance::StreamKind,
    market::BookSpec,
    model::{Level, Price},
};

/// Of the sim's contract, whose prices have four places.
const TICK: Price = Price::from_units(10_000);

/// A server over books that have been recorded for a while.
pub(super) fn with_books<R, F: Future<Output = R>>(main: impl FnOnce(Site) -> F) -> R {
    with_rig(
        || {
            let contracts = [("BTCUSDT", TapeKind::Aggregate, 900), ("SOLUSDT", TapeKind::Aggregate, 60)];
            let mut setup = Setup::generated(12, &contracts);
            (setup.encoder, setup.market) = (ENCODER, vec![StreamKind::BookTicker]);
            setup.book = Some(BookSpec::new(steps(), 15));
            let rig = recorded(&setup, TICK);
            serve_snapshots(&rig.exchange, &rig.engine, &rig.metrics);
            rig
        },
        Duration::from_mins(5),
        Options { session: SessionOptions { subscriptions_max: 100, ..options().session }, ..options() },
        main,
    )
}

fn decimal(value: &Value) -> i64 {
    Price::parse(value.to_string().as_bytes()).expect("a decimal").units()
}

fn level(value: &Value) -> (i64, i64) {
    (decimal(&value["price"]), decimal(&value["quantity"]))
}

fn levels(value: &Value) -> Vec<(i64, i64)> {
    value.as_array().expect("a list").iter().map(level).collect()
}

fn of_truth(levels: &[Level], count: usize) -> Vec<(i64, i64)> {
    levels.iter().take(count).map(|level| (level.price.units(), level.quantity.units())).collect()
}

#[test]
fn a_book_is_the_exchanges_with_its_figures() {
    with_books(|site| async move {
        let answer = site.get("/api/v1/book?symbol=btcusdt&levels=5").await;
        assert_eq!((answer.status, answer.header("x-tapedeck-complete")), (200, Some("true")));
        let (data, meta) = (answer.json()["data"].take(), answer.json()["meta"].take());
        assert_eq!(
            (&meta["symbol"], &meta["state"], &meta["complete"]),
            (&json!("BTCUSDT"), &json!("synced"), &json!(true))
        );
        assert_eq!((&meta["levels"], &meta["group"], &meta["tick_size"]), (&json!(5), &Value::Null, &json!("0.0001")));
        let contract = site.rig.contract("BTCUSDT");
        let truth = truth_at(&site.rig.exchange, &contract.symbol, data["last_id"].as_u64().expect("an id"));
        assert_eq!(levels(&data["bids"]), of_truth(&truth.bids, 5));
        assert_eq!(levels(&data["asks"]), of_truth(&truth.asks, 5));
        assert_eq!(
            [level(&data["best_bid"]), level(&data["best_ask"])],
            [of_truth(&truth.bids, 1)[0], of_truth(&truth.asks, 1)[0]]
        );
        assert_eq!(decimal(&data["spread"]), truth.asks[0].price.units() - truth.bids[0].price.units());
        for side in ["bid", "ask"] {
            assert!(data["reach"][side].is_number(), "a thousand levels are not all: {}", data["reach"]);
        }
        let sum: i64 = of_truth(&truth.bids, 5).iter().map(|(_, quantity)| quantity).sum();
        assert_eq!(decimal(&data["bids"][4]["cumulative"]), sum);
        for name in ["checksum", "sequence", "time", "imbalance", "depth_ratio", "mid", "spread_percent"] {
            assert!(data[name].is_number(), "{name}");
        }
        let text = site.get("/api/v1/book?symbol=BTCUSDT&levels=1&decimals=string").await.json();
        assert!(text["data"]["bids"][0]["price"].is_string() && text["data"]["spread"].is_string());
    });
}

#[test]
fn groups_are_told_as_far_as_the_book_is_known() {
    with_books(|site| async move {
        let answer = site.get("/api/v1/book?symbol=BTCUSDT&levels=1000&group=0.5").await.json();
        let (data, meta) = (&answer["data"], &answer["meta"]);
        let count = data["bids"].as_array().expect("a list").len();
        assert!((1..1_000).contains(&count), "{count} groups of a thousand levels");
        assert_eq!((&meta["complete"], &meta["group"]), (&json!(false), &json!("0.5")), "fewer than asked for");
        let reach = decimal(&data["reach"]["bid"]);
        assert!(levels(&data["bids"]).iter().all(|(price, _)| price % 50_000_000 == 0 && *price >= reach));
        let same = site.get("/api/v1/book?symbol=BTCUSDT&levels=3&group=5000x").await.json();
        assert_eq!(same["meta"]["group"], "0.5", "so many of the contract's own");
        for (target, status, code) in [
            ("symbol=BTCUSDT&group=0.00015", 422, "bad_tick_size"),
            ("symbol=BTCUSDT&group=0", 400, "invalid_parameter"),
            ("symbol=BTCUSDT&group=x", 400, "invalid_parameter"),
            ("symbol=BTCUSDT&group=4294967295x", 200, ""),
            ("symbol=BTCUSDT&levels=0", 400, "invalid_parameter"),
            ("symbol=BTCUSDT&levels=1001", 400, "invalid_parameter"),
            ("symbol=BTCUSDT&depth=5", 400, "unknown_parameter"),
            ("symbol=XUSDT", 404, "unknown_symbol"),
        ] {
            let answer = site.get(&format!("/api/v1/book?{target}")).await;
            assert_eq!(answer.status, status, "{target}: {}", answer.body);
            assert!(code.is_empty() || answer.json()["code"] == code, "{target}: {}", answer.body);
        }
    });
}

#[test]
fn a_book_that_is_not_synced_is_said_to_be_so_and_nothing_of_it_is_told() {
    with_books(|site| async move {
        let contract = site.rig.contract("SOLUSDT");
        let book = contract.book.as_ref().expect("kept");
        let now = || book.read(|replica| (replica.state(), replica.newest()));
        // Whatever comes would prove it again.
        site.rig.exchange.faults().stall(true);
        let doubted = async {
            let mut before = None;
            while before != Some(now()) || now().0 != State::Stale {
                before = Some(now());
                assert!(book.doubt());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, doubted).await.expect("in time");
        let answer = site.get("/api/v1/book?symbol=SOLUSDT").await;
        assert_eq!((answer.status, answer.header("x-tapedeck-complete")), (200, Some("false")));
        let answer = answer.json();
        assert_eq!((&answer["data"]["state"], &answer["meta"]["complete"]), (&json!("stale"), &json!(false)));
        assert_eq!((&answer["data"]["bids"], &answer["data"]["asks"]), (&json!([]), &json!([])));
        assert_eq!((&answer["data"]["best_bid"], &answer["data"]["last_id"]), (&Value::Null, &Value::Null));
        let figures = site.get("/metrics").await.body;
        assert!(figures.contains("tapedeck_book_states{state=\"stale\"} 1"), "{figures}");
        let row = site.get("/api/v1/symbols/SOLUSDT").await.json();
        assert_eq!(row["data"]["book"], "stale");
    });
}

#[test]
fn recorded_snapshots_are_paged_and_chosen_by_tick_size() {
    with_books(|site| async move {
        let all = site.get("/api/v1/book/snapshots?symbol=BTCUSDT&start=2026-11-20&limit=1000").await.json();
        let data = all["data"].as_array().expect("a list");
        assert!((24..=30).contains(&data.len()) && all["meta"]["complete"] == true, "{}", data.len());
        let tick_sizes: Vec<_> = data.iter().take(3).map(|book| decimal(&book["tick_size"])).collect();
        assert_eq!(tick_sizes, [10_000, 100_000, 50_000_000]);
        for book in data {
            assert_eq!(book["time"].as_i64().expect("a time") % 30_000, 0);
            assert!(book["bids"].as_array().is_some_and(|bids| (1..=15).contains(&bids.len())), "{book}");
        }
        let first =
            site.get("/api/v1/book/snapshots?symbol=BTCUSDT&start=2026-11-20&limit=4&tick_size=10x").await.json();
        let ours: Vec<_> = data.iter().filter(|book| decimal(&book["tick_size"]) == 100_000).collect();
        assert_eq!(first["data"].as_array().expect("a list").iter().collect::<Vec<_>>(), ours[..4]);
        assert_eq!(first["meta"]["next"], ours[4]["time"]);
        let newest = site.get("/api/v1/book/snapshots?symbol=BTCUSDT&limit=1&tick_size=0.001").await.json();
        assert_eq!(newest["data"][0], **ours.last().expect("some"));
        let none = site.get("/api/v1/book/snapshots?symbol=BTCUSDT&start=2020-01-01&end=2020-01-02").await.json();
        assert_eq!((&none["data"], &none["meta"]["next"]), (&json!([]), &Value::Null));
    });
}

#[test]
fn a_contract_without_a_book_says_how_to_have_one() {
    with_site(Duration::from_secs(30), options(), |site| async move {
        let answer = site.get("/api/v1/book?symbol=BTCUSDT").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no_book")));
        assert!(answer.body.contains("book.symbols"), "{}", answer.body);
        let answer = site.get("/api/v1/book/snapshots?symbol=BTCUSDT").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no_store")));
    });
}
