//! Do the figures that no stream brings come as the exchange has them, at the price they are worth, whatever fails?
//!
//! Pollers run over a store on a simulated disk and the exchange's REST API, in virtual time.

mod funding;
mod open_interest;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use tapedeck::{
    clock::Clock,
    history::{
        budget::{Budget, Options},
        polling::Polling,
        rest::Source,
    },
    market::{Bell, Bells, Contract, Contracts, Kept, Spec, TapeKind},
    metrics::Metrics,
    model::{Price, Symbol, UnixMillis},
    net::{Fetch, FetchFuture, FetchLimits},
    sim::{self, Exchange, ExchangeFetch},
    store::{
        self, Opened, Records,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::Timed,
        storage::{Options as StoreOptions, SyncPolicy},
    },
};
use tokio::task::JoinSet;

/// 2026-11-20 10:00:30 UTC.
const START: i64 = 1_795_168_830_000;
const HOUR: i64 = UnixMillis::HOUR;
const SYMBOLS: [&str; 3] = ["BTCUSDT", "SOLUSDT", "币安人生USDT"];

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a symbol")
}

/// The exchange, and what was asked of it when.
struct Asked {
    fetch: ExchangeFetch,
    exchange: Arc<Exchange>,
    urls: Mutex<Vec<(i64, String)>>,
    /// Slots of five minutes that the exchange's history of open interest lacks.
    lacks: Mutex<BTreeSet<i64>>,
    /// A contract whose fundings are told in a way that nobody understands.
    spoils: Mutex<Option<&'static str>>,
}

impl Fetch for Asked {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        self.urls.lock().expect("no panic").push((self.exchange.now().get(), url.to_owned()));
        if let Some(symbol) = self.spoils.lock().expect("no panic").filter(|_| url.contains("fundingRate")) {
            return Box::pin(async move {
                let mut response = self.fetch.get(url).await?;
                let mut rows: Vec<serde_json::Value> = serde_json::from_slice(&response.body).expect("rows");
                let spoiled = rows.iter_mut().filter(|row| row["symbol"] == symbol);
                spoiled.for_each(|row| row["fundingRate"] = "soon".into());
                response.body = serde_json::to_vec(&rows).expect("JSON").into();
                Ok(response)
            });
        }
        let lacks = self.lacks.lock().expect("no panic").clone();
        if lacks.is_empty() || !url.contains("openInterestHist") {
            return self.fetch.get(url);
        }
        Box::pin(async move {
            let mut response = self.fetch.get(url).await?;
            let mut rows: Vec<serde_json::Value> = serde_json::from_slice(&response.body).expect("rows");
            rows.retain(|row| !lacks.contains(&row["timestamp"].as_i64().expect("a time").div_euclid(300_000)));
            response.body = serde_json::to_vec(&rows).expect("JSON").into();
            Ok(response)
        })
    }
}

/// One life of a process that polls.
struct Life {
    exchange: Arc<Exchange>,
    asked: Arc<Asked>,
    polling: Polling,
    bell: Arc<Bell>,
    tasks: JoinSet<()>,
}

fn contracts() -> Vec<sim::Contract> {
    let listed = |text| sim::Contract::perpetual(text, Price::from_units(300_000_000), (4, 2), 60).expect("a symbol");
    SYMBOLS.into_iter().map(listed).collect()
}

impl Life {
    /// Begins at `start` over what is on `disk`; `kept` says what is kept of each contract.
    fn begin(disk: &SimulatedDisk, start: i64, kept: impl Fn(&str) -> Kept) -> Self {
        let clock = Clock::starting_at(at(start));
        let options = sim::Options { seed: 5, contracts: contracts(), ..sim::Options::default() };
        let exchange = Exchange::open(&options, clock).expect("no recording, no error");
        let spec = |text: &str| Spec { kept: kept(text), ..(symbol(text), TapeKind::Aggregate, 64).into() };
        let contracts = Arc::new(Contracts::new(SYMBOLS.map(spec)));
        let opened = open_store(disk, clock, &contracts);
        let mut tasks = JoinSet::new();
        tasks.spawn(write_on(opened, clock));
        let metrics = Arc::new(Metrics::default());
        let asked = Arc::new(Asked {
            fetch: ExchangeFetch::new(Arc::clone(&exchange), FetchLimits::default()),
            exchange: Arc::clone(&exchange),
            urls: Mutex::default(),
            lacks: Mutex::default(),
            spoils: Mutex::default(),
        });
        let budget = Budget::new(Options::default(), clock, Arc::clone(&metrics));
        let fetch: Arc<dyn Fetch> = asked.clone();
        let source = Source { fetch, budget, rest_url: "http://sim".to_owned(), seed: 3 };
        let bell = Bell::new();
        let polling = Polling { contracts, bells: Bells::new([Arc::clone(&bell)]), source, metrics };
        Self { exchange, asked, polling, bell, tasks }
    }

    /// Ends, leaving what is on the disk.
    async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    fn contract(&self, text: &str) -> Arc<Contract> {
        self.polling.contracts.find(text).expect("recorded")
    }

    fn held<R: Timed>(&self, text: &str) -> Vec<R> {
        let records = self.contract(text).records.get().expect("a store").clone();
        let found = records.between(at(0), at(i64::MAX), usize::MAX, false);
        assert_eq!(found.damaged, []);
        found.rows
    }

    /// When was asked for what begins so, and with which parameters.
    fn asked(&self, path: &str) -> Vec<(i64, String)> {
        let urls = self.asked.urls.lock().expect("no panic");
        let under =
            |(at, url): &(i64, String)| Some((*at, url.strip_prefix("http://sim")?.strip_prefix(path)?.to_owned()));
        urls.iter().filter_map(under).collect()
    }

    fn failures(&self) -> u64 {
        let text = self.polling.metrics.text().expect("encodes");
        let of_polls = text.lines().filter(|line| line.starts_with("tapedeck_poll_failures_total{"));
        of_polls.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

fn open_store(disk: &SimulatedDisk, clock: Clock, contracts: &Contracts) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let wanted = Identity { store: 5, venue: "sim".to_owned(), created: clock.wall() };
    let options = StoreOptions {
        file_bytes: 512 << 10,
        roll_ms: 600_000,
        write_ms: 10,
        sync: SyncPolicy::EveryMs(200),
        queue_bytes: 64 << 20,
    };
    let mut opened = store::open(&disk, &wanted, options, clock).expect("opens");
    let rows = opened.storage.register(&SYMBOLS.map(symbol), clock.now()).expect("registered");
    for row in rows {
        let contract = contracts.find(row.symbol().expect("one").as_str()).expect("recorded");
        contract.hold_records(Records::new(&opened.library, &opened.desk, row.number));
    }
    opened
}

async fn write_on(mut opened: Opened, clock: Clock) {
    loop {
        opened.storage.step(clock.now());
        opened.sealer.step();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The parameter of that name.
fn param(query: &str, name: &str) -> Option<i64> {
    let pairs = query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
}

const fn all_kept(_: &str) -> Kept {
    Kept { series: tapedeck::market::SeriesSet::ALL, large_trade_usd: 100_000, open_interest: None }
}
