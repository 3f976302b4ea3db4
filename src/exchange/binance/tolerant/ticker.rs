//! How are statistics of 24 hours read?

use super::frame::Sent;
use crate::exchange::binance::event::DecodeError;
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::ticker::WireTicker;
use crate::model::Ticker;
use serde::Deserialize;

#[derive(Deserialize)]
struct TickerRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow)]
    p: Raw<'a>,
    #[serde(borrow, rename = "P")]
    change_percent: Raw<'a>,
    #[serde(borrow)]
    w: Raw<'a>,
    #[serde(borrow)]
    c: Raw<'a>,
    #[serde(borrow, rename = "Q")]
    last_quantity: Raw<'a>,
    #[serde(borrow)]
    o: Raw<'a>,
    #[serde(borrow)]
    h: Raw<'a>,
    #[serde(borrow)]
    l: Raw<'a>,
    #[serde(borrow)]
    v: Raw<'a>,
    #[serde(borrow)]
    q: Raw<'a>,
    #[serde(borrow, rename = "O")]
    open_time: Raw<'a>,
    #[serde(borrow, rename = "C")]
    close_time: Raw<'a>,
    #[serde(borrow, rename = "F")]
    first_id: Raw<'a>,
    #[serde(borrow, rename = "L")]
    last_id: Raw<'a>,
    #[serde(borrow)]
    n: Raw<'a>,
}

pub(super) fn ticker(text: &str) -> Result<Sent<'_, Ticker>, DecodeError> {
    let row: TickerRow<'_> = object(text)?;
    let wire = WireTicker {
        change: Field("p", row.p),
        change_percent: Field("P", row.change_percent),
        average: Field("w", row.w),
        last: Field("c", row.c),
        last_quantity: Field("Q", row.last_quantity),
        open: Field("o", row.o),
        high: Field("h", row.h),
        low: Field("l", row.l),
        volume: Field("v", row.v),
        quote_volume: Field("q", row.q),
        open_time: Field("O", row.open_time),
        close_time: Field("C", row.close_time),
        first_id: Field("F", row.first_id),
        last_id: Field("L", row.last_id),
        count: Field("n", row.n),
    };
    Ok((Field("s", row.s).text()?, wire.checked()?, Field("E", row.event_time).time()?))
}
