//! Does somebody notice that a stream does not flow, and do something about it?

mod whole;

use super::*;
use std::rc::Rc;
use tapedeck::{
    app::Watching,
    feed::StreamKey,
    history::budget::{self, Budget},
    market::State,
    metrics::Labels,
    net::FetchLimits,
    sim::{ExchangeFetch, Path, RestFault},
};

/// Two connections of two streams: lively ones, and a quiet pair.
const CONTRACTS: [(&str, TapeKind, u32); 4] = [
    ("AUSDT", TapeKind::Aggregate, 3_000),
    ("BUSDT", TapeKind::Aggregate, 1_200),
    ("CUSDT", TapeKind::Aggregate, 20),
    ("DUSDT", TapeKind::Aggregate, 12),
];

struct Scene {
    engine: Rc<Engine>,
    exchange: Arc<Exchange>,
    metrics: Arc<Metrics>,
}

impl Scene {
    fn start(seed: u64) -> Self {
        Self::of(&Setup::generated(seed, &CONTRACTS))
    }

    fn of(setup: &Setup) -> Self {
        let Rig { exchange, engine, metrics } = setup.start();
        let scene = Self { engine: Rc::new(engine), exchange, metrics };
        let clock = Clock::starting_at(scene.exchange.now());
        let watching = Watching {
            engine: Rc::clone(&scene.engine),
            fetch: Arc::new(ExchangeFetch::new(Arc::clone(&scene.exchange), FetchLimits::default())),
            budget: Budget::new(budget::Options::default(), clock, Arc::clone(&scene.metrics)),
            rest_url: "http://memory".to_owned(),
            clock,
            metrics: Arc::clone(&scene.metrics),
        };
        tokio::task::spawn_local(watching.run());
        scene
    }

    fn state(&self, symbol: &str) -> State {
        self.engine.contracts.find(symbol).expect("recorded").state()
    }

    /// How many seconds until a contract is in one of `states`.
    async fn until(&self, symbol: &str, states: &[State]) -> u64 {
        let begun = tokio::time::Instant::now();
        while !states.contains(&self.state(symbol)) {
            assert!(begun.elapsed() < 10 * MINUTE, "{symbol} is {:?} and stays it", self.state(symbol));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begun.elapsed().as_secs()
    }

    /// Waits until a contract is not going to be traded for so many seconds.
    async fn wait_until_quiet(&self, contract: &market::Contract, seconds: i64) {
        let is_quiet = || {
            let now = self.exchange.now();
            self.exchange.truth(&contract.symbol, now.plus(-2_000), now.plus(seconds * 1_000)).is_empty()
        };
        while contract.tape.newest_id().is_none() || !is_quiet() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Connections that have ended for this reason.
    fn ended_for(&self, reason: &'static str) -> u64 {
        self.metrics.upstream_reconnects.get_or_create(&Labels::new([("reason", reason)])).get()
    }

    fn remedies(&self, name: &str) -> u64 {
        let text = self.metrics.text().expect("encodes");
        let line = format!("tapedeck_stream_remedies_total{{remedy=\"{name}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
    }
}

const IN_TROUBLE: [State; 2] = [State::Recovering, State::Stale];
/// Nobody fetches missing trades here.
const FLOWING: [State; 2] = [State::Live, State::Backfilling];

#[test]
fn a_healthy_exchange_is_left_alone() {
    in_virtual_time(async {
        let scene = Scene::start(61);
        tokio::time::sleep(60 * MINUTE).await;
        for remedy in ["ask_again", "move_away", "renew", "reroute"] {
            assert_eq!(scene.remedies(remedy), 0, "{remedy}");
        }
        assert!(CONTRACTS.iter().all(|(symbol, ..)| scene.state(symbol) == State::Live));
    });
}

#[test]
fn a_contract_that_nobody_trades_is_live_by_the_venues_word_alone() {
    in_virtual_time(async {
        // The second is traded once a minute, which is to say not for minutes now and then.
        let setup = Setup::generated(67, &[("AUSDT", TapeKind::Aggregate, 600), ("QUSDT", TapeKind::Aggregate, 1)]);
        let scene = Scene::of(&setup);
        let quiet = scene.engine.contracts.find("QUSDT").expect("recorded");
        scene.wait_until_quiet(&quiet, 90).await;
        scene.exchange.faults().cut(false);
        assert!(scene.until("QUSDT", &[State::Recovering]).await <= 1, "an acknowledgement proves nothing");
        let spoken_for = scene.until("QUSDT", &[State::Live]).await;
        assert!((10..=25).contains(&spoken_for) && !quiet.stream.is_flowing(), "{spoken_for}");
        scene.exchange.faults().rest().next("/fapi/v1/ticker/24hr", RestFault::Overloaded, 100);
        let doubted = scene.until("QUSDT", &[State::Recovering]).await;
        assert!((15..=35).contains(&doubted) && !quiet.stream.is_flowing(), "{doubted}");
        assert!(FLOWING.contains(&scene.state("AUSDT")));
        scene.exchange.faults().heal();
        scene.until("QUSDT", &[State::Live]).await;
        scene.exchange.faults().refuse(true);
        scene.exchange.faults().cut(false);
        assert!(scene.until("QUSDT", &[State::Recovering]).await <= 1, "nobody is asked for it");
    });
}

#[test]
fn one_contract_that_falls_silent_is_asked_for_anew_and_flows() {
    in_virtual_time(async {
        let scene = Scene::start(62);
        tokio::time::sleep(5 * MINUTE).await;
        for (symbol, within) in [("AUSDT", 10), ("BUSDT", 10), ("CUSDT", 60)] {
            let contract = scene.engine.contracts.find(symbol).expect("recorded");
            let quiet_from = contract.tape.newest_id();
            scene.exchange.faults().streams().strand(&contract.symbol);
            // Silence is none before there is something to tell.
            while scene
                .exchange
                .truth(&contract.symbol, scene.exchange.now().plus(-1_000), scene.exchange.now())
                .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let noticed = scene.until(symbol, &IN_TROUBLE).await;
            let healed = scene.until(symbol, &FLOWING).await;
            eprintln!("{symbol}: noticed after {noticed} s, flows {healed} s later");
            assert!(noticed <= within && healed <= 60, "{symbol}");
            assert!(contract.tape.newest_id() > quiet_from);
        }
        assert!(scene.remedies("ask_again") > 0 && scene.remedies("reroute") == 0);
    });
}

#[test]
fn one_contract_that_stays_silent_whatever_is_tried_is_called_stale() {
    in_virtual_time(async {
        let scene = Scene::start(65);
        tokio::time::sleep(5 * MINUTE).await;
        let muted = symbol("AUSDT");
        scene.exchange.faults().mute(&muted, true);
        let noticed = scene.until("AUSDT", &IN_TROUBLE).await;
        let stale = scene.until("AUSDT", &[State::Stale]).await;
        eprintln!("noticed after {noticed} s, called stale {stale} s later");
        assert!(noticed <= 10 && stale <= 45);
        tokio::time::sleep(10 * MINUTE).await;
        let tried: u64 = ["ask_again", "move_away", "renew", "reroute"].map(|name| scene.remedies(name)).iter().sum();
        assert!((8..=20).contains(&tried), "once a minute: {tried}");
        assert!(FLOWING.contains(&scene.state("BUSDT")), "it may have moved with it, and flows");
        scene.exchange.faults().mute(&muted, false);
        scene.until("AUSDT", &FLOWING).await;
    });
}

#[test]
fn a_path_that_is_dead_is_left_for_another_until_one_delivers() {
    in_virtual_time(async {
        let scene = Scene::start(66);
        scene.exchange.faults().streams().deaden(Path::Market);
        // Dead from the start: nothing was ever heard of it.
        let renewed = scene.until("AUSDT", &IN_TROUBLE).await;
        scene.until("AUSDT", &[State::Stale]).await;
        eprintln!("noticed after {renewed} s");
        assert!(renewed <= 60 && scene.remedies("reroute") > 0);
        scene.exchange.faults().streams().revive(Path::Market);
        let healed = scene.until("AUSDT", &FLOWING).await;
        eprintln!("flows {healed} s after its path was revived");
        // No other path carries trades: its own has its turn every third minute.
        assert!(healed <= 200);
    });
}

#[test]
fn a_venue_that_tells_nothing_raises_no_alarm() {
    in_virtual_time(async {
        let scene = Scene::start(64);
        tokio::time::sleep(MINUTE).await;
        scene.exchange.faults().rest().next("/fapi/v1/ticker/24hr", RestFault::Overloaded, 100);
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(scene.remedies("ask_again") + scene.remedies("renew"), 0);
    });
}

#[test]
fn a_connection_that_never_brings_anything_is_opened_on_another_path_until_one_delivers() {
    in_virtual_time(async {
        let market = vec![StreamKind::BookTicker];
        let scene = Scene::of(&Setup { market, ..Setup::generated(68, &CONTRACTS) });
        scene.exchange.faults().streams().deaden(Path::Public);
        let contract = scene.engine.contracts.find("AUSDT").expect("recorded");
        tokio::time::sleep(80 * Duration::from_secs(1)).await;
        assert!(scene.remedies("reroute") == 1 && contract.figures.top().is_none());
        assert_eq!(scene.ended_for("mute"), 2, "half a minute each");
        scene.exchange.faults().streams().revive(Path::Public);
        let begun = tokio::time::Instant::now();
        while contract.figures.top().is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        eprintln!("flows {} s after its path was revived", begun.elapsed().as_secs());
        // Its own path has its turn every third time.
        assert!(begun.elapsed() <= 4 * MINUTE);
        assert_eq!(scene.state("AUSDT"), State::Live, "nothing of it is on that path");
    });
}

#[test]
fn a_stream_of_all_contracts_that_falls_silent_beside_others_is_asked_for_on_another_connection() {
    in_virtual_time(async {
        let market = vec![StreamKind::MarkPrice, StreamKind::Ticker, StreamKind::ForceOrder];
        let scene = Scene::of(&Setup { market, ..Setup::generated(69, &CONTRACTS) });
        let contract = scene.engine.contracts.find("AUSDT").expect("recorded");
        tokio::time::sleep(5 * MINUTE).await;
        let silent_ms = || scene.exchange.now().since(contract.figures.ticker().expect("told").close_time);
        assert!(scene.ended_for("partial") == 0 && silent_ms() < 5_000);
        scene.exchange.faults().streams().strand_stream("!ticker@arr");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(scene.ended_for("partial") == 1 && silent_ms() < 5_000, "{}", silent_ms());
        // For ten minutes the same is not done again: it may be the exchange that has nothing to say.
        scene.exchange.faults().streams().strand_stream("!ticker@arr");
        tokio::time::sleep(9 * MINUTE).await;
        assert!(scene.ended_for("partial") == 1 && silent_ms() > 500_000, "{}", silent_ms());
        tokio::time::sleep(2 * MINUTE).await;
        assert!(scene.ended_for("partial") == 2 && silent_ms() < 5_000, "{}", silent_ms());
    });
}
