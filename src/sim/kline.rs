//! What is the official kline of an interval, and when does its stream speak?

use crate::{
    model::{Price, QuoteVolume, Timeframe, UnixMillis, Volume},
    sim::{
        block::{Execution, Fill},
        market::Fills,
    },
};

/// Every interval that the venue serves, by its own name.
const INTERVALS: [&str; 15] =
    ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"];

/// The stream says something at most this often (Binance USD-M docs).
const UPDATE_MS: i64 = 250;
/// A trade shows in the stream this long after it happened (measured, 2021).
const DELAY_MS: i64 = 5;
/// A kline whose successor has no trade yet is closed this long after its end (measured, 2021).
const CLOSE_MS: i64 = 2_000;

/// The raw market trades of one interval, each counted at its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kline {
    /// The interval's first millisecond.
    pub open_time: UnixMillis,
    /// Its exclusive end (the wire shows one millisecond less).
    pub close_time: UnixMillis,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Sum of quantities.
    pub volume: Volume,
    /// Sum of price x quantity.
    pub quote_volume: QuoteVolume,
    /// Raw trades; burnt ids do not count.
    pub count: u64,
    /// Sum of quantities where the taker bought.
    pub taker_buy_volume: Volume,
    /// Sum of price x quantity where the taker bought.
    pub taker_buy_quote_volume: QuoteVolume,
    /// First raw trade id, -1 when there is none.
    pub first_id: i64,
    /// Last raw trade id, -1 when there is none.
    pub last_id: i64,
}

impl Kline {
    /// A kline without trades: the price is carried.
    pub(super) fn flat((open_time, close_time): (UnixMillis, UnixMillis), price: Price) -> Self {
        Self {
            open_time,
            close_time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Volume::default(),
            quote_volume: QuoteVolume::default(),
            count: 0,
            taker_buy_volume: Volume::default(),
            taker_buy_quote_volume: QuoteVolume::default(),
            first_id: -1,
            last_id: -1,
        }
    }

    fn opened_by(timeframe: Timeframe, fill: &Fill) -> Self {
        let mut kline = Self::flat(timeframe.bucket(fill.time), fill.price);
        kline.add(fill);
        kline
    }

    pub(super) fn add(&mut self, fill: &Fill) {
        let id = i64::try_from(fill.id).unwrap_or(i64::MAX);
        if self.count == 0 {
            (self.open, self.high, self.low, self.first_id) = (fill.price, fill.price, fill.price, id);
        }
        self.high = self.high.max(fill.price);
        self.low = self.low.min(fill.price);
        self.close = fill.price;
        self.last_id = id;
        self.count += 1;
        self.volume += fill.quantity.into();
        self.quote_volume += fill.price.times(fill.quantity);
        if !fill.buyer_is_maker {
            self.taker_buy_volume += fill.quantity.into();
            self.taker_buy_quote_volume += fill.price.times(fill.quantity);
        }
    }
}

/// The rule of one of the venue's intervals.
pub(super) fn interval(name: &str) -> Option<Timeframe> {
    INTERVALS.contains(&name).then(|| Timeframe::parse(name).ok()).flatten()
}

/// One contract's kline stream: what it says next, and when.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    timeframe: Timeframe,
    fills: Fills,
    kline: Option<Kline>,
    /// The first trade that the stream has not shown yet.
    untold_since: Option<i64>,
    said_at: i64,
    next: Option<Said>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: i64,
    closed: bool,
}

impl Speaker {
    /// A stream whose first interval holds the first of `fills`.
    pub(super) fn new(timeframe: Timeframe, fills: Fills) -> Self {
        let mut speaker = Self { timeframe, fills, kline: None, untold_since: None, said_at: i64::MIN / 2, next: None };
        speaker.settle();
        speaker
    }

    pub(super) fn due(&self) -> Option<i64> {
        self.next.map(|said| said.at)
    }

    /// The next frame, with whether it closes its kline.
    pub(super) fn say(&mut self) -> Option<(Kline, bool, i64)> {
        let said = self.next?;
        let kline = self.kline?;
        self.said_at = said.at;
        self.untold_since = None;
        if said.closed {
            self.kline = None;
            // The trade that closes a kline opens the next without a word of its own (measured, 2021).
            if let Some(fill) = self.peek().filter(|fill| fill.time.get() + DELAY_MS <= said.at) {
                self.fills.next();
                self.kline = Some(Kline::opened_by(self.timeframe, &fill));
            }
        }
        self.settle();
        Some((kline, said.closed, said.at))
    }

    /// Folds trades until something is to be said.
    fn settle(&mut self) {
        self.next = loop {
            let fill = self.peek();
            let Some(kline) = &mut self.kline else {
                let Some(fill) = fill else { break None };
                self.kline = Some(Kline::opened_by(self.timeframe, &fill));
                self.untold_since = Some(fill.time.get());
                self.fills.next();
                continue;
            };
            let end = kline.close_time.get();
            let update = self.untold_since.map(|since| (since + DELAY_MS).max(self.said_at + UPDATE_MS));
            match fill {
                Some(fill) if fill.time.get() < end && update.is_none_or(|at| fill.time.get() + DELAY_MS <= at) => {
                    kline.add(&fill);
                    self.untold_since.get_or_insert(fill.time.get());
                    self.fills.next();
                }
                _ => {
                    let trade =
                        fill.map(|fill| fill.time.get()).filter(|&time| time >= end).map(|time| time + DELAY_MS);
                    let close = trade.map_or(end + CLOSE_MS, |at| at.min(end + CLOSE_MS));
                    break Some(match update {
                        Some(at) if at < close => Said { at, closed: false },
                        _ => Said { at: close, closed: true },
                    });
                }
            }
        };
    }

    /// The next market trade; burnt ids before it are stepped over.
    fn peek(&mut self) -> Option<Fill> {
        while self.fills.peek()?.execution == Execution::Burnt {
            self.fills.next();
        }
        self.fills.peek()
    }
}
