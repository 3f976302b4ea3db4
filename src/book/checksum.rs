//! By which number does a follower of a book know that his copy is right?

use crate::book::ladder::Ladder;
use crc_fast::{CrcAlgorithm, Digest};

/// Levels of a side that are in the sum.
const LEVELS: u8 = 10;

/// See [`Book::checksum`](super::Book::checksum).
pub(super) fn top(bids: &Ladder, asks: &Ladder) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
    for ladder in [bids, asks] {
        let levels = ladder.trusted().take(usize::from(LEVELS));
        digest.update(&[u8::try_from(levels.len()).unwrap_or(LEVELS)]);
        for level in levels {
            digest.update(&level.price.units().to_le_bytes());
            digest.update(&level.quantity.units().to_le_bytes());
        }
    }
    // The algorithm is of 32 bits; the library hands every sum out in 64.
    u32::try_from(digest.finalize()).unwrap_or_default()
}
