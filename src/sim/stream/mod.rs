//! What does one stream name deliver on one route, and when is its next frame due?

mod depth;
mod liquidations;
mod marks;
mod notices;
mod tickers;
mod top;

pub(super) use liquidations::liquidation;
pub(super) use top::ticker as book_ticker;

use crate::{
    model::{Timeframe, Trade, UnixMillis},
    sim::{
        aggregate::{PUBLISH_MS, published_at},
        contract::Contract,
        exchange::Exchange,
        json,
        kline::{Speaker, interval},
        market::{Fills, Trades},
        recording::Frame,
    },
};
use depth::Depth;
use liquidations::Liquidations;
use notices::Notices;
use std::sync::Arc;
use tickers::Shape;
use top::{Top, Tops};

/// A raw trade reaches its stream this long after it happened (measured: 0 to 1 ms).
const TRADE_DELAY_MS: i64 = 1;
/// A kline stream whose interval holds more trades than this so far stays silent, and a REST range of more is refused:
/// the fold would stall the exchange for seconds.
const FOLDED_TRADES_MAX: i64 = 10_000_000;

/// The part of the URL that says which streams flow (Binance "Important WebSocket Change Notice", 2026).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Public,
    Market,
    Private,
    /// The un-routed URLs of before: they deliver what `/public` does.
    Legacy,
    /// No URL: what the recorder of this exchange sees.
    Every,
}

impl Route {
    fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::Legacy | Self::Every)
    }
}

/// What a subscribed name delivers. Every name is accepted; most names are silent.
#[derive(Debug)]
pub(super) enum Source {
    Silent,
    AggTrades {
        contract: usize,
        trades: Trades,
        next: Option<Trade>,
    },
    RawTrades {
        contract: usize,
        fills: Fills,
    },
    Klines {
        contract: usize,
        interval: Box<str>,
        speaker: Box<Speaker>,
    },
    Depth(Depth),
    Top(Top),
    Tops(Tops),
    MarkPrice {
        contract: usize,
        period: i64,
        at: i64,
    },
    /// All mark prices; shares and metals come in a frame of their own, which is the second of each period.
    MarkPrices {
        period: i64,
        at: i64,
        tradifi: bool,
    },
    Liquidations(Liquidations),
    Ticker {
        contract: usize,
        shape: Shape,
        at: i64,
    },
    /// Those of the contracts that traded meanwhile.
    Tickers {
        shape: Shape,
        at: i64,
    },
    Notices(Notices),
    Verbatim {
        frames: Arc<[Frame]>,
        at: usize,
    },
}

impl Source {
    /// What `name` delivers on `route` from `now` on, and of which contract if it is one's.
    pub(super) fn open(exchange: &Exchange, route: Route, name: &str, now: UnixMillis) -> (Self, Option<usize>) {
        let (listed, kind) = name.split_once('@').unwrap_or((name, ""));
        let of_all = listed.strip_prefix('!');
        // Stream names are lower case; `BTCUSDT@aggTrade` is acknowledged and silent (measured, 2026-10-07).
        let is_lower = !listed.bytes().any(|byte| byte.is_ascii_uppercase());
        let named = |contract: &Contract| contract.symbol.as_str().eq_ignore_ascii_case(listed);
        let contract = exchange.market().find(named).filter(|_| is_lower && of_all.is_none());
        if !flows(route, of_all.unwrap_or(kind)) {
            return (Self::Silent, contract);
        }
        let now = now.get();
        let source = match (exchange.verbatim(name), of_all, contract) {
            (Some(frames), ..) => {
                let at = frames.partition_point(|frame| frame.due < now);
                Self::Verbatim { frames: frames.clone(), at }
            }
            (_, Some(of_all), _) => Self::of_all(exchange, of_all, kind, now),
            (_, _, Some(contract)) => Self::of_contract(exchange, contract, kind, now),
            _ => Self::Silent,
        };
        (source, contract)
    }

    fn of_all(exchange: &Exchange, name: &str, kind: &str, now: i64) -> Self {
        let source = match (name, kind, kind.strip_prefix("arr").and_then(marks::period)) {
            ("markPrice", _, Some(period)) => {
                Some(Self::MarkPrices { period, at: next_multiple(now, period), tradifi: false })
            }
            ("bookTicker", "", _) => Tops::open(exchange, now).map(Self::Tops),
            ("forceOrder", "arr", _) => Liquidations::open(exchange, None, now).map(Self::Liquidations),
            ("contractInfo", "", _) => Some(Self::Notices(Notices::open(exchange, now))),
            (name, "arr", _) => {
                Shape::named(name).map(|shape| Self::Tickers { shape, at: next_multiple(now, tickers::ALL_MS) })
            }
            _ => None,
        };
        source.filter(|_| exchange.market().key(0).is_some()).unwrap_or(Self::Silent)
    }

    fn of_contract(exchange: &Exchange, contract: usize, kind: &str, now: i64) -> Self {
        let market = exchange.market();
        let mut source = match kind {
            "aggTrade" => {
                let mut trades = market.trades_from(contract, now - PUBLISH_MS);
                Self::AggTrades { contract, next: trades.next(), trades }
            }
            "trade" => Self::RawTrades { contract, fills: market.fills_from(contract, now - TRADE_DELAY_MS) },
            _ => match kind.strip_prefix("kline_") {
                Some(name) => Self::klines(exchange, contract, name, now),
                None => Self::of_generated(exchange, contract, kind, now).unwrap_or(Self::Silent),
            },
        };
        while source.due().is_some_and(|due| due < now) {
            source.skip();
        }
        source
    }

    /// What only a generated market has, of a contract that trades.
    fn of_generated(exchange: &Exchange, contract: usize, kind: &str, now: i64) -> Option<Self> {
        exchange.market().key(contract).filter(|_| exchange.contracts()[contract].trades())?;
        if let Some(period) = kind.strip_prefix("markPrice").and_then(marks::period) {
            return Some(Self::MarkPrice { contract, period, at: next_multiple(now, period) });
        }
        if let Some(shape) = Shape::named(kind) {
            return Some(Self::Ticker { contract, shape, at: next_multiple(now, tickers::ONE_MS) });
        }
        match kind {
            "bookTicker" => Top::open(exchange, contract, now).map(Self::Top),
            "forceOrder" => Liquidations::open(exchange, Some(contract), now).map(Self::Liquidations),
            _ => Depth::open(exchange, contract, kind, now).map(Self::Depth),
        }
    }

    fn klines(exchange: &Exchange, contract: usize, name: &str, now: i64) -> Self {
        let Some(timeframe) = interval(name) else { return Self::Silent };
        // The interval before may still be unclosed.
        let (start, _) = timeframe.bucket(timeframe.bucket(UnixMillis::new(now)).0.plus(-1));
        let listed = &exchange.contracts()[contract];
        let start = if costs_too_much(listed, now - start.get()) { bucket_start(timeframe, now) } else { start.get() };
        if costs_too_much(listed, now - start) {
            return Self::Silent;
        }
        let speaker = Speaker::new(timeframe, exchange.market().fills_from(contract, start));
        Self::Klines { contract, interval: name.into(), speaker: Box::new(speaker) }
    }

    /// Whether it is one of aggregates: those are subject to the faults of frames.
    pub(super) fn is_agg_trades(&self) -> bool {
        matches!(self, Self::AggTrades { .. })
    }

    /// When the next frame is due.
    pub(super) fn due(&self) -> Option<i64> {
        match self {
            Self::Silent => None,
            Self::AggTrades { trades, next, .. } => {
                next.as_ref().map(|trade| published_at(trade, trades.peek().map(|next| next.time)).get())
            }
            Self::RawTrades { fills, .. } => fills.peek().map(|fill| fill.time.get() + TRADE_DELAY_MS),
            Self::Klines { speaker, .. } => speaker.due(),
            Self::Depth(depth) => depth.due(),
            Self::Top(top) => top.due(),
            Self::Tops(tops) => Some(tops.due()),
            Self::Liquidations(liquidations) => liquidations.due(),
            Self::Notices(notices) => notices.due(),
            Self::MarkPrice { at, .. }
            | Self::MarkPrices { at, .. }
            | Self::Ticker { at, .. }
            | Self::Tickers { at, .. } => Some(*at),
            Self::Verbatim { frames, at } => frames.get(*at).map(|frame| frame.due),
        }
    }

    /// Passes over a frame that was due before the stream began; the others begin where they should.
    fn skip(&mut self) {
        match self {
            Self::Klines { speaker, .. } => drop(speaker.say()),
            Self::AggTrades { trades, next, .. } => *next = trades.next(),
            Self::RawTrades { fills, .. } => drop(fills.next()),
            _ => *self = Self::Silent,
        }
    }

    /// Appends the frame that is due at `due`, without its envelope, and goes on to the next.
    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        let sent = UnixMillis::new(due);
        let contracts = exchange.contracts();
        match self {
            Self::Silent => {}
            Self::AggTrades { contract, trades, next } => {
                if let Some(trade) = std::mem::replace(next, trades.next()) {
                    json::agg_trade(out, &contracts[*contract], &trade, sent);
                }
            }
            Self::RawTrades { contract, fills } => {
                if let Some(fill) = fills.next() {
                    json::raw_trade(out, &contracts[*contract], &fill);
                }
            }
            Self::Klines { contract, interval, speaker } => {
                if let Some((kline, closed, _)) = speaker.say() {
                    json::kline(out, &contracts[*contract], interval, (&kline, closed), sent);
                }
            }
            Self::Depth(depth) => depth.write(exchange, due, out),
            Self::Top(top) => top.write(exchange, due, out),
            Self::Tops(tops) => tops.write(exchange, due, out),
            Self::Liquidations(liquidations) => liquidations.write(exchange, due, out),
            Self::Notices(notices) => notices.write(exchange, due, out),
            Self::MarkPrice { contract, period, at } => {
                marks::write_one(exchange, *contract, due, out);
                *at += *period;
            }
            Self::MarkPrices { period, at, tradifi } => {
                marks::write_all(exchange, *tradifi, due, out);
                *at += if *tradifi { *period } else { 0 };
                *tradifi = !*tradifi;
            }
            Self::Ticker { contract, shape, at } => {
                tickers::write_one(exchange, *contract, *shape, due, out);
                *at += tickers::ONE_MS;
            }
            Self::Tickers { shape, at } => {
                tickers::write_changed(exchange, *shape, due, out);
                *at += tickers::ALL_MS;
            }
            Self::Verbatim { frames, at } => {
                out.push_str(frames.get(*at).map_or("", |frame| &frame.payload));
                *at += 1;
            }
        }
    }
}

/// Whether `kind` (what follows the first `@`, or a `!`) is carried by `route`.
fn flows(route: Route, kind: &str) -> bool {
    let kind = kind.split('@').next().unwrap_or(kind);
    let is_public = matches!(kind, "trade" | "bookTicker") || kind.starts_with("depth") || kind.starts_with("rpiDepth");
    if is_public { route.is_public() } else { matches!(route, Route::Market | Route::Every) }
}

fn next_multiple(time: i64, period: i64) -> i64 {
    time.div_euclid(period) * period + period
}

fn bucket_start(timeframe: Timeframe, time: i64) -> i64 {
    timeframe.bucket(UnixMillis::new(time)).0.get()
}

/// Whether folding `millis` of a contract's market would take too long.
pub(super) fn costs_too_much(contract: &Contract, millis: i64) -> bool {
    millis / UnixMillis::MINUTE * i64::from(contract.trades_per_minute) > FOLDED_TRADES_MAX
}
