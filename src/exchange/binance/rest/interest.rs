//! What do bodies say of open interest?

use super::{rows, same_symbol};
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object};
use crate::model::{OpenInterest, QuoteVolume, Symbol, Volume};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireInterest<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    open_interest: Raw<'a>,
    #[serde(borrow)]
    time: Raw<'a>,
}

/// Reads the body of `/fapi/v1/openInterest` asked for `symbol`. The venue holds the figure for some seconds: its time is the
/// figure's (measured 2026-10-07: 7 s old).
///
/// # Errors
///
/// When the body is not of this shape, or names another contract.
pub fn open_interest(symbol: &Symbol, body: &[u8]) -> Result<OpenInterest, DecodeError> {
    let wire: WireInterest<'_> = object(super::text(body)?)?;
    same_symbol(symbol, Field("symbol", wire.symbol))?;
    Ok(OpenInterest {
        time: Field("time", wire.time).time()?,
        quantity: Volume::from_units(Field("openInterest", wire.open_interest).sum(8)?),
        value: None,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePast<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    sum_open_interest: Raw<'a>,
    #[serde(borrow)]
    sum_open_interest_value: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
}

/// Reads the body of `/futures/data/openInterestHist` asked for `symbol`: ascending. Rows may name no contract; those that do must
/// name this one.
///
/// # Errors
///
/// When a row is not understood, or is another contract's: a page is taken whole or not at all.
pub fn open_interest_history(symbol: &Symbol, body: &[u8]) -> Result<Vec<OpenInterest>, DecodeError> {
    let past = |row| {
        let wire: WirePast<'_> = object(row)?;
        same_symbol(symbol, Field("symbol", wire.symbol))?;
        Ok(OpenInterest {
            time: Field("timestamp", wire.timestamp).spelt_time()?,
            quantity: Volume::from_units(Field("sumOpenInterest", wire.sum_open_interest).sum(8)?),
            value: Some(QuoteVolume::from_units(Field("sumOpenInterestValue", wire.sum_open_interest_value).sum(16)?)),
        })
    };
    rows(body)?.into_iter().map(past).collect()
}
