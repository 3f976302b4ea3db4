//! Is every book that may be believed the exchange's, whatever happens to its stream and its snapshots?

mod crash;
mod faults;
pub(crate) mod recording;
mod silence;

use super::*;
use std::{cell::Cell, rc::Rc};
use tapedeck::{
    api::Background,
    app::{BookWatch, Keeping, Snapshots},
    book::{Ladder, State, Step},
    history::{
        budget::{self, Budget},
        rest::Source,
    },
    market::BookSpec,
    model::{BookSnapshot, Level},
    net::FetchLimits,
    sim::ExchangeFetch,
};

/// Two connections: one of two lively books, and a quiet one.
const CONTRACTS: [(&str, TapeKind, u32); 3] = [
    ("BTCUSDT", TapeKind::Aggregate, 3_000),
    ("SOLUSDT", TapeKind::Aggregate, 300),
    ("AUSDT", TapeKind::Aggregate, 20),
];
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When the exchange's update ids began, and how many a millisecond has; see `sim`.
const IDS: (i64, u64) = (1_567_900_800_000, 1_024);

/// An exchange, the engine that keeps its books, and somebody who compares them all the time.
struct Scene {
    engine: Rc<Engine>,
    exchange: Arc<Exchange>,
    metrics: Arc<Metrics>,
    /// Looks at synced books so far.
    looks: Rc<Cell<u64>>,
    /// Ends when a book is not the exchange's.
    comparing: tokio::task::JoinHandle<()>,
}

/// By which books are recorded.
pub(crate) fn steps() -> Vec<Step> {
    ["1x", "10x", "0.5"].map(|text| Step::parse(text).expect("a step")).to_vec()
}

/// Asks the exchange for the snapshots of the engine's books, for ever.
pub(crate) fn serve_snapshots(exchange: &Arc<Exchange>, engine: &Engine, metrics: &Arc<Metrics>) {
    let snapshots = Snapshots {
        contracts: Arc::clone(&engine.contracts),
        bell: Arc::clone(&engine.snapshot_bell),
        source: Source {
            fetch: Arc::new(ExchangeFetch::new(Arc::clone(exchange), FetchLimits::default())),
            budget: Budget::new(budget::Options::default(), Clock::starting_at(exchange.now()), Arc::clone(metrics)),
            rest_url: "http://memory".to_owned(),
            seed: 1,
        },
        metrics: Arc::clone(metrics),
    };
    let keeping = Keeping { readiness: Arc::default(), metrics: Arc::clone(metrics) };
    tokio::task::spawn_local(keeping.keep(Background::Snapshots, move |_| snapshots.clone().run()));
}

impl Scene {
    fn start(seed: u64) -> Self {
        Self::at_speed(DepthSpeed::Every100Ms, seed)
    }

    fn at_speed(depth: DepthSpeed, seed: u64) -> Self {
        let setup = Setup {
            book: Some(BookSpec::new(steps(), 15)),
            market: vec![StreamKind::BookTicker],
            depth,
            ..Setup::generated(seed, &CONTRACTS)
        };
        Self::over(setup.start())
    }

    fn over(rig: Rig) -> Self {
        let Rig { exchange, engine, metrics } = rig;
        let looks = Rc::default();
        let comparing = compare(Arc::clone(&engine.contracts), Arc::clone(&exchange), Rc::clone(&looks));
        let comparing = tokio::task::spawn_local(comparing);
        let scene = Self { engine: Rc::new(engine), exchange, metrics, looks, comparing };
        serve_snapshots(&scene.exchange, &scene.engine, &scene.metrics);
        let clock = Clock::starting_at(scene.exchange.now());
        let watch = BookWatch { engine: Rc::clone(&scene.engine), clock, metrics: Arc::clone(&scene.metrics) };
        tokio::task::spawn_local(watch.run());
        scene
    }

    fn contract(&self, symbol: &str) -> Arc<market::Contract> {
        self.engine.contracts.find(symbol).expect("recorded")
    }

    fn state(&self, symbol: &str) -> State {
        self.contract(symbol).book.as_ref().expect("kept").read(|replica| replica.state())
    }

    /// Waits until every book is synced; how many milliseconds that took.
    async fn synced(&self) -> u128 {
        self.until(|scene| {
            scene.engine.contracts.iter().all(|contract| scene.state(contract.symbol.as_str()) == State::Synced)
        })
        .await
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) -> u128 {
        let begun = tokio::time::Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < 10 * MINUTE, "it stays so");
            assert!(!self.comparing.is_finished(), "a book was not the exchange's");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        begun.elapsed().as_millis()
    }

    fn figure(&self, line: &str) -> u64 {
        let text = self.metrics.text().expect("encodes");
        let line = format!("tapedeck_{line} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
    }

    fn faults(&self, name: &str) -> u64 {
        self.figure(&format!("book_faults_total{{fault=\"{name}\"}}"))
    }
}

/// Compares every synced book with the truth, for ever.
async fn compare(contracts: Arc<market::Contracts>, exchange: Arc<Exchange>, looks: Rc<Cell<u64>>) {
    loop {
        for contract in contracts.iter() {
            looks.set(looks.get() + u64::from(is_true(&contract, &exchange)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether the book is synced; then it must be the exchange's.
fn is_true(contract: &market::Contract, exchange: &Exchange) -> bool {
    let Some(book) = &contract.book else { return false };
    let told = book.read(|replica| {
        let book = replica.book()?;
        Some((book.last_id(), [(book.bids(), true), (book.asks(), false)].map(|(ladder, is_bid)| side(ladder, is_bid))))
    });
    let Some((last_id, [bids, asks])) = told else { return false };
    let truth = truth_at(exchange, &contract.symbol, last_id);
    for ((levels, reach, is_bid), truth) in [(bids, truth.bids), (asks, truth.asks)] {
        let is_within = |price: Price| reach.is_none_or(|reach| if is_bid { price >= reach } else { price <= reach });
        let truth: Vec<Level> = truth.into_iter().filter(|level| is_within(level.price)).collect();
        assert!(!levels.is_empty(), "{}: {last_id} has an empty side", contract.symbol);
        assert_eq!(levels, truth, "{}: {last_id}", contract.symbol);
    }
    true
}

fn side(ladder: &Ladder, is_bid: bool) -> (Vec<Level>, Option<Price>, bool) {
    (ladder.trusted().collect(), ladder.reach(), is_bid)
}

/// The whole book when its newest change had the id `last_id`, or another that no change of this book has.
pub(crate) fn truth_at(exchange: &Exchange, symbol: &Symbol, last_id: u64) -> BookSnapshot {
    let time = IDS.0 + i64::try_from(last_id / IDS.1).expect("a time");
    let truth = |time| exchange.truth_book(symbol, at(time)).expect("it has a book");
    // What begins with this id ends later.
    Some(truth(time)).filter(|book| book.last_id <= last_id).unwrap_or_else(|| truth(time - 1))
}
