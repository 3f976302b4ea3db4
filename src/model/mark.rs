//! What is a contract valued at, and what does holding it cost?

use crate::model::{Price, QuoteVolume, Rate, UnixMillis, Volume};

/// What the venue values a contract at. Finer digits than 1e-8 are rounded, half to even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkPrice {
    /// When, by the venue.
    pub time: UnixMillis,
    /// The mark price.
    pub mark: Price,
    /// The moving average of the mark price, where the venue says it: on streams since 2026-03-16.
    pub average: Option<Price>,
    /// The index price; frames of 2019 lack it.
    pub index: Option<Price>,
    /// The estimated settlement price: it has a meaning in the last hour before a settlement only.
    pub settle: Option<Price>,
    /// The funding rate as it would be now. Nothing, or 0 without a next time, for contracts that know no funding.
    pub funding_rate: Option<Rate>,
    /// When funding is settled next; nothing for quarterlies and contracts that were delisted.
    pub next_funding_time: Option<UnixMillis>,
}

/// A funding that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// When, by the venue: some milliseconds past the hour.
    pub time: UnixMillis,
    /// The rate: what longs pay shorts, of the position's value.
    pub rate: Rate,
    /// The mark price at that time; the archive does not say it, nor does REST for the oldest.
    pub mark: Option<Price>,
    /// Hours to the next; only the archive says it.
    pub interval_hours: Option<u64>,
    /// Whether it came beside the regular one, as a stock's dividend does.
    pub is_special: bool,
}

/// How a contract's funding is bounded, and how often it is settled: both change during a contract's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingTerms {
    /// The highest rate.
    pub cap: Rate,
    /// The lowest rate.
    pub floor: Rate,
    /// Hours between two fundings.
    pub interval_hours: u64,
    /// When the venue last changed them, if it says so.
    pub changed: Option<UnixMillis>,
}

/// How much of a contract is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInterest {
    /// When, by the venue.
    pub time: UnixMillis,
    /// In the contract's base asset; finer digits than 1e-8 are rounded.
    pub quantity: Volume,
    /// In its quote asset, where the venue says it: the present figure comes without.
    pub value: Option<QuoteVolume>,
}
