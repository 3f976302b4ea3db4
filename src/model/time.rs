//! What is a point in time, and how does it fall on the calendar?

use std::fmt;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct UnixMillis(i64);

/// Why an integer is not taken for milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Ten digits: nobody means January 1970.
    #[error("{0} has ten digits: seconds? times are milliseconds")]
    LooksLikeSeconds(i64),
    /// Sixteen digits or more.
    #[error("{0} has sixteen digits or more: microseconds? times are milliseconds")]
    LooksLikeMicroseconds(i64),
    /// Before 1970.
    #[error("{0} is negative")]
    Negative(i64),
}

impl UnixMillis {
    /// One second.
    pub const SECOND: i64 = 1_000;
    /// One minute.
    pub const MINUTE: i64 = 60 * Self::SECOND;
    /// One hour.
    pub const HOUR: i64 = 60 * Self::MINUTE;
    /// One day.
    pub const DAY: i64 = 24 * Self::HOUR;

    /// Wraps a count of milliseconds.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// The count of milliseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Takes an integer that a person typed.
    ///
    /// # Errors
    ///
    /// When its magnitude says that another unit was meant.
    pub fn from_typed(millis: i64) -> Result<Self, TimeError> {
        match millis {
            i64::MIN..0 => Err(TimeError::Negative(millis)),
            1_000_000_000..=9_999_999_999 => Err(TimeError::LooksLikeSeconds(millis)),
            1_000_000_000_000_000.. => Err(TimeError::LooksLikeMicroseconds(millis)),
            _ => Ok(Self(millis)),
        }
    }

    /// This time, `millis` later.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The first millisecond of this time's bucket of `length` milliseconds, counted from `origin`.
    #[must_use]
    pub const fn floor(self, length: i64, origin: i64) -> Self {
        Self(self.0 - (self.0 - origin).rem_euclid(length))
    }

    /// Year and month (1 to 12) of this time.
    pub fn year_month(self) -> (i64, i64) {
        // Days to civil date, after H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let days = self.0.div_euclid(Self::DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month)
    }

    /// The first millisecond of a month; `month` may run past 12.
    pub fn month_start(year: i64, month: i64) -> Self {
        let year = year + (month - 1).div_euclid(12);
        let month = (month - 1).rem_euclid(12) + 1;
        let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * month_from_march + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self((era * 146_097 + day_of_era - 719_468) * Self::DAY)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_the_calendar() {
        let check = |millis: i64, expected: (i64, i64), start: i64| {
            assert_eq!(UnixMillis::new(millis).year_month(), expected);
            assert_eq!(UnixMillis::month_start(expected.0, expected.1).get(), start);
        };
        check(0, (1970, 1), 0);
        check(-1, (1969, 12), -31 * UnixMillis::DAY);
        check(1_709_251_199_999, (2024, 2), 1_706_745_600_000);
        check(1_709_251_200_000, (2024, 3), 1_709_251_200_000);
        assert_eq!(UnixMillis::month_start(2023, 13), UnixMillis::month_start(2024, 1));
    }

    #[test]
    fn seconds_and_microseconds_are_refused_with_a_hint() {
        assert_eq!(UnixMillis::from_typed(1_723_161_300), Err(TimeError::LooksLikeSeconds(1_723_161_300)));
        assert!(UnixMillis::from_typed(1_723_161_300_000_000).is_err());
        assert_eq!(UnixMillis::from_typed(1_723_161_300_000), Ok(UnixMillis::new(1_723_161_300_000)));
        assert_eq!(UnixMillis::from_typed(0), Ok(UnixMillis::new(0)));
    }
}
