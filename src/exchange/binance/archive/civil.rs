//! How does the archive write a moment in words?

use crate::model::UnixMillis;

/// A natural number of exactly so many digits.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value.saturating_mul(10).saturating_add(i64::from(digit)))
    })
}

/// The start of a month: `2026-03`.
pub(super) fn month(text: &[u8]) -> Option<UnixMillis> {
    let [year @ .., b'-', tens, ones] = text else { return None };
    let (year, month) = (digits(year)?, digits(&[*tens, *ones])?);
    ((1970..=9999).contains(&year) && text.len() == 7 && (1..=12).contains(&month))
        .then(|| UnixMillis::month_start(year, month))
}

/// The start of a day: `2026-03-09`.
pub(super) fn day(text: &[u8]) -> Option<UnixMillis> {
    let [of_month @ .., b'-', tens, ones] = text else { return None };
    let (start, day) = (month(of_month)?, digits(&[*tens, *ones])?);
    let found = start.plus(day.checked_sub(1)? * UnixMillis::DAY);
    (day > 0 && found.year_month() == start.year_month()).then_some(found)
}

/// A moment in UTC: `2026-03-09 00:05:00` in files, `2026-03-09T08:32:57.000Z` in listings; milliseconds are kept.
pub(super) fn moment(text: &[u8]) -> Option<UnixMillis> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    let [b' ' | b'T', h0, h1, b':', m0, m1, b':', s0, s1] = *clock else { return None };
    let (hour, minute, second) = (digits(&[h0, h1])?, digits(&[m0, m1])?, digits(&[s0, s1])?);
    let rest = rest.strip_suffix(b"Z").unwrap_or(rest);
    let millis = match rest {
        [] => 0,
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            digits(fraction)? * 1_000 / 10i64.pow(u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    let within = hour < 24 && minute < 60 && second < 60;
    let seconds = (hour * 60 + minute) * 60 + second;
    within.then_some(day(date)?.plus(seconds * UnixMillis::SECOND + millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_files_and_listings() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(moment(text.as_bytes()).map(UnixMillis::get), expected, "{text}");
        };
        check("1970-01-01 00:00:00", Some(0));
        check("2024-08-08 23:55:00", Some(1_723_161_300_000));
        check("2024-08-08T23:55:00.250Z", Some(1_723_161_300_250));
        check("2024-08-08T23:55:00.2504444Z", Some(1_723_161_300_250));
        check("2024-02-29 23:59:59", Some(1_709_251_199_000));
        for text in [
            "",
            "2024-08-08",
            "2023-02-29 00:00:00",
            "2024-00-01 00:00:00",
            "2024-13-01 00:00:00",
            "2024-08-00 00:00:00",
            "2024-08-08 24:00:00",
            "2024-08-08 00:60:00",
            "2024-08-08_00:00:00",
            "2024-08-08 00:00:00.",
            "24-08-08 00:00:00",
            "2024-08-08 00:00:00.0000000000",
            "2024-08-08 00:00:00+01",
            "0001-01-01 00:00:00",
            "2024-08-08 -1:00:00",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn days_and_months_are_those_of_the_calendar() {
        assert_eq!(day(b"2024-02-29"), Some(UnixMillis::new(1_709_164_800_000)));
        assert_eq!(month(b"2024-02"), Some(UnixMillis::new(1_706_745_600_000)));
        for text in [
            "2024-2",
            "2024-02-",
            "02024-02",
            "2024-02-30",
            "2024-04-31",
            "2024-1-01",
            "99999-01-01",
            "\u{ff12}024-01-01",
        ] {
            assert_eq!((day(text.as_bytes()), month(text.as_bytes())), (None, None), "{text}");
        }
    }
}
