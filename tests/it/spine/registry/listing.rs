//! What becomes of contracts that the venue halts, rescales, drops, or whose symbol it gives to another?

use super::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use tapedeck::{
    market::State,
    net::{FetchFuture, Response},
};

/// What is changed in the listing: of which symbol, and to what; a symbol without a value is left out.
type Edits = Arc<Mutex<Vec<(&'static str, Option<(&'static str, Value)>)>>>;

/// The exchange, whose listing is edited on the way.
struct Edited(Arc<dyn Fetch>, Edits);

impl Fetch for Edited {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            let Response { status, headers, body } = self.0.get(url).await?;
            let body = if url.contains("exchangeInfo") { self.edit(&body).into() } else { body };
            Ok(Response { status, headers, body })
        })
    }
}

impl Edited {
    fn edit(&self, body: &[u8]) -> Vec<u8> {
        let mut info: Value = serde_json::from_slice(body).expect("JSON");
        let rows = info["symbols"].as_array_mut().expect("a list");
        for (symbol, edit) in self.1.lock().expect("no panic").iter() {
            let at = rows.iter().position(|row| row["symbol"] == *symbol).expect("listed");
            match edit {
                Some(("tickSize", value)) => rows[at]["filters"][0]["tickSize"] = value.clone(),
                Some((field, value)) => rows[at][*field] = value.clone(),
                None => {
                    rows.remove(at);
                }
            }
        }
        serde_json::to_vec(&info).expect("JSON")
    }
}

/// A minute after the start.
async fn scene() -> (Scene, Edits) {
    let edits = Edits::default();
    let edited = Arc::clone(&edits);
    let wrap = move |fetch| Arc::new(Edited(fetch, edited)) as Arc<dyn Fetch>;
    let scene = Scene::fetching_by(wrap, REFRESH, &setup(), r#"["AUSDT", "BUSDT"]"#);
    tokio::time::sleep(MINUTE).await;
    (scene, edits)
}

impl Scene {
    /// Has the listing read with these edits.
    async fn read(&self, edits: &Edits, now: &[(&'static str, Option<(&'static str, Value)>)]) {
        *edits.lock().expect("no panic") = now.to_vec();
        tokio::time::sleep(REFRESH).await;
    }

    fn find(&self, symbol: &str) -> Arc<market::Contract> {
        self.engine.contracts.find(symbol).expect("recorded")
    }

    fn news_of(&self, symbol: &str) -> Vec<News> {
        self.announced().into_iter().filter(|(of, _)| of == symbol).map(|(_, news)| news).collect()
    }
}

#[test]
fn a_contract_that_moves_by_other_steps_or_is_to_end_goes_on_and_is_told_of() {
    in_virtual_time(async {
        let (scene, edits) = scene().await;
        let (before, missing) = (scene.find("AUSDT"), scene.find("AUSDT").tape.missing());
        let was = before.listing.load_full().expect("listed");
        scene.read(&edits, &[("AUSDT", Some(("tickSize", json!("0.5"))))]).await;
        let now = scene.find("AUSDT");
        assert!(Arc::ptr_eq(&before, &now) && now.tape.missing() == missing);
        let tick = Price::parse(b"0.5").expect("a price");
        assert_eq!(now.listing.load_full().expect("listed").tick_size, tick);
        let step_size = (was.step_size, was.step_size);
        let steps = News::Steps { tick_size: (was.tick_size, tick), step_size };
        assert_eq!((scene.news_of("AUSDT"), was.ends), (vec![steps.clone()], None));
        let to = scene.exchange.now().plus(7 * 24 * HOUR_MS);
        let edited = [("tickSize", json!("0.5")), ("deliveryDate", json!(to.get()))].map(|edit| ("AUSDT", Some(edit)));
        scene.read(&edits, &edited).await;
        assert_eq!(scene.news_of("AUSDT"), [steps, News::Ends { from: None, to: Some(to) }]);
        assert_eq!(now.listing.load_full().expect("listed").ends, Some(to));
    });
}

#[test]
fn a_contract_that_is_halted_says_so_until_it_trades_again() {
    in_virtual_time(async {
        let (scene, edits) = scene().await;
        scene.read(&edits, &[("AUSDT", Some(("status", json!("BREAK"))))]).await;
        assert_eq!((scene.find("AUSDT").state(), scene.find("BUSDT").state()), (State::Halted, State::Live));
        scene.read(&edits, &[]).await;
        assert_eq!(scene.find("AUSDT").state(), State::Live);
        let status = |from: &str, to: &str| News::Status { from: from.to_owned(), to: to.to_owned() };
        assert_eq!(scene.news_of("AUSDT"), [status("TRADING", "BREAK"), status("BREAK", "TRADING")]);
    });
}

#[test]
fn a_contract_that_is_not_listed_any_more_is_delisted_and_comes_back_with_the_listing() {
    in_virtual_time(async {
        let (scene, edits) = scene().await;
        scene.read(&edits, &[("AUSDT", None)]).await;
        let contract = scene.find("AUSDT");
        assert!(contract.state() == State::Delisted && contract.is_over(), "nobody polls anything of it");
        scene.read(&edits, &[]).await;
        assert_eq!(scene.find("AUSDT").state(), State::Live);
        assert!(matches!(scene.news_of("AUSDT")[..], [News::Unlisted, News::Listed { .. }]));
    });
}

#[test]
fn a_symbol_that_is_another_contracts_begins_anew() {
    in_virtual_time(async {
        let (scene, edits) = scene().await;
        let (before, other) = (scene.find("AUSDT"), scene.find("BUSDT"));
        // The old one trades no more; the new one is listed a little later.
        scene.exchange.faults().mute(&symbol("AUSDT"), true);
        tokio::time::sleep(MINUTE).await;
        let onboard = scene.exchange.now().get() - 10_000;
        scene.read(&edits, &[("AUSDT", Some(("onboardDate", json!(onboard))))]).await;
        let now = scene.find("AUSDT");
        assert!(!Arc::ptr_eq(&before, &now) && before.ending() == Some(Ending::Replaced));
        let onboard_time = at(onboard);
        let expected = [News::Replaced { onboard_time }, News::Ended(Ending::Replaced), News::Recorded];
        assert_eq!(scene.news_of("AUSDT"), expected);
        assert!(Arc::ptr_eq(&other, &scene.find("BUSDT")));
    });
}

#[test]
fn half_a_listing_is_not_believed_before_a_second_one_says_the_same() {
    in_virtual_time(async {
        let names: Vec<&'static str> = (10..50).map(|at| &*format!("S{at}USDT").leak()).collect();
        let setup = Setup::generated(52, &names.iter().map(|name| (*name, TapeKind::Aggregate, 6)).collect::<Vec<_>>());
        let edits = Edits::default();
        let edited = Arc::clone(&edits);
        let wrap = move |fetch| Arc::new(Edited(fetch, edited)) as Arc<dyn Fetch>;
        let scene = Scene::fetching_by(wrap, REFRESH, &setup, r#"["*USDT"]"#);
        tokio::time::sleep(5 * MINUTE).await;
        let delisted = || names.iter().filter(|name| scene.find(name).state() == State::Delisted).count();
        let half: Vec<_> = names.iter().take(30).map(|name| (*name, None)).collect();
        scene.read(&edits, &half).await;
        assert_eq!((delisted(), scene.news_of(names[0])), (0, vec![]), "half an answer");
        scene.read(&edits, &[]).await;
        scene.read(&edits, &half).await;
        assert_eq!((delisted(), scene.news_of(names[0])), (0, vec![]), "once more");
        scene.read(&edits, &half).await;
        assert_eq!((delisted(), scene.news_of(names[0])), (30, vec![News::Unlisted]), "it stays so");
    });
}
