//! What do the simulated exchange's REST and WebSocket sides share: its clock, its market, its limits?

use crate::{
    clock::Clock,
    model::{Symbol, Timeframe, Trade, UnixMillis},
    sim::{
        archive::Archive,
        block::{Execution, Fill},
        contract::{Contract, default_contracts},
        faults::Faults,
        kline::Kline,
        market::Market,
        recording::{Frame, Recording, RecordingError},
        rest::Limits,
    },
};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How a simulated exchange is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where [`crate::sim::Server`] listens, for WebSocket and REST alike.
    pub listen: SocketAddr,
    /// What the generated market grows from.
    pub seed: u64,
    /// How many times faster than real time the exchange's clock runs; at least 1.
    pub speed: u32,
    /// What is listed, when the market is generated.
    pub contracts: Vec<Contract>,
    /// A recording to replay in place of a generated market, by its own times.
    pub recording: Option<PathBuf>,
    /// Connections served at once; more are refused.
    pub connections_max: usize,
    /// Bytes of the archive's zips kept in memory. One that is longer than half of it is made anew at each download.
    pub archive_bytes_max: usize,
    /// The venue's connection rules.
    pub timers: Timers,
}

/// When the venue pings and cuts, in real time whatever the speed.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// The first ping (measured: 140 s).
    pub first_ping: Duration,
    /// Between pings (Binance USD-M docs: 3 minutes).
    pub ping: Duration,
    /// A ping unanswered for this long ends the connection (docs: 10 minutes).
    pub pong: Duration,
    /// Every connection ends after this (docs: 24 hours).
    pub lifetime: Duration,
    /// A client that takes nothing for this long is cut.
    pub write: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            first_ping: Duration::from_secs(140),
            ping: Duration::from_secs(180),
            pong: Duration::from_secs(600),
            lifetime: Duration::from_secs(86_400),
            write: Duration::from_secs(30),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9_443)),
            seed: 1,
            speed: 1,
            contracts: default_contracts(),
            recording: None,
            connections_max: 256,
            archive_bytes_max: 64 << 20,
            timers: Timers::default(),
        }
    }
}

/// A simulated exchange.
#[derive(Debug)]
pub struct Exchange {
    market: Arc<Market>,
    /// Frames of a recording by stream name, sent as they are.
    verbatim: HashMap<String, Arc<[Frame]>>,
    faults: Faults,
    clock: Clock,
    /// The exchange's time and the clock's, when the exchange opened.
    opened: (i64, Duration),
    /// Of its time, so much passed while the clock stood still.
    skipped_ms: AtomicI64,
    speed: u32,
    limits: Limits,
    archive: Archive,
    timers: Timers,
    connections_max: usize,
    connections_refused: AtomicU64,
}

impl Exchange {
    /// Opens an exchange: with a generated market its time begins at the clock's wall time, with a recording at the
    /// recording's start.
    ///
    /// # Errors
    ///
    /// When the recording cannot be read.
    pub fn open(options: &Options, clock: Clock) -> Result<Arc<Self>, RecordingError> {
        let (market, verbatim, start) = match &options.recording {
            None => (Market::generated(options.seed, options.contracts.clone()), HashMap::new(), clock.wall().get()),
            Some(path) => {
                let recording = Recording::open(path)?;
                let market = Market::recorded(&recording);
                let start = recording.start().get();
                (market, recording.into_frames(), start)
            }
        };
        Ok(Arc::new(Self {
            market: Arc::new(market),
            verbatim,
            faults: Faults::default(),
            clock,
            opened: (start, clock.monotonic()),
            skipped_ms: AtomicI64::new(0),
            speed: options.speed.max(1),
            limits: Limits::default(),
            archive: Archive::new(options.archive_bytes_max),
            timers: options.timers,
            connections_max: options.connections_max,
            connections_refused: AtomicU64::new(0),
        }))
    }

    /// The exchange's time.
    pub fn now(&self) -> UnixMillis {
        let elapsed = self.clock.monotonic().saturating_sub(self.opened.1).saturating_mul(self.speed);
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        UnixMillis::new(self.opened.0.saturating_add(elapsed_ms).saturating_add(self.skipped_ms()))
    }

    /// Lets so many milliseconds pass here at once, as they do for the world while a machine is suspended and its clock
    /// stands still.
    pub fn skip(&self, millis: u64) {
        self.skipped_ms.fetch_add(i64::try_from(millis).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// How many were skipped in all.
    pub fn skipped_ms(&self) -> i64 {
        self.skipped_ms.load(Ordering::Relaxed)
    }

    /// Real time until the exchange's clock shows `due`.
    pub(super) fn until(&self, due: i64) -> Duration {
        let wanted = due.saturating_sub(self.opened.0).saturating_sub(self.skipped_ms());
        let wanted = u64::try_from(wanted).unwrap_or(0);
        let elapsed = self.clock.monotonic().saturating_sub(self.opened.1);
        (Duration::from_millis(wanted) / self.speed).saturating_sub(elapsed)
    }

    /// The switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What is listed.
    pub fn contracts(&self) -> &[Contract] {
        &self.market.contracts
    }

    /// The aggregates of `symbol` with times in `[from, to)`, published or not: recomputed, not remembered.
    pub fn truth(&self, symbol: &Symbol, from: UnixMillis, to: UnixMillis) -> Vec<Trade> {
        let Some(contract) = self.find(symbol) else { return Vec::new() };
        self.market.trades_from(contract, from.get()).take_while(|trade| trade.time < to).collect()
    }

    /// The raw trade ids of `symbol` with times in `[from, to)`, the burnt ones among them.
    pub fn truth_raw(&self, symbol: &Symbol, from: UnixMillis, to: UnixMillis) -> Vec<Fill> {
        let Some(contract) = self.find(symbol) else { return Vec::new() };
        self.market.fills_from(contract, from.get()).take_while(|fill| fill.time < to).collect()
    }

    /// The official klines of `symbol` that open in `[from, to)`, those without trades among them; the last is whole
    /// even when its end is yet to come.
    pub fn truth_klines(&self, symbol: &Symbol, timeframe: Timeframe, from: UnixMillis, to: UnixMillis) -> Vec<Kline> {
        let Some(contract) = self.find(symbol) else { return Vec::new() };
        self.klines(contract, timeframe, (from, to), UnixMillis::new(i64::MAX))
    }

    /// Klines that open in `[from, to)`, of the trades up to `now`.
    pub(super) fn klines(
        &self,
        contract: usize,
        timeframe: Timeframe,
        (from, to): (UnixMillis, UnixMillis),
        now: UnixMillis,
    ) -> Vec<Kline> {
        let mut rows = Vec::new();
        let (start, end) = timeframe.bucket(from);
        let mut bucket = if start < from { timeframe.bucket(end) } else { (start, end) };
        let mut last_price = self.market.last_fill_before(contract, bucket.0.get()).map(|fill| fill.price);
        let mut fills = self.market.fills_from(contract, bucket.0.get()).peekable();
        while bucket.0 < to && bucket.0 <= now {
            let mut kline = last_price.map(|price| Kline::flat(bucket, price));
            while let Some(fill) = fills.next_if(|fill| fill.time < bucket.1 && fill.time <= now) {
                if fill.execution == Execution::Market {
                    kline.get_or_insert_with(|| Kline::flat(bucket, fill.price)).add(&fill);
                    last_price = Some(fill.price);
                }
            }
            match kline {
                Some(kline) => rows.push(kline),
                // Nothing is listed before its first trade, and after a recording's end nothing follows.
                None if fills.peek().is_none() => break,
                None => {}
            }
            bucket = timeframe.bucket(bucket.1);
        }
        rows
    }

    pub(super) fn market(&self) -> &Arc<Market> {
        &self.market
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn archive(&self) -> &Archive {
        &self.archive
    }

    pub(super) fn timers(&self) -> Timers {
        self.timers
    }

    pub(super) fn connections_max(&self) -> usize {
        self.connections_max
    }

    pub(super) fn verbatim(&self, stream: &str) -> Option<&Arc<[Frame]>> {
        self.verbatim.get(stream)
    }

    /// Connections turned away because [`Options::connections_max`] were open.
    pub fn connections_refused(&self) -> u64 {
        self.connections_refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn find(&self, symbol: &Symbol) -> Option<usize> {
        self.market.find(|contract| contract.symbol == *symbol)
    }
}
