//! Is what subscribers see what the exchange published, through the whole live path, whatever happens on the way?
//!
//! Engine, exchange and subscribers run on one thread, over in-memory streams, in virtual time; `threads` alone runs
//! them on several, over sockets, in real time.

pub(crate) mod books;
mod channels;
mod coming_going;
mod crash;
mod day;
mod faults;
pub(crate) mod oracle;
mod probe;
mod recording;
mod registry;
mod repair;
mod restart;
mod rotation;
mod rows;
mod seam;
mod threads;
mod virtual_time;
mod watching;

use probe::Probe;
use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};
use tapedeck::{
    app::{Engine, Options, Placement, Seams},
    candle::FoldOptions,
    clock::Clock,
    exchange::binance::{DepthSpeed, Routes, StreamKind},
    feed, live,
    live::{Channel, Encoder},
    market::{self, TapeKind},
    metrics::Metrics,
    model::{Price, Symbol, Timeframe, UnixMillis},
    net::{Dial, Endpoint, Limits, MemoryDialer, MemoryListener},
    sim::{self, Exchange, serve_connection},
};

/// 2026-11-20 10:00:30 UTC: in the middle of a minute.
pub(crate) const START: i64 = 1_795_168_830_000;
const MINUTE: Duration = Duration::from_secs(60);
const RING_TRADES: usize = 8_192;

pub(crate) fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a symbol")
}

pub(crate) fn minutes(count: u32) -> Timeframe {
    Timeframe::minutes(count).expect("in range")
}

/// Runs `main` in an actix system of its own under the paused clock.
pub(crate) fn in_virtual_time<R>(main: impl Future<Output = R>) -> R {
    in_system(true, main)
}

fn in_system<R>(paused: bool, main: impl Future<Output = R>) -> R {
    let runtime = move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(paused).build().expect("a runtime")
    };
    actix::System::with_tokio_rt(runtime).block_on(main)
}

/// What is recorded, from which exchange.
pub(crate) struct Setup {
    contracts: Vec<(&'static str, TapeKind)>,
    exchange: sim::Options,
    /// Wall time at the start.
    pub(crate) start: i64,
    /// How rows are written for subscribers.
    pub(crate) encoder: Encoder,
    /// Between the openings of a connection.
    rotation: Duration,
    /// Streams on one connection.
    streams_max: usize,
    /// Whether two connections carry each stream.
    is_doubled: bool,
    /// Streams of all contracts that are followed.
    pub(crate) market: Vec<StreamKind>,
    /// How order books are kept, of every contract.
    pub(crate) book: Option<market::BookSpec>,
    /// How often order books are told of.
    depth: DepthSpeed,
}

impl Setup {
    /// A generated market; every contract trades as often a minute as `rate` says.
    pub(crate) fn generated(seed: u64, contracts: &[(&'static str, TapeKind, u32)]) -> Self {
        let price = |symbol| if symbol == "BTCUSDT" { 8_309_170_000_000 } else { 48_700_000 };
        let listed = |&(symbol, _, rate)| {
            sim::Contract::perpetual(symbol, Price::from_units(price(symbol)), (4, 2), rate).expect("a symbol")
        };
        let exchange =
            sim::Options { seed, contracts: contracts.iter().map(listed).collect(), ..sim::Options::default() };
        let contracts = contracts.iter().map(|&(symbol, kind, _)| (symbol, kind)).collect();
        Self {
            contracts,
            exchange,
            start: START,
            encoder: rows::ENCODER,
            rotation: 60 * 23 * MINUTE,
            streams_max: 2,
            is_doubled: false,
            market: Vec::new(),
            book: None,
            depth: DepthSpeed::Every100Ms,
        }
    }

    /// A recording.
    fn recorded(path: PathBuf, contracts: &[(&'static str, TapeKind)]) -> Self {
        let exchange = sim::Options { recording: Some(path), ..sim::Options::default() };
        Self {
            contracts: contracts.to_vec(),
            exchange,
            start: START,
            encoder: rows::ENCODER,
            rotation: 60 * 23 * MINUTE,
            streams_max: 2,
            is_doubled: false,
            market: Vec::new(),
            book: None,
            depth: DepthSpeed::Every100Ms,
        }
    }

    /// The exchange, without an engine yet.
    fn open(&self) -> Arc<Exchange> {
        Exchange::open(&self.exchange, Clock::starting_at(at(self.start))).expect("a readable recording")
    }

    fn engine_options(&self, endpoint: &str) -> Options {
        let spec = |&(text, kind): &(&str, TapeKind)| market::Spec {
            book: self.book.clone(),
            ..(symbol(text), kind, RING_TRADES).into()
        };
        Options {
            contracts: self.contracts.iter().map(spec).collect(),
            routes: Routes::default(),
            streams_per_connection_max: self.streams_max,
            is_doubled: self.is_doubled,
            market: self.market.clone(),
            depth: self.depth,
            mark_every_ms: 10_000,
            feed: feed::Options {
                endpoint: Endpoint::parse(endpoint).expect("an endpoint"),
                limits: Limits::default(),
                backoff: (Duration::from_millis(500), Duration::from_secs(10)),
                stable_after: MINUTE,
                rotation: feed::Rotation { first: self.rotation, every: self.rotation },
                seed: 7,
            },
            reorder_ms: 300,
            live: live::Options {
                encoders: vec![self.encoder],
                fold: FoldOptions { grace_ms: 300, closed_max: 1_440 },
                slow_cut: Duration::from_secs(5),
            },
        }
    }

    /// Starts exchange and engine over in-memory streams.
    pub(crate) fn start(&self) -> Rig {
        self.start_stored(|_| {})
    }

    /// The same; `hold` says what the store holds of each contract.
    pub(crate) fn start_stored(&self, hold: impl Fn(&market::Contract)) -> Rig {
        let (dialer, listener) = MemoryDialer::pair();
        let exchange = self.open();
        tokio::task::spawn_local(accept(listener, Arc::clone(&exchange)));
        let seams = Seams { dialer: Arc::new(dialer), clock: Clock::starting_at(exchange.now()) };
        self.start_holding(exchange, seams, "ws://memory", hold)
    }

    /// Starts an engine that reaches `exchange` by `dialer`.
    fn start_over(&self, exchange: Arc<Exchange>, dialer: Arc<dyn Dial>, endpoint: &str) -> Rig {
        let clock = Clock::starting_at(exchange.now());
        self.start_holding(exchange, Seams { dialer, clock }, endpoint, |_| {})
    }

    /// The same; `hold` says what the store holds of each contract.
    fn start_holding(
        &self,
        exchange: Arc<Exchange>,
        seams: Seams,
        endpoint: &str,
        hold: impl Fn(&market::Contract),
    ) -> Rig {
        let metrics = Arc::new(Metrics::default());
        let engine = Engine::start(self.engine_options(endpoint), seams, Placement::inline(), &metrics, hold);
        Rig { exchange, engine, metrics }
    }
}

async fn accept(mut listener: MemoryListener, exchange: Arc<Exchange>) {
    loop {
        tokio::spawn(serve_connection(Arc::clone(&exchange), listener.accept().await));
    }
}

/// A running exchange and the engine that records it.
pub(crate) struct Rig {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) engine: Engine,
    pub(crate) metrics: Arc<Metrics>,
}

impl Rig {
    pub(crate) fn contract(&self, symbol: &str) -> Arc<market::Contract> {
        self.engine.contracts.find(symbol).expect("recorded")
    }

    /// The contract that was named first.
    pub(crate) fn first(&self) -> Arc<market::Contract> {
        self.engine.contracts.iter().next().expect("at least one")
    }

    /// A subscriber to trades, and to candles of some lengths in minutes, of one contract.
    fn probe(&self, symbol: &str, timeframes: &[u32], snapshots: (usize, usize)) -> Probe {
        let probe = Probe::start(self.contract(symbol));
        probe.subscribe(&self.engine.live, Channel::Trades, snapshots.0);
        for &length in timeframes {
            probe.subscribe(&self.engine.live, Channel::Candles(minutes(length)), snapshots.1);
        }
        probe
    }

    /// The sum of a counter over its labels, as scrapers see it.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        counter(&self.metrics, name)
    }
}

/// The sum of a counter or gauge over its labels, as scrapers see it.
fn counter(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.text().expect("encodes");
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.split_once(' ')?;
        (series.split('{').next() == Some(&format!("tapedeck_{name}"))).then(|| value.parse::<u64>().ok())?
    });
    values.sum()
}
