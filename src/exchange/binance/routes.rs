//! Which path of the venue's host carries which stream, and what is the stream called there?
//!
//! Since 2026-04-23 a stream asked for on the wrong path is acknowledged and then silent (Binance "Base URL Split" notice;
//! measured 2026-08-01), so the table is data that an operator can correct without a new build.

use crate::model::{Symbol, Timeframe};

/// A kind of stream; all but mini tickers are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Aggregate trades.
    AggTrade,
    /// Raw trades: undocumented, live on `/public`.
    Trade,
    /// Klines of one of [`KLINE_INTERVALS`].
    Kline(Timeframe),
    /// Best bid and ask.
    BookTicker,
    /// Book changes.
    Depth(DepthSpeed),
    /// Mark price, index price and funding rate every second.
    MarkPrice,
    /// Liquidations: the largest of each second.
    ForceOrder,
    /// Rolling 24 h statistics.
    Ticker,
    /// Rolling 24 h open, high, low, close and volume.
    MiniTicker,
    /// Listings, settlements and changes of brackets: there is one stream for all contracts.
    ContractInfo,
}

/// How often a book's changes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DepthSpeed {
    /// At most every 100 ms: the fastest that is documented.
    Every100Ms,
    /// As they happen: undocumented, but used by others up to 2026-07.
    Unthrottled,
}

impl DepthSpeed {
    /// What a stream's name ends with; the bare name is the one of 250 ms.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Every100Ms => "100ms",
            Self::Unthrottled => "0ms",
        }
    }
}

/// The intervals of the venue's klines, in the canonical form of [`Timeframe`]; all deliver (measured 2026-10-07).
pub const KLINE_INTERVALS: [&str; 15] =
    ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"];

/// Whether the venue publishes klines of this timeframe; a stream of any other is acknowledged and silent.
pub fn offers_klines(timeframe: Timeframe) -> bool {
    KLINE_INTERVALS.contains(&timeframe.to_string().as_str())
}

/// A path token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/public`.
    Public,
    /// `/market`.
    Market,
    /// No token: the path before the split, which now carries public streams alone.
    Legacy,
}

/// The split of 2026-04-23 (Binance USD-M docs); `trade` is in no document, but delivers on `/public` (measured 2026-08-01).
const SPLIT: [(&str, Route); 10] = [
    ("aggTrade", Route::Market),
    ("trade", Route::Public),
    ("kline", Route::Market),
    ("bookTicker", Route::Public),
    ("depth", Route::Public),
    ("markPrice", Route::Market),
    ("forceOrder", Route::Market),
    ("ticker", Route::Market),
    ("miniTicker", Route::Market),
    ("contractInfo", Route::Market),
];

impl StreamKind {
    /// The venue's word for it, without parameters: the key of [`Routes`].
    pub const fn name(self) -> &'static str {
        SPLIT[self.index()].0
    }

    const fn index(self) -> usize {
        match self {
            Self::AggTrade => 0,
            Self::Trade => 1,
            Self::Kline(_) => 2,
            Self::BookTicker => 3,
            Self::Depth(_) => 4,
            Self::MarkPrice => 5,
            Self::ForceOrder => 6,
            Self::Ticker => 7,
            Self::MiniTicker => 8,
            Self::ContractInfo => 9,
        }
    }
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Public, Self::Market, Self::Legacy];

    /// Its name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Market => "market",
            Self::Legacy => "legacy",
        }
    }

    /// The path of combined streams, whose frames say which stream they belong to.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Public => "/public/stream",
            Self::Market => "/market/stream",
            Self::Legacy => "/stream",
        }
    }
}

/// Which route each kind of stream takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes([Route; SPLIT.len()]);

/// Why an override of the table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No such kind of stream.
    #[error("`{0}` is no stream kind: write one of {known}", known = kinds())]
    Kind(String),
    /// No such route.
    #[error("`{route}` (for `{kind}`) is no route: write one of {known}", known = routes())]
    Route {
        /// The kind it was given for.
        kind: String,
        /// What was given.
        route: String,
    },
}

fn kinds() -> String {
    SPLIT.map(|(name, _)| name).join(", ")
}

fn routes() -> String {
    Route::ALL.map(Route::name).join(", ")
}

impl Default for Routes {
    fn default() -> Self {
        Self(SPLIT.map(|(_, route)| route))
    }
}

impl Routes {
    /// The default table with some kinds sent elsewhere: pairs of kind and route, such as `("trade", "legacy")`.
    ///
    /// # Errors
    ///
    /// On the first unknown kind or route, with the known ones.
    pub fn with<K: AsRef<str>, R: AsRef<str>>(overrides: &[(K, R)]) -> Result<Self, RouteError> {
        let mut table = Self::default();
        for (kind, route) in overrides {
            let (kind, route) = (kind.as_ref(), route.as_ref());
            let row = SPLIT.iter().position(|(name, _)| *name == kind);
            let row = row.ok_or_else(|| RouteError::Kind(kind.to_owned()))?;
            let known = Route::ALL.into_iter().find(|known| known.name() == route);
            let unknown = || RouteError::Route { kind: kind.to_owned(), route: route.to_owned() };
            table.0[row] = known.ok_or_else(unknown)?;
        }
        Ok(table)
    }

    /// The route of a kind.
    pub fn route(&self, kind: StreamKind) -> Route {
        self.0[kind.index()]
    }

    /// The path of a kind in the combined form: `/market/stream`, `/public/stream` or `/stream`.
    pub fn path(&self, kind: StreamKind) -> &'static str {
        self.route(kind).path()
    }
}

const CONTRACT_INFO: &str = "!contractInfo";

/// The name of the stream that carries a kind of all contracts, COIN-M's among them; on the same route as the others of its kind.
/// Tickers come of those alone that changed, best bids and asks about every 5 s (measured 2026-08-01), liquidations one a frame.
pub const fn market_stream_name(kind: StreamKind) -> Option<&'static str> {
    match kind {
        StreamKind::AggTrade | StreamKind::Trade | StreamKind::Kline(_) | StreamKind::Depth(_) => None,
        StreamKind::BookTicker => Some("!bookTicker"),
        StreamKind::MarkPrice => Some("!markPrice@arr@1s"),
        StreamKind::ForceOrder => Some("!forceOrder@arr"),
        StreamKind::Ticker => Some("!ticker@arr"),
        StreamKind::MiniTicker => Some("!miniTicker@arr"),
        StreamKind::ContractInfo => Some(CONTRACT_INFO),
    }
}

/// A stream that always has something to say, on a path of combined streams: one that is silent there says that the socket
/// is dead. It speaks once or twice a second.
pub fn canary(path: &str) -> &'static str {
    if path == Route::Market.path() { "btcusdt@markPrice@1s" } else { "btcusdt@depth5@500ms" }
}

/// The stream's name: `btcusdt@aggTrade`. Only ASCII letters are lowered: upper case is acknowledged and silent. A kind that has one
/// stream for all contracts has the same name for each.
pub fn stream_name(symbol: &Symbol, kind: StreamKind) -> String {
    let symbol = symbol.stream_name();
    match kind {
        StreamKind::Kline(timeframe) => format!("{symbol}@kline_{timeframe}"),
        StreamKind::Depth(speed) => format!("{symbol}@depth@{}", speed.suffix()),
        // The bare name is the one of 3 s.
        StreamKind::MarkPrice => format!("{symbol}@markPrice@1s"),
        StreamKind::ContractInfo => CONTRACT_INFO.to_owned(),
        _ => format!("{symbol}@{}", kind.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_of_april_2026() {
        let routes = Routes::default();
        assert_eq!(routes.path(StreamKind::AggTrade), "/market/stream");
        assert_eq!(routes.path(StreamKind::Kline(Timeframe::MINUTE)), "/market/stream");
        assert_eq!(routes.path(StreamKind::MarkPrice), "/market/stream");
        assert_eq!(routes.path(StreamKind::ForceOrder), "/market/stream");
        assert_eq!(routes.path(StreamKind::Ticker), "/market/stream");
        assert_eq!(routes.path(StreamKind::MiniTicker), "/market/stream");
        assert_eq!(routes.path(StreamKind::Trade), "/public/stream");
        assert_eq!(routes.path(StreamKind::BookTicker), "/public/stream");
        assert_eq!(routes.path(StreamKind::Depth(DepthSpeed::Unthrottled)), "/public/stream");
        assert_eq!(routes.path(StreamKind::ContractInfo), "/market/stream");
    }

    #[test]
    fn an_override_moves_one_kind_and_a_wrong_one_names_the_right_ones() {
        let routes = Routes::with(&[("trade", "legacy"), ("kline", "public")]).expect("known names");
        assert_eq!(routes.path(StreamKind::Trade), "/stream");
        assert_eq!(routes.path(StreamKind::Kline(Timeframe::WEEK)), "/public/stream");
        assert_eq!(routes.path(StreamKind::AggTrade), "/market/stream");
        let error = Routes::with(&[("aggtrade", "market")]).expect_err("case counts");
        assert_eq!(error, RouteError::Kind("aggtrade".to_owned()));
        assert!(error.to_string().contains("aggTrade, trade, kline"), "{error}");
        let error = Routes::with(&[("trade".to_owned(), "private".to_owned())]).expect_err("no such route");
        assert_eq!(error.to_string(), "`private` (for `trade`) is no route: write one of public, market, legacy");
    }

    #[test]
    fn stream_names_lower_only_ascii() {
        let name = |symbol: &str, kind| stream_name(&Symbol::new(symbol).expect("a symbol"), kind);
        assert_eq!(name("BTCUSDT", StreamKind::AggTrade), "btcusdt@aggTrade");
        assert_eq!(name("币安人生USDT", StreamKind::Trade), "币安人生usdt@trade");
        assert_eq!(name("BTCUSDT_261225", StreamKind::BookTicker), "btcusdt_261225@bookTicker");
        assert_eq!(name("1000SHIBUSDT", StreamKind::Kline(Timeframe::MONTH)), "1000shibusdt@kline_1M");
        assert_eq!(name("BTCUSDT", StreamKind::Depth(DepthSpeed::Every100Ms)), "btcusdt@depth@100ms");
        assert_eq!(name("币安人生USDT", StreamKind::Depth(DepthSpeed::Unthrottled)), "币安人生usdt@depth@0ms");
        assert_eq!(name("BTCUSDT", StreamKind::ForceOrder), "btcusdt@forceOrder");
        assert_eq!(name("BTCUSDT", StreamKind::Ticker), "btcusdt@ticker");
        assert_eq!(name("BTCUSDT", StreamKind::ContractInfo), "!contractInfo");
        assert_eq!(name("BTCUSDT", StreamKind::MarkPrice), "btcusdt@markPrice@1s");
    }

    #[test]
    fn streams_of_all_contracts_have_their_own_names() {
        let kinds = [
            StreamKind::BookTicker,
            StreamKind::MarkPrice,
            StreamKind::ForceOrder,
            StreamKind::Ticker,
            StreamKind::MiniTicker,
            StreamKind::ContractInfo,
        ];
        let names = kinds.map(|kind| market_stream_name(kind).expect("a name"));
        let documented =
            ["!bookTicker", "!markPrice@arr@1s", "!forceOrder@arr", "!ticker@arr", "!miniTicker@arr", "!contractInfo"];
        assert_eq!(names, documented);
        assert_eq!(market_stream_name(StreamKind::AggTrade), None);
    }

    #[test]
    fn every_offered_interval_is_canonical() {
        for text in KLINE_INTERVALS {
            let timeframe = Timeframe::parse(text).expect("an interval");
            assert_eq!(timeframe.to_string(), text);
            assert!(offers_klines(timeframe));
        }
        assert!(!offers_klines(Timeframe::minutes(173).expect("in range")));
    }
}
