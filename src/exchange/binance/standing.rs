//! What does an answer of the REST API say of our standing: weight used, when to come again, a ban?

use crate::{exchange::binance::rest, model::UnixMillis, net::Response};

/// The header that says what the IP used in this clock minute, by every process on it.
const USED_WEIGHT: &str = "x-mbx-used-weight-1m";

/// What an answer says beside its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The HTTP status.
    pub status: u16,
    /// Weight used in the venue's clock minute, this request included. `fundingRate` and `/futures/data/*` do not say.
    pub used_weight: Option<u32>,
    /// How long to stay away, from `Retry-After`.
    pub retry_after_ms: Option<i64>,
    /// Until when the IP is banned, from the error's words.
    pub banned_until: Option<UnixMillis>,
    /// The venue's clock, in whole seconds, when it answered.
    pub date: Option<UnixMillis>,
}

impl Standing {
    /// Reads it off an answer. What is malformed counts as absent.
    pub fn of(answer: &Response) -> Self {
        // An answer out of a cache bears the date of another one.
        let is_fresh = answer.header("age").is_none();
        let date = answer.header("date").filter(|_| is_fresh).and_then(http_date);
        let is_error = answer.status >= 400;
        Self {
            status: answer.status,
            used_weight: answer.header(USED_WEIGHT).and_then(|value| value.trim().parse().ok()),
            retry_after_ms: answer.header("retry-after").and_then(|value| retry_after_ms(value, date)),
            banned_until: if is_error {
                rest::refusal(&answer.body).and_then(|said| said.banned_until())
            } else {
                None
            },
            date,
        }
    }
}

/// RFC 9110: whole seconds, or a date.
fn retry_after_ms(value: &str, date: Option<UnixMillis>) -> Option<i64> {
    match value.trim().parse::<u32>() {
        Ok(seconds) => Some(i64::from(seconds) * UnixMillis::SECOND),
        Err(_) => Some(http_date(value)?.since(date?).max(0)),
    }
}

fn http_date(text: &str) -> Option<UnixMillis> {
    Some(UnixMillis::new(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: u16, headers: &[(&str, &str)], body: &'static str) -> Standing {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Standing::of(&Response { status, headers, body: body.into() })
    }

    #[test]
    fn a_good_answer_says_what_was_used_and_when() {
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let read = standing(200, &[("X-MBX-USED-WEIGHT-1M", "1234"), date], "[]");
        // The date is RFC 9110's own example; its time by `date -d`.
        let expected = (Some(1_234), Some(UnixMillis::new(784_111_777_000)));
        assert_eq!((read.used_weight, read.date), expected);
        assert_eq!((read.retry_after_ms, read.banned_until), (None, None));
        assert_eq!(standing(200, &[date, ("age", "0")], "").date, None, "a cache's");
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let wait =
            |value: &str, date: &str| standing(429, &[("retry-after", value), ("date", date)], "").retry_after_ms;
        assert_eq!(wait("37", ""), Some(37_000));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"), Some(23_000));
        for wrong in ["", "soon", "-1", "Sun, 06 Nov 1994 08:50:00 GMT", "99999999999999999999"] {
            assert_eq!(wait(wrong, "nonsense"), None, "{wrong}");
        }
    }

    #[test]
    fn a_ban_is_in_the_words_of_an_error() {
        let body = r#"{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1721393459728. Please use the websocket."}"#;
        assert_eq!(standing(418, &[], body).banned_until, Some(UnixMillis::new(1_721_393_459_728)));
        assert_eq!(standing(200, &[], body).banned_until, None);
        let words = r#"{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}"#;
        assert_eq!(standing(429, &[], words).banned_until, None);
        assert_eq!(standing(403, &[], "<html>403 banned until 1721393459728</html>").banned_until, None);
    }
}
