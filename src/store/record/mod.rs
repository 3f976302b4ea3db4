//! Which kinds of record does the store keep, and how does each become rows of words?
//!
//! All machinery below works on [`Rows`]: tables of 64-bit words whose first word is the key and whose second the time. A
//! new kind is one file that turns its record into words, and one row in [`Kind::schema`].

mod book;
mod candle;
mod contract;
mod day;
mod funding;
mod halves;
mod liquidation;
mod mark;
mod open_interest;
mod profile;
mod rows;
mod snapshot;
mod ticker;
mod trade;

pub use book::BookLevelRow;
pub use contract::ContractRow;
pub use day::DayRow;
pub use funding::FundingRow;
pub use liquidation::LiquidationRow;
pub use mark::MarkRow;
pub use open_interest::OpenInterestRow;
pub use profile::ProfileRow;
pub use rows::Rows;
pub use snapshot::StoredBook;
pub use ticker::BookTickerRow;
pub use trade::column;

use crate::{model::UnixMillis, store::codec::Shape};

/// What a row is. The numbers stand in files: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Kind {
    /// What is known of the contracts themselves, by number; every file says it anew.
    Contract = 0,
    /// Aggregate trades by id.
    Trade = 1,
    /// Raw trades by id.
    RawTrade = 2,
    /// Candles of one minute by minute number.
    Candle = 3,
    /// What was traded at each price, of a segment's trades.
    Profile = 4,
    /// Sums of each UTC day, of a segment's trades.
    Day = 5,
    /// Mark prices by time.
    Mark = 6,
    /// Settled fundings by time.
    Funding = 7,
    /// Open interest by time.
    OpenInterest = 8,
    /// Liquidations by time and number.
    Liquidation = 9,
    /// Levels of book snapshots by time, tick size, side and level.
    BookLevel = 10,
    /// Best bid and ask by update id.
    BookTicker = 11,
}

/// Where rows came from. The numbers stand in files: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Origin {
    /// The venue's live stream.
    #[default]
    Stream = 0,
    /// The venue's REST interface.
    Rest = 1,
    /// The archive of a day.
    DailyArchive = 2,
    /// The archive of a month.
    MonthlyArchive = 3,
    /// Computed from other rows.
    Derived = 4,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Stream, Self::Rest, Self::DailyArchive, Self::MonthlyArchive, Self::Derived];

    /// Its name in answers and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Rest => "rest",
            Self::DailyArchive => "daily_archive",
            Self::MonthlyArchive => "monthly_archive",
            Self::Derived => "derived",
        }
    }

    /// Its number in files.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The origin of that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.number() == number)
    }
}

/// How a column is told from its neighbours before it is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// As it is.
    Alone,
    /// In whole multiples of the largest step that divides the block's values: prices in ticks, quantities in lots.
    Stepped,
    /// Less the row's own value in an earlier column.
    Over(usize),
    /// Less one more than the value in another column of the row before.
    Follows(usize),
}

/// One word of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in reports.
    pub name: &'static str,
    /// How its values run.
    pub shape: Shape,
    /// What is left of it.
    pub relation: Relation,
}

impl Column {
    const fn new(name: &'static str, shape: Shape, relation: Relation) -> Self {
        Self { name, shape, relation }
    }
}

/// What the machinery knows of a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name in reports.
    pub name: &'static str,
    /// Its words in order; the first two are key and time.
    pub columns: &'static [Column],
    /// Whether keys are dense, so that a missing one is a hole.
    pub dense: bool,
    /// The word by which a later version of a row outdoes an earlier one; without it a row that contradicts is a conflict.
    pub revision: Option<usize>,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Contract,
        Self::Trade,
        Self::RawTrade,
        Self::Candle,
        Self::Profile,
        Self::Day,
        Self::Mark,
        Self::Funding,
        Self::OpenInterest,
        Self::Liquidation,
        Self::BookLevel,
        Self::BookTicker,
    ];

    /// What the machinery knows of it.
    pub const fn schema(self) -> &'static Schema {
        match self {
            Self::Contract => &contract::SCHEMA,
            Self::Trade => &trade::SCHEMA,
            Self::RawTrade => &trade::RAW_SCHEMA,
            Self::Candle => &candle::SCHEMA,
            Self::Profile => &profile::SCHEMA,
            Self::Day => &day::SCHEMA,
            Self::Mark => &mark::SCHEMA,
            Self::Funding => &funding::SCHEMA,
            Self::OpenInterest => &open_interest::SCHEMA,
            Self::Liquidation => &liquidation::SCHEMA,
            Self::BookLevel => &book::SCHEMA,
            Self::BookTicker => &ticker::SCHEMA,
        }
    }

    /// Whether two rows of one key do not contradict each other: sources may say more or less of the same.
    pub fn agree(self, one: &[u64], other: &[u64]) -> bool {
        fn both<R: Record>(one: &[u64], other: &[u64], agree: impl FnOnce(&R, &R) -> bool) -> bool {
            R::read(one).zip(R::read(other)).is_some_and(|(one, other)| agree(&one, &other))
        }
        one == other
            || match self {
                Self::Funding => both(one, other, FundingRow::agrees),
                Self::OpenInterest => both(one, other, OpenInterestRow::agrees),
                _ => false,
            }
    }

    /// Its number in files.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind of that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether its rows sum up the trades of their own segment: they mean nothing without it, are made anew when it is
    /// merged, and stand on no shelf.
    pub const fn is_derived(self) -> bool {
        matches!(self, Self::Profile | Self::Day)
    }

    /// Where rows came from of which no file says it: what the first version sealed of kinds whose keys are not dense. It
    /// knew one source of each.
    pub const fn origin_unsaid(self) -> Origin {
        match self {
            Self::Contract | Self::Profile | Self::Day | Self::Candle => Origin::Derived,
            Self::OpenInterest => Origin::DailyArchive,
            Self::Funding => Origin::MonthlyArchive,
            _ => Origin::Stream,
        }
    }

    /// Words in a row.
    pub const fn width(self) -> usize {
        self.schema().columns.len()
    }
}

/// A record that can be kept.
pub trait Record: Copy {
    /// Appends its words, as many as its kind is wide.
    fn write(&self, words: &mut Vec<u64>);

    /// The record of these words; nothing when they are none.
    fn read(words: &[u64]) -> Option<Self>;

    /// Its place among its kind: an id, a minute.
    fn key(&self) -> u64;

    /// When it happened, or began.
    fn time(&self) -> UnixMillis;
}

/// A record whose key begins with its time in milliseconds.
pub trait Timed: Record {
    /// What it is.
    const KIND: Kind;
    /// Bits of its key below the time.
    const BITS_BELOW: u32;

    /// The lowest key that a record of that time may have.
    fn first_key(time: UnixMillis) -> u64 {
        time.get().clamp(0, i64::MAX >> Self::BITS_BELOW).unsigned_abs() << Self::BITS_BELOW
    }

    /// The time in a key.
    fn time_of_key(key: u64) -> UnixMillis {
        UnixMillis::new((key >> Self::BITS_BELOW).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_number_and_columns_refer_backwards() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
            assert!(kind.width() >= 2);
            for (at, column) in kind.schema().columns.iter().enumerate() {
                match column.relation {
                    Relation::Over(other) => {
                        assert!(other < at, "{}: {} is over a later column", kind.schema().name, column.name)
                    }
                    Relation::Follows(other) => assert!(other < kind.width()),
                    Relation::Alone | Relation::Stepped => {}
                }
            }
        }
        assert_eq!(Kind::from_number(u16::MAX), None);
    }
}
