//! How are liquidations and notices of a contract's state read?

use crate::exchange::binance::event::{ContractNotice, DecodeError, Event};
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::value::ValueError;
use crate::model::Liquidation;
use serde::Deserialize;

#[derive(Deserialize)]
struct ForceOrderRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow)]
    o: Raw<'a>,
}

#[derive(Deserialize)]
struct OrderRow<'a> {
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow, rename = "S")]
    side: Raw<'a>,
    #[serde(borrow)]
    q: Raw<'a>,
    #[serde(borrow)]
    p: Raw<'a>,
    #[serde(borrow)]
    ap: Raw<'a>,
    #[serde(borrow)]
    z: Raw<'a>,
    #[serde(borrow, rename = "T")]
    time: Raw<'a>,
    #[serde(borrow)]
    st: Raw<'a>,
}

/// The product line stands in the order, not beside it (measured 2026-10-07; an SDK's docs say otherwise).
pub(super) fn liquidation(text: &str) -> Result<Event<'_>, DecodeError> {
    let row: ForceOrderRow<'_> = object(text)?;
    let order = row.o.ok_or(ValueError::Missing("o"))?.get();
    if !order.starts_with('{') {
        return Err(ValueError::Type("o").into());
    }
    let order: OrderRow<'_> = object(order)?;
    if order.st.is_some_and(|line| line.get() != "1") {
        return Ok(Event::Foreign);
    }
    let is_sell = match Field("S", order.side).text()?.as_ref() {
        "SELL" => true,
        "BUY" => false,
        _ => return Err(ValueError::OutOfRange("S").into()),
    };
    let liquidation = Liquidation {
        time: Field("T", order.time).time()?,
        price: Field("p", order.p).derived_price()?,
        average_price: Field("ap", order.ap).derived_price()?,
        quantity: Field("q", order.q).quantity()?,
        filled: Field("z", order.z).quantity()?,
        is_sell,
    };
    let event_time = Field("E", row.event_time).time()?;
    Ok(Event::Liquidation { symbol: Field("s", order.s).text()?, liquidation, event_time })
}

#[derive(Deserialize)]
struct NoticeRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow)]
    ps: Raw<'a>,
    #[serde(borrow)]
    ct: Raw<'a>,
    #[serde(borrow)]
    cs: Raw<'a>,
    #[serde(borrow)]
    ot: Raw<'a>,
    #[serde(borrow)]
    dt: Raw<'a>,
}

/// Margin brackets, which come when they change, are nobody's here.
pub(super) fn notice(text: &str) -> Result<Event<'_>, DecodeError> {
    let row: NoticeRow<'_> = object(text)?;
    let notice = ContractNotice {
        pair: Field("ps", row.ps).text_if_any()?,
        contract_type: Field("ct", row.ct).text()?,
        status: Field("cs", row.cs).text()?,
        onboard_date: Field("ot", row.ot).time()?,
        delivery_date: Field("dt", row.dt).time()?,
    };
    let event_time = Field("E", row.event_time).time()?;
    Ok(Event::Contract { symbol: Field("s", row.s).text()?, notice, event_time })
}
