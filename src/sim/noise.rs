//! Where does the generated market get its randomness, so that any instant can be computed without its past?

/// Half the range of a lattice value: noise lies in `-ONE..=ONE`.
pub(super) const ONE: i64 = 65_536;

/// The splitmix64 finalizer (S. Vigna, public domain): every input bit reaches every output bit.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One number from a key and an index, which may be negative.
pub(super) const fn hash(key: u64, index: i64) -> u64 {
    mix(key ^ mix(index.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

/// A key from a seed and a text: a contract's market depends on its symbol, not on its place in a list.
pub(super) fn key(seed: u64, text: &str) -> u64 {
    text.bytes().fold(mix(seed), |key, byte| mix(key ^ u64::from(byte)))
}

/// Numbers in sequence from one start (splitmix64).
pub(super) struct Draws(u64);

impl Draws {
    pub(super) const fn new(start: u64) -> Self {
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..bound`; `bound` is at least 1.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let scaled = (self.next() >> 32) * u64::from(bound);
        u32::try_from(scaled >> 32).unwrap_or(0)
    }

    /// [`Draws::below`] as a count of milliseconds.
    pub(super) fn millis_below(&mut self, bound: i64) -> i64 {
        i64::from(self.below(u32::try_from(bound).unwrap_or(u32::MAX).max(1)))
    }
}

/// Value noise at `time`: hashed values at multiples of `period`, straight lines between.
pub(super) fn octave(key: u64, time: i64, period: i64) -> i64 {
    let cell = time.div_euclid(period);
    let (from, to) = (lattice(key, cell), lattice(key, cell + 1));
    from + (to - from) * time.rem_euclid(period) / period
}

fn lattice(key: u64, cell: i64) -> i64 {
    (hash(key, cell) >> 47).cast_signed() - ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_meets_at_the_cells_edges() {
        for time in -5_000..5_000 {
            let here = octave(7, time, 1_000);
            assert!(here.abs() <= ONE);
            assert!((octave(7, time + 1, 1_000) - here).abs() <= 2 * ONE / 1_000 + 1, "no jump at {time}");
        }
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_it() {
        let mut draws = Draws::new(1);
        let seen: std::collections::BTreeSet<u32> = (0..1_000).map(|_| draws.below(7)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    }
}
