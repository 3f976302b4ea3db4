//! Is it told what becomes of contracts, on a socket and over REST?

use super::*;
use tapedeck::{
    market::{Ending, News},
    model::{Symbol, UnixMillis},
};

fn announce(site: &Site, symbol: &str, news: News) {
    let symbol = Symbol::new(symbol).expect("a symbol");
    site.shared.announcements.announce(UnixMillis::new(1_795_000_000_000), symbol, news);
}

fn listed() -> News {
    News::Listed { status: "PENDING_TRADING".to_owned(), onboard_time: UnixMillis::new(1_795_000_600_000) }
}

#[test]
fn news_of_all_contracts_are_pushed_in_order_and_kept_for_who_comes_later() {
    with_site(AGE, options(), |site| async move {
        announce(&site, "币安人生USDT", listed());
        let mut client = Client::open(&site, "").await;
        client.send(r#"{"id": 1, "op": "subscribe", "channel": "status"}"#).await;
        let ack = client.text().await;
        assert_eq!((&ack["type"], &ack["canonical"]["symbol"]), (&json!("ack"), &Value::Null), "{ack}");
        let sub = ack["sub"].clone();
        let snapshot = client.text().await;
        let row = json!({
            "id": 1, "time": 1_795_000_000_000_i64, "symbol": "币安人生USDT", "event": "listed",
            "status": "PENDING_TRADING", "onboard_time": 1_795_000_600_000_i64,
        });
        assert_eq!((&snapshot["type"], &snapshot["data"]), (&json!("snapshot"), &json!([row])));
        announce(&site, "SOLUSDT", News::Status { from: "TRADING".to_owned(), to: "SETTLING".to_owned() });
        let update = client.text().await;
        assert_eq!((&update["type"], &update["data"][0]["from"]), (&json!("update"), &json!("TRADING")), "{update}");
        announce(&site, "SOLUSDT", News::Ended(Ending::Delisted));
        let row = client.text().await["data"][0].clone();
        assert_eq!((&row["event"], &row["reason"], &row["id"]), (&json!("ended"), &json!("delisted"), &json!(3)));

        client.send(r#"{"id": 2, "op": "subscribe", "channel": "status"}"#).await;
        assert_eq!(client.text().await["problem"]["code"], "already_subscribed");
        client.send(json!({"id": 3, "op": "unsubscribe", "subs": [sub]}).to_string()).await;
        assert_eq!(client.text().await["type"], "ack");
        announce(&site, "SOLUSDT", News::Recorded);
        client.send(r#"{"id": 4, "op": "subscribe", "channel": "status"}"#).await;
        assert_eq!(client.text().await["type"], "ack", "nothing of what was left");
        assert_eq!(client.text().await["data"].as_array().map(Vec::len), Some(4));

        let answer = site.get("/api/v1/announcements?after=1&symbol=solusdt&limit=2").await.json();
        let ids: Vec<_> = answer["data"].as_array().expect("a list").iter().map(|row| row["id"].clone()).collect();
        assert_eq!((ids, &answer["meta"]["newest_id"]), (vec![json!(2), json!(3)], &json!(4)));
        assert_eq!(answer["meta"]["complete"], true);
    });
}

#[test]
fn a_session_that_was_frozen_for_too_long_is_told_what_it_missed() {
    with_site(AGE, options(), |site| async move {
        let mut client = Client::open(&site, "").await;
        client.send(r#"{"id": 1, "op": "subscribe", "channel": "status"}"#).await;
        assert_eq!(client.text().await["type"], "ack");
        assert_eq!(client.text().await["type"], "snapshot");
        // More than are remembered: whatever turns the session gets meanwhile.
        (0..3_000).for_each(|_| announce(&site, "SOLUSDT", listed()));
        let mut told = 0;
        while told < 3_000 {
            let frame = client.text().await;
            let (first, last) = match frame["type"].as_str() {
                Some("gap") => (frame["from_id"].as_u64(), frame["to_id"].as_u64()),
                _ => {
                    let rows = frame["data"].as_array().expect("rows");
                    (rows[0]["id"].as_u64(), rows[rows.len() - 1]["id"].as_u64())
                }
            };
            assert_eq!(first, Some(told + 1), "every id is told, or named as missed");
            told = last.expect("an id");
        }
        let answer = site.get("/api/v1/announcements?after=5").await.json();
        assert_eq!(answer["meta"]["complete"], false);
    });
}
