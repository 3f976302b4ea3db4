//! What does the venue list? `exchangeInfo`.

use crate::{
    model::UnixMillis,
    sim::{
        contract::{Contract, Kind},
        exchange::Exchange,
        json::Json,
        rest::limits::WEIGHT_MAX,
    },
};
use serde_json::{Value, json};

pub(super) fn exchange_info(exchange: &Exchange) -> String {
    let symbols: Vec<Value> =
        exchange.contracts().iter().filter_map(|contract| symbol_info(contract, exchange.now())).collect();
    json!({
        "timezone": "UTC",
        "serverTime": exchange.now().get(),
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_MAX},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}],
        "symbols": symbols,
    })
    .to_string()
}

fn symbol_info(contract: &Contract, now: UnixMillis) -> Option<Value> {
    let status = contract.status_at(now)?;
    let mut tick = String::new();
    Json(&mut tick).price(contract.tick, contract.price_places);
    let mut step = String::new();
    Json(&mut step).quantity(contract.step, contract.quantity_places);
    let underlying = match contract.kind {
        Kind::TradifiPerpetual => "COMMODITY",
        Kind::Perpetual | Kind::CurrentQuarter => "COIN",
    };
    Some(json!({
        "symbol": contract.symbol.as_str(),
        "pair": contract.pair,
        "contractType": contract.kind.as_str(),
        "deliveryDate": contract.delivery.get(),
        "onboardDate": contract.onboard.get(),
        "status": status.as_str(),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base_asset,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": contract.price_places,
        "quantityPrecision": contract.quantity_places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": underlying,
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120", "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }))
}
