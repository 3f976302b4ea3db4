//! What can be asked of the venue's REST API, and what does asking cost?

use crate::model::{Symbol, UnixMillis};
use std::fmt::Write as _;

/// The most rows that `aggTrades` gives (Binance USD-M docs).
pub const AGG_TRADES_ROWS_MAX: u16 = 1_000;

/// How far back `aggTrades` reaches, by id as by time: 48 h since 2026-08-13, 24 h before (measured 2026-10-07: 48 h answered,
/// 60 h refused with -4166).
pub const AGG_TRADES_REACH_MS: i64 = 48 * UnixMillis::HOUR;

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
    fn names_are_encoded_as_the_venue_wants_them() {
        let target = |symbol: &str| Call::agg_trades(&Symbol::new(symbol).expect("a symbol"), 7, 1_000).target;
        assert_eq!(target("BTCUSDT_261225"), "/fapi/v1/aggTrades?symbol=BTCUSDT_261225&fromId=7&limit=1000");
        // As in the venue's change log of 2025-10-09.
        let chinese = "/fapi/v1/aggTrades?symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&fromId=7&limit=1000";
        assert_eq!(target("币安人生USDT"), chinese);
        assert_eq!(target("A&b=c+d"), "/fapi/v1/aggTrades?symbol=A%26B%3DC%2BD&fromId=7&limit=1000");
    }
}
