//! What does a publisher hand to a session?

use crate::{
    book::TickSize,
    live::{Backlog, Cut, Figure, Picture, SlowPolicy},
    market::{Ending, NumberedLiquidation},
    model::{Candle, ContractId, IdRange, QuoteVolume, Symbol, Timeframe, Trade, UnixMillis},
};
use actix::prelude::*;
use bytes::Bytes;
use std::{fmt, sync::Arc};

/// What can be subscribed to of one contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Every trade.
    Trades,
    /// Every trade of at least this price x quantity.
    LargeTrades(QuoteVolume),
    /// The current candle, and each one that closes.
    Candles(Timeframe),
    /// Every liquidation that the venue tells of.
    Liquidations,
    /// The order book, whole and then what changes.
    Book,
    /// So many of the best levels a side, or of groups of levels.
    BookView(Option<TickSize>, u16),
    /// Mark price, index price and funding rate.
    Mark,
    /// Statistics of 24 hours.
    Ticker,
    /// The best bid and ask.
    BookTicker,
    /// How much is open.
    OpenInterest,
    /// How the contract fares.
    Status,
}

impl Channel {
    /// Its name in figures and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::LargeTrades(_) => "large_trades",
            Self::Candles(_) => "candles",
            Self::Liquidations => "liquidations",
            Self::Book => "book",
            Self::BookView(..) => "book_view",
            Self::Mark => "mark",
            Self::Ticker => "ticker",
            Self::BookTicker => "book_ticker",
            Self::OpenInterest => "open_interest",
            Self::Status => "status",
        }
    }
}

/// One stream of messages: encoded once a dialect, whoever listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// Of which contract.
    pub contract: ContractId,
    /// What of it.
    pub channel: Channel,
}

/// The number of a registered dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialectId(pub u8);

/// How one dialect writes rows. Rows of one call are separated by commas; nothing stands around them.
#[derive(Clone, Copy)]
pub struct Encoder {
    /// Appends trades.
    pub trades: fn(&[Trade], &mut Vec<u8>),
    /// Appends candles.
    pub candles: fn(&[Candle], &mut Vec<u8>),
    /// Appends liquidations.
    pub liquidations: fn(&[NumberedLiquidation], &mut Vec<u8>),
    /// Appends a figure.
    pub figure: fn(&Figure, &mut Vec<u8>),
    /// Appends an order book, or what changed in it.
    pub book: fn(&Picture, &mut Vec<u8>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

/// Encoded rows, comma-separated, shared by all sessions of a topic and dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The text.
    pub body: Bytes,
    /// How many.
    pub count: u32,
}

impl Rows {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// One session of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u64);

/// One subscription of one session, as its publisher sees it.
#[derive(Clone)]
pub struct Subscriber {
    /// The session.
    pub session: SessionKey,
    /// The session's own number for this subscription.
    pub sub: u32,
    /// Whose rows it reads.
    pub dialect: DialectId,
    /// The session's bounded mailbox.
    pub mailbox: Recipient<Delivery>,
    /// What happens when the mailbox is full.
    pub on_slow: SlowPolicy,
    /// Ends the session's socket from outside.
    pub cut: Cut,
    /// What the mailbox holds, of all subscriptions of the session.
    pub backlog: Backlog,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscriber({}:{})", self.session.0, self.sub)
    }
}

/// A message to one subscription.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Delivery {
    /// The session's own number of the subscription.
    pub sub: u32,
    /// What it says.
    pub event: Event,
}

/// What a publisher says to a subscription. The first is always [`Event::Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The newest rows before the live ones, possibly none.
    Snapshot(Rows),
    /// Rows, each to be delivered.
    Rows(Rows),
    /// A figure, which takes the place of an undelivered earlier one.
    Newest(Bytes),
    /// The whole anew, which takes the place of all that was not delivered.
    Resync(Rows),
    /// Candles: `closed` each to be delivered; `open`, when there is one, takes the place of an undelivered earlier `open`.
    Candles {
        /// Candles that closed.
        closed: Rows,
        /// The current one.
        open: Option<Bytes>,
    },
    /// Trades that came after their hole had been recorded, ascending among themselves.
    Repair(Rows),
    /// Candles already sent as closed, with a higher revision.
    Correction(Rows),
    /// Trades that this subscription lost because its session was slow.
    Gap(IdRange),
    /// How many ids of the contract's tape are missing now, when that is another number than was said before; 0 at first.
    Missing(u64),
    /// Every candle of a live thread's contracts that ends at `end` has been closed, but for these contracts its bucket is
    /// not complete.
    Barrier {
        /// Of which timeframe.
        timeframe: Timeframe,
        /// Which live thread says so; each speaks for its own contracts.
        thread: usize,
        /// The exclusive end.
        end: UnixMillis,
        /// Whose bucket is not complete.
        incomplete: Arc<[Symbol]>,
    },
    /// The last message: the contract is not recorded any more.
    Ended(Ending),
    /// The last message: the session was too slow too often; the newest trade id that it was sent, if any.
    TooSlow(Option<u64>),
}

impl Event {
    /// Its rows' bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Snapshot(rows)
            | Self::Rows(rows)
            | Self::Resync(rows)
            | Self::Repair(rows)
            | Self::Correction(rows) => rows.body.len(),
            Self::Newest(body) => body.len(),
            Self::Candles { closed, open } => closed.body.len() + open.as_ref().map_or(0, Bytes::len),
            Self::Gap(_) | Self::Missing(_) | Self::Barrier { .. } | Self::Ended(_) | Self::TooSlow(_) => 0,
        }
    }

    /// Whether it is taken however much waits: what a request bounds, and what comes once.
    pub(super) fn needs_no_room(&self) -> bool {
        matches!(self, Self::Snapshot(_) | Self::Barrier { .. } | Self::Ended(_) | Self::TooSlow(_))
    }
}
