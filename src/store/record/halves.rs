//! How does a sum of 128 bits stand in two words?

/// Low and high 64 bits.
pub(super) fn halves(sum: i128) -> [u64; 2] {
    let bytes = sum.to_le_bytes();
    let half = |at: usize| bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes);
    [half(0), half(8)]
}

pub(super) fn whole([low, high]: [u64; 2]) -> i128 {
    (i128::from(high.cast_signed()) << 64) | i128::from(low)
}
