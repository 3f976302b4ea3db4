//! What did somebody record from the venue's streams?
//!
//! Plain, gzip or zstd: lines of `<receive time> <raw frame>` with nanoseconds (hftbacktest's collector) or
//! microseconds (collect-binancefutures), and JSON lines `{t, ts, data}` (cryptofeed).

use crate::{
    model::{DecimalError, Price, Quantity, Symbol, SymbolError, Trade, UnixMillis},
    sim::{
        aggregate::Aggregator,
        block::{Block, Execution, Fill},
        contract::Contract,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

/// The largest recording that is read, decompressed.
const BYTES_MAX: u64 = 1 << 30;
/// Digits of a receive stamp in nanoseconds.
const NANOS_DIGITS: usize = 19;
/// Units of 1e-8 s in a microsecond.
const UNITS_PER_MICRO: i64 = 100;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file.
    #[error("a recording cannot be read")]
    Io(#[from] io::Error),
    /// Larger than what is held in memory.
    #[error("a recording is larger than {BYTES_MAX} bytes")]
    TooLarge,
    /// No text.
    #[error("a recording is not UTF-8")]
    NotText,
    /// A line in none of the forms.
    #[error("line {number} of a recording is malformed")]
    Malformed {
        /// Its number, from 1.
        number: usize,
    },
    /// Not one frame of a stream.
    #[error("a recording holds no frames")]
    Empty,
}

/// One received text and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// On the recorder's clock, in microseconds since the Unix epoch.
    pub(super) received_us: i64,
    /// The frame or REST body.
    pub(super) body: Cow<'a, str>,
}

/// A recorded frame without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// When it is sent, on the exchange's clock.
    pub(super) due: i64,
    pub(super) payload: Box<str>,
}

/// A recording in memory: its trades as a market, and its frames by stream.
///
/// Aggregates are the recorded ones; where a contract has only raw trades, they are derived from those with X = MARKET
/// and numbered from 1. A contract with aggregates alone has one raw trade for each.
#[derive(Debug)]
pub struct Recording {
    contracts: Vec<(Contract, Arc<Block>)>,
    frames: HashMap<String, Arc<[Frame]>>,
    start: UnixMillis,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct JsonLine {
    t: String,
    #[serde(default)]
    ts: Option<Box<RawValue>>,
    #[serde(default)]
    data: Option<String>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    e: &'a str,
    #[serde(rename = "E")]
    event_time: i64,
    s: Option<String>,
    #[serde(rename = "T")]
    time: Option<i64>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    m: Option<bool>,
    a: Option<&'a RawValue>,
    f: Option<u64>,
    l: Option<u64>,
    t: Option<u64>,
    #[serde(rename = "X")]
    execution: Option<&'a str>,
}

#[derive(Debug, thiserror::Error)]
#[error("no trade of ours")]
struct NoTrade;

impl From<DecimalError> for NoTrade {
    fn from(_: DecimalError) -> Self {
        Self
    }
}

/// The trades of one contract while a recording is read.
#[derive(Default)]
struct Tape {
    block: Block,
    price_places: usize,
    quantity_places: usize,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is too large or malformed, or holds no frames.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        Self::parse(&text(path)?)
    }

    /// Takes a decompressed recording.
    ///
    /// # Errors
    ///
    /// When a line is malformed, or there are no frames.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut frames: BTreeMap<String, Vec<Frame>> = BTreeMap::new();
        let mut tapes: BTreeMap<Symbol, Tape> = BTreeMap::new();
        // The recorder's clock may be behind the venue's; no frame may come before its own event time.
        let mut ahead = i64::MIN;
        for line in lines(text) {
            let line = line?;
            let Ok(Envelope { stream, data }) = serde_json::from_str(&line.body) else { continue };
            let due = line.received_us.div_euclid(1_000);
            if let Ok(payload) = serde_json::from_str::<Payload<'_>>(data.get()) {
                ahead = ahead.max(payload.event_time - due);
                note(&mut tapes, &payload);
            }
            frames.entry(stream.into_owned()).or_default().push(Frame { due, payload: data.get().into() });
        }
        let ahead = if ahead == i64::MIN { 0 } else { ahead };
        for frame in frames.values_mut().flatten() {
            frame.due += ahead;
        }
        let start = frames.values().filter_map(|frames| frames.first()).map(|frame| frame.due).min();
        let start = UnixMillis::new(start.ok_or(RecordingError::Empty)?);
        let contracts = tapes.into_iter().filter_map(|(symbol, tape)| tape.close(&symbol).ok()).collect();
        let frames = frames.into_iter().map(|(name, frames)| (name, frames.into())).collect();
        Ok(Self { contracts, frames, start })
    }

    /// When its first frame is sent, on the exchange's clock.
    pub fn start(&self) -> UnixMillis {
        self.start
    }

    pub(super) fn contracts(&self) -> &[(Contract, Arc<Block>)] {
        &self.contracts
    }

    pub(super) fn into_frames(self) -> HashMap<String, Arc<[Frame]>> {
        self.frames
    }
}

/// Notes a trade; events that are none, or that no contract could have, are left to the verbatim frames.
fn note(tapes: &mut BTreeMap<Symbol, Tape>, payload: &Payload<'_>) {
    let Some(Ok(symbol)) = payload.s.as_deref().map(Symbol::new) else { return };
    let tape = match payload.e {
        "aggTrade" | "trade" => tapes.entry(symbol).or_default(),
        _ => return,
    };
    if payload.e == "trade" {
        tape.block.fills.extend(fill(payload).ok());
    } else {
        tape.block.trades.extend(trade(payload).ok());
    }
    let places = |text: Option<&str>| text.and_then(|text| text.split_once('.')).map_or(0, |(_, places)| places.len());
    tape.price_places = tape.price_places.max(places(payload.p));
    tape.quantity_places = tape.quantity_places.max(places(payload.q));
}

fn fill(payload: &Payload<'_>) -> Result<Fill, NoTrade> {
    let execution = match payload.execution {
        Some("MARKET") => Execution::Market,
        Some("NA") => Execution::Burnt,
        _ => return Err(NoTrade),
    };
    Ok(Fill {
        id: payload.t.ok_or(NoTrade)?,
        time: UnixMillis::new(payload.time.ok_or(NoTrade)?),
        price: Price::parse(payload.p.ok_or(NoTrade)?.as_bytes())?,
        quantity: Quantity::parse(payload.q.ok_or(NoTrade)?.as_bytes())?,
        buyer_is_maker: payload.m.ok_or(NoTrade)?,
        execution,
    })
}

fn trade(payload: &Payload<'_>) -> Result<Trade, NoTrade> {
    Ok(Trade {
        id: payload.a.and_then(|id| id.get().parse().ok()).ok_or(NoTrade)?,
        time: UnixMillis::new(payload.time.ok_or(NoTrade)?),
        price: Price::parse(payload.p.ok_or(NoTrade)?.as_bytes())?,
        quantity: Quantity::parse(payload.q.ok_or(NoTrade)?.as_bytes())?,
        buyer_is_maker: payload.m.ok_or(NoTrade)?,
        first_id: payload.f.ok_or(NoTrade)?,
        last_id: payload.l.ok_or(NoTrade)?,
    })
}

impl Tape {
    fn close(mut self, symbol: &Symbol) -> Result<(Contract, Arc<Block>), SymbolError> {
        let Block { trades, fills } = &mut self.block;
        fills.sort_by_key(|fill| fill.id);
        trades.sort_by_key(|trade| trade.id);
        if trades.is_empty() {
            let mut aggregator = Aggregator::starting_at(1);
            trades.extend(fills.iter().filter_map(|fill| aggregator.push(fill)).map(|published| published.trade));
            trades.extend(aggregator.finish().map(|published| published.trade));
        } else if fills.is_empty() {
            fills.extend(trades.iter().map(|trade| Fill {
                id: trade.last_id,
                time: trade.time,
                price: trade.price,
                quantity: trade.quantity,
                buyer_is_maker: trade.buyer_is_maker,
                execution: Execution::Market,
            }));
        }
        let price = trades.first().map_or(Price::default(), |trade| trade.price);
        let places = |places: usize| u32::try_from(places.min(8)).unwrap_or(8);
        let places = (places(self.price_places), places(self.quantity_places));
        let contract = Contract::perpetual(symbol.as_str(), price, places, 1)?;
        Ok((contract, Arc::new(self.block)))
    }
}

/// The decompressed text of a recording's file.
fn text(path: &Path) -> Result<String, RecordingError> {
    let stored = fs::read(path)?;
    let mut bytes = Vec::new();
    let limit = BYTES_MAX + 1;
    match stored.as_slice() {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(stored.as_slice()).take(limit).read_to_end(&mut bytes)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(stored.as_slice())?.take(limit).read_to_end(&mut bytes)?,
        plain => plain.take(limit).read_to_end(&mut bytes)?,
    };
    if bytes.len() as u64 > BYTES_MAX {
        return Err(RecordingError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| RecordingError::NotText)
}

/// The received texts of a recording, line by line; what a recorder noted about itself is left out.
fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, RecordingError>> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    numbered.filter_map(|(number, line)| match line.starts_with('{') {
        true => match json_line(line) {
            Some(line) => line.map(Ok),
            None => Some(Err(RecordingError::Malformed { number })),
        },
        false => Some(stamped_line(line).ok_or(RecordingError::Malformed { number })),
    })
}

/// `<receive time> <raw frame>`, in nanoseconds or microseconds.
fn stamped_line(line: &str) -> Option<Line<'_>> {
    let (stamp, body) = line.split_once(' ')?;
    let received: i64 = stamp.parse().ok()?;
    let received_us = if stamp.len() >= NANOS_DIGITS { received / 1_000 } else { received };
    Some(Line { received_us, body: body.into() })
}

/// `{t, ts, data}` with seconds; the outer `None` says malformed, the inner one that nothing was received.
fn json_line(line: &str) -> Option<Option<Line<'static>>> {
    let JsonLine { t, ts, data } = serde_json::from_str(line).ok()?;
    if t != "recv" {
        return Some(None);
    }
    let seconds = Price::parse_rounded(ts?.get().as_bytes()).ok()?;
    Some(Some(Line { received_us: seconds.units() / UNITS_PER_MICRO, body: data?.into() }))
}
