//! How is history kept: sealed, immutable, small, and readable in parts?
//!
//! A segment is a header record, blocks that describe themselves, a footer that indexes them, and a trailer that finds
//! and hashes it all.
#![expect(clippy::module_name_repetitions, reason = "a segment writer is called that outside, too")]

mod block;
mod exact;
mod footer;
mod reader;
mod writer;

pub use block::{Block, BlockHeader, block_rows};
pub(in crate::store) use footer::origin_at;
pub use footer::{BlockIndex, Footer, Replaced, RunIndex, SectionIndex};
pub use reader::{BlockError, Checked, Segment, SegmentError};
pub use writer::{SegmentWriteError, SegmentWriter};

use crate::{
    model::UnixMillis,
    store::bytes::{Fields, Reader},
};

const HEADER_RECORD_BYTES: usize = 128;
const MAGIC: u32 = u32::from_le_bytes(*b"TDSG");
const VERSION: u16 = 1;
/// Features without which a segment cannot be read; none is known yet.
const NEEDED_FEATURES: u32 = 0;

/// Which segment a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// Its store's.
    pub store: u128,
    /// Its number in the store, never used twice.
    pub number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    identity: SegmentIdentity,
}

/// The first bytes of a segment. Three masks say which features it has: those that old programs may ignore, those that
/// they may ignore as long as they only read, and those without which it cannot be read.
fn header_record(identity: SegmentIdentity, created: UnixMillis) -> Vec<u8> {
    let mut fields = Fields::with_capacity(HEADER_RECORD_BYTES);
    fields.u32(MAGIC).u16(VERSION).u16(0).u32(0).u32(0).u32(NEEDED_FEATURES).u32(0);
    fields.u128(identity.store).u64(identity.number).i64(created.get());
    fields.sealed(HEADER_RECORD_BYTES)
}

impl Header {
    fn read(record: &[u8]) -> Result<Self, SegmentError> {
        let mut reader = Reader::unsealed(record, HEADER_RECORD_BYTES).ok_or(SegmentError::Header)?;
        let (magic, version, _) = (reader.u32(), reader.u16(), reader.u16());
        let (_, _, needed, _) = (reader.u32(), reader.u32(), reader.u32(), reader.u32());
        if magic != MAGIC {
            return Err(SegmentError::Header);
        }
        if version != VERSION || needed & !NEEDED_FEATURES != 0 {
            return Err(SegmentError::Newer(needed));
        }
        Ok(Self { identity: SegmentIdentity { store: reader.u128(), number: reader.u64() } })
    }
}
