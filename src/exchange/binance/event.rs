//! What can one frame of the venue say?

use crate::exchange::binance::ValueError;
use crate::model::{BookTicker, BookUpdate, Liquidation, Price, QuoteVolume, Trade, UnixMillis, Volume};
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
    /// The best bid and ask: of one contract, or of each by turns about every 5 s (`!bookTicker`).
    BookTicker {
        /// Whose book.
        symbol: Cow<'a, str>,
        /// Its top.
        ticker: BookTicker,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// Changes to a book; on a stream of partial depth, the whole of its top. The levels stand in
    /// [`Decoder::bids`](super::Decoder::bids) and [`Decoder::asks`](super::Decoder::asks).
    Depth {
        /// Whose book.
        symbol: Cow<'a, str>,
        /// Which changes.
        update: BookUpdate,
        /// When the venue sent it.
        event_time: UnixMillis,
    },
    /// Mark prices of one contract or of many, in [`Decoder::mark_prices`](super::Decoder::mark_prices). A second's array comes in two
    /// frames, the contracts on equities and commodities apart.
    MarkPrices {
        /// When the venue sent the newest.
        event_time: UnixMillis,
    },
    /// Statistics of 24 hours of one contract, or of those of many that changed, in [`Decoder::tickers`](super::Decoder::tickers).
    Tickers {
        /// When the venue sent the newest.
        event_time: UnixMillis,
    },
    /// One liquidation: the largest of a contract's second.
    Liquidation {
        /// Whose position was on it.
        symbol: Cow<'a, str>,
        /// The order.
        liquidation: Liquidation,
        /// When the venue sent it: about a second later.
        event_time: UnixMillis,
    },
    /// A contract was listed, changed or taken off.
    Contract {
        /// Which one.
        symbol: Cow<'a, str>,
        /// How it stands now.
        notice: ContractNotice<'a>,
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
    /// What [`Self::kind`] may say.
    pub const KINDS: [&'static str; 12] = [
        "aggTrade",
        "trade",
        "kline",
        "bookTicker",
        "depthUpdate",
        "markPriceUpdate",
        "24hrTicker",
        "forceOrder",
        "contractInfo",
        "reply",
        "foreign",
        "unknown",
    ];

    /// When the venue sent it, if it says so.
    pub const fn event_time(&self) -> Option<UnixMillis> {
        match self {
            Self::AggTrade { event_time, .. }
            | Self::Trade { event_time, .. }
            | Self::Burnt { event_time, .. }
            | Self::Kline { event_time, .. }
            | Self::BookTicker { event_time, .. }
            | Self::Depth { event_time, .. }
            | Self::MarkPrices { event_time }
            | Self::Tickers { event_time }
            | Self::Liquidation { event_time, .. }
            | Self::Contract { event_time, .. } => Some(*event_time),
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
            | Self::BookTicker { symbol, .. }
            | Self::Depth { symbol, .. }
            | Self::Liquidation { symbol, .. }
            | Self::Contract { symbol, .. } => Some(symbol),
            Self::MarkPrices { .. } | Self::Tickers { .. } | Self::Reply(_) | Self::Foreign | Self::Unknown { .. } => {
                None
            }
        }
    }

    /// The venue's word for it, or `reply`, `foreign`, `unknown`: one of [`Self::KINDS`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AggTrade { .. } => "aggTrade",
            Self::Trade { .. } | Self::Burnt { .. } => "trade",
            Self::Kline { .. } => "kline",
            Self::BookTicker { .. } => "bookTicker",
            Self::Depth { .. } => "depthUpdate",
            Self::MarkPrices { .. } => "markPriceUpdate",
            Self::Tickers { .. } => "24hrTicker",
            Self::Liquidation { .. } => "forceOrder",
            Self::Contract { .. } => "contractInfo",
            Self::Reply(_) => "reply",
            Self::Foreign => "foreign",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// How a contract stands, in the venue's words; unknown ones are taken. The steps of its prices and quantities are only in
/// `exchangeInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractNotice<'a> {
    /// The pair it is on, where the venue says it.
    pub pair: Option<Cow<'a, str>>,
    /// `PERPETUAL`, `TRADIFI_PERPETUAL`, `CURRENT_QUARTER`, ...; empty before listing.
    pub contract_type: Cow<'a, str>,
    /// `TRADING`, `SETTLING`, `PENDING_TRADING`, ...
    pub status: Cow<'a, str>,
    /// When it was listed.
    pub onboard_date: UnixMillis,
    /// When it is delivered or delisted; from 2100 on, that is not planned.
    pub delivery_date: UnixMillis,
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
