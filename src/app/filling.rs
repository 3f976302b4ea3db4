//! How is back-fill put together, beside a server or alone?

use crate::{
    app::{
        healing::remember_ban,
        options::{aux_runtime, extra_ca, seed},
        storing::{self, Storing},
    },
    clock::Clock,
    config::Config,
    exchange::binance::{Call, DecodeError, rest},
    history::{
        archive::Limits,
        budget::{self, Budget, CallError, Priority},
        download::{self, Host, Staging, Ways},
        jobs::{self, Contract, Job, Jobs, Recheck, Runner, Series, SubmitError, Want, WantError},
        rest::Source,
    },
    metrics::Metrics,
    model::{Symbol, UnixMillis},
    net::{Fetch, FetchError, FetchLimits, HttpClient, tls::client_config},
    store::{
        files::{Disk, RealDisk},
        identity::{Identity, IdentityError},
        ledger::Ledger,
    },
};
use anyhow::Context as _;
use rustls::ClientConfig;
use std::{collections::BTreeMap, sync::Arc};

/// The host whose listings another host has.
const ARCHIVE: &str = "https://data.binance.vision";
/// The bucket behind it.
const BUCKET: &str = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision";

/// The jobs of a store with what looks again at the files that they read, and who does them.
pub(super) fn jobs(
    config: &Config,
    storing: &Storing,
    tls: &Arc<ClientConfig>,
    source: Source,
    clock: Clock,
) -> anyhow::Result<(Recheck, Runner)> {
    let disk = Arc::clone(storing.library().disk());
    let jobs = Jobs::open(Arc::clone(&disk), clock).context("the jobs of the store cannot be read")?;
    let staging = Arc::new(Staging::open(disk).context("the store's staging directory cannot be used")?);
    let (url, limits) = (config.binance.archive_url.clone(), Limits::default());
    let list_url = config.binance.archive_list_url.clone();
    let list_url = list_url.unwrap_or_else(|| if url == ARCHIVE { BUCKET.to_owned() } else { url.clone() });
    let options = download::Options { url, list_url, zip_bytes_max: limits.zip_bytes_max, seed: seed(clock) };
    let host = Arc::new(Host::new(options, ways(config, tls)?, staging, clock));
    let options =
        jobs::Options { downloads: config.backfill.downloads.get(), awaited: config.backfill.awaited, limits };
    let into = (Arc::clone(storing.library()), storing.desk().clone(), storing.filler().clone());
    let recheck = Recheck { host: Arc::clone(&host), library: Arc::clone(storing.library()), jobs: jobs.clone() };
    Ok((recheck, Runner::new(jobs, (host, source), into, options, clock)))
}

fn ways(config: &Config, tls: &Arc<ClientConfig>) -> Result<Ways, FetchError> {
    let limits = FetchLimits::default();
    let mut through = Vec::new();
    for proxy in &config.backfill.proxies {
        let client: Arc<dyn Fetch> = Arc::new(HttpClient::through(proxy, tls, &limits)?);
        through.push((proxy.to_string(), client));
    }
    let mut through = through.into_iter();
    match through.next() {
        Some(first) => Ok(Ways::through(first, through)),
        None => Ok(Ways::straight(Arc::new(HttpClient::new(tls, &limits)?))),
    }
}

/// Back-fill without a server.
#[derive(Debug)]
pub struct Filling {
    /// The jobs of the store.
    pub jobs: Jobs,
    runner: Runner,
    storing: Storing,
    aux: tokio::runtime::Runtime,
    /// What the venue lists, if it said so.
    listed: Option<BTreeMap<Symbol, UnixMillis>>,
    now: UnixMillis,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum FillingError {
    /// What is wanted cannot be had.
    #[error(transparent)]
    Want(#[from] WantError),
    /// A server writes to the store.
    #[error("another process writes to this store")]
    Locked,
    /// The job is not taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Why it is not known what the venue lists.
#[derive(Debug, thiserror::Error)]
enum ListedError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the venue answers HTTP {0}")]
    Status(u16),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Filling {
    /// Opens the store of `config` for its symbols, once the venue was asked whether it lists them.
    ///
    /// # Errors
    ///
    /// When a symbol is not listed, or the store cannot be used.
    pub fn open(config: &Config) -> Result<Self, FillingError> {
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::default()));
        let aux = aux_runtime(config.threads.aux.get()).context("no threads can be started")?;
        let extra = extra_ca(config.binance.extra_ca_file.as_deref())?;
        let tls = client_config(extra.as_deref()).context("certificates cannot be read")?;
        let client = HttpClient::new(&tls, &FetchLimits::default()).context("HTTP cannot be set up")?;
        let budget = Budget::new(budget::Options::default(), clock, Arc::clone(&metrics));
        banned_until(config).into_iter().for_each(|until| budget.restore(until));
        let rest_url = config.binance.rest_url.clone();
        let source = Source { fetch: Arc::new(client), budget, rest_url, seed: seed(clock) };
        let listed = aux.block_on(listed(&source));
        if let Err(error) = &listed {
            tracing::warn!("the venue does not say what it lists, so symbols are taken as they are: {error}");
        }
        let (listed, now) = (listed.ok(), source.budget.now());
        // A store that has once given a symbol a number keeps it: ask before.
        let unknown = |symbol: &&Symbol| listed.as_ref().is_some_and(|listed| !listed.contains_key(*symbol));
        if let Some(symbol) = config.symbols.named.iter().find(unknown) {
            return Err(WantError::UnknownSymbol(symbol.to_string()).into());
        }
        let storing = match storing::start(config, clock, &metrics) {
            Err(error) if is_locked(&error) => return Err(FillingError::Locked),
            storing => storing?.context("no store is named: give its directory with --data-dir, or set store.dir")?,
        };
        aux.spawn(remember_ban(Arc::clone(storing.library()), source.budget.clone()));
        let (recheck, runner) = jobs(config, &storing, &tls, source, clock)?;
        Ok(Self { jobs: recheck.jobs, runner, storing, aux, listed, now })
    }

    /// Takes a job after checking it.
    ///
    /// # Errors
    ///
    /// When it cannot be had, or not be filed.
    pub fn submit(&self, want: Want) -> Result<Job, FillingError> {
        let library = self.storing.library();
        let is_kept = |symbol: &Symbol, kind| {
            library.find(symbol).is_some_and(|row| library.shelf(row.number, kind).ends().is_some())
        };
        let known = |symbol: &Symbol| {
            let onboard_time = self.listed.as_ref().and_then(|listed| listed.get(symbol)).copied();
            let kept = [Series::Trades, Series::RawTrades].into_iter().find(|series| is_kept(symbol, series.kind()));
            Some(Contract { onboard_time, keeps_trades: kept.is_some(), tape: kept })
        };
        Ok(self.jobs.submit(jobs::check(want, self.now, known)?)?)
    }

    /// Does a job, until it is over or `interrupted` is. Nothing when it was interrupted: the same job then goes on later.
    pub fn finish(&self, id: u64, interrupted: impl Future<Output = ()>) -> Option<Job> {
        self.aux.block_on(async {
            tokio::select! {
                job = self.runner.finish(id) => job,
                () = interrupted => None,
            }
        })
    }

    /// Ends every thread; what was verified is durable then.
    pub fn close(self) {
        self.storing.stop();
        self.aux.shutdown_background();
    }
}

/// Until when the venue has banned whoever wrote to the store last, before it is opened.
fn banned_until(config: &Config) -> Option<UnixMillis> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(config.store.dir.as_ref()?));
    let store = Identity::read(&*disk).ok()?.store;
    Ledger::read(&disk, store).ok()?.0.banned_until()
}

fn is_locked(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(IdentityError::Locked)))
        || error.chain().any(|cause| {
            let open = cause.downcast_ref::<crate::store::OpenError>();
            matches!(open, Some(crate::store::OpenError::Identity(IdentityError::Locked)))
        })
}

async fn listed(source: &Source) -> Result<BTreeMap<Symbol, UnixMillis>, ListedError> {
    let call = Call::exchange_info();
    let answer = source.budget.get(&*source.fetch, &source.rest_url, &call, Priority::Listing).await?;
    if answer.status != 200 {
        return Err(ListedError::Status(answer.status));
    }
    let listed = rest::exchange_info(&answer.body)?.contracts.into_iter();
    Ok(listed.map(|contract| (contract.symbol, contract.onboard_date)).collect())
}
