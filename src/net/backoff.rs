//! How long to wait before the next attempt?

use std::time::Duration;

/// Exponential growth with full jitter: each delay is uniform between nothing and a bound that doubles up to a cap, so
/// that connections cut together do not come back together. The same seed gives the same delays.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    stable_after: Duration,
    failures: u32,
    state: u64,
}

impl Backoff {
    /// The first delay is at most `base`, none exceeds `cap`; a connection that lasted `stable_after` starts over.
    pub fn new(base: Duration, cap: Duration, stable_after: Duration, seed: u64) -> Self {
        Self { base, cap, stable_after, failures: 0, state: seed }
    }

    /// How long to wait after one more failure.
    pub fn delay(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX - 1);
        let drawn = (u128::from(self.draw()) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(drawn).unwrap_or(nanos))
    }

    /// Tells how long the last connection was up; starts over if that was long enough. A venue that accepts and cuts at
    /// once is thus not hammered.
    pub fn stable(&mut self, up: Duration) {
        if up >= self.stable_after {
            self.failures = 0;
        }
    }

    /// Failures since the start or the last stable connection.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn bound(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// One step of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    fn draw(&mut self) -> u64 {
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
    const STABLE: Duration = Duration::from_secs(60);

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(BASE, CAP, STABLE, seed)
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut generator = backoff(1_234_567);
        assert_eq!(
            [(); 3].map(|()| generator.draw()),
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn delays_stay_under_a_bound_that_doubles_up_to_the_cap() {
        let bounds_ms = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
        let mut largest = [Duration::ZERO; 11];
        for seed in 0..2_000 {
            let mut backoff = backoff(seed);
            for (bound_ms, largest) in bounds_ms.into_iter().zip(&mut largest) {
                let delay = backoff.delay();
                assert!(delay <= Duration::from_millis(bound_ms), "{delay:?} above {bound_ms} ms");
                *largest = delay.max(*largest);
            }
        }
        for (bound_ms, largest) in bounds_ms.into_iter().zip(largest) {
            assert!(largest > Duration::from_millis(bound_ms * 95 / 100), "{largest:?} of {bound_ms} ms");
        }
    }

    #[test]
    fn delays_are_spread_evenly_from_zero() {
        let mut tenths = [0; 10];
        for seed in 0..10_000 {
            let delay = backoff(seed).delay();
            let tenth = usize::try_from(delay.as_nanos() * 10 / (BASE.as_nanos() + 1)).unwrap();
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let delays = |seed| {
            let mut backoff = backoff(seed);
            [(); 20].map(|()| backoff.delay())
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn only_a_stable_connection_starts_over() {
        let mut backoff = backoff(1);
        for _ in 0..8 {
            backoff.delay();
        }
        backoff.stable(STABLE - Duration::from_millis(1));
        assert_eq!(backoff.failures(), 8);
        backoff.stable(STABLE);
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.delay() <= BASE);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, STABLE, 3);
        backoff.failures = u32::MAX;
        backoff.delay();
        assert_eq!(backoff.failures(), u32::MAX);
    }
}
