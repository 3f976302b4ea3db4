//! How long to wait before the next attempt?

use std::time::Duration;

/// Full jitter: a wait is uniform between nothing and a bound that doubles with every attempt, so that a thousand
/// clients of a venue that comes back do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    stable_after: Duration,
    attempts: u32,
    state: u64,
}

impl Backoff {
    /// Waits within `base`, `2 x base`, ... `cap`; `seed` decides them all.
    pub fn new(base: Duration, cap: Duration, stable_after: Duration, seed: u64) -> Self {
        Self { base, cap: cap.max(base), stable_after, attempts: 0, state: seed }
    }

    /// The wait after an attempt that lasted `lasted`; one that was stable starts the series again.
    pub fn next_delay(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.stable_after {
            self.attempts = 0;
        }
        let bound = self.base.saturating_mul(2u32.saturating_pow(self.attempts)).min(self.cap);
        self.attempts = self.attempts.saturating_add(1);
        let bound_us = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.random() % (bound_us + 1))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(30);
    const STABLE: Duration = Duration::from_mins(1);

    #[test]
    fn waits_stay_below_a_bound_that_doubles_up_to_the_cap_and_fill_it() {
        let mut longest = [Duration::ZERO; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(BASE, CAP, STABLE, seed);
            for (attempt, longest) in (0..).zip(&mut longest) {
                let wait = backoff.next_delay(Duration::ZERO);
                assert!(wait <= (BASE * 2u32.pow(attempt)).min(CAP));
                *longest = (*longest).max(wait);
            }
        }
        for (attempt, longest) in (0..).zip(longest) {
            assert!(longest > (BASE * 2u32.pow(attempt)).min(CAP).mul_f64(0.9), "attempt {attempt}: {longest:?}");
        }
    }

    #[test]
    fn a_stable_connection_starts_the_series_again_and_a_seed_repeats_it() {
        let series = |lasted| {
            let mut backoff = Backoff::new(BASE, CAP, STABLE, 7);
            (0..50).map(|_| backoff.next_delay(lasted)).collect::<Vec<_>>()
        };
        assert_eq!(series(Duration::ZERO), series(Duration::ZERO));
        assert!(series(STABLE).into_iter().all(|wait| wait <= BASE));
    }
}
