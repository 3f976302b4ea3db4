//! Which bucket does a time fall into, and how is the rule written?

use crate::model::UnixMillis;
use std::fmt;

const MINUTES_PER_DAY: u32 = 1_440;
/// The longest timeframe counted in minutes: 30 days.
const MINUTES_MAX: u32 = 30 * MINUTES_PER_DAY;
/// 1970-01-05, the first Monday of the epoch.
const FIRST_MONDAY: i64 = 4 * UnixMillis::DAY;

/// Where buckets of n minutes are counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The Unix epoch.
    #[default]
    Epoch,
    /// 00:00 UTC of each day; the last bucket of a day may be short.
    Day,
}

/// A rule for buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeframe(Rule);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rule {
    Minutes(u32, Origin),
    Week,
    Month,
}

/// Why a text is not a timeframe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeframeError {
    /// None of the accepted forms.
    #[error("`{0}` is no interval: write 5m, 4h, 1d, 1w, 1M or a number of minutes (1M is a month, 1m a minute)")]
    Malformed(String),
    /// Zero, or more than 30 days.
    #[error("`{0}` is outside 1 minute to 30 days")]
    OutOfRange(String),
    /// Seconds.
    #[error("`{0}`: intervals are whole minutes, there are no seconds")]
    Seconds(String),
    /// Several weeks or months.
    #[error("`{0}`: weeks and months come one at a time (1w, 1M)")]
    ManyCalendarUnits(String),
}

impl Timeframe {
    /// One minute.
    pub const MINUTE: Self = Self(Rule::Minutes(1, Origin::Epoch));
    /// The first in the order of timeframes.
    pub const FIRST: Self = Self::MINUTE;
    /// A calendar week, Monday to Sunday.
    pub const WEEK: Self = Self(Rule::Week);
    /// A calendar month.
    pub const MONTH: Self = Self(Rule::Month);

    /// Buckets of `minutes`, from 1 to 43,200.
    pub fn minutes(minutes: u32) -> Option<Self> {
        (1..=MINUTES_MAX).contains(&minutes).then_some(Self(Rule::Minutes(minutes, Origin::Epoch)))
    }

    /// The same rule counted from `origin`; weeks and months stay as they are.
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Self {
        match self.0 {
            Rule::Minutes(minutes, _) => Self(Rule::Minutes(minutes, origin)),
            Rule::Week | Rule::Month => self,
        }
    }

    /// Reads every interval grammar that clients speak: `5m`, `4h`, `1d`, `1w`, `1M`, `90` (minutes), and TradingView's
    /// `D`, `1D`, `W`, `1W`, `M`, and the archive's `1mo`. Case counts: `1m` is a minute, `1M` a month.
    ///
    /// # Errors
    ///
    /// When the text is none of these, or outside 1 minute to 30 days.
    pub fn parse(text: &str) -> Result<Self, TimeframeError> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let count: u32 = match digits {
            "" if matches!(unit, "D" | "W" | "M") => 1,
            "" => return Err(TimeframeError::Malformed(text.to_owned())),
            _ => digits.parse().map_err(|_| TimeframeError::OutOfRange(text.to_owned()))?,
        };
        let minutes_per_unit = match unit {
            "" | "m" => 1,
            "h" => 60,
            "d" | "D" => MINUTES_PER_DAY,
            "w" | "W" if count == 1 => return Ok(Self::WEEK),
            "M" | "mo" if count == 1 => return Ok(Self::MONTH),
            "w" | "W" | "M" | "mo" => return Err(TimeframeError::ManyCalendarUnits(text.to_owned())),
            "s" | "S" => return Err(TimeframeError::Seconds(text.to_owned())),
            _ => return Err(TimeframeError::Malformed(text.to_owned())),
        };
        let minutes = count.checked_mul(minutes_per_unit).and_then(Self::minutes);
        minutes.ok_or_else(|| TimeframeError::OutOfRange(text.to_owned()))
    }

    /// The bucket of `time`: its first millisecond and its exclusive end.
    pub fn bucket(self, time: UnixMillis) -> (UnixMillis, UnixMillis) {
        match self.0 {
            Rule::Minutes(minutes, Origin::Epoch) => fixed(time, i64::from(minutes) * UnixMillis::MINUTE, 0),
            Rule::Minutes(minutes, Origin::Day) => {
                let day = time.floor(UnixMillis::DAY, 0);
                let (start, end) = fixed(time, i64::from(minutes) * UnixMillis::MINUTE, day.get());
                // Rules of more than a day restart at every midnight too, so a bucket never outlives its day.
                (start, end.min(day.plus(UnixMillis::DAY)))
            }
            Rule::Week => fixed(time, 7 * UnixMillis::DAY, FIRST_MONDAY),
            Rule::Month => {
                let (year, month) = time.year_month();
                (UnixMillis::month_start(year, month), UnixMillis::month_start(year, month + 1))
            }
        }
    }
}

fn fixed(time: UnixMillis, length: i64, origin: i64) -> (UnixMillis, UnixMillis) {
    let start = time.floor(length, origin);
    (start, start.plus(length))
}

/// The canonical form: the largest exact of m, h, d (`60m` is `1h`).
impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rule::Minutes(n, _) if n % MINUTES_PER_DAY == 0 => write!(f, "{}d", n / MINUTES_PER_DAY),
            Rule::Minutes(n, _) if n % 60 == 0 => write!(f, "{}h", n / 60),
            Rule::Minutes(n, _) => write!(f, "{n}m"),
            Rule::Week => f.write_str("1w"),
            Rule::Month => f.write_str("1M"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grammar_has_one_canonical_form() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                Timeframe::parse(text).map(|timeframe| timeframe.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        };
        check("1m", "1m");
        check("60m", "1h");
        check("90", "90m");
        check("173m", "173m");
        check("2850", "2850m");
        check("1440", "1d");
        check("24h", "1d");
        check("30d", "30d");
        check("7d", "7d");
        check("1w", "1w");
        check("1M", "1M");
        check("M", "1M");
        check("1mo", "1M");
        check("1D", "1d");
    }

    #[test]
    fn what_is_no_interval_says_why() {
        let check = |text: &str, expected: fn(String) -> TimeframeError| {
            assert_eq!(Timeframe::parse(text), Err(expected(text.to_owned())), "{text}");
        };
        for text in ["", "m", "1x", "1 m", "-1m", "1.5h", "1H", "分"] {
            check(text, TimeframeError::Malformed);
        }
        for text in ["0", "0m", "31d", "43201", "99999999999m"] {
            check(text, TimeframeError::OutOfRange);
        }
        check("1s", TimeframeError::Seconds);
        check("2w", TimeframeError::ManyCalendarUnits);
    }

    #[test]
    fn buckets_follow_their_origin() {
        let check = |timeframe: Timeframe, time: i64, start: i64, end: i64| {
            assert_eq!(timeframe.bucket(UnixMillis::new(time)), (UnixMillis::new(start), UnixMillis::new(end)));
        };
        let time = 1_723_161_300_000; // 2024-08-08 23:55:00
        check(Timeframe::MINUTE, time + 59_999, time, time + 60_000);
        check(Timeframe::WEEK, time, 1_722_816_000_000, 1_723_420_800_000); // Monday 2024-08-05
        check(Timeframe::MONTH, time, 1_722_470_400_000, 1_725_148_800_000);
        let seven = Timeframe::minutes(7).expect("in range").with_origin(Origin::Day);
        check(seven, time, time, 1_723_161_600_000); // 23:55 to midnight: 5 minutes instead of 7
    }
}
