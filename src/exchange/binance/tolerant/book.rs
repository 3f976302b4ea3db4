//! How are the top of a book and its changes read?

use crate::exchange::binance::decode::Decoder;
use crate::exchange::binance::event::{DecodeError, Event};
use crate::exchange::binance::field::{Field, Raw, object};
use crate::exchange::binance::value::{ValueError, WireBookUpdate};
use crate::model::{BookTicker, Level};
use serde::Deserialize;

#[derive(Deserialize)]
struct TickerRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow)]
    u: Raw<'a>,
    #[serde(borrow)]
    b: Raw<'a>,
    #[serde(borrow, rename = "B")]
    bid_quantity: Raw<'a>,
    #[serde(borrow)]
    a: Raw<'a>,
    #[serde(borrow, rename = "A")]
    ask_quantity: Raw<'a>,
    #[serde(borrow, rename = "T")]
    time: Raw<'a>,
}

pub(super) fn ticker(text: &str) -> Result<Event<'_>, DecodeError> {
    let row: TickerRow<'_> = object(text)?;
    let level = |price: Field<'_>, quantity: Field<'_>| {
        Ok::<_, ValueError>(Level { price: price.price()?, quantity: quantity.quantity()? })
    };
    let ticker = BookTicker {
        update_id: Field("u", row.u).natural()?,
        time: Field("T", row.time).time()?,
        bid: level(Field("b", row.b), Field("B", row.bid_quantity))?,
        ask: level(Field("a", row.a), Field("A", row.ask_quantity))?,
    };
    let event_time = Field("E", row.event_time).time()?;
    Ok(Event::BookTicker { symbol: Field("s", row.s).text()?, ticker, event_time })
}

#[derive(Deserialize)]
struct DepthRow<'a> {
    #[serde(borrow, rename = "E")]
    event_time: Raw<'a>,
    #[serde(borrow, rename = "T")]
    time: Raw<'a>,
    #[serde(borrow)]
    s: Raw<'a>,
    #[serde(borrow, rename = "U")]
    first_id: Raw<'a>,
    #[serde(borrow)]
    u: Raw<'a>,
    #[serde(borrow)]
    pu: Raw<'a>,
    #[serde(borrow)]
    b: Raw<'a>,
    #[serde(borrow)]
    a: Raw<'a>,
}

pub(super) fn depth<'a>(text: &'a str, decoder: &mut Decoder) -> Result<Event<'a>, DecodeError> {
    let row: DepthRow<'_> = object(text)?;
    let wire = WireBookUpdate {
        first_id: Field("U", row.first_id).natural()?,
        last_id: Field("u", row.u).natural()?,
        previous_id: Field("pu", row.pu).natural()?,
        time: Field("T", row.time).natural()?,
    };
    let update = wire.checked()?;
    Field("b", row.b).levels(&mut decoder.bids)?;
    Field("a", row.a).levels(&mut decoder.asks)?;
    let event_time = Field("E", row.event_time).time()?;
    Ok(Event::Depth { symbol: Field("s", row.s).text()?, update, event_time })
}
