//! How does the whole server start from its configuration, and how does it stop?

use crate::{
    api::{self, Background},
    app::{
        BookWatch, Engine, Healing, Keeping, Placement, Recording, Registry, Seams, Snapshots, Watching, filling,
        healing, options, registry,
        storing::{self, Storing},
    },
    clock::Clock,
    config::Config,
    history::{
        budget::{self, Budget},
        jobs::{Jobs, Recheck, Runner, Sweep},
        polling::Polling,
        rest::Source,
        seam,
    },
    market::{self, Change, Roster, Shelving},
    metrics::Metrics,
    net::{DialLimits, Fetch, FetchLimits, HttpClient, TcpDialer, tls::client_config},
};
use actix::prelude::*;
use rustls::ClientConfig;
use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
};

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
    pub engine: Rc<Engine>,
    /// What may be asked of the venue's REST API: whoever asks takes it from here.
    pub budget: Budget,
    shared: api::Shared,
    http: actix_web::dev::ServerHandle,
    arbiters: Vec<Arbiter>,
    storing: Option<Storing>,
    aux: tokio::runtime::Runtime,
    /// Does jobs; nothing without a store.
    filling: Option<JoinHandle<()>>,
    /// What works beside the engine, on its thread.
    beside: Vec<JoinHandle<()>>,
    wishes: watch::Sender<registry::Wanted>,
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
    let tls = client_config(options::extra_ca(config.binance.extra_ca_file.as_deref())?.as_deref())?;
    let (engine, arbiters) = live_path(config, &tls, storing.as_ref(), clock, &metrics)?;
    let source = source(config, &tls, storing.as_ref(), clock, &metrics)?;
    let filling =
        storing.as_ref().map(|storing| filling::jobs(config, storing, &tls, source.clone(), clock)).transpose()?;
    let jobs = filling.as_ref().map(|(recheck, _)| recheck.jobs.clone());
    let (roster, changes) = Roster::new();
    let shelving = storing.as_ref().map(|storing| storing.shelving().clone());
    let shared = shared(config, (&engine, roster, shelving), source.budget.clone(), jobs, (clock, &metrics));
    storing.iter().for_each(|storing| shared.readiness.watch(storing.desk().clone()));
    let (server, address) = api::serve(shared.clone())?;
    let http = server.handle();
    actix_rt::spawn(server);
    let keeping = Keeping { readiness: Arc::clone(&shared.readiness), metrics: Arc::clone(&metrics) };
    let (beside, wishes) = beside(config, &engine, &source, (storing.as_ref(), changes), clock, &keeping);
    let aux = options::aux_runtime(config.threads.aux.get())?;
    let (budget, shutdown) = (source.budget.clone(), config.server.shutdown);
    let filling = background(config, &aux, (&engine, source), (storing.as_ref(), filling), &shared);
    Ok(Running {
        address,
        metrics,
        engine,
        budget,
        shared,
        http,
        arbiters,
        storing,
        aux,
        filling,
        beside,
        wishes,
        shutdown,
    })
}

/// Starts the live path on threads of its own.
fn live_path(
    config: &Config,
    tls: &Arc<ClientConfig>,
    storing: Option<&Storing>,
    clock: Clock,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Rc<Engine>, Vec<Arbiter>)> {
    let limits = DialLimits { connect_timeout: config.binance.connect_timeout, ..DialLimits::default() };
    let dialer = Arc::new(TcpDialer::new(Arc::clone(tls), limits));
    let start_arbiters = |count: usize| (0..count).map(|_| Arbiter::new()).collect::<Vec<_>>();
    let mut options = options::engine(config, options::seed(clock))?;
    // What fits a pattern and was recorded before is recorded at once; the others wait for the venue's listing.
    let known = storing.iter().flat_map(|storing| storing.shelving().symbols());
    let fitting = known.filter(|symbol| config.symbols.fits(symbol));
    options.contracts.extend(fitting.map(|symbol| options::spec(config, &symbol)));
    let (ingest, live) = (start_arbiters(config.threads.ingest.get()), start_arbiters(config.threads.live.get()));
    let handles = |arbiters: &[Arbiter]| arbiters.iter().map(Arbiter::handle).collect();
    let placement = Placement { ingest: handles(&ingest), live: handles(&live) };
    let hold = |contract: &market::Contract| storing.iter().for_each(|storing| storing.shelving().hold(contract));
    let engine = Engine::start(options, Seams { dialer, clock }, placement, metrics, hold);
    Ok((Rc::new(engine), ingest.into_iter().chain(live).collect()))
}

/// How the venue's REST API is asked, heeding a ban of which an earlier process knew.
fn source(
    config: &Config,
    tls: &Arc<ClientConfig>,
    storing: Option<&Storing>,
    clock: Clock,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Source> {
    let fetch: Arc<dyn Fetch> = Arc::new(HttpClient::new(tls, &FetchLimits::default())?);
    let budget = Budget::new(budget::Options::default(), clock, Arc::clone(metrics));
    let banned_until = storing.and_then(|storing| storing.library().ledger().banned_until());
    banned_until.into_iter().for_each(|until| budget.restore(until));
    Ok(Source { fetch, budget, rest_url: config.binance.rest_url.clone(), seed: options::seed(clock) })
}

fn shared(
    config: &Config,
    (engine, roster, shelving): (&Engine, Roster, Option<Shelving>),
    budget: Budget,
    jobs: Option<Jobs>,
    (clock, metrics): (Clock, &Arc<Metrics>),
) -> api::Shared {
    api::Shared {
        contracts: Arc::clone(&engine.contracts),
        live: engine.live.clone(),
        roster,
        announcements: Arc::clone(&engine.announcements),
        shelving,
        clock,
        metrics: Arc::clone(metrics),
        budget,
        jobs,
        readiness: Arc::default(),
        sessions: Arc::default(),
        options: Arc::new(options::api(config)),
    }
}

/// Starts what works beside the engine on its own thread: what is recorded follows the listing, and streams are watched.
fn beside(
    config: &Config,
    engine: &Rc<Engine>,
    source: &Source,
    (storing, changes): (Option<&Storing>, mpsc::Receiver<Change>),
    clock: Clock,
    keeping: &Keeping,
) -> (Vec<JoinHandle<()>>, watch::Sender<registry::Wanted>) {
    let listing = registry::Source {
        fetch: Arc::clone(&source.fetch),
        budget: source.budget.clone(),
        rest_url: source.rest_url.clone(),
        refresh: config.binance.listing_refresh,
        seed: source.seed,
    };
    let wanted = options::wanted(config);
    let (wishes, wished) = watch::channel(wanted.clone());
    let shelving = storing.map(|storing| storing.shelving().clone());
    let registry = Registry::new(Rc::clone(engine), listing, wanted, shelving);
    let watching = Watching {
        engine: Rc::clone(engine),
        fetch: Arc::clone(&source.fetch),
        budget: source.budget.clone(),
        rest_url: source.rest_url.clone(),
        clock,
        metrics: Arc::clone(&keeping.metrics),
    };
    let books = BookWatch { engine: Rc::clone(engine), clock, metrics: Arc::clone(&keeping.metrics) };
    // What waits to be changed, and what was, outlives a panic.
    let registry = Rc::new(Mutex::new((registry, changes, wished)));
    let follow = move |_| {
        let registry = Rc::clone(&registry);
        async move {
            let (registry, changes, wished) = &mut *registry.lock().await;
            registry.run(changes, wished).await;
        }
    };
    let tasks = vec![
        actix_rt::spawn(keeping.clone().keep_here(Background::Registry, follow)),
        actix_rt::spawn(keeping.clone().keep_here(Background::Watching, move |_| watching.clone().run())),
        actix_rt::spawn(keeping.clone().keep_here(Background::BookWatch, move |_| books.clone().run())),
    ];
    (tasks, wishes)
}

/// Starts what heals holes and does jobs, which is told when everything stops.
fn background(
    config: &Config,
    aux: &tokio::runtime::Runtime,
    (engine, source): (&Engine, Source),
    (storing, filling): (Option<&Storing>, Option<(Recheck, Runner)>),
    shared: &api::Shared,
) -> Option<JoinHandle<()>> {
    let (arrived, arrivals) = mpsc::channel(healing::ARRIVALS_MAX);
    let told = healing::tell(Arc::clone(&engine.contracts), arrived.clone());
    let seam = config.repair.fills_max.map(|fills_max| seam::Options { fills_max: fills_max.get() });
    let keeping = Keeping { readiness: Arc::clone(&shared.readiness), metrics: Arc::clone(&shared.metrics) };
    let budget = source.budget.clone();
    books(config, aux, (engine, source.clone()), storing.is_some(), &keeping);
    poll(config, aux, (engine, source.clone()), &keeping);
    aux.spawn(engine.heal(Healing { source, seam, told, arrivals }, keeping.clone()));
    if let Some(storing) = storing {
        let (library, budget) = (Arc::clone(storing.library()), budget.clone());
        let remember = move |_| healing::remember_ban(Arc::clone(&library), budget.clone());
        aux.spawn(keeping.clone().keep(Background::Ban, remember));
    }
    filling.map(|(recheck, runner)| {
        if let Some(span_max) = config.repair.archive_max {
            let sweep = Sweep::new(Arc::clone(&engine.contracts), recheck, budget, span_max);
            aux.spawn(keeping.clone().keep(Background::Sweep, move |_| sweep.clone().run()));
        }
        let runner = runner.telling(arrived);
        aux.spawn(keeping.keep(Background::Jobs, move |_| runner.clone().run()))
    })
}

/// Starts what asks for figures that no stream brings.
fn poll(config: &Config, aux: &tokio::runtime::Runtime, (engine, source): (&Engine, Source), keeping: &Keeping) {
    let polling = Polling {
        contracts: Arc::clone(&engine.contracts),
        bells: engine.figure_bells.clone(),
        source,
        metrics: Arc::clone(&keeping.metrics),
    };
    let follow = polling.clone();
    aux.spawn(keeping.clone().keep(Background::Funding, move |_| follow.clone().follow_funding()));
    if let Some(period) = config.series.open_interest {
        let (now, past) = (polling.clone(), polling);
        aux.spawn(keeping.clone().keep(Background::OpenInterest, move |_| now.clone().poll_open_interest(period)));
        let fetch = move |_| past.clone().fetch_past_open_interest(period);
        aux.spawn(keeping.clone().keep(Background::OpenInterestPast, fetch));
    }
}

/// Starts what makes order books whole, and records them where there is a store.
fn books(
    config: &Config,
    aux: &tokio::runtime::Runtime,
    (engine, source): (&Engine, Source),
    is_stored: bool,
    keeping: &Keeping,
) {
    let (contracts, metrics) = (Arc::clone(&engine.contracts), Arc::clone(&keeping.metrics));
    let snapshots = Snapshots { contracts, bell: Arc::clone(&engine.snapshot_bell), source, metrics };
    aux.spawn(keeping.clone().keep(Background::Snapshots, move |_| snapshots.clone().run()));
    if let Some(every) = config.book.record.filter(|_| is_stored) {
        let recording = Recording {
            contracts: Arc::clone(&engine.contracts),
            venue_clock: Arc::clone(&engine.venue_clock),
            every,
            metrics: Arc::clone(&keeping.metrics),
        };
        aux.spawn(keeping.clone().keep(Background::Recording, move |_| recording.clone().run()));
    }
}

impl Running {
    /// Records what another configuration selects from now on. Whatever else it says needs a restart. It does not wait: while
    /// the store takes its time, the newest is what counts.
    pub fn select(&self, config: &Config) {
        self.wishes.send_replace(options::wanted(config));
    }

    /// Says goodbye to every session, waits for them within the time allowed, and ends every thread.
    pub async fn stop(self) {
        let begun = Instant::now();
        self.shared.readiness.stop();
        self.shared.sessions.goodbye();
        while self.shared.sessions.count() > 0 && begun.elapsed() < self.shutdown {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.http.stop(false).await;
        self.beside.iter().for_each(JoinHandle::abort);
        // A job that is cut off goes on at the next start.
        self.filling.iter().for_each(JoinHandle::abort);
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

/// Counts every panic of the process before it is told as usual.
fn count_panics(metrics: Arc<Metrics>) {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics.panics.inc();
        told(panic);
    }));
}
