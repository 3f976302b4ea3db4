//! Does what is back-filled become what the exchange published, whatever happens on the way, and is nothing fetched twice?
//!
//! Store, runner and simulated exchange share one thread and virtual time; the exchange's truth is the judge.

mod files;
mod lives;
mod proxies;
mod rechecks;
mod series;

use crate::spine::{at, in_virtual_time, symbol};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tapedeck::{
    clock::{Clock, Hand},
    history::{
        archive::Limits,
        budget::{self, Budget},
        download::{self, Host, Staging, Ways},
        jobs::{self, Job, Jobs, Recheck, Runner, Series, State, Want},
        rest::Source,
    },
    metrics::Metrics,
    model::{IdRange, Price, Trade, UnixMillis},
    net::{DownloadFuture, Fetch, FetchFuture, FetchLimits},
    sim::{self, ArchiveFault, Exchange, ExchangeFetch},
    store::{
        self, Holding, Opened,
        desk::Desk,
        files::{Disk, Fault, Lasting, SimulatedDisk},
        identity::Identity,
        library::Library,
        record::Kind,
        storage::{Options as StoreOptions, SyncPolicy},
    },
};

const DAY: i64 = UnixMillis::DAY;
/// 2026-11-20 10:00:30 UTC.
const START: i64 = crate::spine::START;
/// 2026-11-20 00:00 UTC.
const TODAY: i64 = START - START % DAY;
const SYMBOL: &str = "XRPUSDT";
const DAILY: &str = "data/futures/um/daily/aggTrades/XRPUSDT/XRPUSDT-aggTrades-";

/// Counts what is asked for.
struct Counted {
    inner: ExchangeFetch,
    asked: Mutex<Vec<String>>,
}

impl Counted {
    fn note(&self, url: &str) {
        self.asked.lock().expect("whole").push(url.to_owned());
    }
}

impl Fetch for Counted {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        self.note(url);
        self.inner.get(url)
    }

    fn download<'a>(&'a self, url: &'a str, from: u64) -> DownloadFuture<'a> {
        self.note(url);
        self.inner.download(url, from)
    }
}

/// A process that does jobs over a store on a simulated disk.
struct Rig {
    exchange: Arc<Exchange>,
    fetch: Arc<Counted>,
    clock: Clock,
    /// Sets it wrong.
    hand: Hand,
    library: Arc<Library>,
    desk: Desk,
    jobs: Jobs,
    runner: Runner,
    recheck: Recheck,
    contract: u32,
}

fn exchange(start: i64) -> Arc<Exchange> {
    exchange_without(start, Vec::new())
}

/// An exchange that never used some ids.
fn exchange_without(start: i64, absent: Vec<IdRange>) -> Arc<Exchange> {
    let mut contract = sim::Contract::perpetual(SYMBOL, Price::from_units(48_700_000), (4, 2), 6).expect("a symbol");
    contract.absent = absent;
    let options = sim::Options { seed: 5, contracts: vec![contract], ..sim::Options::default() };
    Exchange::open(&options, Clock::starting_at(at(start))).expect("no recording, no error")
}

/// Writes a store in virtual time.
async fn write_on(mut opened: Opened, clock: Clock) {
    loop {
        opened.storage.step(clock.now());
        opened.sealer.step();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Rig {
    fn start(disk: &SimulatedDisk, exchange: Arc<Exchange>) -> Self {
        let (clock, hand) = Clock::settable(exchange.now());
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let wanted = Identity { store: 5, venue: "sim".to_owned(), created: exchange.now() };
        let options = StoreOptions {
            file_bytes: 512 << 10,
            roll_ms: 45_000,
            write_ms: 10,
            sync: SyncPolicy::EveryMs(200),
            queue_bytes: 64 << 20,
        };
        let mut opened = store::open(&disk, &wanted, options, clock).expect("opens");
        let rows = opened.storage.register(&[symbol(SYMBOL)], clock.now()).expect("registered");
        let (library, desk, filler) = (Arc::clone(&opened.library), opened.desk.clone(), opened.sealer.filler());
        tokio::task::spawn_local(write_on(opened, clock));
        let inner = ExchangeFetch::new(Arc::clone(&exchange), FetchLimits::default());
        let fetch = Arc::new(Counted { inner, asked: Mutex::default() });
        let staging = Arc::new(Staging::open(Arc::clone(&disk)).expect("made"));
        let (url, seed) = ("http://sim/archive".to_owned(), 3);
        let options = download::Options { list_url: url.clone(), url, zip_bytes_max: 1 << 30, seed };
        let host = Arc::new(Host::new(options, Ways::straight(fetch.clone()), staging, clock));
        let budget = Budget::new(budget::Options::default(), clock, Arc::new(Metrics::default()));
        let source = Source { fetch: fetch.clone(), budget, rest_url: "http://sim".to_owned(), seed };
        let jobs = Jobs::open(disk, clock).expect("opens");
        let options = jobs::Options { downloads: 3, awaited: Duration::from_hours(24 * 14), limits: Limits::default() };
        let recheck = Recheck { host: Arc::clone(&host), library: Arc::clone(&library), jobs: jobs.clone() };
        let into = (Arc::clone(&library), desk.clone(), filler);
        let runner = Runner::new(jobs.clone(), (host, source), into, options, clock);
        Self { exchange, fetch, clock, hand, library, desk, jobs, runner, recheck, contract: rows[0].number }
    }

    /// Back-fills trades and says how the job ended.
    async fn fill(&self, from: i64, to: i64) -> Job {
        self.fill_series(Series::Trades, from, to).await
    }

    async fn fill_series(&self, series: Series, from: i64, to: i64) -> Job {
        let job = self.jobs.submit(want(series, from, to)).expect("taken");
        self.runner.finish(job.id).await.expect("it is there")
    }

    fn holding(&self, kind: Kind) -> Holding {
        Holding::new(&self.library, &self.desk, self.contract, kind)
    }

    /// Every trade held.
    fn held(&self) -> Vec<Trade> {
        self.holding(Kind::Trade).from_id(0, usize::MAX).trades
    }

    fn truth(&self, from: i64, to: i64) -> Vec<Trade> {
        self.exchange.truth(&symbol(SYMBOL), at(from), at(to))
    }

    /// What was asked for since the last time, where `part` is in the URL.
    fn asked(&self, part: &str) -> usize {
        self.fetch.asked.lock().expect("whole").iter().filter(|url| url.contains(part)).count()
    }

    fn forget_asked(&self) {
        self.fetch.asked.lock().expect("whole").clear();
    }

    /// Sets a fault of daily files whose date begins with `date`.
    fn fault(&self, date: &str, fault: ArchiveFault) {
        self.exchange.faults().archive().set(&format!("{DAILY}{date}"), fault);
    }
}

fn want(series: Series, from: i64, to: i64) -> Want {
    Want { symbols: vec![SYMBOL.to_owned()], series: vec![series], from, to, replaced_only: false }
}

/// One life of a process over `disk`, at the exchange's time `start`.
fn live<R>(disk: &SimulatedDisk, start: i64, main: impl AsyncFnOnce(Rig) -> R) -> R {
    live_with(disk, exchange(start), main)
}

/// The same with an exchange of its own.
fn live_with<R>(disk: &SimulatedDisk, exchange: Arc<Exchange>, main: impl AsyncFnOnce(Rig) -> R) -> R {
    let disk = disk.clone();
    in_virtual_time(async move { main(Rig::start(&disk, exchange)).await })
}

fn in_one_life<R>(main: impl AsyncFnOnce(Rig) -> R) -> R {
    live(&SimulatedDisk::new(9), START, main)
}

/// That the future has an end, as virtual time has none.
async fn soon<R>(what: &str, future: impl Future<Output = R>) -> R {
    tokio::time::timeout(Duration::from_hours(240), future).await.unwrap_or_else(|_| panic!("{what}: no end"))
}
