//! What is kept beside trades, and how often?

use crate::{
    config::{problem::Reason, reader::Reader},
    market::{Series as Kind, SeriesSet},
};
use std::time::Duration;
use toml::Value;

/// The largest threshold of a large trade.
pub(super) const LARGE_TRADE_USD_MAX: i64 = 1_000_000_000_000;
/// The name of the series that is always kept.
const TRADES: &str = "trades";

/// `[series]`
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// One mark price of each stretch is stored; none when nothing is said.
    pub marks_every: Option<Duration>,
    /// How often each contract's open interest is asked for; not at all when nothing is said.
    pub open_interest: Option<Duration>,
    /// Whether settled fundings are fetched.
    pub funding: bool,
    /// Whether liquidations are followed.
    pub liquidations: bool,
    /// Whether statistics of 24 hours are followed.
    pub tickers: bool,
    /// What makes a trade a large one, in whole units of the quote asset.
    pub large_trade_usd: u64,
}

pub(super) fn series(reader: &mut Reader<'_>) -> Series {
    Series {
        marks_every: Some(reader.millis("series.marks_every_ms", 0..=3_600_000)).filter(|every| !every.is_zero()),
        open_interest: Some(reader.millis("series.open_interest_ms", 0..=86_400_000)).filter(|every| !every.is_zero()),
        funding: reader.flag("series.funding"),
        liquidations: reader.flag("series.liquidations"),
        tickers: reader.flag("series.tickers"),
        large_trade_usd: reader.number("series.large_trade_usd", 0..=LARGE_TRADE_USD_MAX),
    }
}

impl Series {
    /// What is stored of contracts without an override.
    pub fn stored(&self) -> SeriesSet {
        let switches = [
            (Kind::Marks, self.marks_every.is_some()),
            (Kind::Funding, self.funding),
            (Kind::OpenInterest, self.open_interest.is_some()),
            (Kind::Liquidations, self.liquidations),
        ];
        switches.into_iter().filter(|(_, is_on)| *is_on).map(|(series, _)| series).collect()
    }
}

/// Takes the list `series` of an override, which stands at `key`.
pub(super) fn listed(value: &Value, key: &str) -> Result<SeriesSet, Reason> {
    let inside = |key: String, expected| Reason::Inside { key, expected };
    let names = value.as_array().ok_or_else(|| inside(key.to_owned(), "a list of series, such as [\"trades\"]"))?;
    let mut has_trades = false;
    let mut kinds = Vec::new();
    for (index, value) in names.iter().enumerate() {
        let name = value.as_str().unwrap_or_default();
        let known = Kind::NAMES.into_iter().find(|(known, _)| *known == name);
        let expected = "\"trades\", \"marks\", \"funding\", \"open_interest\" or \"liquidations\"";
        has_trades |= name == TRADES;
        if name != TRADES {
            kinds.push(known.ok_or_else(|| inside(format!("{key}[{index}]"), expected))?.1);
        }
    }
    let always = "a list that names \"trades\", which are always recorded";
    if has_trades { Ok(kinds.into_iter().collect()) } else { Err(inside(key.to_owned(), always)) }
}
