//! How do single integers stand in a payload?
//!
//! Seven bits a byte, low ones first, or a given count of little-endian bytes.

use super::CodecError;

/// Appends `value` in 1 to 10 bytes.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends `value` in few bytes when it is near zero.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends the low `count` bytes of `value`, at most 8.
pub(super) fn put_low(out: &mut Vec<u8>, value: u64, count: usize) {
    out.extend(value.to_le_bytes().into_iter().take(count));
}

/// The integer of up to 8 little-endian bytes.
pub(super) fn low(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// How many bytes hold `value`.
pub(super) fn byte_count(value: u64) -> usize {
    (0..8).take_while(|count| value >> (8 * count) != 0).count()
}

/// How many bits hold `value`.
pub(super) fn bit_count(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// What of a payload is still to be read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CodecError::Damaged("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::Damaged("an integer of more than 64 bits"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_integer_takes_the_bytes_it_needs() {
        let check = |value: u64, bytes: usize, bits: u32| {
            assert_eq!((byte_count(value), bit_count(value)), (bytes, bits), "{value}");
        };
        check(0, 0, 0);
        check(1, 1, 1);
        check(255, 1, 8);
        check(256, 2, 9);
        check(u64::MAX >> 8, 7, 56);
        check(u64::MAX, 8, 64);
    }

    #[test]
    fn an_endless_integer_is_damage() {
        assert!(Reader(&[0x80; 11]).varint().is_err());
        assert!(Reader(&[0x80]).varint().is_err());
    }

    proptest! {
        #[test]
        fn integers_come_back(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_signed(&mut out, signed);
            let count = byte_count(value);
            put_low(&mut out, value, count);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.take(count).map(low), Ok(value));
            prop_assert!(reader.0.is_empty());
        }
    }
}
