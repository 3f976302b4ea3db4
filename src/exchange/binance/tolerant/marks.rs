//! How is a mark price read?

use super::frame::Sent;
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object, present};
use crate::model::MarkPrice;
use serde::Deserialize;

#[derive(Deserialize)]
struct MarkRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow)]
    p: Raw<'a>,
    #[serde(borrow)]
    ap: Raw<'a>,
    #[serde(borrow, rename = "P")]
    settle: Raw<'a>,
    #[serde(borrow)]
    i: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    r: Raw<'a>,
    #[serde(borrow, rename = "T")]
    next_funding_time: Raw<'a>,
}

pub(super) fn mark_price(text: &str) -> Result<Sent<'_, MarkPrice>, DecodeError> {
    let row: MarkRow<'_> = object(text)?;
    let time = Field("E", row.event_time).time()?;
    let mark_price = MarkPrice {
        time,
        mark: Field("p", row.p).derived_price()?,
        average: Field("ap", row.ap).derived_price_if_any()?,
        index: Field("i", row.i).derived_price_if_any()?,
        settle: Field("P", row.settle).derived_price_if_any()?,
        funding_rate: Field("r", row.r).rate_if_any()?,
        next_funding_time: Field("T", row.next_funding_time).planned_time()?,
    };
    Ok((Field("s", row.s).text()?, mark_price, time))
}
