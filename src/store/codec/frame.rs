//! How do any 64-bit integers become small ones, and how do those come back?
//!
//! Either as distances from the least value, or as the excess of each difference over the least difference. Differences
//! wrap, so every column has both forms.

/// Where a run of values starts and how it climbs: value `i` is `base` + `i` x `step` + the sum of `i` excesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slope {
    /// The first value.
    pub(super) base: i64,
    /// The least difference of two neighbours.
    pub(super) step: i64,
    /// How far the greatest difference exceeds it.
    pub(super) excess_max: u64,
}

impl Slope {
    /// The slope of `values`, of which there is at least one.
    pub(super) fn of(values: &[i64]) -> Self {
        let (mut least, mut greatest) = (i64::MAX, i64::MIN);
        for pair in values.windows(2) {
            let difference = pair[1].wrapping_sub(pair[0]);
            least = least.min(difference);
            greatest = greatest.max(difference);
        }
        let base = values.first().copied().unwrap_or_default();
        match values.len() {
            0 | 1 => Self { base, step: 0, excess_max: 0 },
            _ => Self { base, step: least, excess_max: greatest.abs_diff(least) },
        }
    }

    /// The excess of each value but the first.
    pub(super) fn excesses(self, values: &[i64]) -> impl Iterator<Item = u64> {
        values.windows(2).map(move |pair| pair[1].wrapping_sub(pair[0]).wrapping_sub(self.step).cast_unsigned())
    }
}

/// The least value, and how far the greatest exceeds it.
pub(super) fn span(values: &[i64]) -> (i64, u64) {
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for &value in values {
        least = least.min(value);
        greatest = greatest.max(value);
    }
    (least, greatest.abs_diff(least))
}

/// Each value's distance from the least.
pub(super) fn distances(base: i64, values: &[i64]) -> impl Iterator<Item = u64> {
    values.iter().map(move |value| value.wrapping_sub(base).cast_unsigned())
}

/// The low half.
pub(super) fn low_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Values from their distances.
pub(super) fn add_base(base: i64, distances: &[u32], out: &mut [i64]) {
    for (out, &distance) in out.iter_mut().zip(distances) {
        *out = base.wrapping_add(i64::from(distance));
    }
}

/// Values from their excesses, the first of which is 0.
pub(super) fn climb(base: i64, step: i64, excesses: &[u32], out: &mut [i64]) {
    let mut line = base.wrapping_sub(step);
    for (out, &excess) in out.iter_mut().zip(excesses) {
        // In this order only one addition waits for the value before.
        line = line.wrapping_add(step.wrapping_add(i64::from(excess)));
        *out = line;
    }
}

/// Values that climb evenly.
pub(super) fn fill_line(base: i64, step: i64, out: &mut [i64]) {
    let mut line = base;
    for out in out {
        *out = line;
        line = line.wrapping_add(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_the_least_difference() {
        let check = |values: &[i64], base: i64, step: i64, excess_max: u64| {
            assert_eq!(Slope::of(values), Slope { base, step, excess_max }, "{values:?}");
        };
        check(&[7], 7, 0, 0);
        check(&[7, 8, 9], 7, 1, 0);
        check(&[7, 5, 9], 7, -2, 6);
        check(&[i64::MAX, i64::MIN, i64::MAX], i64::MAX, -1, 2);
        check(&[0, i64::MIN, -1], 0, i64::MIN, u64::MAX);
    }

    #[test]
    fn excesses_add_up_to_the_values() {
        let values = [3, i64::MIN, i64::MAX, 0, -1, -1];
        let slope = Slope::of(&values);
        let mut value = slope.base;
        for (excess, expected) in slope.excesses(&values).zip(&values[1..]) {
            value = value.wrapping_add(slope.step).wrapping_add(excess.cast_signed());
            assert!(excess <= slope.excess_max);
            assert_eq!(value, *expected);
        }
    }
}
