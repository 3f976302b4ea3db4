//! How long does a refusal of the venue keep us away?

use crate::{exchange::binance::Standing, history::budget::minute::GUARD_MS, model::UnixMillis};

/// The longest ban that the venue imposes (Binance USD-M docs: 2 minutes to 3 days), and the longest that is believed, so that
/// one absurd number does not silence us for good.
pub const BAN_MS_MAX: i64 = 3 * UnixMillis::DAY;

/// After so long without another refusal the next counts as the first again.
const FORGIVEN_AFTER_MS: i64 = 10 * UnixMillis::MINUTE;

/// Why nothing is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// 429: a limit was passed. Stops the pool that it was said of.
    RateLimit,
    /// 418: the address is banned for having gone on after 429. Stops all pools, as the others do.
    Ban,
    /// 403: the venue's firewall found us abnormal.
    Firewall,
    /// 451: the venue does not serve this region; asking again soon is useless.
    Region,
}

impl StopReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RateLimit, Self::Ban, Self::Firewall, Self::Region];

    /// What an answer says, if it stops us. A ban is one whatever its status.
    pub fn of(answer: &Standing) -> Option<Self> {
        match answer.status {
            418 => Some(Self::Ban),
            429 if answer.banned_until.is_some() => Some(Self::Ban),
            429 => Some(Self::RateLimit),
            403 => Some(Self::Firewall),
            451 => Some(Self::Region),
            _ => None,
        }
    }

    /// A label from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Ban => "ban",
            Self::Firewall => "firewall",
            Self::Region => "region",
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::RateLimit => 0,
            Self::Ban => 1,
            Self::Firewall => 2,
            Self::Region => 3,
        }
    }

    /// The first and the longest wait where the venue names none. It never does for 403 and 451; those are ours to choose.
    const fn waits_ms(self) -> (i64, i64) {
        match self {
            Self::RateLimit => (UnixMillis::MINUTE, 15 * UnixMillis::MINUTE),
            Self::Ban => (2 * UnixMillis::MINUTE, BAN_MS_MAX),
            Self::Firewall => (5 * UnixMillis::MINUTE, UnixMillis::HOUR),
            Self::Region => (15 * UnixMillis::MINUTE, UnixMillis::HOUR),
        }
    }
}

/// What stops one pool, or all, for one reason.
#[derive(Debug)]
pub(super) struct Brake {
    reason: StopReason,
    until: Option<UnixMillis>,
    /// Refusals in a row.
    strikes: u32,
    /// When the last of them came: requests taken before it are no repetition.
    moment: u64,
}

impl Brake {
    pub(super) const fn new(reason: StopReason) -> Self {
        Self { reason, until: None, strikes: 0, moment: 0 }
    }

    pub(super) fn reason(&self) -> StopReason {
        self.reason
    }

    /// Until when it stops us, if it does.
    pub(super) fn until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.until.filter(|until| *until > now)
    }

    /// A refusal came to a request that was taken at moment `taken`; `window_end` is when the venue counts anew. True if it
    /// was a repetition or the first, not an echo to what had been asked before the last.
    pub(super) fn press(
        &mut self,
        now: UnixMillis,
        answer: &Standing,
        (taken, moment): (u64, u64),
        window_end: UnixMillis,
    ) -> bool {
        if self.until.is_some_and(|until| now.since(until) >= FORGIVEN_AFTER_MS) {
            self.strikes = 0;
        }
        let is_new = self.strikes == 0 || taken > self.moment;
        if is_new {
            self.strikes = self.strikes.saturating_add(1);
            self.moment = moment;
        }
        let until = self.end_of(now, answer, window_end).plus(GUARD_MS).min(now.plus(BAN_MS_MAX));
        self.until = self.until.max(Some(until));
        is_new
    }

    /// The venue's own word where it gave one. Repetition adds to a 429's, since going on after one is what bans are for.
    fn end_of(&self, now: UnixMillis, answer: &Standing, window_end: UnixMillis) -> UnixMillis {
        let (first_ms, longest_ms) = self.reason.waits_ms();
        let factor = 1_i64.checked_shl(self.strikes.saturating_sub(1).min(32)).unwrap_or(1);
        let grown_ms = first_ms.saturating_mul(factor).min(longest_ms);
        let stated = answer.retry_after_ms.map(|wait| now.plus(wait)).max(answer.banned_until);
        match self.reason {
            StopReason::RateLimit => stated.unwrap_or(window_end).max(window_end).plus(grown_ms - first_ms),
            _ => stated.unwrap_or_else(|| now.plus(grown_ms)),
        }
    }

    /// Stops until `until`, as an earlier process was told.
    pub(super) fn restore(&mut self, now: UnixMillis, until: UnixMillis) {
        self.until = self.until.max(Some(until.min(now.plus(BAN_MS_MAX))));
        self.strikes = self.strikes.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_795_168_830_000);
    const WINDOW_END: UnixMillis = UnixMillis::new(1_795_168_860_000);

    fn answer(status: u16, retry_after_s: Option<i64>, banned_until: Option<UnixMillis>) -> Standing {
        let retry_after_ms = retry_after_s.map(|seconds| seconds * UnixMillis::SECOND);
        Standing { status, used_weight: None, retry_after_ms, banned_until, date: None }
    }

    #[test]
    fn each_refusal_keeps_us_away_as_long_as_it_says() {
        let check = |status, retry_after_s, banned_until: Option<i64>, expected_s: i64| {
            let answer = answer(status, retry_after_s, banned_until.map(|after_s| NOW.plus(after_s * 1_000)));
            let mut brake = Brake::new(StopReason::of(&answer).expect("a refusal"));
            brake.press(NOW, &answer, (1, 2), WINDOW_END);
            let stopped_ms = brake.until(NOW).expect("stopped").since(NOW);
            assert_eq!(stopped_ms, expected_s * 1_000 + GUARD_MS, "{answer:?}");
        };
        check(429, None, None, 30);
        check(429, Some(10), None, 30);
        check(429, Some(45), None, 45);
        check(429, None, Some(300), 300);
        check(418, None, None, 120);
        check(418, Some(900), None, 900);
        check(418, None, Some(1_000), 1_000);
        check(418, Some(900), Some(1_000), 1_000);
        check(403, None, None, 300);
        check(403, Some(60), None, 60);
        check(451, None, None, 900);
        for status in [200, 400, 404, 408, 500, 503] {
            assert_eq!(StopReason::of(&answer(status, Some(9), None)), None, "{status}");
        }
    }

    #[test]
    fn an_absurd_end_is_not_believed() {
        let answer = answer(418, None, Some(UnixMillis::new(i64::MAX)));
        let mut brake = Brake::new(StopReason::Ban);
        brake.press(NOW, &answer, (1, 2), WINDOW_END);
        assert_eq!(brake.until(NOW), Some(NOW.plus(BAN_MS_MAX)));
        brake.restore(NOW, UnixMillis::new(i64::MAX));
        assert_eq!(brake.until(NOW), Some(NOW.plus(BAN_MS_MAX)));
        assert_eq!(brake.until(NOW.plus(BAN_MS_MAX)), None);
    }

    #[test]
    fn repetition_grows_the_wait_echoes_do_not_and_calm_forgives() {
        let answer = answer(429, None, None);
        let mut brake = Brake::new(StopReason::RateLimit);
        let mut press = |now: UnixMillis, taken, moment| {
            brake.press(now, &answer, (taken, moment), now.floor(UnixMillis::MINUTE, 0).plus(UnixMillis::MINUTE));
            brake.until(now).expect("stopped")
        };
        assert_eq!(press(NOW, 1, 10), WINDOW_END.plus(GUARD_MS));
        assert_eq!(press(NOW.plus(5), 2, 11), WINDOW_END.plus(GUARD_MS), "sent before the first refusal came");
        let again = WINDOW_END.plus(GUARD_MS);
        assert_eq!(press(again, 12, 13), WINDOW_END.plus(2 * UnixMillis::MINUTE + GUARD_MS));
        let again = WINDOW_END.plus(2 * UnixMillis::MINUTE + GUARD_MS);
        assert_eq!(press(again, 14, 15), WINDOW_END.plus(6 * UnixMillis::MINUTE + GUARD_MS));
        let much_later = WINDOW_END.plus(UnixMillis::HOUR);
        assert_eq!(press(much_later, 16, 17), much_later.plus(UnixMillis::MINUTE + GUARD_MS));
    }
}
