//! How are a segment's blocks found without reading them?

use crate::store::{
    bytes::{Fields, Reader, checksum},
    record::{Kind, Origin},
    segment::block::BlockHeader,
};

/// Length of what stands at a segment's very end.
pub(super) const TRAILER_BYTES: usize = 64;

const MAGIC: u32 = u32::from_le_bytes(*b"TDSF");
const VERSION: u16 = 1;
/// A footer is never longer: 56 bytes a block, and no segment has a million.
const FOOTER_BYTES_MAX: u32 = 64 << 20;

/// The index of a segment: sections ascending by (contract, kind), their blocks ascending by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct Footer {
    /// Rows of one contract and kind.
    pub sections: Vec<SectionIndex>,
    /// The blocks of all sections.
    pub blocks: Vec<BlockIndex>,
    /// The runs of all sections.
    pub runs: Vec<RunIndex>,
    /// What the segment was made of, and replaces.
    pub replaces: Vec<Replaced>,
}

/// A file whose rows are all in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct Replaced {
    /// The shard of a journal file; `u32::MAX` for a segment.
    pub shard: u32,
    /// The file's number.
    pub number: u64,
}

impl Replaced {
    /// A journal file.
    pub fn journal(shard: u32, number: u32) -> Self {
        Self { shard, number: u64::from(number) }
    }

    /// A segment.
    pub const fn segment(number: u64) -> Self {
        Self { shard: u32::MAX, number }
    }
}

/// Where a section's blocks and runs are in the footer, and what they span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct SectionIndex {
    /// The contract's number in the store.
    pub contract: u32,
    /// See [`Kind::number`](crate::store::record::Kind::number).
    pub kind: u16,
    /// 0 for what is held; 1 for rows that differ from a held one of the same key.
    pub role: u16,
    /// Rows in all blocks.
    pub rows: u64,
    /// Lowest key.
    pub first_key: u64,
    /// Highest key.
    pub last_key: u64,
    /// Earliest time.
    pub first_time: i64,
    /// Latest time.
    pub last_time: i64,
    /// The first of its blocks.
    pub first_block: u32,
    /// How many.
    pub blocks: u32,
    /// The first of its runs.
    pub first_run: u32,
    /// How many.
    pub runs: u32,
}

/// Where a block is, and what it spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct BlockIndex {
    /// Its header's offset.
    pub offset: u64,
    /// Length of header and payload with padding.
    pub bytes: u32,
    /// Rows in it.
    pub rows: u32,
    /// Lowest key.
    pub first_key: u64,
    /// Highest key.
    pub last_key: u64,
    /// Earliest time.
    pub first_time: i64,
    /// Latest time.
    pub last_time: i64,
}

/// Keys that follow each other in a section, and where they came from; of kinds with dense keys without a gap between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct RunIndex {
    /// Lowest key.
    pub first: u64,
    /// Highest key.
    pub last: u64,
    /// See [`Origin::number`](crate::store::record::Origin::number).
    pub origin: u64,
}

/// Where the row with that key came from, as the runs of its section say.
pub(in crate::store) fn origin_at(runs: &[RunIndex], kind: Kind, key: u64) -> Origin {
    let run = runs.get(runs.partition_point(|run| run.last < key)).filter(|run| run.first <= key);
    run.map_or(kind.origin_unsaid(), RunIndex::origin)
}

impl RunIndex {
    /// Where its rows came from.
    pub fn origin(&self) -> Origin {
        u16::try_from(self.origin).ok().and_then(Origin::from_number).unwrap_or_default()
    }
}

impl BlockIndex {
    pub(super) fn of(offset: u64, header: &BlockHeader) -> Self {
        Self {
            offset,
            bytes: u32::try_from(header.block_bytes()).unwrap_or(u32::MAX),
            rows: header.rows,
            first_key: header.keys.0,
            last_key: header.keys.1,
            first_time: header.times.0.get(),
            last_time: header.times.1.get(),
        }
    }
}

/// What stands at the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Where the footer's archive begins.
    pub(super) footer_at: u64,
    /// Its length.
    pub(super) footer_bytes: u32,
    /// Its checksum.
    pub(super) footer_checksum: u32,
    /// XXH3-128 of everything before the trailer.
    pub(super) hash: u128,
}

impl Trailer {
    pub(super) fn new(footer_at: u64, footer: &[u8], hash: u128) -> Self {
        let footer_bytes = u32::try_from(footer.len()).unwrap_or(u32::MAX);
        Self { footer_at, footer_bytes, footer_checksum: checksum(footer), hash }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut fields = Fields::with_capacity(TRAILER_BYTES);
        fields.u32(MAGIC).u16(VERSION).u16(0).u64(self.footer_at).u32(self.footer_bytes).u32(self.footer_checksum);
        fields.u128(self.hash);
        fields.sealed(TRAILER_BYTES)
    }

    /// The trailer at the end of a file of `len` bytes, when it is one.
    pub(super) fn read(bytes: &[u8], len: u64) -> Option<Self> {
        let mut reader = Reader::unsealed(bytes, TRAILER_BYTES)?;
        let known = (reader.u32(), reader.u16(), reader.u16()) == (MAGIC, VERSION, 0);
        let trailer = Self {
            footer_at: reader.u64(),
            footer_bytes: reader.u32(),
            footer_checksum: reader.u32(),
            hash: reader.u128(),
        };
        let end = trailer.footer_at.checked_add(u64::from(trailer.footer_bytes))?;
        let within = end.checked_add(TRAILER_BYTES as u64).is_some_and(|end| end <= len);
        (known && within && trailer.footer_bytes <= FOOTER_BYTES_MAX).then_some(trailer)
    }
}

impl From<&ArchivedSectionIndex> for SectionIndex {
    fn from(section: &ArchivedSectionIndex) -> Self {
        Self {
            contract: section.contract.to_native(),
            kind: section.kind.to_native(),
            role: section.role.to_native(),
            rows: section.rows.to_native(),
            first_key: section.first_key.to_native(),
            last_key: section.last_key.to_native(),
            first_time: section.first_time.to_native(),
            last_time: section.last_time.to_native(),
            first_block: section.first_block.to_native(),
            blocks: section.blocks.to_native(),
            first_run: section.first_run.to_native(),
            runs: section.runs.to_native(),
        }
    }
}

impl From<&ArchivedBlockIndex> for BlockIndex {
    fn from(block: &ArchivedBlockIndex) -> Self {
        Self {
            offset: block.offset.to_native(),
            bytes: block.bytes.to_native(),
            rows: block.rows.to_native(),
            first_key: block.first_key.to_native(),
            last_key: block.last_key.to_native(),
            first_time: block.first_time.to_native(),
            last_time: block.last_time.to_native(),
        }
    }
}

impl From<&ArchivedRunIndex> for RunIndex {
    fn from(run: &ArchivedRunIndex) -> Self {
        Self { first: run.first.to_native(), last: run.last.to_native(), origin: run.origin.to_native() }
    }
}

impl From<&ArchivedReplaced> for Replaced {
    fn from(replaced: &ArchivedReplaced) -> Self {
        Self { shard: replaced.shard.to_native(), number: replaced.number.to_native() }
    }
}

impl From<&ArchivedFooter> for Footer {
    fn from(archived: &ArchivedFooter) -> Self {
        Self {
            sections: archived.sections.iter().map(SectionIndex::from).collect(),
            blocks: archived.blocks.iter().map(BlockIndex::from).collect(),
            runs: archived.runs.iter().map(RunIndex::from).collect(),
            replaces: archived.replaces.iter().map(Replaced::from).collect(),
        }
    }
}
