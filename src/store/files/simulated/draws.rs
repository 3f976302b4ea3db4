//! Where does the simulated disk's chance come from, so that a seed replays a run?

/// Numbers in sequence from one seed (splitmix64: S. Vigna, public domain).
#[derive(Clone)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number in `0..bound`; 0 when `bound` is.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }

    /// A place in a collection of `len`, which is at least 1.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Yes, in so many of eight cases.
    pub(super) fn chance(&mut self, eighths: u64) -> bool {
        self.below(8) < eighths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_splitmix64_and_stay_below_the_bound() {
        assert_eq!(Draws::new(0).next(), 0xe220_a839_7b1d_cdaf);
        let mut draws = Draws::new(7);
        assert!((0..1_000).all(|_| draws.below(3) < 3));
        assert_eq!(draws.below(0), 0);
        assert!(draws.chance(8) && !draws.chance(0));
    }
}
