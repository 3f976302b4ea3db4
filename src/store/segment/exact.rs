//! How are multiples of a number divided by it without dividing?
//!
//! An odd number has an inverse modulo 2^64, and a product with that is the quotient, if there is one (H. Warren, "Hacker's Delight", 10-16).

/// A number above 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    /// How often it is even.
    shift: u32,
    /// Of what is odd in it.
    inverse: u64,
    /// By what is odd in it.
    quotient_max: u64,
}

impl Exact {
    /// For dividing by `number`; 0 is taken for 1.
    pub(super) const fn by(number: u64) -> Self {
        let number = if number == 0 { 1 } else { number };
        let shift = number.trailing_zeros();
        let odd = number >> shift;
        // Right in the last five bits; each round doubles them (Newton).
        let mut inverse = odd.wrapping_mul(3) ^ 2;
        let mut bits = 5;
        while bits < u64::BITS {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
            bits *= 2;
        }
        Self { shift, inverse, quotient_max: u64::MAX / odd }
    }

    /// Whether `value` is a multiple.
    pub(super) const fn divides(self, value: u64) -> bool {
        value.trailing_zeros() >= self.shift && (value >> self.shift).wrapping_mul(self.inverse) <= self.quotient_max
    }

    /// The quotient of a multiple.
    pub(super) const fn divide(self, multiple: i64) -> i64 {
        (multiple >> self.shift).cast_unsigned().wrapping_mul(self.inverse).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_division(number in 1..=i64::MAX, small in 1_i64..100_000_000, value in any::<i64>()) {
            for number in [number, small, small << 20, 1, i64::MAX] {
                let exact = Exact::by(number.unsigned_abs());
                prop_assert_eq!(exact.divide(value / number * number), value / number);
                prop_assert!(exact.divides((value / number * number).unsigned_abs()));
                prop_assert_eq!(exact.divides(value.unsigned_abs()), value % number == 0);
            }
        }
    }

    #[test]
    fn the_least_value_is_divided_too() {
        assert_eq!(Exact::by(1).divide(i64::MIN), i64::MIN);
        assert_eq!(Exact::by(0).divide(7), 7);
        assert!(Exact::by(1 << 63).divides(1 << 63) && !Exact::by(1 << 63).divides(1 << 62));
        assert!(Exact::by(3).divides(0));
    }
}
