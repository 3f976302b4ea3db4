//! What do the bodies of the venue's REST answers say?
//!
//! Unknown fields and enum values are taken: one new value broke strict clients entirely (`TRADING_HALT`, seen 2026-06).

use crate::exchange::binance::event::{DecodeError, Kline, Refusal};
use crate::exchange::binance::tolerant::{AggTradeRow, Text};
use crate::exchange::binance::value::{self, ValueError, WireKline};
use crate::model::{Price, Quantity, Symbol, Trade, UnixMillis};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// Delivery dates from 2100 on mean none: perpetuals bear 4133404800000, on the test net some milliseconds more.
const NO_DELIVERY: i64 = 4_102_444_800_000;

/// The body of `/fapi/v1/exchangeInfo`.
#[derive(Clone, Debug)]
pub struct ExchangeInfo {
    /// The venue's clock.
    pub server_time: UnixMillis,
    /// Request weight an IP may spend a clock minute, if the body says it.
    pub weight_per_minute: Option<u32>,
    /// The contracts listed, delisted ones among them.
    pub contracts: Vec<ContractInfo>,
    /// Rows that were not understood and left out; one of them must not hide the others.
    pub refused: u64,
}

/// One listed contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractInfo {
    /// Its ticker.
    pub symbol: Symbol,
    /// The pair it is on; quarterlies share it with the perpetual.
    pub pair: String,
    /// `PERPETUAL`, `TRADIFI_PERPETUAL`, `CURRENT_QUARTER`, ...; empty before listing. Changes during a contract's life.
    pub contract_type: String,
    /// `TRADING`, `SETTLING`, `PENDING_TRADING`, ...
    pub status: String,
    /// When it was listed: with the symbol, what identifies a contract.
    pub onboard_date: UnixMillis,
    /// When it is delivered or delisted; far in the future when that is not planned.
    pub delivery_date: UnixMillis,
    /// What is traded.
    pub base_asset: String,
    /// What it is priced in.
    pub quote_asset: String,
    /// What margin is kept in.
    pub margin_asset: String,
    /// `COIN`, `EQUITY`, `COMMODITY`, `PREMARKET`, ...
    pub underlying_type: String,
    /// The step of prices; it changes without notice on the streams.
    pub tick_size: Price,
    /// The step of quantities.
    pub step_size: Quantity,
}

impl ContractInfo {
    /// Whether it trades now.
    pub fn is_trading(&self) -> bool {
        self.status == "TRADING"
    }

    /// When it is delivered or delisted, if that is planned.
    pub fn ends(&self) -> Option<UnixMillis> {
        (self.delivery_date.get() < NO_DELIVERY).then_some(self.delivery_date)
    }
}

/// Reads the body of `/fapi/v1/exchangeInfo`.
///
/// # Errors
///
/// When the body as a whole is not of this shape; single rows are counted instead.
pub fn exchange_info(body: &[u8]) -> Result<ExchangeInfo, DecodeError> {
    let wire: WireInfo<'_> = serde_json::from_slice(body)?;
    let rows: Vec<_> = wire.symbols.iter().map(|row| contract(row.get())).collect();
    let refused = rows.iter().filter(|row| row.is_err()).count();
    let weight = wire.rate_limits.iter().find(|limit| limit.kind == "REQUEST_WEIGHT" && limit.interval == "MINUTE");
    Ok(ExchangeInfo {
        server_time: value::time("serverTime", wire.server_time)?,
        weight_per_minute: weight.map(|limit| limit.limit / limit.minutes.max(1)),
        contracts: rows.into_iter().flatten().collect(),
        refused: u64::try_from(refused).unwrap_or(u64::MAX),
    })
}

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireInfo<'a> {
    server_time: u64,
    #[serde(default)]
    rate_limits: Vec<RateLimit>,
    #[serde(borrow)]
    symbols: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RateLimit {
    #[serde(rename = "rateLimitType")]
    kind: String,
    interval: String,
    #[serde(rename = "intervalNum")]
    minutes: u32,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireContract<'a> {
    symbol: String,
    pair: String,
    #[serde(default)]
    contract_type: String,
    status: String,
    onboard_date: u64,
    delivery_date: u64,
    base_asset: String,
    quote_asset: String,
    margin_asset: String,
    #[serde(default)]
    underlying_type: String,
    #[serde(borrow)]
    filters: Vec<Filter<'a>>,
}

/// A trading rule; the steps of rules we do not know may be of any type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    #[serde(borrow)]
    filter_type: Text<'a>,
    #[serde(borrow)]
    tick_size: Option<&'a RawValue>,
    #[serde(borrow)]
    step_size: Option<&'a RawValue>,
}

fn step<'a>(field: &'static str, value: Option<&'a RawValue>) -> Result<Text<'a>, DecodeError> {
    Ok(serde_json::from_str(value.ok_or(ValueError::Missing(field))?.get())?)
}

fn contract(row: &str) -> Result<ContractInfo, DecodeError> {
    let wire: WireContract<'_> = serde_json::from_str(row)?;
    let filter = |kind: &[u8]| wire.filters.iter().find(|filter| filter.filter_type.bytes() == kind);
    let tick = step("tickSize", filter(b"PRICE_FILTER").and_then(|filter| filter.tick_size))?;
    let lot = step("stepSize", filter(b"LOT_SIZE").and_then(|filter| filter.step_size))?;
    Ok(ContractInfo {
        symbol: Symbol::new(&wire.symbol).map_err(|_| ValueError::OutOfRange("symbol"))?,
        onboard_date: value::time("onboardDate", wire.onboard_date)?,
        delivery_date: value::time("deliveryDate", wire.delivery_date)?,
        tick_size: value::price("tickSize", tick.bytes())?,
        step_size: value::quantity("stepSize", lot.bytes())?,
        pair: wire.pair,
        contract_type: wire.contract_type,
        status: wire.status,
        base_asset: wire.base_asset,
        quote_asset: wire.quote_asset,
        margin_asset: wire.margin_asset,
        underlying_type: wire.underlying_type,
    })
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
