//! Which contracts have an order book, and what of it is recorded?

use crate::{
    book::Step,
    config::{
        problem::Reason,
        reader::Reader,
        symbols::{Selection, selection},
    },
};
use std::{num::NonZeroUsize, time::Duration};
use toml::Value;

/// The most levels of a side that are recorded.
const LEVELS_MAX: i64 = 200;
/// The most tick sizes by which a book is recorded.
const TICK_SIZES_MAX: usize = 8;

/// `[book]`
#[derive(Clone, Debug)]
pub struct Book {
    /// Which contracts have one.
    pub symbols: Selection,
    /// How often the exchange tells of changes.
    pub speed: BookSpeed,
    /// Levels a side that are recorded.
    pub levels: NonZeroUsize,
    /// Between recorded snapshots; none are recorded when nothing is said.
    pub record: Option<Duration>,
    /// By which tick sizes.
    pub tick_sizes: Vec<Step>,
}

/// How often the exchange tells of a book's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSpeed {
    /// At most every 100 ms.
    Every100Ms,
    /// As they happen.
    Unthrottled,
}

pub(super) fn book(reader: &mut Reader<'_>) -> Book {
    let speed = |text: &str| match text {
        "100ms" => Ok(BookSpeed::Every100Ms),
        "0ms" => Ok(BookSpeed::Unthrottled),
        _ => Err(Reason::NoneOf(&["100ms", "0ms"])),
    };
    Book {
        symbols: reader.value("book.symbols", |value| selection(value, "book.symbols")),
        speed: reader.text("book.speed", speed),
        levels: reader.nonzero("book.levels", 1..=LEVELS_MAX),
        record: Some(reader.millis("book.record_ms", 0..=86_400_000)).filter(|every| !every.is_zero()),
        tick_sizes: reader.value("book.tick_sizes", |value| tick_sizes(value, "book.tick_sizes")),
    }
}

/// Levels of a side.
pub(super) fn levels(value: &Value) -> Result<NonZeroUsize, Reason> {
    let levels = value.as_integer().filter(|levels| (1..=LEVELS_MAX).contains(levels));
    let levels = levels.and_then(|levels| usize::try_from(levels).ok()).and_then(NonZeroUsize::new);
    levels.ok_or(Reason::OutOfRange { min: 1, max: LEVELS_MAX })
}

/// Takes the list `key` of tick sizes, none twice.
pub(super) fn tick_sizes(value: &Value, key: &str) -> Result<Vec<Step>, Reason> {
    let wrong = || Reason::Inside { key: key.to_owned(), expected: "a list of strings, such as [\"1x\", \"0.5\"]" };
    let mut steps = Vec::new();
    for value in value.as_array().ok_or_else(wrong)? {
        let text = value.as_str().ok_or_else(wrong)?;
        let step = Step::parse(text).ok_or_else(|| Reason::NoTickSize(text.to_owned()))?;
        if steps.contains(&step) {
            return Err(Reason::Duplicate(text.to_owned()));
        }
        steps.push(step);
    }
    if steps.len() > TICK_SIZES_MAX {
        return Err(Reason::TooMany { max: TICK_SIZES_MAX });
    }
    Ok(steps)
}
