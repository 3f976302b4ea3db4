//! What can one frame of the venue say?

use crate::exchange::binance::ValueError;
use crate::model::{Price, Quantity, QuoteVolume, Trade, UnixMillis, Volume};
use serde::Deserialize;
use std::borrow::Cow;

/// One frame. Symbols are in listing case and borrowed from the frame unless they were escaped there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// One aggregate trade. It is sent about 150 ms after its first fill, whose time it bears (measured 2026-10-07).
    AggTrade {
        /// Whose trade.
        symbol: Cow<'a, str>,
        /// The trade.
        trade: Trade,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// One raw trade of the order book; its id is also its first and last raw id.
    Trade {
        /// Whose trade.
        symbol: Cow<'a, str>,
        /// The trade.
        trade: Trade,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// A raw trade id that no order-book trade bears: its row is not `X: MARKET` but a marker (`NA`) or a print of the
    /// insurance fund.
    Burnt {
        /// Whose id.
        symbol: Cow<'a, str>,
        /// The id.
        id: u64,
        /// When it was used up.
        time: UnixMillis,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// The state of one bucket.
    Kline {
        /// Whose bucket.
        symbol: Cow<'a, str>,
        /// Its timeframe in the venue's words, as spelt in the frame.
        interval: &'a str,
        /// The bucket.
        kline: Kline,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// The best bid and ask; a side without orders is 0.
    BookTicker {
        /// Whose book.
        symbol: Cow<'a, str>,
        /// The book's version: ascending, not dense, shared by all symbols.
        update_id: u64,
        /// The best bid.
        bid: Price,
        /// What is bid there.
        bid_quantity: Quantity,
        /// The best ask.
        ask: Price,
        /// What is asked there.
        ask_quantity: Quantity,
        /// When the book changed.
        time: UnixMillis,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// The answer to a request of ours.
    Reply(Reply),
    /// A row of another product line (`st` present and not 1): COIN-M shares the host since 2026-06-30.
    Foreign,
    /// An event that nothing here decodes.
    Unknown {
        /// Its kind as spelt in the frame; of an array, that of the first row.
        kind: &'a str,
    },
}

impl Event<'_> {
    /// When the venue sent it, if it says so.
    pub const fn event_time(&self) -> Option<UnixMillis> {
        match self {
            Self::AggTrade { event_time, .. }
            | Self::Trade { event_time, .. }
            | Self::Burnt { event_time, .. }
            | Self::Kline { event_time, .. }
            | Self::BookTicker { event_time, .. } => Some(*event_time),
            Self::Reply(_) | Self::Foreign | Self::Unknown { .. } => None,
        }
    }

    /// The symbol it is about, if it is about one.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::AggTrade { symbol, .. }
            | Self::Trade { symbol, .. }
            | Self::Burnt { symbol, .. }
            | Self::Kline { symbol, .. }
            | Self::BookTicker { symbol, .. } => Some(symbol),
            Self::Reply(_) | Self::Foreign | Self::Unknown { .. } => None,
        }
    }

    /// The stream kind it came by, or `reply`, `foreign`, `unknown`: a label from a closed set.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AggTrade { .. } => "aggTrade",
            Self::Trade { .. } | Self::Burnt { .. } => "trade",
            Self::Kline { .. } => "kline",
            Self::BookTicker { .. } => "bookTicker",
            Self::Reply(_) => "reply",
            Self::Foreign => "foreign",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// One official bucket. Sums are wider than 64 bits at 1e-8: a month's quote volume passes 92 billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kline {
    /// The bucket's first millisecond.
    pub open_time: UnixMillis,
    /// The bucket's exclusive end: the venue's last millisecond plus one.
    pub close_time: UnixMillis,
    /// The first price, or the previous close when nothing traded.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The last price.
    pub close: Price,
    /// Sum of quantities.
    pub volume: Volume,
    /// Sum of price x quantity.
    pub quote_volume: QuoteVolume,
    /// Sum of quantities where the taker bought.
    pub taker_buy_volume: Volume,
    /// Sum of price x quantity where the taker bought.
    pub taker_buy_quote_volume: QuoteVolume,
    /// Raw trades: fewer than the ids between first and last, since the venue burns ids.
    pub count: u64,
    /// The first raw trade's id; -1 when there is none or the source (REST) does not say.
    pub first_id: i64,
    /// The last raw trade's id; -1 as above.
    pub last_id: i64,
    /// Whether the venue said that the bucket is over. REST rows never say: judge them by `close_time`.
    pub closed: bool,
}

/// An answer to a request on the stream connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's id; refusals can come without.
    pub id: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged: which says nothing about whether data will come.
    Done,
    /// The names subscribed.
    Names(Vec<String>),
    /// A property's value.
    Property(bool),
    /// Refused.
    Refused(Refusal),
}

/// The venue's error object, the same on streams and in REST bodies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The error's number; the body of HTTP 451 may lack it.
    pub code: Option<i64>,
    /// The venue's words.
    #[serde(default)]
    pub msg: String,
}

/// Why a frame or a body is not understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field that is missing, repeated, or of another type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// JSON that is neither an event nor a reply.
    #[error("neither an event nor a reply")]
    Shapeless,
    /// A field that holds what it cannot mean.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl DecodeError {
    /// A label from a closed set.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Shapeless => "shapeless",
            Self::Value(_) => "value",
        }
    }
}
