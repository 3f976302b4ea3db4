//! Do requests come faster than a session may send them, and is that a mistake or abuse?

/// Seconds in a row with too many requests, after which a session is closed.
const TOO_FAST_MAX: u32 = 3;
/// Times the allowed requests in one second, after which a session is closed at once.
const FLOOD_FACTOR: u32 = 4;

/// How fast requests come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    second: u64,
    /// In that second.
    requests: u32,
    /// Seconds in a row with too many, that one included.
    fast_seconds: u32,
}

impl Rate {
    /// Counts one request or ping; whether it is one too many.
    pub(super) fn note(&mut self, second: u64, max: u32) -> bool {
        if self.second != second {
            if self.requests <= max || self.second + 1 != second {
                self.fast_seconds = 0;
            }
            (self.second, self.requests) = (second, 0);
        }
        self.requests = self.requests.saturating_add(1);
        self.fast_seconds += u32::from(self.requests == max.saturating_add(1));
        self.requests > max
    }

    /// Whether it is no mistake any more.
    pub(super) fn is_abuse(&self, max: u32) -> bool {
        self.fast_seconds > TOO_FAST_MAX || self.requests > max.saturating_mul(FLOOD_FACTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes so many requests in a second; how many were too many, and whether that is abuse.
    fn note(rate: &mut Rate, second: u64, requests: u32) -> (usize, bool) {
        let refused = (0..requests).filter(|_| rate.note(second, 50)).count();
        (refused, rate.is_abuse(50))
    }

    #[test]
    fn seconds_with_too_many_requests_end_a_session_only_in_a_row_or_in_a_flood() {
        let mut rate = Rate::default();
        for second in [0, 1, 2, 10, 11, 12, 20] {
            assert_eq!(note(&mut rate, second, 51), (1, false), "{second}");
        }
        assert_eq!(note(&mut rate, 21, 50), (0, false));
        let seconds: Vec<_> = (22..26).map(|second| note(&mut rate, second, 60).1).collect();
        assert_eq!(seconds, [false, false, false, true]);
        assert_eq!(note(&mut Rate::default(), 0, 201), (151, true));
    }
}
