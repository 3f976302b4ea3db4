//! What does each part of the program need to know?

use crate::{
    config::{
        ages::{Ages, ages},
        backfill::{Backfill, backfill},
        book::{Book, book},
        problem::{Problems, Reason},
        reader::Reader,
        series::{Series, series},
        settings::Settings,
        symbols::{self, Contract, Override, Selection, TapeKind},
        url,
    },
    model::Symbol,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    thread::available_parallelism,
    time::Duration,
};
use toml::Value;
use tracing_subscriber::filter::LevelFilter;

/// The longest time that most keys take, in milliseconds.
const TEN_MINUTES: i64 = 600_000;
/// The shortest time for the head of a request: the HTTP server's clock ticks every 500 ms, so less cuts honest clients.
const HEADER_TIMEOUT_MIN: i64 = 1_000;

/// Everything, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to record: at least one, none twice.
    pub symbols: Selection,
    /// `[server]`, what concerns sockets and requests.
    pub server: Server,
    /// `[server]`, what concerns WebSocket sessions.
    pub session: Session,
    /// `[store]`
    pub store: Store,
    /// `[venue.binance]`
    pub binance: Binance,
    /// `[series]`
    pub series: Series,
    /// `[repair]`
    pub repair: Repair,
    /// `[backfill]`
    pub backfill: Backfill,
    /// `[candle]`
    pub candle: Candle,
    /// `[book]`
    pub book: Book,
    /// `[threads]`
    pub threads: Threads,
    /// `[log]`
    pub log: Log,
    /// `[sim]`
    pub sim: Sim,
    /// What is kept of contracts without an override.
    contract: Contract,
    overrides: Vec<Override>,
}

/// `[server]`, what concerns sockets and requests.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Open connections.
    pub connections_max: NonZeroUsize,
    /// Open connections from one address.
    pub connections_per_ip_max: NonZeroUsize,
    /// For the head of a request.
    pub header_timeout: Duration,
    /// For the body of a request.
    pub body_timeout: Duration,
    /// The longest body.
    pub body_bytes_max: usize,
    /// Origins besides the server's own that may open a WebSocket, as browsers write them; `*` is every one.
    pub allowed_origins: Vec<String>,
    /// From the signal to stop until sessions are cut.
    pub shutdown: Duration,
}

/// `[server]`, what concerns WebSocket sessions.
#[derive(Clone, Debug)]
pub struct Session {
    /// How long updates are gathered before a write; zero writes at once.
    pub flush: Duration,
    /// Messages waiting for one session.
    pub queue_messages_max: NonZeroUsize,
    /// Bytes that wait for one session.
    pub queue_bytes_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_max: NonZeroUsize,
    /// Requests of one session in a second.
    pub requests_per_second_max: NonZeroU32,
    /// The longest message that is taken.
    pub message_bytes_max: NonZeroUsize,
    /// Between heartbeat messages to an idle session.
    pub heartbeat: Duration,
    /// Between pings.
    pub ping: Duration,
    /// How long a session may take nothing off its socket.
    pub slow_cut: Duration,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// Where the tape is kept; nothing is without it.
    pub dir: Option<PathBuf>,
    /// What is recorded; the venue's host when nothing is said.
    pub venue: Option<String>,
    /// When what was written is synced.
    pub sync: SyncWhen,
    /// For [`SyncWhen::Interval`].
    pub sync_interval: Duration,
    /// How long trades wait to be written together.
    pub write_wait: Duration,
    /// Length of a journal file.
    pub journal_file_bytes: u64,
    /// How long a journal file is written to.
    pub journal_roll: Duration,
    /// Memory for trades that are not durable.
    pub queue_bytes_max: usize,
    /// About what trades may take of the disk.
    pub trades_bytes_max: Option<u64>,
    /// About what candles may take of the disk.
    pub candles_bytes_max: Option<u64>,
    /// What segments may take of the disk.
    pub bytes_max: Option<u64>,
    /// Between checks of one segment and the next; none are made when nothing is said.
    pub scrub: Option<Duration>,
}

/// When what was written is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncWhen {
    /// At the kernel's own time.
    Never,
    /// Every so often.
    Interval,
    /// With every write.
    EveryBatch,
}

/// `[venue.binance]`
#[derive(Clone, Debug)]
pub struct Binance {
    /// Root of REST, without a slash at its end.
    pub rest_url: String,
    /// Root of the streams, without a slash at its end.
    pub ws_url: String,
    /// Root of the archive's files, without a slash at its end.
    pub archive_url: String,
    /// Root of the archive's listings, without a slash at its end; where the archive itself is unless it is said.
    pub archive_list_url: Option<String>,
    /// Path by kind of stream, where it is not the usual one.
    pub routes: BTreeMap<String, String>,
    /// Certificates to trust beside the public authorities' (PEM).
    pub extra_ca_file: Option<PathBuf>,
    /// Streams on one connection.
    pub streams_per_connection_max: NonZeroUsize,
    /// Connections that carry each stream: one, or two.
    pub connections_per_stream: NonZeroUsize,
    /// Between the openings of a connection.
    pub rotation: Duration,
    /// Between readings of the venue's listing.
    pub listing_refresh: Duration,
    /// To connect.
    pub connect_timeout: Duration,
    /// From the connection to the open WebSocket.
    pub handshake_timeout: Duration,
    /// How long a connection may carry nothing.
    pub idle_timeout: Duration,
    /// Before the first attempt to connect again.
    pub backoff_base: Duration,
    /// The longest wait between attempts; at least `backoff_base`.
    pub backoff_cap: Duration,
}

/// `[repair]`
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    /// Contracts whose missing ids are fetched at once; none fetches nothing.
    pub fills_max: Option<NonZeroUsize>,
    /// The longest time whose trades are asked of the archive without being told; none are when it is none.
    pub archive_max: Option<Duration>,
}

/// `[candle]`
#[derive(Clone, Debug)]
pub struct Candle {
    /// From a candle's end by the venue's clock until it closes without a successor.
    pub grace: Duration,
    /// How long a trade waits for its predecessor.
    pub reorder: Duration,
    /// One-minute candles of a contract held in memory.
    pub minutes_kept: NonZeroUsize,
}

/// `[threads]`, counted out: none is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Receive and order trades.
    pub ingest: NonZeroUsize,
    /// Fold candles and publish.
    pub live: NonZeroUsize,
    /// Serve clients.
    pub http: NonZeroUsize,
    /// Everything else.
    pub aux: NonZeroUsize,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// A filter in the manner of `RUST_LOG`, known to parse.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[sim]`
#[derive(Clone, Debug)]
pub struct Sim {
    /// Address and port.
    pub listen: SocketAddr,
    /// What the market grows from.
    pub seed: u64,
    /// How many times faster than real time.
    pub speed: NonZeroU32,
    /// So many contracts of a whole venue; 0 for the built-in list.
    pub contracts: usize,
    /// How many times more they trade.
    pub rate: NonZeroU32,
    /// Contracts and their mean pace; empty for the list above.
    pub trades_per_minute: Vec<(Symbol, u32)>,
    /// What to replay instead of a generated market.
    pub recording: Option<PathBuf>,
}

impl Config {
    /// Checks `settings`.
    ///
    /// # Errors
    ///
    /// When a value will not do; all faults are told at once.
    pub fn new(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let book = book(reader);
        let series = series(reader);
        Self {
            symbols: reader.value("symbols", symbols::symbols),
            contract: Contract {
                tape: reader.text("tape", TapeKind::parse),
                ring_trades: reader.value("ring.trades", symbols::ring_trades),
                book: false,
                book_levels: book.levels,
                tick_sizes: book.tick_sizes.clone(),
                series: series.stored(),
                large_trade_usd: series.large_trade_usd,
                ages: ages(reader),
            },
            overrides: reader.value("override", symbols::overrides),
            server: server(reader),
            session: session(reader),
            store: store(reader),
            binance: binance(reader),
            series,
            repair: repair(reader),
            backfill: backfill(reader),
            candle: candle(reader),
            book,
            threads: threads(reader),
            log: log(reader),
            sim: sim(reader),
        }
    }

    /// What is kept of `symbol`: the general settings, then each override that fits, in their order. What `[series]` switches
    /// off stays off.
    pub fn contract(&self, symbol: &Symbol) -> Contract {
        let general = Contract { book: self.book.symbols.selects(symbol), ..self.contract.clone() };
        let overrides = self.overrides.iter();
        let contract = overrides.fold(general, |contract, exception| exception.apply(symbol, contract));
        Contract { series: contract.series.and(self.series.stored()), ..contract }
    }
}

impl Config {
    /// How long what is stored of contracts without an override is kept.
    pub const fn ages(&self) -> Ages {
        self.contract.ages
    }
}

fn server(reader: &mut Reader<'_>) -> Server {
    Server {
        listen: reader.text("server.listen", address),
        connections_max: reader.count("server.connections_max", 1_000_000),
        connections_per_ip_max: reader.count("server.connections_per_ip_max", 1_000_000),
        header_timeout: reader.millis("server.header_timeout_ms", HEADER_TIMEOUT_MIN..=TEN_MINUTES),
        body_timeout: reader.millis("server.body_timeout_ms", 100..=TEN_MINUTES),
        body_bytes_max: reader.number("server.body_bytes_max", 0..=16_777_216),
        allowed_origins: reader.texts("server.allowed_origins", url::origin),
        shutdown: reader.millis("server.shutdown_ms", 0..=TEN_MINUTES),
    }
}

fn session(reader: &mut Reader<'_>) -> Session {
    Session {
        flush: reader.millis("server.flush_ms", 0..=60_000),
        queue_messages_max: reader.count("server.ws_queue_messages_max", 1_000_000),
        queue_bytes_max: reader.number("server.ws_queue_bytes_max", 65_536..=1_073_741_824),
        subscriptions_max: reader.count("server.ws_subscriptions_max", 100_000),
        requests_per_second_max: reader.count("server.ws_requests_per_second_max", 100_000),
        message_bytes_max: reader.nonzero("server.ws_message_bytes_max", 128..=16_777_216),
        heartbeat: reader.millis("server.heartbeat_ms", 100..=TEN_MINUTES),
        ping: reader.millis("server.ping_ms", 100..=TEN_MINUTES),
        slow_cut: reader.millis("server.slow_cut_ms", 100..=TEN_MINUTES),
    }
}

fn store(reader: &mut Reader<'_>) -> Store {
    let sync = |text: &str| match text {
        "interval" => Ok(SyncWhen::Interval),
        "every-batch" => Ok(SyncWhen::EveryBatch),
        "none" => Ok(SyncWhen::Never),
        _ => Err(Reason::NoneOf(&["interval", "every-batch", "none"])),
    };
    Store {
        dir: reader.text("store.dir", path),
        venue: reader.text("store.venue", venue),
        sync: reader.text("store.sync", sync),
        sync_interval: reader.millis("store.sync_ms", 1..=60_000),
        write_wait: reader.millis("store.write_ms", 0..=60_000),
        journal_file_bytes: reader.number("store.journal_file_bytes", 1_048_576..=4_294_967_295),
        journal_roll: reader.millis("store.journal_roll_ms", 1_000..=86_400_000),
        queue_bytes_max: reader.number("store.queue_bytes_max", 1_048_576..=68_719_476_736),
        trades_bytes_max: Some(reader.number("store.trades_bytes_max", 0..=i64::MAX)).filter(|bytes| *bytes > 0),
        candles_bytes_max: Some(reader.number("store.candles_bytes_max", 0..=i64::MAX)).filter(|bytes| *bytes > 0),
        bytes_max: Some(reader.number("store.bytes_max", 0..=i64::MAX)).filter(|bytes| *bytes > 0),
        scrub: Some(reader.millis("store.scrub_ms", 0..=86_400_000)).filter(|wait| !wait.is_zero()),
    }
}

/// A name that stands in each store that records it.
fn venue(text: &str) -> Result<Option<String>, Reason> {
    if text.len() > 256 || text.chars().any(char::is_control) {
        return Err(Reason::NoVenue);
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(str::to_owned))
}

fn binance(reader: &mut Reader<'_>) -> Binance {
    let backoff_base = reader.millis("venue.binance.backoff_base_ms", 10..=TEN_MINUTES);
    Binance {
        rest_url: reader.text("venue.binance.rest_url", |text| url::root(text, &url::HTTP)),
        ws_url: reader.text("venue.binance.ws_url", |text| url::root(text, &url::WS)),
        archive_url: reader.text("venue.binance.archive_url", |text| url::root(text, &url::HTTP)),
        archive_list_url: reader.text("venue.binance.archive_list_url", |text| {
            (!text.is_empty()).then(|| url::root(text, &url::HTTP)).transpose()
        }),
        routes: reader.value("venue.binance.routes", routes),
        extra_ca_file: reader.text("venue.binance.extra_ca_file", path),
        streams_per_connection_max: reader.count("venue.binance.streams_per_connection_max", 1023),
        connections_per_stream: reader.count("venue.binance.connections_per_stream", 2),
        rotation: reader.millis("venue.binance.rotation_ms", 60_000..=86_400_000),
        listing_refresh: reader.millis("venue.binance.listing_refresh_ms", 1_000..=86_400_000),
        connect_timeout: reader.millis("venue.binance.connect_timeout_ms", 100..=TEN_MINUTES),
        handshake_timeout: reader.millis("venue.binance.handshake_timeout_ms", 100..=TEN_MINUTES),
        idle_timeout: reader.millis("venue.binance.idle_timeout_ms", 1000..=3_600_000),
        backoff_base,
        backoff_cap: reader.millis("venue.binance.backoff_cap_ms", 10..=3_600_000).max(backoff_base),
    }
}

fn repair(reader: &mut Reader<'_>) -> Repair {
    let days: u64 = reader.number("repair.archive_days_max", 0..=3_650);
    Repair {
        fills_max: NonZeroUsize::new(reader.number("repair.fills_max", 0..=64)),
        archive_max: (days > 0).then(|| Duration::from_hours(24 * days)),
    }
}

fn candle(reader: &mut Reader<'_>) -> Candle {
    Candle {
        grace: reader.millis("candle.grace_ms", 0..=60_000),
        reorder: reader.millis("candle.reorder_ms", 0..=60_000),
        minutes_kept: reader.nonzero("candle.minutes_kept", 60..=527_040),
    }
}

/// The CPUs are those that the process may use: the standard library heeds the affinity mask and the cgroup's quota.
fn threads(reader: &mut Reader<'_>) -> Threads {
    let cpus = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut threads = |key, max, cpus_each| {
        let given = reader.number::<usize>(key, 0..=max);
        NonZeroUsize::new(given).or(NonZeroUsize::new(cpus / cpus_each)).unwrap_or(NonZeroUsize::MIN)
    };
    Threads {
        ingest: threads("threads.ingest", 64, 4),
        live: threads("threads.live", 64, 4),
        http: threads("threads.http", 256, 2),
        aux: threads("threads.aux", 64, 8),
    }
}

fn log(reader: &mut Reader<'_>) -> Log {
    let format = |text: &str| match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Reason::NoneOf(&["auto", "text", "json"])),
    };
    Log { filter: reader.text("log.level", filter), format: reader.text("log.format", format) }
}

fn sim(reader: &mut Reader<'_>) -> Sim {
    let pace = |value: &Value| symbols::by_symbol(value, "sim.trades_per_minute", 600_000);
    Sim {
        listen: reader.text("sim.listen", address),
        seed: reader.number("sim.seed", 0..=i64::MAX),
        speed: reader.count("sim.speed", 1000),
        contracts: reader.number("sim.contracts", 0..=1_000),
        rate: reader.count("sim.rate", 1_000),
        trades_per_minute: reader.value("sim.trades_per_minute", pace),
        recording: reader.text("sim.recording", path),
    }
}

fn address(text: &str) -> Result<SocketAddr, Reason> {
    text.parse().map_err(|_| Reason::NoAddress)
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the reader's parsers")]
fn path(text: &str) -> Result<Option<PathBuf>, Reason> {
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

fn routes(value: &Value) -> Result<BTreeMap<String, String>, Reason> {
    let entry = |(kind, path): (&String, &Value)| {
        let path = path.as_str().map(|path| path.trim_matches('/'));
        let path = path.filter(|path| !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_lowercase()));
        Ok((kind.clone(), path.ok_or_else(|| Reason::NoRoute(kind.clone()))?.to_owned()))
    };
    value.as_table().into_iter().flatten().map(entry).collect()
}

/// Takes a list of levels and `target=level`.
///
/// `tracing` reads a lone word that is no level as a module to log in full; here that is a typing error.
fn filter(text: &str) -> Result<String, Reason> {
    for part in text.split(',').map(str::trim) {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        let known = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if !known || tracing_subscriber::EnvFilter::try_new(part).is_err() {
            return Err(Reason::NoFilter(part.to_owned()));
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    /// Comments say the bounds that hold, and no key stands in the file that nobody reads.
    #[test]
    fn every_key_is_read_and_its_comment_tells_its_bounds() {
        let settings = Settings::gather(Sources::default()).expect("the defaults are valid");
        let mut reader = Reader::new(&settings);
        Config::read(&mut reader);
        let text = include_str!("../../config/tapedeck.toml");
        let mut section = "";
        let mut comment = String::new();
        let mut keys = 0;
        for line in text.lines() {
            if let Some(words) = line.strip_prefix('#') {
                comment += words;
            } else if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                comment.clear();
            } else if let Some((name, _)) = line.split_once(" = ") {
                let key = [section, name].join(".");
                let key = key.trim_start_matches('.');
                let (_, bounds) = reader.seen.iter().find(|(seen, _)| *seen == key).expect(key);
                if let Some(bounds) = bounds {
                    let told = format!("{} to {}", bounds.start(), bounds.end());
                    assert!(comment.contains(&told), "`{key}`: its comment does not say `{told}`");
                }
                keys += 1;
                comment.clear();
            }
        }
        assert_eq!(keys, reader.seen.len(), "each key is read once");
    }

    #[test]
    fn a_filter_is_levels_and_modules_with_levels() {
        for text in ["info", "INFO", "off", "warn,tapedeck::feed=debug", "info, actix=error"] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for (text, part) in [("inof", "inof"), ("info,tapedeck", "tapedeck"), ("", ""), ("info,a=loud", "a=loud")] {
            assert_eq!(filter(text), Err(Reason::NoFilter(part.to_owned())), "{text}");
        }
    }
}
