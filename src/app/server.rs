//! How does the whole server start from its configuration, and how does it stop?

use crate::{
    api::{self, Background},
    app::{
        Engine, Healing, Keeping, Options, Placement, Seams, filling, healing, listings,
        storing::{self, Storing},
    },
    candle::FoldOptions,
    clock::Clock,
    config::{Config, TapeKind},
    exchange::binance::{AGG_TRADES_REACH_MS, Routes},
    feed,
    history::{
        budget::{self, Budget},
        jobs::Sweep,
        rest::Source,
        seam,
    },
    live, market,
    metrics::Metrics,
    net::{DialLimits, Endpoint, Fetch, FetchLimits, HttpClient, Limits, TcpDialer, tls::client_config},
};
use actix::prelude::*;
use anyhow::Context as _;
use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// A connection that has lasted so long starts the waits between attempts from the first again.
const STABLE_AFTER: Duration = Duration::from_mins(1);
/// How often the end of the sessions is looked at while stopping.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Every figure.
    pub metrics: Arc<Metrics>,
    /// The live path.
    pub engine: Engine,
    /// What may be asked of the venue's REST API: whoever asks takes it from here.
    pub budget: Budget,
    shared: api::Shared,
    http: actix_web::dev::ServerHandle,
    arbiters: Vec<Arbiter>,
    storing: Option<Storing>,
    aux: tokio::runtime::Runtime,
    /// Does jobs; nothing without a store.
    filling: Option<tokio::task::JoinHandle<()>>,
    shutdown: Duration,
}

/// Starts everything: the live path, then the server, then what only reads. Must be called inside an actix system.
///
/// # Errors
///
/// When the address cannot be bound, or a file of the configuration cannot be used.
pub fn start(config: &Config) -> anyhow::Result<Running> {
    let metrics = Arc::new(Metrics::default());
    count_panics(Arc::clone(&metrics));
    let clock = Clock::system();
    let storing = storing::start(config, clock, &metrics)?;
    let tls = client_config(extra_ca(config.binance.extra_ca_file.as_deref())?.as_deref())?;
    let limits = DialLimits { connect_timeout: config.binance.connect_timeout, ..DialLimits::default() };
    let dialer = Arc::new(TcpDialer::new(Arc::clone(&tls), limits));
    let start_arbiters = |count: usize| (0..count).map(|_| Arbiter::new()).collect::<Vec<_>>();
    let (ingest, live) = (start_arbiters(config.threads.ingest.get()), start_arbiters(config.threads.live.get()));
    let handles = |arbiters: &[Arbiter]| arbiters.iter().map(Arbiter::handle).collect();
    let placement = Placement { ingest: handles(&ingest), live: handles(&live) };
    let hold = |contract: &market::Contract| storing.iter().for_each(|storing| storing.hold(contract));
    let options = engine_options(config, seed(clock))?;
    let engine = Engine::start(options, Seams { dialer, clock }, placement, &metrics, hold);
    let fetch: Arc<dyn Fetch> = Arc::new(HttpClient::new(&tls, &FetchLimits::default())?);
    let (rest_url, contracts) = (config.binance.rest_url.clone(), Arc::clone(&engine.contracts));
    let budget = Budget::new(budget::Options::default(), clock, Arc::clone(&metrics));
    // Before anything is asked.
    let banned_until = storing.as_ref().and_then(|storing| storing.library().ledger().banned_until());
    banned_until.into_iter().for_each(|until| budget.restore(until));
    let source =
        Source { fetch: Arc::clone(&fetch), budget: budget.clone(), rest_url: rest_url.clone(), seed: seed(clock) };
    let filling =
        storing.as_ref().map(|storing| filling::jobs(config, storing, &tls, source.clone(), clock)).transpose()?;
    let shared = api::Shared {
        budget: budget.clone(),
        jobs: filling.as_ref().map(|(recheck, _)| recheck.jobs.clone()),
        contracts: Arc::clone(&engine.contracts),
        live: engine.live.clone(),
        clock,
        metrics: Arc::clone(&metrics),
        readiness: Arc::default(),
        sessions: Arc::default(),
        options: Arc::new(api_options(config)),
    };
    storing.iter().for_each(|storing| shared.readiness.watch(storing.desk().clone()));
    let (http, address) = api::serve(shared.clone())?;
    let handle = http.handle();
    actix_rt::spawn(http);
    let aux = aux_runtime(config.threads.aux.get())?;
    aux.spawn(listings::read(Arc::clone(&fetch), budget.clone(), rest_url, contracts, seed(clock)));
    let (told, (arrived, arrivals)) =
        (healing::tell(Arc::clone(&engine.contracts)), mpsc::channel(healing::ARRIVALS_MAX));
    let seam = config.repair.fills_max.map(|fills_max| seam::Options { fills_max: fills_max.get() });
    let keeping = Keeping { readiness: Arc::clone(&shared.readiness), metrics: Arc::clone(&metrics) };
    aux.spawn(engine.heal(Healing { source, seam, told, arrivals }, keeping.clone()));
    if let Some(storing) = &storing {
        let (library, budget) = (Arc::clone(storing.library()), budget.clone());
        let remember = move |_| healing::remember_ban(Arc::clone(&library), budget.clone());
        aux.spawn(keeping.clone().keep(Background::Ban, remember));
    }
    let filling = filling.map(|(recheck, runner)| {
        if let Some(span_max) = config.repair.archive_max {
            let sweep = Sweep::new(Arc::clone(&engine.contracts), recheck, budget.clone(), span_max);
            aux.spawn(keeping.clone().keep(Background::Sweep, move |_| sweep.clone().run()));
        }
        let runner = runner.telling(arrived);
        aux.spawn(keeping.keep(Background::Jobs, move |_| runner.clone().run()))
    });
    let arbiters = ingest.into_iter().chain(live).collect();
    let shutdown = config.server.shutdown;
    Ok(Running { address, metrics, engine, budget, shared, http: handle, arbiters, storing, aux, filling, shutdown })
}

impl Running {
    /// Says goodbye to every session, waits for them within the time allowed, and ends every thread.
    pub async fn stop(self) {
        let begun = Instant::now();
        self.shared.readiness.stop();
        self.shared.sessions.goodbye();
        while self.shared.sessions.count() > 0 && begun.elapsed() < self.shutdown {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.http.stop(false).await;
        // A job that is cut off goes on at the next start.
        self.filling.iter().for_each(tokio::task::JoinHandle::abort);
        drop(self.engine);
        for arbiter in self.arbiters {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("a thread ended in a panic");
            }
        }
        self.storing.into_iter().for_each(Storing::stop);
        self.aux.shutdown_background();
    }
}

/// Listens for SIGINT and SIGTERM from now on; what it gives waits for the first. A second one ends the process at once.
/// Must be called inside a runtime.
///
/// # Errors
///
/// When signals cannot be listened to.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

pub(super) fn extra_ca(path: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("venue.binance.extra_ca_file: cannot read {}", path.display()))
    };
    path.map(read).transpose()
}

/// Small and multi-threaded: REST and whatever else must not disturb the live path.
pub(super) fn aux_runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).thread_name("aux").enable_all().build()
}

fn engine_options(config: &Config, seed: u64) -> anyhow::Result<Options> {
    let contract = |symbol: &crate::model::Symbol| {
        let kept = config.contract(symbol);
        let kind = match kept.tape {
            TapeKind::Aggregate => market::TapeKind::Aggregate,
            TapeKind::Raw => market::TapeKind::Raw,
        };
        (symbol.clone(), kind, kept.ring_trades.get())
    };
    let binance = &config.binance;
    let routes: Vec<_> = binance.routes.iter().collect();
    Ok(Options {
        contracts: config.symbols.iter().map(contract).collect(),
        routes: Routes::with(&routes)?,
        streams_per_connection_max: binance.streams_per_connection_max.get(),
        feed: feed::Options {
            endpoint: Endpoint::parse(&binance.ws_url)?,
            limits: Limits {
                handshake_timeout: binance.handshake_timeout,
                idle_timeout: binance.idle_timeout,
                ..Limits::default()
            },
            backoff: (binance.backoff_base, binance.backoff_cap),
            stable_after: STABLE_AFTER,
            seed,
        },
        reorder_ms: millis(config.candle.reorder),
        live: live::Options {
            encoders: vec![api::ENCODER],
            fold: FoldOptions { grace_ms: millis(config.candle.grace), closed_max: config.candle.minutes_kept.get() },
            slow_cut: config.session.slow_cut,
        },
    })
}

fn api_options(config: &Config) -> api::Options {
    let (server, session) = (&config.server, &config.session);
    api::Options {
        listen: server.listen,
        workers: config.threads.http.get(),
        connections_max: server.connections_max.get(),
        connections_per_ip_max: server.connections_per_ip_max.get(),
        header_timeout: server.header_timeout,
        body_timeout: server.body_timeout,
        body_bytes_max: server.body_bytes_max,
        allowed_origins: server.allowed_origins.clone(),
        reach_ms: AGG_TRADES_REACH_MS,
        session: api::SessionOptions {
            flush: session.flush,
            queue_messages_max: session.queue_messages_max.get(),
            queue_bytes_max: session.queue_bytes_max,
            subscriptions_max: session.subscriptions_max.get(),
            requests_per_second_max: session.requests_per_second_max.get(),
            message_bytes_max: session.message_bytes_max.get(),
            heartbeat: session.heartbeat,
            ping: session.ping,
        },
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Different in every process, so that a fleet does not reconnect in step.
pub(super) fn seed(clock: Clock) -> u64 {
    clock.wall().get().unsigned_abs() ^ (u64::from(std::process::id()) << 32)
}

/// Counts every panic of the process before it is told as usual.
fn count_panics(metrics: Arc<Metrics>) {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics.panics.inc();
        told(panic);
    }));
}
