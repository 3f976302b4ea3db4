//! How soon is a fault found among the 800 contracts of the whole venue, and how soon is it over?
//!
//! Times are printed; the bounds are those of the project: 10 s for a contract that trades all the time, 60 s for any.

use super::*;
use tapedeck::{model::ContractId, sim::many_contracts};

/// Contracts of the whole venue at its average rate: 50 million trades a day.
fn venue(seed: u64) -> Setup {
    let contracts = many_contracts(800, seed);
    let mut setup = Setup::generated(seed, &[]);
    let names = contracts.iter().map(|contract| (&*contract.symbol.as_str().to_owned().leak(), TapeKind::Aggregate));
    setup.contracts = names.collect();
    setup.exchange.contracts = contracts;
    setup.streams_max = 200;
    setup
}

impl Scene {
    fn missing(&self) -> u64 {
        self.engine.contracts.iter().map(|contract| contract.tape.missing()).sum()
    }

    fn place_of(&self, contract: &market::Contract) -> usize {
        self.engine.place_of(StreamKey::Trades(contract.id)).expect("on a connection")
    }

    /// How long until `is_so`, looked at ten times a second.
    async fn seconds_until(&self, is_so: impl Fn(&Self) -> bool) -> f64 {
        let begun = tokio::time::Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < 10 * MINUTE, "it does not come");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begun.elapsed().as_secs_f64()
    }

    /// Connections that have ended before their time, and why.
    fn ended(&self) -> Vec<String> {
        let text = self.metrics.text().expect("encodes");
        let ended = text.lines().filter_map(|line| line.strip_prefix("tapedeck_upstream_reconnects_total{reason="));
        ended.map(str::to_owned).collect()
    }
}

#[test]
fn one_of_800_contracts_that_falls_silent_is_found_and_flows() {
    in_virtual_time(async {
        let scene = Scene::of(&venue(71));
        tokio::time::sleep(5 * MINUTE).await;
        // By how much they trade: the first 4 % of all, the last three trades a minute.
        let ranked: Vec<_> = scene.engine.contracts.iter().collect();
        for (rank, within) in [(0, 10.0), (20, 10.0), (100, 60.0), (400, 60.0), (799, 60.0)] {
            let contract = &ranked[rank];
            let stranded_at = scene.exchange.now();
            scene.exchange.faults().streams().strand(&contract.symbol);
            // Silence is none before there is something to tell.
            let is_lacking = |scene: &Scene| {
                let until = scene.exchange.now().plus(-1_000);
                until > stranded_at && !scene.exchange.truth(&contract.symbol, stranded_at, until).is_empty()
            };
            scene.seconds_until(is_lacking).await;
            let noticed = scene.seconds_until(|_| IN_TROUBLE.contains(&contract.state())).await + 1.0;
            let healed = scene.seconds_until(|_| FLOWING.contains(&contract.state())).await;
            let symbol = &contract.symbol;
            eprintln!("number {rank}, {symbol}: noticed {noticed:.1} s after a trade, flows {healed:.1} s later");
            assert!(noticed <= within && healed <= 60.0, "{symbol}");
        }
        let remedies = ["move_away", "renew", "reroute"].map(|name| scene.remedies(name));
        assert_eq!(remedies, [0; 3], "nobody else is touched");
    });
}

#[test]
fn one_connection_of_800_contracts_that_delivers_a_fortieth_is_opened_anew() {
    in_virtual_time(async {
        let scene = Scene::of(&venue(72));
        tokio::time::sleep(2 * MINUTE).await;
        let contracts: Vec<_> = scene.engine.contracts.iter().collect();
        let places: Vec<_> = contracts.iter().map(|contract| scene.place_of(contract)).collect();
        for at in 0..=*places.iter().max().expect("some") {
            // The first of all is on every connection, as its canary.
            let mut carried = contracts.iter().zip(&places).skip(1);
            let (carried, _) = carried.find(|(_, place)| **place == at).expect("carries some");
            let (ended, missing) = (scene.ended(), scene.missing());
            scene.exchange.faults().streams().thin_carrier(&carried.symbol, 25);
            let found = scene.seconds_until(|scene| scene.ended() != ended).await;
            let ended = scene.ended();
            let connected = scene.seconds_until(|_| FLOWING.contains(&carried.state())).await;
            // A hole shows at its contract's next trade.
            tokio::time::sleep(6 * MINUTE).await;
            let lost = scene.missing();
            tokio::time::sleep(MINUTE).await;
            eprintln!(
                "connection {at}: found after {found:.1} s, flows {connected:.1} s later, {} ids missing; ends: {ended:?}",
                lost - missing
            );
            assert!(found <= if at == 0 { 10.0 } else { 60.0 } && connected <= 60.0);
            assert_eq!(scene.missing(), lost, "it delivers everything again");
            assert_eq!(scene.ended(), ended, "once");
        }
    });
}

#[test]
fn a_path_of_800_contracts_that_is_dead_from_the_start_is_found_and_left() {
    in_virtual_time(async {
        let scene = Scene::of(&venue(73));
        scene.exchange.faults().streams().deaden(Path::Market);
        let ids: Vec<ContractId> = scene.engine.contracts.iter().map(|contract| contract.id).collect();
        let count = |scene: &Scene, states: &[State]| {
            let contracts = ids.iter().filter_map(|id| scene.engine.contracts.get(*id));
            contracts.filter(|contract| states.contains(&contract.state())).count()
        };
        let behind = |scene: &Scene| counter(&scene.metrics, "streams_behind");
        let first = scene.seconds_until(|scene| behind(scene) > 0).await;
        let rerouted = scene.seconds_until(|scene| scene.remedies("reroute") >= 4).await;
        eprintln!("noticed after {first:.1} s; every connection is on another path {rerouted:.1} s later");
        assert!(first <= 60.0 && rerouted <= 60.0);
        scene.exchange.faults().streams().revive(Path::Market);
        let nearly_all = ids.len() * 9 / 10;
        let flows = scene.seconds_until(|scene| count(scene, &FLOWING) >= nearly_all).await;
        let over = scene.seconds_until(|scene| behind(scene) == 0).await;
        eprintln!(
            "after its path is revived, nine of ten contracts flow in {flows:.1} s, all that trade {over:.1} s later"
        );
        assert!(flows <= 200.0);
    });
}
