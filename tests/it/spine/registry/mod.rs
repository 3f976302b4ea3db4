//! Does what is recorded follow the venue's listing, the selection, and what clients ask for?

mod listing;

use super::*;
use std::rc::Rc;
use tapedeck::{
    app::{ListingSource, Registry, Wanted},
    config::{Config, Settings, Sources},
    history::budget::{self, Budget},
    market::{AddError, ChangeError, Ending, News, Roster, Wish},
    net::{Fetch, FetchLimits},
    sim::ExchangeFetch,
    store::retention::Retention,
};
use tokio::sync::watch;

const HOUR_MS: i64 = 3_600_000;
const REFRESH: Duration = Duration::from_secs(300);

/// What of `symbols` the configuration selects.
fn wanted(symbols: &str) -> Wanted {
    let file = (Arc::from(std::path::Path::new("my.toml")), Ok(format!("symbols = {symbols}")));
    let sources = Sources { files: vec![file], ..Sources::default() };
    let config = Config::new(&Settings::gather(sources).expect("settings")).expect("a configuration");
    let spec = |symbol: &Symbol| (symbol.clone(), TapeKind::Aggregate, RING_TRADES).into();
    Wanted { selection: config.symbols, spec: Arc::new(spec), retention: Retention::default() }
}

/// An exchange, and an engine and a registry that follow it.
pub(super) struct Scene {
    pub(super) engine: Rc<Engine>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) metrics: Arc<Metrics>,
    roster: Roster,
    wishes: watch::Sender<Wanted>,
}

impl Scene {
    /// An engine that begins with `named`, and a registry that follows `symbols`.
    pub(super) fn start(setup: &Setup, symbols: &str) -> Self {
        Self::reading_every(REFRESH, setup, symbols)
    }

    fn reading_every(refresh: Duration, setup: &Setup, symbols: &str) -> Self {
        Self::fetching_by(|fetch| fetch, refresh, setup, symbols)
    }

    fn fetching_by(
        wrap: impl FnOnce(Arc<dyn Fetch>) -> Arc<dyn Fetch>,
        refresh: Duration,
        setup: &Setup,
        symbols: &str,
    ) -> Self {
        let Rig { exchange, engine, metrics } = setup.start();
        let engine = Rc::new(engine);
        let clock = Clock::starting_at(exchange.now());
        let fetch = wrap(Arc::new(ExchangeFetch::new(Arc::clone(&exchange), FetchLimits::default())));
        let budget = Budget::new(budget::Options::default(), clock, Arc::clone(&metrics));
        let source = ListingSource { fetch, budget, rest_url: "http://memory".into(), refresh, seed: 3 };
        let (roster, changes) = Roster::new();
        let book = setup.book.clone();
        let spec = move |symbol: &Symbol| market::Spec {
            book: book.clone(),
            ..(symbol.clone(), TapeKind::Aggregate, RING_TRADES).into()
        };
        let wanted = Wanted { spec: Arc::new(spec), ..wanted(symbols) };
        let (wishes, wished) = watch::channel(wanted.clone());
        let mut registry = Registry::new(Rc::clone(&engine), source, wanted, None);
        let (mut changes, mut wished) = (changes, wished);
        tokio::task::spawn_local(async move { registry.run(&mut changes, &mut wished).await });
        Self { engine, exchange, metrics, roster, wishes }
    }

    /// The sum of a counter or gauge, as scrapers see it.
    pub(super) fn counter(&self, name: &str) -> u64 {
        counter(&self.metrics, name)
    }

    pub(super) fn recorded(&self) -> Vec<String> {
        let mut symbols: Vec<_> = self.engine.contracts.iter().map(|contract| contract.symbol.to_string()).collect();
        symbols.sort();
        symbols
    }

    /// What was announced, the oldest first.
    fn announced(&self) -> Vec<(String, News)> {
        let announced = self.engine.announcements.after(0).into_iter();
        announced.map(|one| (one.symbol.to_string(), one.news)).collect()
    }

    /// The newest time at which a contract's tape has a trade.
    fn newest(&self, symbol: &str) -> Option<UnixMillis> {
        self.engine.contracts.find(symbol)?.tape.newest(1).first().map(|trade| trade.time)
    }
}

/// Four that trade, one that will be listed in an hour, and one that will be delisted then.
fn setup() -> Setup {
    let all = ["AUSDT", "BUSDT", "币安人生USDT", "BTCUSDT_261225", "NEWUSDT", "OLDUSDT"];
    let mut setup = Setup::generated(51, &all.map(|symbol| (symbol, TapeKind::Aggregate, 120)));
    setup.start = START / HOUR_MS * HOUR_MS;
    let hour = at(setup.start + HOUR_MS);
    for contract in &mut setup.exchange.contracts {
        match contract.symbol.as_str() {
            "NEWUSDT" => contract.onboard = hour,
            "OLDUSDT" => contract.delivery = hour,
            _ => {}
        }
    }
    setup.contracts.truncate(1);
    setup
}

#[test]
fn what_fits_a_pattern_comes_and_goes_with_the_listing() {
    in_virtual_time(async {
        let scene = Scene::start(&setup(), r#"["AUSDT", "*USDT"]"#);
        assert_eq!(scene.recorded(), ["AUSDT"], "what is named waits for no listing");
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.recorded(), ["AUSDT", "BUSDT", "OLDUSDT", "币安人生USDT"]);
        assert!(scene.recorded().iter().all(|symbol| scene.newest(symbol).is_some()), "each has trades");
        tokio::time::sleep(60 * MINUTE + REFRESH).await;
        // What is over stays for an hour after its last trade.
        assert_eq!(scene.recorded(), ["AUSDT", "BUSDT", "NEWUSDT", "OLDUSDT", "币安人生USDT"]);
        let listing = scene.engine.contracts.find("OLDUSDT").and_then(|contract| contract.listing.load_full());
        assert_eq!(listing.expect("listed").status, "SETTLING");
        let new = scene.engine.contracts.find("NEWUSDT").expect("recorded");
        assert!(new.tape.held().first().is_some_and(|trade| trade.time >= at(setup().start + HOUR_MS)));
        tokio::time::sleep(60 * MINUTE + REFRESH).await;
        assert_eq!(scene.recorded(), ["AUSDT", "BUSDT", "NEWUSDT", "币安人生USDT"]);
        let text = scene.metrics.text().expect("encodes");
        assert!(!text.contains("tapedeck_upstream_reconnects_total{"), "no socket was touched");
        let told = scene.announced();
        let of = |symbol: &str| told.iter().filter(|(of, _)| of == symbol).map(|(_, news)| news).collect::<Vec<_>>();
        assert_eq!(of("BUSDT"), [&News::Recorded], "what was listed at the start is no news");
        let settling = News::Status { from: "TRADING".to_owned(), to: "SETTLING".to_owned() };
        assert_eq!(of("OLDUSDT"), [&News::Recorded, &settling, &News::Ended(Ending::Delisted)]);
        assert!(matches!(of("NEWUSDT")[..], [News::Listed { .. }, .., News::Recorded]), "{told:?}");
    });
}

#[test]
fn a_listing_that_the_venue_tells_of_is_picked_up_at_once() {
    in_virtual_time(async {
        let setup = Setup { market: vec![StreamKind::ContractInfo, StreamKind::MarkPrice], ..setup() };
        let scene = Scene::reading_every(100 * REFRESH, &setup, r#"["AUSDT", "*USDT"]"#);
        tokio::time::sleep(59 * MINUTE).await;
        assert!(!scene.recorded().contains(&"NEWUSDT".to_owned()));
        tokio::time::sleep(MINUTE + Duration::from_secs(10)).await;
        assert!(scene.recorded().contains(&"NEWUSDT".to_owned()), "{:?}", scene.recorded());
        let listing = scene.engine.contracts.find("OLDUSDT").and_then(|contract| contract.listing.load_full());
        assert_eq!(listing.expect("listed").status, "SETTLING");
        assert_eq!(scene.engine.contracts.find("OLDUSDT").expect("recorded").state().name(), "delisted");
    });
}

#[test]
fn another_selection_changes_only_what_differs() {
    in_virtual_time(async {
        let scene = Scene::start(&setup(), r#"["AUSDT"]"#);
        tokio::time::sleep(MINUTE).await;
        let kept = scene.engine.contracts.find("AUSDT").expect("recorded");
        scene.wishes.send_replace(wanted(r#""all""#));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.recorded(), ["AUSDT", "BTCUSDT_261225", "BUSDT", "OLDUSDT", "币安人生USDT"]);
        scene.wishes.send_replace(wanted(r#"["AUSDT", "BTCUSDT_??????"]"#));
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.recorded(), ["AUSDT", "BTCUSDT_261225"]);
        assert!(Arc::ptr_eq(&kept, &scene.engine.contracts.find("AUSDT").expect("recorded")));
        assert!(scene.newest("BTCUSDT_261225").is_some());
    });
}

#[test]
fn a_contract_that_is_to_be_recorded_in_another_way_begins_anew_and_no_other() {
    in_virtual_time(async {
        let scene = Scene::start(&setup(), r#"["AUSDT", "BUSDT"]"#);
        tokio::time::sleep(MINUTE).await;
        let find = |symbol: &str| scene.engine.contracts.find(symbol).expect("recorded");
        let before = ["AUSDT", "BUSDT"].map(find);
        let spec = |symbol: &Symbol| {
            let book = (symbol.as_str() == "BUSDT").then(|| market::BookSpec::new(Vec::new(), 5));
            let kept = market::Kept { large_trade_usd: 7, ..market::Kept::default() };
            market::Spec { book, kept, ..(symbol.clone(), TapeKind::Aggregate, RING_TRADES).into() }
        };
        let wanted = Wanted { spec: Arc::new(spec), ..wanted(r#"["AUSDT", "BUSDT"]"#) };
        scene.wishes.send_replace(wanted);
        tokio::time::sleep(MINUTE).await;
        let after = ["AUSDT", "BUSDT"].map(find);
        assert!(Arc::ptr_eq(&before[0], &after[0]) && before[1].ending() == Some(Ending::Reconfigured));
        assert!(before[1].book.is_none() && after[1].book.is_some());
        assert!(after.iter().all(|contract| contract.kept.load().large_trade_usd == 7), "what is kept is taken over");
        assert!(after[1].tape.newest(1).first().is_some_and(|newest| newest.time > scene.exchange.now().plus(-10_000)));
    });
}

#[test]
fn clients_add_and_remove_what_the_venue_lists() {
    in_virtual_time(async {
        let scene = Scene::start(&setup(), r#"["AUSDT", "BUSDT"]"#);
        let ask = |text: &str, wish| scene.roster.ask(symbol(text), wish);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(ask("币安人生USDT", Wish::Begin).await, Ok(()));
        assert_eq!(ask("AUSDT", Wish::Begin).await, Err(ChangeError::Add(AddError::Known(symbol("AUSDT")))));
        let unlisted = ChangeError::Unlisted { symbol: symbol("OLDUSD"), nearest: symbol("OLDUSDT") };
        assert_eq!(ask("OLDUSD", Wish::Begin).await, Err(unlisted));
        assert_eq!(ask("BUSDT", Wish::End).await, Ok(()));
        assert_eq!(ask("BUSDT", Wish::End).await, Err(ChangeError::NotRecorded(symbol("BUSDT"))));
        tokio::time::sleep(2 * REFRESH).await;
        assert_eq!(scene.recorded(), ["AUSDT", "币安人生USDT"], "the listing does not undo what was asked for");
        assert_eq!(ask("BUSDT", Wish::Begin).await, Ok(()));
        tokio::time::sleep(MINUTE).await;
        assert!(scene.newest("BUSDT") > Some(scene.exchange.now().plus(-60_000)));
    });
}

#[test]
fn a_venue_that_does_not_answer_keeps_nothing_named_from_being_recorded() {
    in_virtual_time(async {
        let setup = setup();
        let scene = Scene::start(&setup, r#"["AUSDT", "*"]"#);
        scene.exchange.faults().rest().next("/fapi/v1/exchangeInfo", sim::RestFault::Overloaded, 20);
        assert_eq!(scene.roster.ask(symbol("BUSDT"), Wish::Begin).await, Err(ChangeError::ListingUnknown));
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.recorded(), ["AUSDT"]);
        assert!(scene.newest("AUSDT").is_some());
        tokio::time::sleep(30 * MINUTE).await;
        assert_eq!(scene.recorded().len(), 5);
    });
}
