//! What can be asked of the venue's REST API, and what does asking cost?

use crate::model::{Symbol, UnixMillis};
use std::fmt::Write as _;

/// The most rows that `aggTrades` gives (Binance USD-M docs).
pub const AGG_TRADES_ROWS_MAX: u16 = 1_000;

/// How far back `aggTrades` reaches, by id as by time: 48 h since 2026-08-13, 24 h before (measured 2026-10-07: 48 h answered,
/// 60 h refused with -4166).
pub const AGG_TRADES_REACH_MS: i64 = 48 * UnixMillis::HOUR;

/// The most rows that `openInterestHist` gives (Binance USD-M docs).
pub const OPEN_INTEREST_ROWS_MAX: u16 = 500;

/// How far back `openInterestHist` reaches (measured 2026-09-12: 30 days answered, 35 refused with -1130).
pub const OPEN_INTEREST_REACH_MS: i64 = 30 * UnixMillis::DAY;

/// The most rows that `fundingRate` gives (Binance USD-M docs).
pub const FUNDING_ROWS_MAX: u16 = 1_000;

/// How many levels `depth` may be asked for, and what that costs (measured 2026-10-07).
const DEPTHS: [(u16, u32); 7] = [(5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1_000, 20)];

/// One of the venue's counters of an IP; none touches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Request weight by the UTC clock minute (measured 2026-10-07: a fixed window, told by `X-MBX-USED-WEIGHT-1M`).
    Weight,
    /// Calls of `/futures/data/*`; no header tells how many.
    FuturesData,
    /// Calls of `fundingRate` and `fundingInfo` together; no header tells how many.
    Funding,
}

impl Pool {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Weight, Self::FuturesData, Self::Funding];

    /// A label from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::FuturesData => "futures_data",
            Self::Funding => "funding",
        }
    }

    /// What an IP may spend in a window (Binance USD-M docs); `exchangeInfo` may say otherwise for [`Pool::Weight`].
    pub const fn limit(self) -> u32 {
        match self {
            Self::Weight => 2_400,
            Self::FuturesData => 1_000,
            Self::Funding => 500,
        }
    }

    /// How long a window is.
    pub const fn window_ms(self) -> i64 {
        match self {
            Self::Weight => UnixMillis::MINUTE,
            Self::FuturesData | Self::Funding => 5 * UnixMillis::MINUTE,
        }
    }
}

/// One GET, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Path and query, to be put behind the host's URL.
    pub target: String,
    /// Its name in figures: a label from a closed set.
    pub endpoint: &'static str,
    /// The counter that it is charged to, refused or not (measured 2026-10-07).
    pub pool: Pool,
    /// How much it is charged.
    pub weight: u32,
}

impl Call {
    /// The listing and the limits.
    pub fn exchange_info() -> Self {
        Self::weighted("exchangeInfo", "/fapi/v1/exchangeInfo".to_owned(), 1)
    }

    /// The venue's clock.
    pub fn server_time() -> Self {
        Self::weighted("time", "/fapi/v1/time".to_owned(), 1)
    }

    /// Up to `rows` aggregate trades from `from_id` on, that one included. Any number of rows costs the same (measured
    /// 2026-10-07), and times are never given: with them a page ends inside a millisecond, and trades are lost.
    pub fn agg_trades(symbol: &Symbol, from_id: u64, rows: u16) -> Self {
        let symbol = percent_encoded(symbol.as_str());
        let target = format!("/fapi/v1/aggTrades?symbol={symbol}&fromId={from_id}&limit={rows}");
        Self::weighted("aggTrades", target, 20)
    }

    /// The one trade that is the first at or after `time`: for its id alone, from which on pages are asked for.
    pub fn first_agg_trade_at(symbol: &Symbol, time: UnixMillis) -> Self {
        let symbol = percent_encoded(symbol.as_str());
        let target = format!("/fapi/v1/aggTrades?symbol={symbol}&startTime={time}&limit=1", time = time.get());
        Self::weighted("aggTrades", target, 20)
    }

    /// The newest trade.
    pub fn newest_agg_trade(symbol: &Symbol) -> Self {
        let symbol = percent_encoded(symbol.as_str());
        Self::weighted("aggTrades", format!("/fapi/v1/aggTrades?symbol={symbol}&limit=1"), 20)
    }

    /// A book's best levels; of the depths that the venue offers, the least that is enough.
    pub fn depth(symbol: &Symbol, levels: u16) -> Self {
        let largest = (1_000, 20);
        let (limit, weight) = DEPTHS.into_iter().find(|(limit, _)| *limit >= levels).unwrap_or(largest);
        let symbol = percent_encoded(symbol.as_str());
        Self::weighted("depth", format!("/fapi/v1/depth?symbol={symbol}&limit={limit}"), weight)
    }

    /// Mark prices, index prices and funding rates of all contracts.
    pub fn premium_index() -> Self {
        Self::weighted("premiumIndex", "/fapi/v1/premiumIndex".to_owned(), 10)
    }

    /// Statistics of 24 hours of all contracts that trade.
    pub fn tickers() -> Self {
        Self::weighted("ticker/24hr", "/fapi/v1/ticker/24hr".to_owned(), 40)
    }

    /// What of a contract is open now.
    pub fn open_interest(symbol: &Symbol) -> Self {
        let symbol = percent_encoded(symbol.as_str());
        Self::weighted("openInterest", format!("/fapi/v1/openInterest?symbol={symbol}"), 1)
    }

    /// What of a contract was open at the ends of `period` (`5m` to `1d`) from `start` to `end`, both included; no more than
    /// [`OPEN_INTEREST_ROWS_MAX`] of them are to lie there. It reaches 30 days back.
    pub fn open_interest_history(symbol: &Symbol, period: &str, start: UnixMillis, end: UnixMillis) -> Self {
        let (symbol, period) = (percent_encoded(symbol.as_str()), percent_encoded(period));
        let (start, end, path) = (start.get(), end.get(), "/futures/data/openInterestHist");
        let target = format!(
            "{path}?symbol={symbol}&period={period}&startTime={start}&endTime={end}&limit={OPEN_INTEREST_ROWS_MAX}"
        );
        Self { target, endpoint: "openInterestHist", pool: Pool::FuturesData, weight: 1 }
    }

    /// Fundings that were settled from `start` on, at most 1,000, the oldest first.
    pub fn funding_rates(symbol: &Symbol, start: UnixMillis) -> Self {
        let symbol = percent_encoded(symbol.as_str());
        let target = format!("/fapi/v1/fundingRate?symbol={symbol}&startTime={}&limit={FUNDING_ROWS_MAX}", start.get());
        Self { target, endpoint: "fundingRate", pool: Pool::Funding, weight: 1 }
    }

    /// Fundings of all contracts that were settled from `start` on, at most 1,000, the oldest first.
    pub fn funding_rates_of_all(start: UnixMillis) -> Self {
        let target = format!("/fapi/v1/fundingRate?startTime={}&limit={FUNDING_ROWS_MAX}", start.get());
        Self { target, endpoint: "fundingRate", pool: Pool::Funding, weight: 1 }
    }

    /// How all contracts' fundings are bounded, and how often they are settled.
    pub fn funding_info() -> Self {
        Self { target: "/fapi/v1/fundingInfo".to_owned(), endpoint: "fundingInfo", pool: Pool::Funding, weight: 1 }
    }

    const fn weighted(endpoint: &'static str, target: String, weight: u32) -> Self {
        Self { target, endpoint, pool: Pool::Weight, weight }
    }
}

/// `text` with everything but RFC 3986's unreserved characters as `%XX`: the venue takes UTF-8 names in this form alone.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_asked_for_in_the_depths_that_are_offered() {
        let symbol = Symbol::new("BTCUSDT").expect("a symbol");
        let asked = |levels| {
            let call = Call::depth(&symbol, levels);
            (call.target.rsplit('=').next().map(str::to_owned), call.weight)
        };
        let expected =
            [(1, "5", 2), (5, "5", 2), (51, "100", 5), (500, "500", 10), (501, "1000", 20), (5_000, "1000", 20)];
        for (levels, limit, weight) in expected {
            assert_eq!(asked(levels), (Some(limit.to_owned()), weight));
        }
        let target = Call::open_interest_history(&symbol, "5m", UnixMillis::new(7), UnixMillis::new(9)).target;
        assert_eq!(target, "/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&startTime=7&endTime=9&limit=500");
    }

    #[test]
    fn names_are_encoded_as_the_venue_wants_them() {
        let target = |symbol: &str| Call::agg_trades(&Symbol::new(symbol).expect("a symbol"), 7, 1_000).target;
        assert_eq!(target("BTCUSDT_261225"), "/fapi/v1/aggTrades?symbol=BTCUSDT_261225&fromId=7&limit=1000");
        // As in the venue's change log of 2025-10-09.
        let chinese = "/fapi/v1/aggTrades?symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&fromId=7&limit=1000";
        assert_eq!(target("币安人生USDT"), chinese);
        assert_eq!(target("A&b=c+d"), "/fapi/v1/aggTrades?symbol=A%26B%3DC%2BD&fromId=7&limit=1000");
    }
}
