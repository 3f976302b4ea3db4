//! Which stretch of time does a file of the archive cover, and from when on is it there?

use crate::exchange::binance::archive::civil;
use crate::model::UnixMillis;
use std::fmt;

/// How long after the end of its day a daily file is trusted. Files appear between 08:00 and 09:00 UTC; before that a
/// missing one says nothing.
const DAILY_DELAY: i64 = 8 * UnixMillis::HOUR;
/// 1970-01-05, the first Monday of the epoch.
const FIRST_MONDAY: i64 = 4 * UnixMillis::DAY;

/// How much one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cadence {
    /// A day of UTC.
    Daily,
    /// A calendar month of UTC.
    Monthly,
}

impl Cadence {
    /// The folder's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }
}

/// A day or a month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    start: UnixMillis,
    cadence: Cadence,
}

impl Period {
    /// The period that `time` falls into.
    pub fn of(cadence: Cadence, time: UnixMillis) -> Self {
        let start = match cadence {
            Cadence::Daily => time.floor(UnixMillis::DAY, 0),
            Cadence::Monthly => {
                let (year, month) = time.year_month();
                UnixMillis::month_start(year, month)
            }
        };
        Self { start, cadence }
    }

    /// Reads a date as file names have it: `2026-03-09` is a day, `2026-03` a month.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let day = civil::day(text).map(|start| Self { start, cadence: Cadence::Daily });
        day.or_else(|| civil::month(text).map(|start| Self { start, cadence: Cadence::Monthly }))
    }

    /// A day or a month.
    pub const fn cadence(self) -> Cadence {
        self.cadence
    }

    /// Its first millisecond.
    pub const fn start(self) -> UnixMillis {
        self.start
    }

    /// Its exclusive end.
    pub fn end(self) -> UnixMillis {
        match self.cadence {
            Cadence::Daily => self.start.plus(UnixMillis::DAY),
            Cadence::Monthly => {
                let (year, month) = self.start.year_month();
                UnixMillis::month_start(year, month + 1)
            }
        }
    }

    /// The period after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { start: self.end(), cadence: self.cadence }
    }

    /// Whether `time` lies in it.
    pub fn contains(self, time: UnixMillis) -> bool {
        self.start <= time && time < self.end()
    }

    /// Whether a file of it that is offered at `now` is taken to be whole. Of months the venue offers no halves.
    pub fn is_trusted(self, now: UnixMillis) -> bool {
        self.cadence == Cadence::Monthly || now >= self.published_from()
    }

    /// When its file is there as a rule; until then a missing file means nothing. Days: 08:00 UTC of the next day. Months: the
    /// same hour of the first Monday after their end; some were days late.
    pub fn published_from(self) -> UnixMillis {
        match self.cadence {
            Cadence::Daily => self.end().plus(DAILY_DELAY),
            Cadence::Monthly => {
                let week = 7 * UnixMillis::DAY;
                self.end().plus(week - 1).floor(week, FIRST_MONDAY).plus(DAILY_DELAY)
            }
        }
    }
}

/// As in file names.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = self.start.year_month();
        write!(f, "{year:04}-{month:02}")?;
        match self.cadence {
            Cadence::Daily => {
                let day = self.start.since(UnixMillis::month_start(year, month)) / UnixMillis::DAY + 1;
                write!(f, "-{day:02}")
            }
            Cadence::Monthly => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        civil::moment(text.as_bytes()).expect("a moment")
    }

    #[test]
    fn periods_are_written_and_read_alike() {
        for (cadence, time, text, end) in [
            (Cadence::Daily, "2026-03-09 23:59:59", "2026-03-09", "2026-03-10 00:00:00"),
            (Cadence::Daily, "2024-02-29 00:00:00", "2024-02-29", "2024-03-01 00:00:00"),
            (Cadence::Monthly, "2025-12-31 23:59:59", "2025-12", "2026-01-01 00:00:00"),
        ] {
            let period = Period::of(cadence, at(time));
            assert_eq!(period.to_string(), text);
            assert_eq!(Period::parse(text), Some(period));
            assert_eq!((period.end(), period.next().start()), (at(end), at(end)));
            assert!(period.contains(at(time)) && period.contains(period.start()) && !period.contains(period.end()));
        }
        for text in ["", "2026", "2026-3", "2026-03-32", "2026-03-09T", "2026-03-09-01"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_published_the_next_morning_and_a_month_on_a_monday() {
        let from = |text: &str| Period::parse(text).expect("a period").published_from();
        assert_eq!(from("2026-03-09"), at("2026-03-10 08:00:00"));
        assert_eq!(from("2025-12-31"), at("2026-01-01 08:00:00"));
        assert_eq!(from("2026-02"), at("2026-03-02 08:00:00")); // 2026-03-02 is a Monday
        assert_eq!(from("2026-03"), at("2026-04-06 08:00:00"));
        assert_eq!(from("2026-05"), at("2026-06-01 08:00:00")); // 2026-06-01 is one itself
    }
}
