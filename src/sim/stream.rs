//! What does one stream name deliver on one route, and when is its next frame due?

use crate::{
    model::{Timeframe, Trade, UnixMillis},
    sim::{
        aggregate::{PUBLISH_MS, published_at},
        contract::{Contract, Kind},
        exchange::Exchange,
        json,
        kline::{Speaker, interval},
        market::{Fills, Trades},
        recording::Frame,
        series,
    },
};
use std::sync::Arc;

/// A raw trade reaches its stream this long after it happened (measured: 0 to 1 ms).
const TRADE_DELAY_MS: i64 = 1;
/// A change of the touch reaches its stream this long after (measured: 4 ms).
const BOOK_DELAY_MS: i64 = 4;
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
    BookTicker {
        contract: usize,
        trades: Trades,
    },
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
    Verbatim {
        frames: Arc<[Frame]>,
        at: usize,
    },
}

impl Source {
    /// What `name` delivers on `route` from `now` on.
    pub(super) fn open(exchange: &Exchange, route: Route, name: &str, now: UnixMillis) -> Self {
        let Some((listed, kind)) = name.split_once('@') else { return Self::Silent };
        if !flows(route, kind) {
            return Self::Silent;
        }
        let now = now.get();
        if let Some(frames) = exchange.verbatim(name) {
            let at = frames.partition_point(|frame| frame.due < now);
            return Self::Verbatim { frames: frames.clone(), at };
        }
        if let ("!markPrice", Some(period)) = (listed, mark_period(kind.strip_prefix("arr").unwrap_or("-"))) {
            return Self::MarkPrices { period, at: next_multiple(now, period), tradifi: false };
        }
        let market = exchange.market();
        // Stream names are lower case; `BTCUSDT@aggTrade` is acknowledged and silent (measured, 2026-10-07).
        let is_lower = !listed.bytes().any(|byte| byte.is_ascii_uppercase());
        let named = |contract: &Contract| contract.symbol.as_str().eq_ignore_ascii_case(listed);
        match market.find(named).filter(|_| is_lower) {
            Some(contract) => Self::of_contract(exchange, contract, kind, now),
            None => Self::Silent,
        }
    }

    fn of_contract(exchange: &Exchange, contract: usize, kind: &str, now: i64) -> Self {
        let market = exchange.market();
        let is_generated = market.bid(contract, now).is_some();
        let trades = |lead| market.trades_from(contract, now - lead);
        let mut source = match kind {
            "aggTrade" => {
                let mut trades = trades(PUBLISH_MS);
                Self::AggTrades { contract, next: trades.next(), trades }
            }
            "trade" => Self::RawTrades { contract, fills: market.fills_from(contract, now - TRADE_DELAY_MS) },
            "bookTicker" if is_generated => Self::BookTicker { contract, trades: trades(BOOK_DELAY_MS) },
            _ => match (kind.strip_prefix("kline_"), kind.strip_prefix("markPrice").and_then(mark_period)) {
                (Some(name), _) => Self::klines(exchange, contract, name, now),
                (_, Some(period)) if is_generated && exchange.contracts()[contract].trades() => {
                    Self::MarkPrice { contract, period, at: next_multiple(now, period) }
                }
                _ => Self::Silent,
            },
        };
        while source.due().is_some_and(|due| due < now) {
            source.skip();
        }
        source
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

    /// The contract whose aggregates this is, with what its next frame's faults are looked up by.
    pub(super) fn agg_trade_contract(&self) -> Option<usize> {
        match self {
            Self::AggTrades { contract, .. } => Some(*contract),
            _ => None,
        }
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
            Self::BookTicker { trades, .. } => trades.peek().map(|trade| trade.time.get() + BOOK_DELAY_MS),
            Self::MarkPrice { at, .. } | Self::MarkPrices { at, .. } => Some(*at),
            Self::Verbatim { frames, at } => frames.get(*at).map(|frame| frame.due),
        }
    }

    fn skip(&mut self) {
        match self {
            Self::Klines { speaker, .. } => drop(speaker.say()),
            Self::AggTrades { trades, next, .. } => *next = trades.next(),
            Self::RawTrades { fills, .. } => drop(fills.next()),
            Self::BookTicker { trades, .. } => drop(trades.next()),
            Self::MarkPrice { at, period, .. } | Self::MarkPrices { at, period, .. } => *at += *period,
            Self::Verbatim { at, .. } => *at += 1,
            Self::Silent => {}
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
            Self::BookTicker { contract, trades } => {
                if let Some(trade) = trades.next() {
                    json::book_ticker(out, &contracts[*contract], &trade, sent);
                }
            }
            Self::MarkPrice { contract, period, at } => {
                write_mark_price(exchange, *contract, sent, out);
                *at += *period;
            }
            Self::MarkPrices { period, at, tradifi } => {
                write_mark_prices(exchange, *tradifi, sent, out);
                *at += if *tradifi { *period } else { 0 };
                *tradifi = !*tradifi;
            }
            Self::Verbatim { frames, at } => {
                out.push_str(frames.get(*at).map_or("", |frame| &frame.payload));
                *at += 1;
            }
        }
    }
}

fn write_mark_price(exchange: &Exchange, contract: usize, sent: UnixMillis, out: &mut String) {
    let (market, listed) = (exchange.market(), &exchange.contracts()[contract]);
    if let Some((key, price)) = market.key(contract).zip(market.bid(contract, sent.get())) {
        let due = series::next_funding(sent.get() + 1);
        let funding = series::is_funded(listed).then(|| (series::funding_rate(key, due), due));
        json::mark_price(out, listed, price, funding, sent);
    }
}

fn write_mark_prices(exchange: &Exchange, tradifi: bool, sent: UnixMillis, out: &mut String) {
    out.push('[');
    for (contract, listed) in exchange.contracts().iter().enumerate() {
        if (listed.kind == Kind::TradifiPerpetual) == tradifi {
            if !out.ends_with('[') {
                out.push(',');
            }
            write_mark_price(exchange, contract, sent, out);
        }
    }
    out.push(']');
}

/// Whether `kind` (what follows the first `@`) is carried by `route`.
fn flows(route: Route, kind: &str) -> bool {
    let kind = kind.split('@').next().unwrap_or(kind);
    let is_public = matches!(kind, "trade" | "bookTicker") || kind.starts_with("depth") || kind.starts_with("rpiDepth");
    if is_public { route.is_public() } else { matches!(route, Route::Market | Route::Every) }
}

/// The period of a mark price stream, by what follows its name.
fn mark_period(suffix: &str) -> Option<i64> {
    match suffix {
        "" => Some(3 * UnixMillis::SECOND),
        "@1s" => Some(UnixMillis::SECOND),
        _ => None,
    }
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
