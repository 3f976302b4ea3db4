//! What does each part need of the configuration?

use crate::{
    api,
    app::{Options, registry, storing},
    candle::FoldOptions,
    clock::Clock,
    config::{Aged, BookSpeed, Config, TapeKind},
    exchange::binance::{AGG_TRADES_REACH_MS, DepthSpeed, Routes, StreamKind},
    feed, live, market,
    model::Symbol,
    net::{Endpoint, Limits},
};
use anyhow::Context as _;
use std::{io, path::Path, sync::Arc, time::Duration};

/// A connection that has lasted so long starts the waits between attempts from the first again.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// What is followed of all contracts at once.
fn market(config: &Config) -> Vec<StreamKind> {
    let chosen = [(StreamKind::ForceOrder, config.series.liquidations), (StreamKind::Ticker, config.series.tickers)];
    let chosen = chosen.into_iter().filter(|(_, is_followed)| *is_followed).map(|(kind, _)| kind);
    [StreamKind::MarkPrice, StreamKind::ContractInfo, StreamKind::BookTicker].into_iter().chain(chosen).collect()
}

/// What the registry needs.
pub(super) fn wanted(config: &Config) -> registry::Wanted {
    let (selection, retention, config) = (config.symbols.clone(), storing::retention(config), config.clone());
    registry::Wanted { selection, retention, spec: Arc::new(move |symbol| spec(&config, symbol)) }
}

/// How a contract is recorded.
pub(super) fn spec(config: &Config, symbol: &Symbol) -> market::Spec {
    let kept = config.contract(symbol);
    let kind = match kept.tape {
        TapeKind::Aggregate => market::TapeKind::Aggregate,
        TapeKind::Raw => market::TapeKind::Raw,
    };
    let beside = market::Kept {
        series: kept.series,
        large_trade_usd: kept.large_trade_usd,
        open_interest: kept.ages.of(Aged::OpenInterest),
    };
    let book = kept.book.then(|| market::BookSpec::new(kept.tick_sizes, kept.book_levels.get()));
    market::Spec { book, kept: beside, ..(symbol.clone(), kind, kept.ring_trades.get()).into() }
}

const fn depth(speed: BookSpeed) -> DepthSpeed {
    match speed {
        BookSpeed::Every100Ms => DepthSpeed::Every100Ms,
        BookSpeed::Unthrottled => DepthSpeed::Unthrottled,
    }
}

/// What the live path needs; `seed` spreads its waits.
pub(super) fn engine(config: &Config, seed: u64) -> anyhow::Result<Options> {
    let binance = &config.binance;
    let routes: Vec<_> = binance.routes.iter().collect();
    Ok(Options {
        contracts: config.symbols.named.iter().map(|symbol| spec(config, symbol)).collect(),
        routes: Routes::with(&routes)?,
        streams_per_connection_max: binance.streams_per_connection_max.get(),
        market: market(config),
        depth: depth(config.book.speed),
        mark_every_ms: config.series.marks_every.map_or(0, millis),
        is_doubled: binance.connections_per_stream.get() > 1,
        feed: feed::Options {
            endpoint: Endpoint::parse(&binance.ws_url)?,
            limits: Limits {
                handshake_timeout: binance.handshake_timeout,
                idle_timeout: binance.idle_timeout,
                ..Limits::default()
            },
            backoff: (binance.backoff_base, binance.backoff_cap),
            stable_after: STABLE_AFTER,
            rotation: feed::Rotation { first: binance.rotation, every: binance.rotation },
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

/// What the server for clients needs.
pub(super) fn api(config: &Config) -> api::Options {
    let (server, session, series) = (&config.server, &config.session, &config.series);
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
        followed: api::Followed {
            open_interest: series.open_interest.is_some(),
            liquidations: series.liquidations,
            tickers: series.tickers,
        },
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

/// Small and multi-threaded: REST and whatever else must not disturb the live path.
pub(super) fn aux_runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).thread_name("aux").enable_all().build()
}

/// The certificates that are trusted beside the public authorities', as they stand in the file.
pub(super) fn extra_ca(path: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("venue.binance.extra_ca_file: cannot read {}", path.display()))
    };
    path.map(read).transpose()
}
