//! What may one address ask for, and what happens when it asks for more?
//!
//! Every client of the simulated exchange is the same address.

use crate::{
    model::UnixMillis,
    sim::rest::{Query, book},
};
use std::sync::{Mutex, PoisonError};

/// Request weight a clock minute (Binance USD-M docs).
pub(super) const WEIGHT_MAX: u32 = 2_400;
/// Refused requests of one clock minute after which the address is banned. The docs give no number.
const REFUSED_MAX: u32 = 20;
/// The first ban's length; each is twice as long as the one before (docs: 2 minutes to 3 days).
const BAN_MS: i64 = 2 * UnixMillis::MINUTE;
const BAN_MS_MAX: i64 = 3 * UnixMillis::DAY;

/// What a request is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// 2,400 of weight a clock minute, with a header that says how much is used.
    Weight,
    /// `/futures/data/*`: 1,000 requests in five minutes.
    Data,
    /// `fundingRate` and `fundingInfo`: 500 requests in five minutes together.
    Funding,
}

impl Pool {
    const fn window_ms(self) -> i64 {
        match self {
            Self::Weight => UnixMillis::MINUTE,
            Self::Data | Self::Funding => 5 * UnixMillis::MINUTE,
        }
    }

    const fn max(self) -> u32 {
        match self {
            Self::Weight => WEIGHT_MAX,
            Self::Data => 1_000,
            Self::Funding => 500,
        }
    }

    /// What the pool counts, in the venue's words.
    pub(super) fn limit_text(self) -> String {
        match self {
            Self::Weight => format!("{WEIGHT_MAX} requests per minute"),
            Self::Data | Self::Funding => format!("{} requests per 5 minutes", self.max()),
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// It is answered.
    Allowed,
    /// 429: the pool is used up for so many seconds.
    TooMany { seconds: i64 },
    /// 418 until this time.
    Banned { until: i64 },
}

/// What was used, and whether the address is banned.
#[derive(Debug, Default)]
pub(in crate::sim) struct Limits(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    weight: Window,
    data: Window,
    funding: Window,
    /// Requests refused in a clock minute.
    refused: Window,
    bans: u32,
    banned_until: i64,
}

/// A count that begins anew at multiples of its length on the exchange's clock (measured: a fixed window).
#[derive(Debug, Default)]
struct Window {
    index: i64,
    used: u32,
}

impl Window {
    fn add(&mut self, index: i64, count: u32) -> u32 {
        if self.index != index {
            *self = Self { index, used: 0 };
        }
        self.used = self.used.saturating_add(count);
        self.used
    }
}

impl Limits {
    /// Counts a request at `now`; gives what the pool has used in its window.
    pub(super) fn charge(&self, now: i64, pool: Pool, weight: u32) -> (u32, Charge) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = match pool {
            Pool::Weight => &mut held.weight,
            Pool::Data => &mut held.data,
            Pool::Funding => &mut held.funding,
        };
        let index = now.div_euclid(pool.window_ms());
        let used = window.add(index, weight);
        if now < held.banned_until {
            return (used, Charge::Banned { until: held.banned_until });
        }
        if used <= pool.max() {
            return (used, Charge::Allowed);
        }
        if held.refused.add(now.div_euclid(UnixMillis::MINUTE), 1) > REFUSED_MAX {
            return (used, Charge::Banned { until: held.ban(now) });
        }
        let left_ms = (index + 1) * pool.window_ms() - now;
        (used, Charge::TooMany { seconds: seconds(left_ms) })
    }

    /// Bans the address until `until`.
    pub(super) fn ban_until(&self, until: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).banned_until = until;
    }
}

impl Used {
    fn ban(&mut self, now: i64) -> i64 {
        let length = BAN_MS.saturating_mul(1 << self.bans.min(20)).min(BAN_MS_MAX);
        self.bans += 1;
        self.refused = Window::default();
        self.banned_until = now + length;
        self.banned_until
    }
}

/// Whole seconds, at least one.
pub(super) fn seconds(millis: i64) -> i64 {
    (millis + UnixMillis::SECOND - 1).div_euclid(UnixMillis::SECOND).max(1)
}

/// What a request for `path` costs, refused or not (measured, 2026-10-07; `docs` where it was not).
pub(super) fn cost(path: &str, query: &Query<'_>) -> (Pool, u32) {
    let limit = query.number("limit").ok().flatten();
    let is_of_one = query.text("symbol").is_some();
    match path {
        "/fapi/v1/fundingRate" | "/fapi/v1/fundingInfo" => (Pool::Funding, 1),
        _ if path.starts_with("/futures/data/") => (Pool::Data, 1),
        "/fapi/v1/aggTrades" | "/fapi/v1/historicalTrades" | "/fapi/v1/rpiDepth" => (Pool::Weight, 20),
        "/fapi/v1/klines" => (Pool::Weight, klines_cost(query.text("limit").map(|_| limit.unwrap_or(i64::MAX)))),
        "/fapi/v1/depth" => (Pool::Weight, query.text("limit").map_or(1, |_| depth_cost(limit))),
        "/fapi/v1/trades" => (Pool::Weight, 5),
        "/fapi/v1/premiumIndex" => (Pool::Weight, if is_of_one { 1 } else { 10 }),
        "/fapi/v1/ticker/24hr" => (Pool::Weight, if is_of_one { 1 } else { 40 }),
        "/fapi/v1/ticker/bookTicker" => (Pool::Weight, if is_of_one { 2 } else { 5 }),
        _ => (Pool::Weight, 1),
    }
}

/// What so many levels cost; what is no limit costs the least that one does.
fn depth_cost(limit: Option<i64>) -> u32 {
    let cost = book::LIMITS.iter().find(|(allowed, _)| Some(*allowed) == limit);
    cost.map_or(2, |(_, weight)| *weight)
}

const fn klines_cost(limit: Option<i64>) -> u32 {
    match limit {
        Some(..=100) => 1,
        Some(..=500) => 2,
        Some(..=1_000) | None => 5,
        Some(_) => 10,
    }
}
