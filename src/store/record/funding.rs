//! How does a settled funding become words?

use crate::{
    model::{Funding, Price, Rate, UnixMillis},
    store::{
        codec::Shape,
        record::{Column, Kind, Record, Relation, Schema, Timed},
    },
};

/// Bits of the last word that are the mark price; above them stand the notes. Programs that knew of none wrote zeros there.
const MARK_BITS: u32 = 56;
/// The bits of the notes: hours between settlements, 0 if not said, and whether the funding was a special one.
const HOURS: u64 = 0b1_1111;
const SPECIAL: u64 = 0b10_0000;

/// By time in milliseconds. A row that comes again and contradicts is a conflict.
pub(super) const SCHEMA: Schema = Schema {
    name: "funding",
    columns: &[
        Column::new("key", Shape::Delta, Relation::Alone),
        Column::new("time", Shape::Delta, Relation::Alone),
        Column::new("rate", Shape::Plain, Relation::Alone),
        Column::new("mark_and_notes", Shape::Delta, Relation::Stepped),
    ],
    dense: false,
    revision: None,
};

/// A funding that was settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FundingRow {
    /// When, by the venue.
    pub time: UnixMillis,
    /// The rate, in 1e-8.
    pub rate: i64,
    /// The mark price at that time; 0 where the venue does not say, or it is no price below 720 millions.
    pub mark: Price,
    /// Hours since the one before, 1 to 31; 0 where the venue does not say.
    pub interval_hours: u8,
    /// Whether the venue called it a special one.
    pub is_special: bool,
}

impl FundingRow {
    /// Whether it does not contradict another of its time: REST tells mark prices and special ones, the archive the hours.
    pub fn agrees(&self, other: &Self) -> bool {
        let is_same = |one: i64, other: i64| one == other || one == 0 || other == 0;
        (self.time, self.rate) == (other.time, other.rate)
            && is_same(self.mark.units(), other.mark.units())
            && is_same(self.interval_hours.into(), other.interval_hours.into())
    }
}

impl From<Funding> for FundingRow {
    fn from(funding: Funding) -> Self {
        let hours = funding.interval_hours.filter(|hours| *hours <= HOURS);
        Self {
            time: funding.time,
            rate: funding.rate.units(),
            mark: funding.mark.filter(|mark| (0..1 << MARK_BITS).contains(&mark.units())).unwrap_or_default(),
            interval_hours: hours.and_then(|hours| u8::try_from(hours).ok()).unwrap_or(0),
            is_special: funding.is_special,
        }
    }
}

impl From<FundingRow> for Funding {
    fn from(row: FundingRow) -> Self {
        let mark = (row.mark != Price::default()).then_some(row.mark);
        let interval_hours = (row.interval_hours > 0).then(|| row.interval_hours.into());
        Self { time: row.time, rate: Rate::from_units(row.rate), mark, interval_hours, is_special: row.is_special }
    }
}

impl Record for FundingRow {
    fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.key(), self.time.get().cast_unsigned()]);
        let notes = u64::from(self.interval_hours) & HOURS | if self.is_special { SPECIAL } else { 0 };
        let mark = self.mark.units().clamp(0, (1 << MARK_BITS) - 1).unsigned_abs();
        words.extend([self.rate.cast_unsigned(), mark | notes << MARK_BITS]);
    }

    fn read(words: &[u64]) -> Option<Self> {
        let &[_, time, rate, mark] = words else { return None };
        let (time, notes) = (UnixMillis::new(time.cast_signed()), mark >> MARK_BITS);
        let mark = Price::from_units((mark % (1 << MARK_BITS)).cast_signed());
        let (interval_hours, is_special) = (u8::try_from(notes & HOURS).ok()?, notes & SPECIAL != 0);
        Some(Self { time, rate: rate.cast_signed(), mark, interval_hours, is_special })
    }

    fn key(&self) -> u64 {
        self.time.get().max(0).unsigned_abs()
    }

    fn time(&self) -> UnixMillis {
        self.time
    }
}

impl Timed for FundingRow {
    const KIND: Kind = Kind::Funding;
    const BITS_BELOW: u32 = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(row: &FundingRow) -> Vec<u64> {
        let mut words = Vec::new();
        row.write(&mut words);
        words
    }

    #[test]
    fn what_the_venue_says_comes_back_and_rows_of_before_say_nothing_of_it() {
        let mark = Price::parse(b"85516.50151449").expect("a price");
        for (interval_hours, is_special) in [(None, false), (None, true), (Some(1), false), (Some(8), true)] {
            for mark in [None, Some(mark)] {
                let time = UnixMillis::new(1_795_168_800_000);
                let told = Funding { time, rate: Rate::from_units(-743), mark, interval_hours, is_special };
                let row = FundingRow::from(told);
                assert_eq!(FundingRow::read(&words(&row)).map(Funding::from), Some(told));
            }
        }
        let before = [5, 5, 743, mark.units().cast_unsigned()];
        let read = FundingRow::read(&before).expect("a row");
        assert_eq!((read.mark, read.interval_hours, read.is_special), (mark, 0, false));
        assert_eq!(words(&read), before, "and is written as it was");
    }

    #[test]
    fn what_does_not_fit_is_not_said_rather_than_wrong() {
        let told = |units, hours| Funding {
            time: UnixMillis::new(5),
            rate: Rate::from_units(1),
            mark: Some(Price::from_units(units)),
            interval_hours: Some(hours),
            is_special: false,
        };
        for (units, hours) in [(1 << MARK_BITS, 32), (-1, 1 << 40)] {
            let back = FundingRow::read(&words(&FundingRow::from(told(units, hours)))).map(Funding::from);
            assert_eq!(back.map(|back| (back.mark, back.interval_hours)), Some((None, None)));
        }
    }

    #[test]
    fn what_one_source_does_not_say_is_no_contradiction() {
        let told = |rate, mark, interval_hours| {
            let (time, mark) = (UnixMillis::new(1_791_331_200_000), Price::from_units(mark));
            words(&FundingRow { time, rate, mark, interval_hours, is_special: false })
        };
        let agree = |one: &[u64], other: &[u64]| Kind::Funding.agree(one, other) && Kind::Funding.agree(other, one);
        assert!(agree(&told(5, 900, 0), &told(5, 0, 8)), "REST and the archive");
        assert!(!agree(&told(5, 900, 0), &told(6, 0, 8)) && !agree(&told(5, 900, 0), &told(5, 901, 8)));
        assert!(!agree(&told(5, 0, 4), &told(5, 0, 8)));
        assert!(!Kind::Mark.agree(&told(5, 900, 0), &told(5, 0, 8)), "of no other kind");
    }
}
