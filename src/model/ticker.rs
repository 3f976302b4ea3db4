//! What happened to a contract in the last 24 hours?

use crate::model::{Price, Quantity, QuoteVolume, Rate, UnixMillis, Volume};

/// Statistics of a rolling window of 24 hours, which is no day of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticker {
    /// Where the window begins.
    pub open_time: UnixMillis,
    /// Where it ends.
    pub close_time: UnixMillis,
    /// The price of its first trade.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The price of its last trade.
    pub last: Price,
    /// The quantity of its last trade.
    pub last_quantity: Quantity,
    /// `last - open`.
    pub change: Price,
    /// The same in per cent of `open`, as the venue rounds it.
    pub change_percent: Rate,
    /// The mean price by quantity, as the venue rounds it.
    pub average: Price,
    /// Sum of quantities.
    pub volume: Volume,
    /// Sum of price x quantity.
    pub quote_volume: QuoteVolume,
    /// Raw trades: fewer than the ids between first and last, since the venue burns ids.
    pub count: u64,
    /// The first raw trade's id; -1 when there is none.
    pub first_id: i64,
    /// The last raw trade's id; -1 when there is none.
    pub last_id: i64,
}
