//! Does a client learn that what it asks for will not come?

use super::*;
use crate::{api::figures::with_stored_server, spine::START};
use tapedeck::market::{Kept, Series};

const AGED: Duration = Duration::from_secs(90);

fn wish(channel: &str) -> Value {
    json!({"op": "subscribe", "channel": channel, "symbol": "BTCUSDT"})
}

async fn code(client: &mut Client, channel: &str) -> Option<String> {
    let (answer, _) = client.ask(wish(channel)).await;
    answer["problem"]["code"].as_str().map(str::to_owned)
}

/// Whether a contract's stored series goes on, and is stored.
async fn fate(site: &Site, target: &str) -> [Option<bool>; 2] {
    let answer = site.get(&format!("/api/v1/{target}?symbol=BTCUSDT&limit=5")).await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    ["followed", "stored"].map(|name| answer.json()["meta"][name].as_bool())
}

#[test]
fn what_is_switched_off_is_refused_with_its_key_and_its_past_says_so() {
    let followed = Followed { open_interest: false, liquidations: false, tickers: false };
    with_stored_server(START, AGED, Options { followed, ..options() }, async |site| {
        let mut client = Client::open(&site, "").await;
        for (channel, key) in [
            ("ticker", "series.tickers"),
            ("liquidations", "series.liquidations"),
            ("open_interest", "series.open_interest_ms"),
        ] {
            let (answer, _) = client.ask(wish(channel)).await;
            let problem = &answer["problem"];
            assert_eq!((&problem["code"], &problem["status"]), (&"not_followed".into(), &404.into()), "{answer}");
            assert!(problem["detail"].as_str().expect("a detail").contains(key), "{answer}");
        }
        for (target, key) in [
            ("tickers", "series.tickers"),
            ("tickers?symbol=BTCUSDT", "series.tickers"),
            ("open-interest", "series.open_interest_ms"),
            ("open-interest?symbol=BTCUSDT", "series.open_interest_ms"),
        ] {
            let answer = site.get(&format!("/api/v1/{target}")).await;
            assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_followed")), "{target}");
            assert!(answer.body.contains(key), "{}", answer.body);
        }
        assert_eq!(code(&mut client, "mark").await, None);
        for (target, expected) in [("mark", true), ("funding", true), ("open-interest", false), ("liquidations", false)]
        {
            assert_eq!(fate(&site, target).await, [Some(expected); 2], "{target}");
        }
    });
}

#[test]
fn whoever_subscribes_to_liquidations_is_told_that_they_are_a_sample() {
    with_stored_server(START, AGED, options(), async |site| {
        let note = site.get("/api/v1/liquidations?symbol=BTCUSDT").await.json()["meta"]["note"].clone();
        assert!(note.as_str().is_some_and(|note| note.contains("at most one")), "{note}");
        let mut client = Client::open(&site, "").await;
        assert_eq!(client.ask(wish("liquidations")).await.0["note"], note);
        assert!(client.ask(wish("mark")).await.0.get("note").is_none());
        let (list, _) = client.ask(json!({"op": "list"})).await;
        assert_eq!((&list["subs"][0]["note"], list["subs"][1].get("note")), (&note, None));
    });
}

#[test]
fn what_an_override_leaves_out_is_not_stored_and_comes_all_the_same_but_for_open_interest() {
    with_stored_server(START, AGED, options(), async |site| {
        for target in ["mark", "funding", "open-interest", "liquidations"] {
            assert_eq!(fate(&site, target).await, [Some(true); 2], "{target}");
        }
        let contract = site.rig.contract("BTCUSDT");
        let series = [Series::Funding].into_iter().collect();
        contract.kept.store(Arc::new(Kept { series, ..Kept::default() }));
        for (target, expected) in [
            ("mark", [true, false]),
            ("funding", [true, true]),
            ("open-interest", [false, false]),
            ("liquidations", [true, false]),
        ] {
            assert_eq!(fate(&site, target).await, expected.map(Some), "{target}");
        }
        let answer = site.get("/api/v1/open-interest?symbol=BTCUSDT").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_followed")));
        assert!(answer.body.contains("[[override]]"), "{}", answer.body);
        assert_eq!(site.get("/api/v1/open-interest").await.status, 200, "of others");
        let mut client = Client::open(&site, "").await;
        assert_eq!(code(&mut client, "open_interest").await.as_deref(), Some("not_followed"));
        assert_eq!(code(&mut client, "liquidations").await, None);
    });
}
