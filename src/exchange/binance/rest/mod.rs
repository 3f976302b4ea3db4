//! What do the bodies of the venue's REST answers say?
//!
//! Unknown fields and enum values are taken: one new value broke strict clients entirely (`TRADING_HALT`, seen 2026-06).

mod book;
mod funding;
mod interest;
mod listing;
mod ticker;

pub use book::{book_tickers, depth};
pub use funding::{funding_info, funding_rates, premium_index};
pub use interest::{open_interest, open_interest_history};
pub use listing::{ContractInfo, ExchangeInfo, MarketOrders, Range, exchange_info};
pub use ticker::tickers;

use crate::exchange::binance::event::{DecodeError, Kline, Refusal};
use crate::exchange::binance::field::{Field, Text};
use crate::exchange::binance::tolerant::AggTradeRow;
use crate::exchange::binance::value::{self, ValueError, WireKline};
use crate::model::{Symbol, Trade, UnixMillis};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// Reads the body of `/fapi/v1/time`.
///
/// # Errors
///
/// When the body is not of this shape.
pub fn server_time(body: &[u8]) -> Result<UnixMillis, DecodeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Time {
        server_time: u64,
    }
    let time: Time = serde_json::from_slice(body)?;
    Ok(value::time("serverTime", time.server_time)?)
}

/// Reads the body of `/fapi/v1/aggTrades`: ascending ids, those of the stream.
///
/// # Errors
///
/// When a row is not understood: a page is taken whole or not at all.
pub fn agg_trades(body: &[u8]) -> Result<Vec<Trade>, DecodeError> {
    let rows: Vec<AggTradeRow<'_>> = serde_json::from_slice(body)?;
    rows.iter().map(|row| Ok(row.trade()?)).collect()
}

/// Reads the body of `/fapi/v1/aggTrades` asked for `symbol`. Its rows name no symbol; one that does must name this one.
///
/// # Errors
///
/// As [`agg_trades`], or when a row is another contract's.
pub fn agg_trades_of(symbol: &Symbol, body: &[u8]) -> Result<Vec<Trade>, DecodeError> {
    let rows: Vec<AggTradeRow<'_>> = serde_json::from_slice(body)?;
    let alien = |row: &AggTradeRow<'_>| row.symbol().is_some_and(|named| named != symbol.as_str().as_bytes());
    if rows.iter().any(alien) {
        return Err(ValueError::OutOfRange("s").into());
    }
    rows.iter().map(|row| Ok(row.trade()?)).collect()
}

/// Reads the body of `/fapi/v1/klines`: ascending rows, the last of which is often still open.
///
/// # Errors
///
/// When a row is not understood: a page is taken whole or not at all.
pub fn klines(body: &[u8]) -> Result<Vec<Kline>, DecodeError> {
    let rows: Vec<KlineColumns<'_>> = serde_json::from_slice(body)?;
    rows.iter().map(|row| Ok(row.wire().checked()?)).collect()
}

/// Reads the body of an answer that is not 2xx; nothing when it is no error object, such as the HTML of a 403.
pub fn refusal(body: &[u8]) -> Option<Refusal> {
    let starts_object = body.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(body).ok().filter(|refusal: &Refusal| starts_object && !refusal.msg.is_empty())
}

/// `aggTrades` asked for what lies beyond its reach; by the words too, since numbers have been reassigned before.
const BEYOND_REACH: (i64, &str) = (-4_166, "Search window is restricted");

impl Refusal {
    /// Whether the trades asked for are older than the venue's REST API reaches: only its archive has them.
    pub fn is_beyond_reach(&self) -> bool {
        self.code == Some(BEYOND_REACH.0) || self.msg.starts_with(BEYOND_REACH.1)
    }

    /// Until when the IP is banned, if the words say so (`... banned until 1721393459728.`): for answers without Retry-After.
    pub fn banned_until(&self) -> Option<UnixMillis> {
        let (_, after) = self.msg.split_once("banned until ")?;
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        value::time("msg", after[..end].parse().ok()?).ok()
    }
}

/// The rows of a list; where one contract was asked for, its row stands alone. `null` is an empty list: recordings of 2020 have it.
fn rows(body: &[u8]) -> Result<Vec<&str>, DecodeError> {
    if body.trim_ascii_start().starts_with(b"{") {
        let row: &RawValue = serde_json::from_slice(body)?;
        return Ok(vec![row.get()]);
    }
    let rows: Option<Vec<&RawValue>> = serde_json::from_slice(body)?;
    Ok(rows.unwrap_or_default().into_iter().map(RawValue::get).collect())
}

/// A body as text.
fn text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|_| DecodeError::Shapeless)
}

/// That a row is of the contract that was asked for, if it names one.
fn same_symbol(asked: &Symbol, named: Field<'_>) -> Result<(), ValueError> {
    match named.text_if_any()? {
        Some(name) if name != asked.as_str() => Err(ValueError::OutOfRange(named.0)),
        _ => Ok(()),
    }
}

/// A kline as an array: open time, open, high, low, close, volume, last millisecond, quote volume, count, taker-buy volume,
/// taker-buy quote volume, and a twelfth column without meaning.
struct KlineColumns<'a> {
    times: [u64; 2],
    count: u64,
    prices: [Text<'a>; 4],
    sums: [Text<'a>; 4],
}

impl KlineColumns<'_> {
    fn wire(&self) -> WireKline<'_> {
        let [open, high, low, close] = self.prices.each_ref().map(Text::bytes);
        let [volume, quote_volume, taker_buy_volume, taker_buy_quote_volume] = self.sums.each_ref().map(Text::bytes);
        let [open_time, last_millisecond] = self.times;
        WireKline {
            open_time,
            last_millisecond,
            open,
            high,
            low,
            close,
            volume,
            quote_volume,
            taker_buy_volume,
            taker_buy_quote_volume,
            count: self.count,
            first_id: -1,
            last_id: -1,
            closed: false,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for KlineColumns<'a> {
    fn deserialize<D: Deserializer<'de>>(row: D) -> Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = KlineColumns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kline of 11 columns or more")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
                let open_time = column(&mut row)?;
                let prices = [column(&mut row)?, column(&mut row)?, column(&mut row)?, column(&mut row)?];
                let volume = column(&mut row)?;
                let last_millisecond = column(&mut row)?;
                let quote_volume = column(&mut row)?;
                let count = column(&mut row)?;
                let sums = [volume, quote_volume, column(&mut row)?, column(&mut row)?];
                while row.next_element::<IgnoredAny>()?.is_some() {}
                Ok(KlineColumns { times: [open_time, last_millisecond], count, prices, sums })
            }
        }
        row.deserialize_seq(Columns)
    }
}

fn column<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(row: &mut A) -> Result<T, A::Error> {
    row.next_element()?.ok_or_else(|| serde::de::Error::custom("a kline of fewer than 11 columns"))
}
