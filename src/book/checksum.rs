//! By which number does a follower of a book know that his copy is right?

use crate::book::ladder::Ladder;
use crc_fast::CrcAlgorithm;

/// Levels of a side that are in the sum.
const LEVELS: u8 = 10;

/// See [`Book::checksum`](super::Book::checksum).
pub(super) fn top(bids: &Ladder, asks: &Ladder) -> u32 {
    let mut bytes = Vec::with_capacity(2 * (1 + usize::from(LEVELS) * 16));
    for ladder in [bids, asks] {
        let levels = ladder.trusted().take(usize::from(LEVELS));
        bytes.push(u8::try_from(levels.len()).unwrap_or(LEVELS));
        for level in levels {
            bytes.extend_from_slice(&level.price.units().to_le_bytes());
            bytes.extend_from_slice(&level.quantity.units().to_le_bytes());
        }
    }
    // The algorithm is of 32 bits; the library hands every sum out in 64.
    u32::try_from(crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, &bytes)).unwrap_or_default()
}
