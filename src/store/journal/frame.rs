//! What does one write of a shard look like, and how is it told from anything else on a disk?
//!
//! A frame is a header of 128 bytes and an rkyv archive of flat integers, padded with zeros to a multiple of 64. The
//! header binds it to its store, shard, file and offset, chains it to the frame before, and says how far the file was
//! known to be durable when it was written: damage below that is corruption, above it an ordinary torn tail.

use crate::store::{
    bytes::{Fields, Reader, aligned, checksum},
    record::{Kind, Origin, Rows},
};
use rkyv::{api::high::to_bytes_in, rancor::Error, util::AlignedVec};

/// The header's length.
pub(super) const HEADER_BYTES: usize = 128;
/// The longest payload: what recovery must be ready to hold, and a reader to check in one go.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"TDFM");
const VERSION: u16 = 1;

/// Which file a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The store's.
    pub store: u128,
    /// The shard that writes it.
    pub shard: u32,
    /// Its number among that shard's journal files.
    pub number: u32,
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts a shard's frames through all its files.
    pub sequence: u64,
    /// Checksum of the header before this one in the file; of the file's own header for the first.
    pub previous: u32,
    /// Offset below which the file was synced when this was written.
    pub durable_below: u64,
    /// The archive's length.
    pub payload_bytes: u32,
    /// The archive's checksum.
    pub payload_checksum: u32,
    /// This header's own checksum, which the next frame carries.
    pub checksum: u32,
}

impl Header {
    /// The whole frame's length on disk.
    pub const fn frame_bytes(&self) -> u64 {
        aligned(HEADER_BYTES as u64 + self.payload_bytes as u64)
    }
}

/// Rows of one contract and kind in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct Section {
    /// The contract's number in the store.
    pub contract: u32,
    /// See [`Kind::number`].
    pub kind: u16,
    /// See [`Origin::number`].
    pub origin: u16,
    /// How many.
    pub rows: u32,
    /// Words in each.
    pub width: u32,
    /// Where its words begin.
    pub first_word: u64,
}

/// What a frame carries.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
pub struct Body {
    sections: Vec<Section>,
    words: Vec<u64>,
}

impl Body {
    /// Adds rows in ascending order of their keys; contracts must come in ascending order, too.
    pub fn push(&mut self, contract: u32, origin: Origin, rows: &Rows) {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.sections.push(Section {
            contract,
            kind: rows.kind().number(),
            origin: origin.number(),
            rows: count(rows.len()),
            width: count(rows.kind().width()),
            first_word: self.words.len() as u64,
        });
        self.words.extend_from_slice(rows.words());
    }

    /// Whether it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// About how long its archive is.
    pub fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice()) + size_of_val(self.sections.as_slice()) + 64
    }

    /// What it carries, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.sections.clear();
        self.words.clear();
    }
}

/// Writes the frame of `body` into `out`; says its header.
///
/// # Errors
///
/// When the archive would be longer than [`PAYLOAD_BYTES_MAX`].
pub(super) fn encode(
    file: FileIdentity,
    offset: u64,
    (sequence, previous, durable_below): (u64, u32, u64),
    body: &Body,
    out: &mut AlignedVec<64>,
) -> Result<Header, FrameTooLong> {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    let mut archived = to_bytes_in::<_, Error>(body, std::mem::take(out)).map_err(|_| FrameTooLong)?;
    let payload = &archived[HEADER_BYTES..];
    let payload_bytes = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_BYTES_MAX);
    let payload_bytes = payload_bytes.ok_or(FrameTooLong)?;
    let mut header =
        Header { sequence, previous, durable_below, payload_bytes, payload_checksum: checksum(payload), checksum: 0 };
    let bytes = header_bytes(file, offset, &header);
    header.checksum = checksum_of(&bytes);
    archived[..HEADER_BYTES].copy_from_slice(&bytes);
    archived.resize(usize::try_from(header.frame_bytes()).map_err(|_| FrameTooLong)?, 0);
    *out = archived;
    Ok(header)
}

/// A frame would be longer than a reader accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame would be longer than {PAYLOAD_BYTES_MAX} bytes")]
pub struct FrameTooLong;

fn header_bytes(file: FileIdentity, offset: u64, header: &Header) -> Vec<u8> {
    let mut fields = Fields::with_capacity(HEADER_BYTES);
    fields.u32(MAGIC).u16(VERSION).u16(0);
    fields.u128(file.store).u32(file.shard).u32(file.number).u64(offset);
    fields.u64(header.sequence).u64(header.durable_below);
    fields.u32(header.previous).u32(header.payload_bytes).u32(header.payload_checksum);
    fields.sealed(HEADER_BYTES)
}

fn checksum_of(header: &[u8]) -> u32 {
    header.last_chunk().copied().map_or(0, u32::from_le_bytes)
}

/// Reads the header that stands at `offset` of `file`, when it is one and meant for that place.
pub(super) fn header_at(file: FileIdentity, offset: u64, bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader::unsealed(bytes, HEADER_BYTES)?;
    let known = (reader.u32(), reader.u16(), reader.u16()) == (MAGIC, VERSION, 0);
    let here =
        (reader.u128(), reader.u32(), reader.u32(), reader.u64()) == (file.store, file.shard, file.number, offset);
    let (sequence, durable_below) = (reader.u64(), reader.u64());
    let (previous, payload_bytes, payload_checksum) = (reader.u32(), reader.u32(), reader.u32());
    let fits = payload_bytes as usize <= PAYLOAD_BYTES_MAX;
    let checksum = checksum_of(&bytes[..HEADER_BYTES]);
    (known && here && fits).then_some(Header {
        sequence,
        previous,
        durable_below,
        payload_bytes,
        payload_checksum,
        checksum,
    })
}

/// Offsets in the file of every section's words, given where the archive begins.
pub(super) fn words_at(payload_at: u64, payload: &[u8]) -> Vec<u64> {
    let sections = View::trusted(payload).into_iter().flat_map(View::sections);
    sections.map(|section| payload_at + section.offset_in(payload) as u64).collect()
}

/// What a frame carries, seen in place.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    body: &'a ArchivedBody,
}

impl<'a> View<'a> {
    /// The archive of a frame, whose checksum must be right and whose sections must lie within it.
    pub fn of(header: &Header, payload: &'a [u8]) -> Option<Self> {
        (checksum(payload) == header.payload_checksum).then_some(())?;
        Self::trusted(payload)
    }

    /// The archive of a frame whose checksum was found right before. Its structure is looked at again: that costs
    /// nothing.
    pub fn trusted(payload: &'a [u8]) -> Option<Self> {
        let body = rkyv::access::<ArchivedBody, Error>(payload).ok()?;
        let view = Self { body };
        view.body.sections.iter().all(|section| view.words(section).is_some()).then_some(view)
    }

    /// Contract, origin and rows of every section; a kind that is not known is left out.
    pub fn sections(self) -> impl Iterator<Item = SectionView<'a>> {
        self.body.sections.iter().filter_map(move |section| {
            let kind = Kind::from_number(section.kind.to_native())?;
            let words = self.words(section)?;
            let (contract, origin) = (section.contract.to_native(), Origin::from_number(section.origin.to_native())?);
            // A row of this kind that is not as wide as ours was written by a program that knows better.
            (section.width.to_native() as usize == kind.width()).then_some(SectionView {
                contract,
                origin,
                kind,
                words,
            })
        })
    }

    fn words(self, section: &ArchivedSection) -> Option<&'a [rkyv::rend::u64_le]> {
        let first = usize::try_from(section.first_word.to_native()).ok()?;
        let count = (section.rows.to_native() as usize).checked_mul(section.width.to_native() as usize)?;
        self.body.words.get(first..first.checked_add(count)?)
    }
}

/// Rows of one contract and kind, seen in place.
#[derive(Clone, Copy, Debug)]
pub struct SectionView<'a> {
    /// The contract's number in the store.
    pub contract: u32,
    /// Where the rows came from.
    pub origin: Origin,
    /// What they are.
    pub kind: Kind,
    words: &'a [rkyv::rend::u64_le],
}

impl<'a> SectionView<'a> {
    /// How many bytes of `payload`, which it is part of, stand before its words.
    pub fn offset_in(&self, payload: &[u8]) -> usize {
        self.words.as_ptr().addr() - payload.as_ptr().addr()
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.words.len() / self.kind.width()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// A row's word; 0 past the end.
    pub fn word(&self, row: usize, column: usize) -> u64 {
        self.words.get(row * self.kind.width() + column).map_or(0, |word| word.to_native())
    }

    /// Every word, row after row.
    pub fn words(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.words.iter().map(|word| word.to_native())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::Kind;
    use proptest::prelude::*;

    const FILE: FileIdentity = FileIdentity { store: 7, shard: 1, number: 2 };

    fn rows(keys: &[u64]) -> Rows {
        let mut rows = Rows::new(Kind::Trade);
        keys.iter().for_each(|key| rows.extend_from_words([*key, 10, 20, 30, 40, 50, 1]));
        rows
    }

    fn encoded(keys: &[u64]) -> (Header, AlignedVec<64>) {
        let (mut body, mut out) = (Body::default(), AlignedVec::new());
        body.push(3, Origin::Stream, &rows(keys));
        body.push(9, Origin::Stream, &rows(&[1]));
        let header = encode(FILE, 4096, (5, 6, 4096), &body, &mut out).expect("short");
        (header, out)
    }

    #[test]
    fn a_frame_comes_back() {
        let (header, bytes) = encoded(&[1, 2, 3]);
        assert_eq!(bytes.len() as u64, header.frame_bytes());
        assert_eq!(header_at(FILE, 4096, &bytes), Some(header));
        let payload = &bytes[HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize];
        let view = View::of(&header, payload).expect("whole");
        let sections: Vec<_> =
            view.sections().map(|s| (s.contract, s.len(), s.words().step_by(7).collect::<Vec<_>>())).collect();
        assert_eq!(sections, [(3, 3, vec![1, 2, 3]), (9, 1, vec![1])]);
    }

    #[test]
    fn a_frame_in_another_place_is_none() {
        let (_, bytes) = encoded(&[1]);
        assert_eq!(header_at(FILE, 8192, &bytes), None);
        for other in
            [FileIdentity { store: 8, ..FILE }, FileIdentity { shard: 0, ..FILE }, FileIdentity { number: 3, ..FILE }]
        {
            assert_eq!(header_at(other, 4096, &bytes), None);
        }
        assert_eq!(header_at(FILE, 0, &[0; 4096]), None);
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0_usize..640, bit in 0_u8..8) {
            let (header, mut bytes) = encoded(&[1, 2, 3, 4, 5, 6]);
            prop_assume!(at < HEADER_BYTES + header.payload_bytes as usize);
            bytes[at] ^= 1 << bit;
            let payload = HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize;
            let read = header_at(FILE, 4096, &bytes).and_then(|header| View::of(&header, &bytes[payload]).map(|_| ()));
            prop_assert!(read.is_none());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut aligned = AlignedVec::<64>::new();
            aligned.extend_from_slice(&bytes);
            let rows = View::trusted(&aligned).map(|view| view.sections().map(|section| section.words().count()).sum::<usize>());
            prop_assert!(rows.unwrap_or(0) <= bytes.len());
        }
    }
}
