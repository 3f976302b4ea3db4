//! How does the archive write dates, and when is the first Monday?

use crate::model::UnixMillis;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

fn formatted(time: i64, format: &str) -> String {
    Timestamp::from_millisecond(time).map_or_else(|_| String::new(), |time| time.strftime(format).to_string())
}

/// `2026-08-19`.
pub(super) fn date(time: i64) -> String {
    formatted(time, "%Y-%m-%d")
}

/// `2026-08`.
pub(super) fn month(time: i64) -> String {
    formatted(time, "%Y-%m")
}

/// `2026-08-19 00:05:00`.
pub(super) fn date_time(time: i64) -> String {
    formatted(time, "%Y-%m-%d %H:%M:%S")
}

/// `2026-08-20T08:30:00.000Z`, as S3 lists it.
pub(super) fn iso(time: i64) -> String {
    formatted(time, "%Y-%m-%dT%H:%M:%S.000Z")
}

/// `Thu, 20 Aug 2026 08:30:00 GMT`, as HTTP wants it (RFC 9110, 5.6.7).
pub(super) fn http_date(time: i64) -> String {
    formatted(time, "%a, %d %b %Y %H:%M:%S GMT")
}

/// The first millisecond of `2026-08-19` or `2026-08`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let day = if text.len() == "2026-08".len() { "-01" } else { "" };
    let date: Date = format!("{text}{day}").parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The first millisecond of the month that is `months` after the month of `time`.
pub(super) fn months_after(time: i64, months: i64) -> i64 {
    let (year, month) = UnixMillis::new(time).year_month();
    UnixMillis::month_start(year, month + months).get()
}

/// The first Monday's midnight at or past `time`, itself a midnight.
pub(super) fn next_monday(time: i64) -> i64 {
    // 1970-01-05 was one.
    let since = (time - 4 * UnixMillis::DAY).rem_euclid(7 * UnixMillis::DAY);
    time + (7 * UnixMillis::DAY - since).rem_euclid(7 * UnixMillis::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        let day = parse_date("2026-08-19").expect("a day");
        assert_eq!(day, 1_787_097_600_000);
        assert_eq!((date(day), month(day)), ("2026-08-19".to_owned(), "2026-08".to_owned()));
        assert_eq!(date_time(day + 300_000), "2026-08-19 00:05:00");
        assert_eq!(iso(day), "2026-08-19T00:00:00.000Z");
        assert_eq!(http_date(day), "Wed, 19 Aug 2026 00:00:00 GMT");
        assert_eq!(parse_date("2026-08").map(date), Some("2026-08-01".to_owned()));
        for wrong in ["2026-02-30", "2026-13", "", "xx"] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn first_mondays() {
        for (month, monday) in [("2026-11", "2026-11-02"), ("2026-06", "2026-06-01"), ("2026-12", "2026-12-07")] {
            assert_eq!(date(next_monday(parse_date(month).expect("a month"))), monday);
        }
    }
}
