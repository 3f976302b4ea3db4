//! What do bodies say of mark prices and funding?

use super::rows;
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object, present};
use crate::exchange::binance::rows::Rows;
use crate::model::{Funding, FundingTerms, MarkPrice};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePremium<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    mark_price: Raw<'a>,
    #[serde(borrow)]
    index_price: Raw<'a>,
    #[serde(borrow)]
    estimated_settle_price: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    last_funding_rate: Raw<'a>,
    #[serde(borrow)]
    next_funding_time: Raw<'a>,
    #[serde(borrow)]
    time: Raw<'a>,
}

/// Reads the body of `/fapi/v1/premiumIndex`, of one contract or of all.
///
/// # Errors
///
/// When the body is no list of rows, or none of them is understood.
pub fn premium_index(body: &[u8]) -> Result<Rows<MarkPrice>, DecodeError> {
    let mut marks = Rows::default();
    marks.fill(rows(body)?, |row| {
        let wire: WirePremium<'_> = object(row)?;
        let mark = MarkPrice {
            time: Field("time", wire.time).time()?,
            mark: Field("markPrice", wire.mark_price).derived_price()?,
            average: None,
            index: Field("indexPrice", wire.index_price).derived_price_if_any()?,
            settle: Field("estimatedSettlePrice", wire.estimated_settle_price).derived_price_if_any()?,
            funding_rate: Field("lastFundingRate", wire.last_funding_rate).rate_if_any()?,
            next_funding_time: Field("nextFundingTime", wire.next_funding_time).planned_time()?,
        };
        Ok(Some((Field("symbol", wire.symbol).text()?, mark)))
    })?;
    Ok(marks)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFunding<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    funding_time: Raw<'a>,
    #[serde(borrow)]
    funding_rate: Raw<'a>,
    #[serde(borrow)]
    mark_price: Raw<'a>,
    #[serde(borrow)]
    rate_type: Raw<'a>,
}

/// Reads the body of `/fapi/v1/fundingRate`: ascending, of one contract or of all.
///
/// # Errors
///
/// When the body is no list of rows, or none of them is understood.
pub fn funding_rates(body: &[u8]) -> Result<Rows<Funding>, DecodeError> {
    let mut fundings = Rows::default();
    fundings.fill(rows(body)?, |row| {
        let wire: WireFunding<'_> = object(row)?;
        let kind = Field("rateType", wire.rate_type).text_if_any()?;
        let funding = Funding {
            time: Field("fundingTime", wire.funding_time).time()?,
            rate: Field("fundingRate", wire.funding_rate).rate()?,
            mark: Field("markPrice", wire.mark_price).derived_price_if_any()?,
            interval_hours: None,
            is_special: kind.is_some_and(|kind| kind != "Regular"),
        };
        Ok(Some((Field("symbol", wire.symbol).text()?, funding)))
    })?;
    Ok(fundings)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTerms<'a> {
    #[serde(borrow)]
    symbol: Raw<'a>,
    #[serde(borrow)]
    adjusted_funding_rate_cap: Raw<'a>,
    #[serde(borrow)]
    adjusted_funding_rate_floor: Raw<'a>,
    #[serde(borrow)]
    funding_interval_hours: Raw<'a>,
    #[serde(borrow)]
    update_time: Raw<'a>,
}

/// Reads the body of `/fapi/v1/fundingInfo`; contracts of COIN-M are among the rows.
///
/// # Errors
///
/// When the body is no list of rows, or none of them is understood.
pub fn funding_info(body: &[u8]) -> Result<Rows<FundingTerms>, DecodeError> {
    let mut terms = Rows::default();
    terms.fill(rows(body)?, |row| {
        let wire: WireTerms<'_> = object(row)?;
        let changed = wire.update_time.map(|_| Field("updateTime", wire.update_time).planned_time());
        let row = FundingTerms {
            cap: Field("adjustedFundingRateCap", wire.adjusted_funding_rate_cap).rate()?,
            floor: Field("adjustedFundingRateFloor", wire.adjusted_funding_rate_floor).rate()?,
            interval_hours: Field("fundingIntervalHours", wire.funding_interval_hours).natural()?,
            changed: changed.transpose()?.flatten(),
        };
        Ok(Some((Field("symbol", wire.symbol).text()?, row)))
    })?;
    Ok(terms)
}
