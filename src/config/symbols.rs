//! What is recorded of each symbol?

use crate::{
    book::Step,
    config::{
        ages::{Ages, OwnAges, own_ages},
        book::{levels, tick_sizes},
        glob,
        problem::{Reason, nearest},
        series::{self, LARGE_TRADE_USD_MAX},
    },
    market::SeriesSet,
    model::{Symbol, SymbolError},
};
use std::num::NonZeroUsize;
use toml::{Table, Value};

/// The fewest trades that a ring holds.
pub(super) const RING_TRADES_MIN: i64 = 64;
/// The most trades that a ring holds: 1 GiB of them.
pub(super) const RING_TRADES_MAX: i64 = 1 << 24;
/// What an override may say.
const OVERRIDE_KEYS: [&str; 15] = [
    "match",
    "tape",
    "ring_trades",
    "book",
    "book_levels",
    "tick_sizes",
    "series",
    "large_trade_usd",
    "trades_days",
    "candles_days",
    "marks_days",
    "funding_days",
    "open_interest_days",
    "liquidations_days",
    "books_days",
];

const TOO_LARGE: Reason = Reason::OutOfRange { min: 0, max: LARGE_TRADE_USD_MAX };

/// Which stream a tape is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TapeKind {
    /// Aggregate trades (`aggTrade`); REST repairs their holes.
    Aggregate,
    /// Raw trades (`trade`); their holes wait for the archive.
    Raw,
}

impl TapeKind {
    pub(super) fn parse(text: &str) -> Result<Self, Reason> {
        match text {
            "aggTrade" => Ok(Self::Aggregate),
            "trade" => Ok(Self::Raw),
            _ => Err(Reason::NoneOf(&["aggTrade", "trade"])),
        }
    }
}

/// What is kept of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What its tape is made of.
    pub tape: TapeKind,
    /// Newest trades held in memory; a power of two.
    pub ring_trades: NonZeroUsize,
    /// Whether its order book is kept.
    pub book: bool,
    /// Levels a side of a recorded book.
    pub book_levels: NonZeroUsize,
    /// By which tick sizes its book is recorded.
    pub tick_sizes: Vec<Step>,
    /// What is stored of it beside its trades.
    pub series: SeriesSet,
    /// What makes a trade a large one, in whole units of the quote asset.
    pub large_trade_usd: u64,
    /// How long what is stored of it is kept.
    pub ages: Ages,
}

/// An exception for the symbols that fit a pattern.
#[derive(Clone, Debug)]
pub(super) struct Override {
    pattern: String,
    tape: Option<TapeKind>,
    ring_trades: Option<NonZeroUsize>,
    book: Option<bool>,
    book_levels: Option<NonZeroUsize>,
    tick_sizes: Option<Vec<Step>>,
    series: Option<SeriesSet>,
    large_trade_usd: Option<u64>,
    ages: OwnAges,
}

impl Override {
    /// What `contract` is for `symbol` after this exception.
    pub(super) fn apply(&self, symbol: &Symbol, contract: Contract) -> Contract {
        if !glob::fits(&self.pattern, symbol.as_str()) {
            return contract;
        }
        Contract {
            tape: self.tape.unwrap_or(contract.tape),
            ring_trades: self.ring_trades.unwrap_or(contract.ring_trades),
            book: self.book.unwrap_or(contract.book),
            book_levels: self.book_levels.unwrap_or(contract.book_levels),
            tick_sizes: self.tick_sizes.clone().unwrap_or(contract.tick_sizes),
            series: self.series.unwrap_or(contract.series),
            large_trade_usd: self.large_trade_usd.unwrap_or(contract.large_trade_usd),
            ages: contract.ages.under(&self.ages),
        }
    }
}

/// The next power of two, as the ring needs it.
pub(super) fn ring_trades(value: &Value) -> Result<NonZeroUsize, Reason> {
    let wrong = Reason::OutOfRange { min: RING_TRADES_MIN, max: RING_TRADES_MAX };
    let trades = value.as_integer().filter(|trades| (RING_TRADES_MIN..=RING_TRADES_MAX).contains(trades));
    let trades = trades.and_then(|trades| usize::try_from(trades).ok()).and_then(NonZeroUsize::new);
    trades.and_then(NonZeroUsize::checked_next_power_of_two).ok_or(wrong)
}

/// Takes the list `override`.
pub(super) fn overrides(value: &Value) -> Result<Vec<Override>, Reason> {
    let entry = |(index, value): (usize, &Value)| {
        let at = format!("override[{index}]");
        let table = value.as_table().ok_or(Reason::Inside { key: at.clone(), expected: "a table" })?;
        one_override(table, &at)
    };
    value.as_array().into_iter().flatten().enumerate().map(entry).collect()
}

fn one_override(table: &Table, at: &str) -> Result<Override, Reason> {
    if let Some(key) = table.keys().find(|key| !OVERRIDE_KEYS.contains(&key.as_str())) {
        return Err(Reason::InsideUnknown { key: format!("{at}.{key}"), nearest: nearest(key, OVERRIDE_KEYS) });
    }
    let inside = |key: &str, expected| Reason::Inside { key: format!("{at}.{key}"), expected };
    let pattern = table.get("match").and_then(Value::as_str).filter(|pattern| !pattern.is_empty());
    let pattern = pattern.ok_or(inside("match", "a pattern of symbols, such as \"BTC*\""))?.to_ascii_uppercase();
    let tape = table.get("tape").map(|value| value.as_str().map_or(Err(inside("tape", "a string")), TapeKind::parse));
    let trades = table.get("ring_trades").map(|value| match value {
        Value::Integer(_) => ring_trades(value),
        _ => Err(inside("ring_trades", "an integer")),
    });
    let book = table.get("book").map(|value| value.as_bool().ok_or(inside("book", "true or false")));
    let book_levels = table.get("book_levels").map(|value| match value {
        Value::Integer(_) => levels(value),
        _ => Err(inside("book_levels", "an integer")),
    });
    let steps = table.get("tick_sizes").map(|value| tick_sizes(value, &format!("{at}.tick_sizes")));
    let kept = table.get("series").map(|value| series::listed(value, &format!("{at}.series")));
    let large = table.get("large_trade_usd").map(|value| match value {
        Value::Integer(usd) => u64::try_from(*usd).ok().filter(|_| *usd <= LARGE_TRADE_USD_MAX).ok_or(TOO_LARGE),
        _ => Err(inside("large_trade_usd", "an integer")),
    });
    Ok(Override {
        pattern,
        tape: tape.transpose()?,
        ring_trades: trades.transpose()?,
        book: book.transpose()?,
        book_levels: book_levels.transpose()?,
        tick_sizes: steps.transpose()?,
        series: kept.transpose()?,
        large_trade_usd: large.transpose()?,
        ages: own_ages(table, at)?,
    })
}

/// Which contracts are recorded: those that are named, and those of the venue's listing that fit a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// In the order given; recorded from the start on.
    pub named: Vec<Symbol>,
    /// In which `*` is any text and `?` any one character, in upper case.
    pub patterns: Vec<String>,
}

impl Selection {
    /// Whether a listed symbol is among them.
    pub fn selects(&self, symbol: &Symbol) -> bool {
        self.named.contains(symbol) || self.fits(symbol)
    }

    /// Whether a pattern fits it.
    pub fn fits(&self, symbol: &Symbol) -> bool {
        self.patterns.iter().any(|pattern| glob::fits(pattern, symbol.as_str()))
    }
}

/// Takes the list `symbols`: at least one name or pattern.
pub(super) fn symbols(value: &Value) -> Result<Selection, Reason> {
    let selection = selection(value, "symbols")?;
    if selection == Selection::default() { Err(Reason::Empty) } else { Ok(selection) }
}

/// Takes the list `key` of names and patterns, none twice; `all` is the pattern of everything.
pub(super) fn selection(value: &Value, key: &str) -> Result<Selection, Reason> {
    let mut selection = Selection::default();
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        let wrong = || Reason::Inside { key: format!("{key}[{index}]"), expected: "a string" };
        let text = value.as_str().ok_or_else(wrong)?;
        let text = if text.eq_ignore_ascii_case("all") { "*" } else { text };
        if text.contains(['*', '?']) {
            let pattern = text.to_ascii_uppercase();
            // What stands beside the wild cards has to be part of a symbol.
            let plain: String = pattern.chars().filter(|c| !"*?".contains(*c)).collect();
            if !plain.is_empty() {
                Symbol::new(&plain)?;
            }
            if selection.patterns.contains(&pattern) {
                return Err(Reason::Duplicate(pattern));
            }
            selection.patterns.push(pattern);
        } else {
            let symbol = Symbol::new(text)?;
            if selection.named.contains(&symbol) {
                return Err(Reason::Duplicate(symbol.as_str().to_owned()));
            }
            selection.named.push(symbol);
        }
    }
    Ok(selection)
}

/// Takes a table from symbols to whole numbers from 0 to `max`.
pub(super) fn by_symbol(value: &Value, key: &str, max: u32) -> Result<Vec<(Symbol, u32)>, Reason> {
    let entry = |(symbol, value): (&String, &Value)| -> Result<_, Reason> {
        let wrong = || Reason::Inside { key: format!("{key}.{symbol}"), expected: "an integer" };
        let number = u32::try_from(value.as_integer().ok_or_else(wrong)?).ok().filter(|number| *number <= max);
        let number = number.ok_or(Reason::OutOfRange { min: 0, max: max.into() })?;
        Ok((Symbol::new(symbol).map_err(|error: SymbolError| Reason::Symbol(error))?, number))
    };
    value.as_table().into_iter().flatten().map(entry).collect()
}
