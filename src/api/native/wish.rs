//! What may be subscribed to, and how?

use crate::{
    api::{
        Followed,
        native::{
            fields::{boolean, nothing_else, number, text},
            request_error::RequestError,
            step::{self, STEP},
        },
    },
    book::Step,
    live::{Channel, SlowPolicy},
    market::Contract,
    model::{Price, Quantity, QuoteVolume, Timeframe},
};
use serde_json::{Map, Value};

/// Rows of a snapshot at most.
const SNAPSHOT_MAX: u64 = 10_000;
/// Levels a side of a view of an order book, unless others are asked for, and at most.
const LEVELS: u16 = 20;
const LEVELS_MAX: u64 = 1_000;
/// Levels of a whole book, about: a thousand a side are all that the venue tells at once.
const BOOK_LEVELS: usize = 2_000;
/// An amount is the price of this much.
const ONE: Quantity = Quantity::from_units(100_000_000);

/// One subscription.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// Of large trades, with a size of 0, and of a view, without a group, until the contract is known.
    pub(super) channel: Channel,
    /// Empty for what is of all contracts.
    pub(super) symbol: String,
    pub(super) snapshot: usize,
    /// The newest trade that the client has: those after it come first.
    pub(super) resume_after: Option<u64>,
    /// In which steps of prices a view is.
    pub(super) step: Option<Step>,
    /// Which trades are large; the contract's own notion otherwise.
    pub(super) notional_min: Option<QuoteVolume>,
    pub(super) closed_only: bool,
    pub(super) on_slow: SlowPolicy,
}

/// What a publisher is made for because a client chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Choice {
    /// The rule of candles.
    Interval(Timeframe),
    /// A step and levels of a book.
    View(Option<Step>, u16),
    /// Which trades are large; none for what the configuration says of each contract.
    NotionalMin(Option<QuoteVolume>),
}

impl Choice {
    /// The kind, as `limits` of `hello` names it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Interval(_) => "intervals",
            Self::View(..) => "views",
            Self::NotionalMin(_) => "min_notionals",
        }
    }
}

impl Wish {
    /// What of it is the client's own choice.
    pub(super) fn choice(&self) -> Option<Choice> {
        match self.channel {
            Channel::Candles(timeframe) => Some(Choice::Interval(timeframe)),
            Channel::BookView(_, levels) => Some(Choice::View(self.step, levels)),
            Channel::LargeTrades(_) => Some(Choice::NotionalMin(self.notional_min)),
            _ => None,
        }
    }

    /// Rows of its snapshot at most; each level of a book counts as one.
    pub(super) fn snapshot_rows(&self) -> usize {
        match self.channel {
            Channel::Book => BOOK_LEVELS,
            Channel::BookView(_, levels) => 2 * usize::from(levels),
            _ => self.snapshot,
        }
    }

    /// Whether it is of no contract but of all.
    pub(super) fn is_of_all(&self) -> bool {
        self.symbol.is_empty()
    }

    /// Whether another one for the same symbol would be served in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let options = |wish: &Self| (wish.channel, wish.snapshot, wish.resume_after, wish.closed_only, wish.on_slow);
        options(self) == options(other)
    }

    /// The same for a contract that there is, if what it asks for comes at all.
    pub(super) fn of(mut self, contract: &Contract, followed: Followed) -> Result<Self, RequestError> {
        match self.channel {
            Channel::LargeTrades(_) => {
                let usual = || contract.kept.load().large_trade();
                self.channel = Channel::LargeTrades(self.notional_min.unwrap_or_else(usual));
            }
            Channel::Book | Channel::BookView(..) if contract.book.is_none() => {
                return Err(RequestError::NoBook(contract.symbol.to_string()));
            }
            Channel::BookView(_, levels) => {
                let group = self.step.map(|step| step::tick_size(step, contract)).transpose()?;
                self.channel = Channel::BookView(group, levels);
            }
            Channel::Ticker => followed.expect_tickers()?,
            Channel::Liquidations => followed.expect_liquidations()?,
            Channel::OpenInterest => followed.expect_open_interest(Some(contract))?,
            _ => {}
        }
        Ok(self)
    }

    /// What it asks for in full, as it is understood.
    pub(super) fn canonical(&self, symbol: Option<&str>) -> Value {
        let mut canonical = serde_json::json!({"symbol": symbol});
        match self.channel {
            Channel::Trades | Channel::Liquidations => {}
            Channel::LargeTrades(min) => canonical["min_notional"] = decimal(|out| min.write(out)),
            Channel::Candles(timeframe) => {
                canonical["interval"] = timeframe.to_string().into();
                canonical["closed_only"] = self.closed_only.into();
            }
            Channel::BookView(group, levels) => {
                canonical["group"] = group.map_or(Value::Null, |group| decimal(|out| group.get().write(out)));
                canonical["levels"] = levels.into();
            }
            _ => return canonical,
        }
        if !matches!(self.channel, Channel::BookView(..)) {
            canonical["snapshot"] = self.snapshot.into();
        }
        if let Some(after) = self.resume_after {
            canonical["resume_after"] = after.into();
        }
        canonical
    }
}

/// The number that `write` writes.
fn decimal(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut text = Vec::new();
    write(&mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Reads one subscription.
pub(super) fn wish(mut fields: Map<String, Value>) -> Result<Wish, RequestError> {
    let name = text(&mut fields, "channel")?.ok_or(RequestError::Missing { field: "channel" })?;
    // Of all contracts only news can be followed.
    let symbol = text(&mut fields, "symbol")?.filter(|symbol| !symbol.is_empty());
    let symbol = symbol.or_else(|| (name == "status").then(String::new));
    let symbol = symbol.ok_or(RequestError::Missing { field: "symbol" })?;
    let mut wish = Wish {
        channel: Channel::Trades,
        symbol,
        snapshot: 0,
        resume_after: None,
        step: None,
        notional_min: None,
        closed_only: false,
        on_slow: SlowPolicy::Conflate,
    };
    let on_slow = text(&mut fields, "on_slow")?;
    let known = wish.read(&name, &mut fields)?;
    nothing_else(&fields, known)?;
    match on_slow.as_deref() {
        None => {}
        Some("conflate") => wish.on_slow = SlowPolicy::Conflate,
        Some("gap") => wish.on_slow = SlowPolicy::Gap,
        Some("close") => wish.on_slow = SlowPolicy::Close,
        Some(_) => return Err(RequestError::WrongType { field: "on_slow", expected: "conflate, gap or close" }),
    }
    if wish.resume_after.is_some() && wish.snapshot > 0 {
        return Err(RequestError::TwoBeginnings);
    }
    Ok(wish)
}

impl Wish {
    /// Reads what is said beside channel, symbol and `on_slow`; returns which members there may be.
    fn read(&mut self, channel: &str, fields: &mut Map<String, Value>) -> Result<&'static str, RequestError> {
        self.channel = match channel {
            "trades" => {
                let after = number(fields, "resume_after", "the id of a trade", i64::MAX.unsigned_abs())?;
                (self.resume_after, self.on_slow) = (after, SlowPolicy::Gap);
                self.read_snapshot(fields)?;
                return Ok("channel, symbol, snapshot, resume_after and on_slow");
            }
            "large_trades" => {
                (self.notional_min, self.on_slow) = (notional(fields)?, SlowPolicy::Gap);
                self.channel = Channel::LargeTrades(QuoteVolume::default());
                self.read_snapshot(fields)?;
                return Ok("channel, symbol, min_notional, snapshot and on_slow");
            }
            "candles" => {
                self.channel = Channel::Candles(timeframe(fields)?);
                self.closed_only = boolean(fields, "closed_only")?.unwrap_or(false);
                self.read_snapshot(fields)?;
                return Ok("channel, symbol, interval, snapshot, closed_only and on_slow");
            }
            "liquidations" => {
                (self.channel, self.on_slow) = (Channel::Liquidations, SlowPolicy::Gap);
                self.read_snapshot(fields)?;
                return Ok("channel, symbol, snapshot and on_slow");
            }
            "book_view" => {
                (self.step, self.channel) = (step(fields)?, Channel::BookView(None, levels(fields)?));
                return Ok("channel, symbol, group, levels and on_slow");
            }
            "book" => Channel::Book,
            "book_ticker" => Channel::BookTicker,
            "ticker" => Channel::Ticker,
            "mark" => Channel::Mark,
            "open_interest" => Channel::OpenInterest,
            "status" => Channel::Status,
            _ => return Err(RequestError::UnknownChannel(channel.chars().take(64).collect())),
        };
        Ok("channel, symbol and on_slow")
    }

    fn read_snapshot(&mut self, fields: &mut Map<String, Value>) -> Result<(), RequestError> {
        let rows = number(fields, "snapshot", "a whole number up to 10000", SNAPSHOT_MAX)?.unwrap_or(0);
        self.snapshot = usize::try_from(rows).unwrap_or(0);
        Ok(())
    }
}

fn timeframe(fields: &mut Map<String, Value>) -> Result<Timeframe, RequestError> {
    let interval = match fields.remove("interval") {
        Some(Value::Number(minutes)) => minutes.to_string(),
        Some(Value::String(text)) => text,
        Some(_) => return Err(RequestError::WrongType { field: "interval", expected: "text such as \"5m\"" }),
        None => return Err(RequestError::Missing { field: "interval" }),
    };
    Ok(Timeframe::parse(&interval)?)
}

fn levels(fields: &mut Map<String, Value>) -> Result<u16, RequestError> {
    let wrong = RequestError::WrongType { field: "levels", expected: "a whole number from 1 to 1000" };
    let levels = number(fields, "levels", "a whole number from 1 to 1000", LEVELS_MAX)?;
    let levels = levels.map(u16::try_from).transpose().map_err(|_| wrong.clone())?.unwrap_or(LEVELS);
    if levels == 0 { Err(wrong) } else { Ok(levels) }
}

fn step(fields: &mut Map<String, Value>) -> Result<Option<Step>, RequestError> {
    let wrong = RequestError::WrongType { field: "group", expected: STEP };
    let text = decimal_text(fields, "group").map_err(|()| wrong.clone())?;
    text.map(|text| Step::parse(&text).ok_or(wrong)).transpose()
}

fn notional(fields: &mut Map<String, Value>) -> Result<Option<QuoteVolume>, RequestError> {
    let wrong = RequestError::WrongType { field: "min_notional", expected: "an amount above 0, such as 100000" };
    let text = decimal_text(fields, "min_notional").map_err(|()| wrong.clone())?;
    let amount = text.map(|text| Price::parse(text.as_bytes())).transpose().map_err(|_| wrong.clone())?;
    match amount {
        Some(amount) if amount <= Price::default() => Err(wrong),
        amount => Ok(amount.map(|amount| amount.times(ONE))),
    }
}

/// A decimal that stands there as a number or as text.
fn decimal_text(fields: &mut Map<String, Value>, field: &str) -> Result<Option<String>, ()> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(()),
    }
}
