//! What do bodies say of the last 24 hours?

use super::rows;
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::ticker::WireTicker;
use crate::model::Ticker;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    price_change: Raw<'a>,
    #[serde(borrow)]
    price_change_percent: Raw<'a>,
    #[serde(borrow)]
    weighted_avg_price: Raw<'a>,
    #[serde(borrow)]
    last_price: Raw<'a>,
    #[serde(borrow)]
    last_qty: Raw<'a>,
    #[serde(borrow)]
    open_price: Raw<'a>,
    #[serde(borrow)]
    high_price: Raw<'a>,
    #[serde(borrow)]
    low_price: Raw<'a>,
    #[serde(borrow)]
    volume: Raw<'a>,
    #[serde(borrow)]
    quote_volume: Raw<'a>,
    #[serde(borrow)]
    open_time: Raw<'a>,
    #[serde(borrow)]
    close_time: Raw<'a>,
    #[serde(borrow)]
    first_id: Raw<'a>,
    #[serde(borrow)]
    last_id: Raw<'a>,
    #[serde(borrow)]
    count: Raw<'a>,
}

impl<'a> Row<'a> {
    const fn wire(&self) -> WireTicker<'a> {
        WireTicker {
            change: Field("priceChange", self.price_change),
            change_percent: Field("priceChangePercent", self.price_change_percent),
            average: Field("weightedAvgPrice", self.weighted_avg_price),
            last: Field("lastPrice", self.last_price),
            last_quantity: Field("lastQty", self.last_qty),
            open: Field("openPrice", self.open_price),
            high: Field("highPrice", self.high_price),
            low: Field("lowPrice", self.low_price),
            volume: Field("volume", self.volume),
            quote_volume: Field("quoteVolume", self.quote_volume),
            open_time: Field("openTime", self.open_time),
            close_time: Field("closeTime", self.close_time),
            first_id: Field("firstId", self.first_id),
            last_id: Field("lastId", self.last_id),
            count: Field("count", self.count),
        }
    }
}

/// Reads the body of `/fapi/v1/ticker/24hr`, of one contract or of all that trade.
///
/// # Errors
///
/// When the body is no list of rows, or none of them is understood.
pub fn tickers(body: &[u8]) -> Result<Rows<Ticker>, DecodeError> {
    let mut tickers = Rows::default();
    tickers.fill(rows(body)?, |row| {
        let row: Row<'_> = object(row)?;
        Ok(Some((Field("symbol", row.symbol).text()?, row.wire().checked()?)))
    })?;
    Ok(tickers)
}
