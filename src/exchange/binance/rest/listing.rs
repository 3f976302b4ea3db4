//! Which contracts does the venue list, and by which rules are they traded?

use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::value::{self, ValueError};
use crate::model::{Price, Quantity, Symbol, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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
    /// Prices that orders may have.
    pub prices: Option<Range<Price>>,
    /// Quantities that limit orders may have.
    pub quantities: Option<Range<Quantity>>,
    /// The same of market orders, whose step may be another.
    pub market_orders: Option<MarketOrders>,
    /// The least price x quantity of an order, in the quote asset.
    pub notional_min: Option<Price>,
    /// Decimal places of prices in the venue's displays: not those of the step.
    pub price_precision: Option<u32>,
    /// The same of quantities.
    pub quantity_precision: Option<u32>,
    /// Who else may trade it: `RPI`, `GRID`, ...
    pub permissions: Vec<String>,
}

/// The least and the most of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T> {
    /// The least.
    pub min: T,
    /// The most.
    pub max: T,
}

/// Quantities that market orders may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketOrders {
    /// From least to most.
    pub quantities: Range<Quantity>,
    /// Their step.
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
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    pair: Raw<'a>,
    #[serde(borrow)]
    contract_type: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    onboard_date: Raw<'a>,
    #[serde(borrow)]
    delivery_date: Raw<'a>,
    #[serde(borrow)]
    base_asset: Raw<'a>,
    #[serde(borrow)]
    quote_asset: Raw<'a>,
    #[serde(borrow)]
    margin_asset: Raw<'a>,
    #[serde(borrow)]
    underlying_type: Raw<'a>,
    #[serde(borrow)]
    price_precision: Raw<'a>,
    #[serde(borrow)]
    quantity_precision: Raw<'a>,
    #[serde(borrow)]
    permission_sets: Raw<'a>,
    #[serde(borrow)]
    filters: Vec<Filter<'a>>,
}

/// A trading rule; the values of rules we do not know may be of any type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    #[serde(borrow)]
    filter_type: Raw<'a>,
    #[serde(borrow)]
    tick_size: Raw<'a>,
    #[serde(borrow)]
    min_price: Raw<'a>,
    #[serde(borrow)]
    max_price: Raw<'a>,
    #[serde(borrow)]
    step_size: Raw<'a>,
    #[serde(borrow)]
    min_qty: Raw<'a>,
    #[serde(borrow)]
    max_qty: Raw<'a>,
    #[serde(borrow)]
    notional: Raw<'a>,
}

impl Filter<'_> {
    /// Nothing unless both ends are there and are such quantities: ranges are not what a contract is refused for.
    fn quantities(&self) -> Option<Range<Quantity>> {
        let (min, max) = (Field("minQty", self.min_qty).quantity(), Field("maxQty", self.max_qty).quantity());
        Some(Range { min: min.ok()?, max: max.ok()? })
    }

    fn prices(&self) -> Option<Range<Price>> {
        let (min, max) = (Field("minPrice", self.min_price).price(), Field("maxPrice", self.max_price).price());
        Some(Range { min: min.ok()?, max: max.ok()? })
    }

    fn step(&self) -> Result<Quantity, ValueError> {
        Field("stepSize", self.step_size).quantity()
    }
}

fn contract(row: &str) -> Result<ContractInfo, DecodeError> {
    let wire: WireContract<'_> = object(row)?;
    let none = Filter::default();
    let filter = |kind: &str| {
        let is_it =
            |filter: &&Filter<'_>| Field("filterType", filter.filter_type).text().is_ok_and(|name| name == kind);
        wire.filters.iter().find(is_it).unwrap_or(&none)
    };
    let (price, lot, market) = (filter("PRICE_FILTER"), filter("LOT_SIZE"), filter("MARKET_LOT_SIZE"));
    let places = |field: Field<'_>| u32::try_from(field.natural().ok()?).ok();
    let text = |field: Field<'_>| field.text().map(Cow::into_owned);
    let text_if_any = |field: Field<'_>| field.text_if_any().map(|text| text.unwrap_or_default().into_owned());
    Ok(ContractInfo {
        symbol: Symbol::new(&Field("symbol", wire.symbol).text()?).map_err(|_| ValueError::OutOfRange("symbol"))?,
        onboard_date: Field("onboardDate", wire.onboard_date).time()?,
        delivery_date: Field("deliveryDate", wire.delivery_date).time()?,
        tick_size: Field("tickSize", price.tick_size).price()?,
        step_size: lot.step()?,
        pair: text(Field("pair", wire.pair))?,
        contract_type: text_if_any(Field("contractType", wire.contract_type))?,
        status: text(Field("status", wire.status))?,
        base_asset: text(Field("baseAsset", wire.base_asset))?,
        quote_asset: text(Field("quoteAsset", wire.quote_asset))?,
        margin_asset: text(Field("marginAsset", wire.margin_asset))?,
        underlying_type: text_if_any(Field("underlyingType", wire.underlying_type))?,
        prices: price.prices(),
        quantities: lot.quantities(),
        market_orders: market
            .quantities()
            .zip(market.step().ok())
            .map(|(quantities, step_size)| MarketOrders { quantities, step_size }),
        notional_min: Field("notional", filter("MIN_NOTIONAL").notional).price().ok(),
        price_precision: places(Field("pricePrecision", wire.price_precision)),
        quantity_precision: places(Field("quantityPrecision", wire.quantity_precision)),
        permissions: wire.permission_sets.and_then(|sets| serde_json::from_str(sets.get()).ok()).unwrap_or_default(),
    })
}
