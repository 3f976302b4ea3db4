//! How much may clients choose that makes the server do more, and is it refused where it has no end?

use super::*;
use crate::api::book::with_books;

fn subscribed(subs: &[Value]) -> Value {
    json!({"op": "subscribe", "subs": subs})
}

/// The code of each subscription's problem, nothing for those that began.
fn codes(ack: &Value) -> Vec<Option<&str>> {
    ack["subs"].as_array().expect("a batch").iter().map(|sub| sub["problem"]["code"].as_str()).collect()
}

fn sizes(from: u32, count: u32) -> Vec<Value> {
    let wish = |size| json!({"channel": "large_trades", "symbol": "BTCUSDT", "min_notional": size});
    (from..from + count).map(wish).collect()
}

fn views(count: u32) -> Vec<Value> {
    let wish = |levels| json!({"channel": "book_view", "symbol": "BTCUSDT", "levels": levels});
    (1..=count).map(wish).collect()
}

#[test]
fn a_session_has_so_many_sizes_of_large_trades_and_a_contract_so_many_of_all_sessions() {
    let many = SessionOptions { subscriptions_max: 100, ..options().session };
    with_site(AGE, Options { session: many, ..options() }, async |site| {
        let mut clients = [Client::open(&site, "").await, Client::open(&site, "").await, Client::open(&site, "").await];
        let (ack, _) = clients[0].ask(subscribed(&sizes(1, 33))).await;
        let began = codes(&ack);
        assert!(began[..32].iter().all(Option::is_none), "{ack}");
        assert_eq!(began[32], Some("too_many_min_notionals"));
        let detail = ack["subs"][32]["problem"]["detail"].as_str().expect("a detail");
        assert!(detail.contains("32") && detail.contains("limits.min_notionals"), "{detail}");
        let mut elsewhere = sizes(1, 1);
        elsewhere[0]["symbol"] = "SOLUSDT".into();
        assert_eq!(codes(&clients[0].ask(subscribed(&elsewhere)).await.0), [None], "one that it follows");
        assert!(codes(&clients[1].ask(subscribed(&sizes(101, 32))).await.0).iter().all(Option::is_none));
        let mut wishes = sizes(201, 1);
        wishes.extend([sizes(1, 1), sizes(110, 1)].concat());
        let (ack, _) = clients[2].ask(subscribed(&wishes)).await;
        assert_eq!(codes(&ack), [Some("too_many_variants"), None, None], "those of others may be shared");
        assert_eq!(codes(&clients[2].ask(subscribed(&views(1))).await.0), [Some("no_book")]);
        let [first, _second, mut third] = clients;
        drop(first);
        let began = Instant::now();
        while codes(&third.ask(subscribed(&sizes(201, 1))).await.0) != [None] {
            assert!(began.elapsed() < PATIENCE, "what a session had is free when it is gone");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

#[test]
fn a_session_has_so_many_views_of_books() {
    with_books(|site| async move {
        let mut client = Client::open(&site, "").await;
        let (ack, _) = client.ask(subscribed(&views(33))).await;
        assert!(codes(&ack)[..32].iter().all(Option::is_none), "{ack}");
        assert_eq!(codes(&ack)[32], Some("too_many_views"));
        let of_kind = |frames: &[Value], kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
        let frames = client.frames(|frames| of_kind(frames, "snapshot") >= 32).await;
        for frame in frames.iter().filter(|frame| frame["type"] == "snapshot") {
            let bids = frame["data"][0]["bids"].as_array().expect("a side");
            assert_eq!(Some(bids.len() as u64), frame["sub"].as_u64(), "as many as its number: {frame}");
        }
    });
}
