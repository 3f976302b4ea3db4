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

#[test]
fn a_view_is_grouped_as_rest_groups_it_and_says_whether_more_is_known() {
    with_books(|site| async move {
        let mut client = Client::open(&site, "").await;
        let view = |group: Value, levels: u32| {
            let (op, channel) = ("subscribe", "book_view");
            json!({"op": op, "channel": channel, "symbol": "BTCUSDT", "group": group, "levels": levels})
        };
        for (group, code) in [
            (json!(0.00015), "bad_tick_size"),
            (json!("0.00015"), "bad_tick_size"),
            (json!("0x"), "wrong_type"),
            (json!(0), "wrong_type"),
            (json!([]), "wrong_type"),
        ] {
            let (error, _) = client.ask(view(group.clone(), 5)).await;
            assert_eq!(error["problem"]["code"], code, "{group}: {error}");
        }
        let (ack, _) = client.ask(view(json!("5000x"), 3)).await;
        assert_eq!(ack["canonical"]["group"], 0.5, "so many of the contract's own: {ack}");
        let (same, mut frames) = client.ask(view(json!(0.5), 3)).await;
        assert_eq!(same["problem"]["code"], "already_subscribed", "{same}");
        let (wide, before) = client.ask(view(json!("0.5"), 1_000)).await;
        frames.extend(before);
        frames.extend(client.frames(|frames| frames.iter().any(|frame| frame["sub"] == wide["sub"])).await);
        let row = |ack: &Value| {
            frames.iter().find(|frame| frame["sub"] == ack["sub"]).expect("a snapshot")["data"][0].clone()
        };
        let (few, all) = (row(&ack), row(&wide));
        assert_eq!((&few["complete"], few["bids"].as_array().map(Vec::len)), (&json!(true), Some(3)), "{few}");
        assert!(few["bids"][0]["price"].as_f64().is_some_and(|price| (price * 2.0).fract() == 0.0), "{few}");
        let count = all["bids"].as_array().map_or(0, Vec::len);
        assert!(all["complete"] == false && (1..1_000).contains(&count), "{count} groups of a thousand levels");
    });
}
