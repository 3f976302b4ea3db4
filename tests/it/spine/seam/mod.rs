//! Do holes heal over REST while the stream goes on: after a cut, a start, a day, and in the middle of it all?

mod archive;
mod cuts;
mod days;
mod faults;
mod resume;
mod schedule;
mod sockets;

use super::{
    restart::{options, walk},
    *,
};
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};
use tapedeck::{
    app::{Healing, Keeping},
    history::{
        archive::Limits,
        budget::{self, Budget},
        download::{self, Staging, Ways},
        jobs::{self, Arrival, Jobs, Recheck, Runner, Sweep},
        rest::{Piece, Source},
        seam,
    },
    model::{IdRange, Trade},
    net::{DialError, DialFuture, Fetch, FetchFuture, FetchLimits},
    query::{self, CandlesWanted},
    sim::{ExchangeDialer, ExchangeFetch, Host},
    store::{
        self, Filler, Holding, Opened,
        desk::Desk,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        library::Library,
        record::{Kind, Origin},
        storage::Options as StoreOptions,
    },
};

const AGG_TRADES: &str = "/fapi/v1/aggTrades";

/// A dialler of a host that can be away.
struct Gate {
    dialer: ExchangeDialer<MemoryDialer>,
    away: Arc<AtomicBool>,
}

impl Dial for Gate {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> DialFuture<'a> {
        if self.away.load(Ordering::Relaxed) {
            let source = std::io::ErrorKind::ConnectionRefused.into();
            return Box::pin(std::future::ready(Err(DialError::Connect { address: endpoint.address(), source })));
        }
        self.dialer.dial(endpoint)
    }
}

/// One life of an engine whose holes are healed.
struct Scene {
    rig: Rig,
    away: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Piece>>>,
    /// Who hears of what jobs bring.
    arrived: tokio::sync::mpsc::Sender<Arrival>,
    /// The machine it runs on, and its clock.
    host: Arc<Host>,
    clock: Clock,
}

/// What an engine stands on in one life.
struct Life<'a> {
    contracts: &'a [(&'static str, TapeKind, u32)],
    start: i64,
    /// None keeps nothing.
    disk: Option<&'a SimulatedDisk>,
    /// How often the store writes.
    step: Duration,
    /// Memory for rows that are not durable.
    queue_bytes: usize,
    heals: bool,
    /// Whether the archive is asked, too.
    asks_archive: bool,
    /// What the market grows from.
    seed: u64,
    /// What is done to the exchange before it opens.
    spoil: fn(&mut sim::Options),
}

impl<'a> Life<'a> {
    fn new(contracts: &'a [(&'static str, TapeKind, u32)]) -> Self {
        Self {
            contracts,
            start: START,
            disk: None,
            step: Duration::from_millis(10),
            queue_bytes: options().queue_bytes,
            heals: true,
            asks_archive: false,
            seed: 77,
            spoil: |_| {},
        }
    }

    fn on(self, disk: &'a SimulatedDisk) -> Self {
        Self { disk: Some(disk), ..self }
    }

    fn from(self, start: i64) -> Self {
        Self { start, ..self }
    }

    /// Runs `scene` in it.
    fn run<R>(self, scene: impl AsyncFnOnce(Scene) -> R) -> R {
        in_virtual_time(async move {
            let mut setup = Setup { start: self.start, ..Setup::generated(self.seed, self.contracts) };
            setup.exchange.contracts.iter_mut().for_each(|contract| contract.pace = sim::Pace::Steady);
            (self.spoil)(&mut setup.exchange);
            let (dialer, listener) = MemoryDialer::pair();
            let (exchange, away) = (setup.open(), Arc::new(AtomicBool::new(false)));
            tokio::task::spawn_local(accept(listener, Arc::clone(&exchange)));
            let dialer = ExchangeDialer::new(Arc::clone(&exchange), dialer);
            let gate = Arc::new(Gate { dialer, away: Arc::clone(&away) });
            let (clock, hand) = Clock::settable(at(self.start));
            let host = Arc::new(Host::new(hand, self.disk.cloned().unwrap_or_else(|| SimulatedDisk::new(0))));
            let (rig, parts) = self.engine(&setup, exchange, Seams { dialer: gate, clock }, &host);
            let source = source(&rig, clock);
            let told = Arc::<Mutex<Vec<Piece>>>::default();
            let (arrived, arrivals) = tokio::sync::mpsc::channel(1);
            if self.heals {
                let noted = Arc::clone(&told);
                let tell: seam::Told = Arc::new(move |_, piece| noted.lock().expect("whole").push(piece.clone()));
                let seam = Some(seam::Options { fills_max: 2 });
                if let Some(parts) = parts.filter(|_| self.asks_archive) {
                    parts.ask_archive(&rig, source.clone(), arrived.clone());
                }
                let keeping = Keeping { readiness: Arc::default(), metrics: Arc::clone(&rig.metrics) };
                let healing = Healing { source, seam, told: tell, arrivals };
                tokio::task::spawn_local(rig.engine.heal(healing, keeping));
            }
            scene(Scene { rig, away, told, arrived, host, clock }).await
        })
    }

    fn engine(&self, setup: &Setup, exchange: Arc<Exchange>, seams: Seams, host: &Arc<Host>) -> (Rig, Option<Parts>) {
        let Some(disk) = self.disk else {
            return (setup.start_holding(exchange, seams, "ws://memory", |_| {}), None);
        };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = seams.clock;
        let options = StoreOptions { queue_bytes: self.queue_bytes, ..options() };
        let mut opened = store::open(&disk, &identity(self.start), options, clock).expect("opens");
        let symbols: Vec<_> = self.contracts.iter().map(|(text, ..)| symbol(text)).collect();
        let rows = opened.storage.register(&symbols, clock.now()).expect("registered");
        let (library, desk) = (Arc::clone(&opened.library), opened.desk.clone());
        let hold = |contract: &market::Contract| {
            let row = rows.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
            contract.holding.get_or_init(|| Holding::new(&library, &desk, row.number, Kind::Trade));
        };
        let rig = setup.start_holding(exchange, seams, "ws://memory", hold);
        let parts = Parts { disk, library, desk, filler: opened.sealer.filler(), clock };
        let host = Arc::clone(host);
        tokio::task::spawn_local(write_every(self.step, opened, clock, move || host.is_stalled()));
        (rig, Some(parts))
    }
}

/// What back-fill stands on.
struct Parts {
    disk: Arc<dyn Disk>,
    library: Arc<Library>,
    desk: Desk,
    filler: Filler,
    clock: Clock,
}

impl Parts {
    /// Does jobs, and files one for whatever the archive should have.
    fn ask_archive(self, rig: &Rig, source: Source, arrived: tokio::sync::mpsc::Sender<Arrival>) {
        let jobs = Jobs::open(Arc::clone(&self.disk), self.clock).expect("opens");
        let staging = Arc::new(Staging::open(self.disk).expect("made"));
        let url = "http://sim/archive".to_owned();
        let options = download::Options { list_url: url.clone(), url, zip_bytes_max: 1 << 30, seed: 3 };
        let host =
            Arc::new(download::Host::new(options, Ways::straight(Arc::clone(&source.fetch)), staging, self.clock));
        let options = jobs::Options { downloads: 2, awaited: Duration::from_hours(240), limits: Limits::default() };
        let recheck = Recheck { host: Arc::clone(&host), library: Arc::clone(&self.library), jobs: jobs.clone() };
        let into = (self.library, self.desk, self.filler);
        let budget = source.budget.clone();
        let runner = Runner::new(jobs, (host, source), into, options, self.clock);
        tokio::task::spawn_local(runner.telling(arrived).run());
        let sweep = Sweep::new(Arc::clone(&rig.engine.contracts), recheck, budget, Duration::from_hours(24 * 31));
        tokio::task::spawn_local(sweep.run());
    }
}

fn identity(created: i64) -> Identity {
    Identity { store: 5, venue: "sim".to_owned(), created: at(created) }
}

/// Stores, but while the disk answers nobody.
async fn write_every(step: Duration, mut opened: Opened, clock: Clock, is_stalled: impl Fn() -> bool) {
    loop {
        if !is_stalled() {
            opened.storage.step(clock.now());
            opened.sealer.step();
        }
        tokio::time::sleep(step).await;
    }
}

/// The exchange's REST API, a quarter of a second away.
struct Far(ExchangeFetch);

impl Fetch for Far {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.0.get(url).await
        })
    }

    fn download<'a>(&'a self, url: &'a str, from: u64) -> tapedeck::net::DownloadFuture<'a> {
        self.0.download(url, from)
    }
}

fn source(rig: &Rig, clock: Clock) -> Source {
    let budget = Budget::new(budget::Options::default(), clock, Arc::clone(&rig.metrics));
    let exchange = ExchangeFetch::new(Arc::clone(&rig.exchange), FetchLimits::default());
    Source { fetch: Arc::new(Far(exchange)), budget, rest_url: "http://sim".to_owned(), seed: 3 }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

impl Scene {
    /// The exchange's streams are away for so long.
    async fn cut(&self, length: Duration) {
        self.away.store(true, Ordering::Relaxed);
        self.rig.exchange.faults().cut(false);
        tokio::time::sleep(length).await;
        self.away.store(false, Ordering::Relaxed);
    }

    fn holes(&self, symbol: &str) -> Vec<IdRange> {
        self.rig.contract(symbol).tape.aside().holes().iter().collect()
    }

    fn missing(&self, symbol: &str) -> u64 {
        self.holes(symbol).iter().map(|hole| hole.count()).sum()
    }

    /// Waits until nothing is missing; in seconds.
    async fn healed_within(&self, symbol: &str, seconds_max: u64) -> u64 {
        for waited in 0..seconds_max {
            if self.missing(symbol) == 0 {
                return waited;
            }
            seconds(1).await;
        }
        panic!("{symbol}: {:?} are missing after {seconds_max} s", self.holes(symbol));
    }

    fn counter(&self, name: &str) -> u64 {
        self.rig.counter(name)
    }

    /// Everything held is what the exchange published, without a hole, and so is every candle, in memory and in the store;
    /// only the tape's first and the last may be incomplete.
    async fn assert_whole(&self, symbol: &str) {
        let (rig, contract) = (&self.rig, self.rig.contract(symbol));
        let truth = self.assert_trades_whole(symbol);
        let memory = rig.engine.live.candles(contract.id, Timeframe::MINUTE).await.expect("alive");
        for length in [1, 5] {
            let live = rig.engine.live.candles(contract.id, minutes(length)).await.expect("alive");
            let wanted = CandlesWanted { timeframe: minutes(length), start: Some(at(0)), end: None, limit: 100_000 };
            let held = query::candles(contract.holding.get(), live, &memory, &wanted);
            self.assert_candles(symbol, length, &held, &truth);
        }
        if let Some(holding) = contract.holding.get() {
            let stored = holding.minutes(at(0), at(i64::MAX), usize::MAX, false);
            self.assert_candles(symbol, 1, &stored, &truth);
        }
    }

    /// Every trade held is what the exchange published, without a hole.
    fn assert_trades_whole(&self, symbol: &str) -> Vec<Trade> {
        let (rig, contract) = (&self.rig, self.rig.contract(symbol));
        let (trades, holes) = walk(&contract);
        assert_eq!(holes, [], "{symbol}");
        let (first, last) = (trades[0], trades[trades.len() - 1]);
        let mut truth = rig.exchange.truth(&contract.symbol, first.time, rig.exchange.now());
        truth.retain(|trade| (first.id..=last.id).contains(&trade.id));
        assert!(trades == truth, "{symbol}: {} trades held, {} published", trades.len(), truth.len());
        truth
    }

    fn assert_candles(&self, symbol: &str, length: u32, held: &[tapedeck::model::Candle], truth: &[Trade]) {
        let folded = oracle::fold(minutes(length), truth);
        let closed: Vec<_> = held.iter().filter(|candle| candle.closed).collect();
        let expected = folded.values().take(closed.len());
        for (at, (candle, expected)) in closed.iter().zip(expected).enumerate() {
            // That the last one is complete is proven by the next trade, which may be yet to come.
            let complete = if at == 0 || at + 1 == closed.len() { candle.complete } else { true };
            let expected = tapedeck::model::Candle { complete, revision: candle.revision, ..*expected };
            assert_eq!(**candle, expected, "{symbol}: {length}m");
        }
        assert!(
            closed.len() + 2 >= folded.len(),
            "{symbol}: {} of {} candles of {length}m",
            closed.len(),
            folded.len()
        );
    }
}

/// Runs of ids of a contract that came over REST.
fn fetched(scene: &Scene, symbol: &str) -> Vec<IdRange> {
    let contract = scene.rig.contract(symbol);
    let runs = contract.holding.get().expect("a store").shelf().runs();
    runs.into_iter().filter(|(_, origin)| *origin == Origin::Rest).map(|(ids, _)| ids).collect()
}
