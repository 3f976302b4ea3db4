//! How are rows found in a segment, and what if it is damaged?

use crate::{
    model::IdRange,
    store::{
        bytes::checksum,
        codec::CodecError,
        files::{Disk, File, Map, read_exact_at},
        record::{Kind, Rows},
        segment::{
            HEADER_RECORD_BYTES, Header, SegmentIdentity,
            block::{Block, BlockHeader, HEADER_BYTES, header_at},
            footer::{ArchivedFooter, BlockIndex, Footer, RunIndex, SectionIndex, TRAILER_BYTES, Trailer},
        },
    },
};
use rkyv::rancor;
use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use xxhash_rust::xxh3::Xxh3;

/// What is wrong with a segment as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// Its header is none.
    #[error("its header is damaged")]
    Header,
    /// A newer program wrote it.
    #[error("its format is newer than this program's: it needs features {0:#x}")]
    Newer(u32),
    /// It belongs to another store or is another file under this name.
    #[error("it is another store's or another file's")]
    Identity,
}

/// What is wrong with one block.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// Its header or its checksum is wrong.
    #[error("its bytes were changed")]
    Changed,
    /// It is whole, and yet not coded as it says.
    #[error("it cannot be decoded")]
    Codec(#[from] CodecError),
}

/// A sealed segment, open.
#[derive(Debug)]
pub struct Segment {
    identity: SegmentIdentity,
    path: String,
    file: Arc<dyn File>,
    len: u64,
    /// The whole file; none when the kernel has no more maps to give, then it is read piece by piece.
    map: Option<Map>,
    footer: Footer,
    /// Whether the footer was lost and made anew from the blocks.
    rebuilt: bool,
    /// A bit a block: its checksum was found right.
    checked: Vec<AtomicU64>,
}

/// Which of a segment's blocks are damaged, and whether its hash is right.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What the index says of each damaged block, with its section.
    pub damaged: Vec<(SectionIndex, BlockIndex)>,
    /// Whether the bytes are those that were hashed.
    pub hash_is_right: bool,
    /// Rows in blocks that are whole.
    pub rows: u64,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.hash_is_right
    }
}

impl Segment {
    /// Opens the segment at `path`, mapped. A footer that is lost or damaged is made anew from the blocks.
    ///
    /// # Errors
    ///
    /// When it is no segment of this store and number.
    pub fn open(disk: &dyn Disk, identity: SegmentIdentity, path: &str) -> Result<Self, SegmentError> {
        Self::open_by(disk, identity, path, true)
    }

    /// The same without a map: a sector that cannot be read is an error then, and not the end of the process.
    ///
    /// # Errors
    ///
    /// When it is no segment of this store and number.
    pub fn open_unmapped(disk: &dyn Disk, identity: SegmentIdentity, path: &str) -> Result<Self, SegmentError> {
        Self::open_by(disk, identity, path, false)
    }

    fn open_by(disk: &dyn Disk, identity: SegmentIdentity, path: &str, mapped: bool) -> Result<Self, SegmentError> {
        let file = disk.open(path)?;
        let mut record = [0; HEADER_RECORD_BYTES];
        read_exact_at(&*file, &mut record, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SegmentError::Header,
            _ => SegmentError::Io(error),
        })?;
        let headless = match Header::read(&record) {
            Ok(header) if header.identity == identity => false,
            Ok(_) => return Err(SegmentError::Identity),
            Err(SegmentError::Header) => true,
            Err(error) => return Err(error),
        };
        let len = file.len()?;
        let map = if mapped { file.map(0..len).ok() } else { None };
        let mut segment = Self {
            identity,
            path: path.to_owned(),
            file,
            len,
            map,
            footer: Footer::default(),
            rebuilt: false,
            checked: Vec::new(),
        };
        match segment.read_footer() {
            Some(footer) => segment.footer = footer,
            None => {
                segment.footer = segment.footer_of_blocks()?;
                segment.rebuilt = true;
            }
        }
        // Every block says whose it is, too: one is enough.
        if headless && !segment.has_own_block() {
            return Err(SegmentError::Header);
        }
        segment.checked = (0..segment.footer.blocks.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(segment)
    }

    /// Its index.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Whether its footer was lost, so that the index is made from its blocks.
    pub fn is_rebuilt(&self) -> bool {
        self.rebuilt
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.identity.number
    }

    /// Its path in the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// The section of what is held of a contract and kind.
    pub fn section(&self, contract: u32, kind: Kind) -> Option<&SectionIndex> {
        let wanted = (contract, kind.number(), 0);
        let sections = &self.footer.sections;
        let at =
            sections.binary_search_by_key(&wanted, |section| (section.contract, section.kind, section.role)).ok()?;
        sections.get(at)
    }

    /// The blocks of a section, by their places in the footer.
    pub fn blocks(&self, section: &SectionIndex) -> &[BlockIndex] {
        let first = section.first_block as usize;
        self.footer.blocks.get(first..first + section.blocks as usize).unwrap_or_default()
    }

    /// The runs of a section.
    pub fn runs(&self, section: &SectionIndex) -> &[RunIndex] {
        let first = section.first_run as usize;
        self.footer.runs.get(first..first + section.runs as usize).unwrap_or_default()
    }

    /// Reads a block's columns through `look`. Its checksum is computed once an opening.
    ///
    /// # Errors
    ///
    /// When it is damaged; the others are not touched by that.
    pub fn with_block<R>(
        &self,
        section: &SectionIndex,
        at: usize,
        look: impl FnOnce(&Block<'_>) -> Result<R, CodecError>,
    ) -> Result<R, BlockError> {
        let number = section.first_block as usize + at;
        let index = self.footer.blocks.get(number).ok_or(BlockError::Changed)?;
        let mut copy = Vec::new();
        let bytes = self.bytes_at(index.offset..index.offset + u64::from(index.bytes), &mut copy)?;
        let header = header_at(self.identity, index.offset, bytes).ok_or(BlockError::Changed)?;
        let payload =
            bytes.get(HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize).ok_or(BlockError::Changed)?;
        let same = BlockIndex::of(index.offset, &header) == *index
            && (header.contract, header.kind.number()) == (section.contract, section.kind);
        if !same || !self.is_right(number, &header, payload) {
            return Err(BlockError::Changed);
        }
        Ok(look(&Block::of(header, payload)?)?)
    }

    /// Rows of a section's block.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn rows(&self, section: &SectionIndex, at: usize) -> Result<Rows, BlockError> {
        self.with_block(section, at, |block| block.rows(0..block.header().rows as usize))
    }

    fn has_own_block(&self) -> bool {
        let mut copy = Vec::new();
        self.footer.blocks.iter().any(|block| {
            let range = block.offset..block.offset.saturating_add(HEADER_BYTES as u64);
            self.bytes_at(range, &mut copy).is_ok_and(|bytes| header_at(self.identity, block.offset, bytes).is_some())
        })
    }

    /// Rows of a section's block with keys in `keys`.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn rows_in(&self, section: &SectionIndex, at: usize, keys: IdRange) -> Result<Rows, BlockError> {
        self.with_block(section, at, |block| {
            let count = block.header().rows as usize;
            if keys.first <= block.header().keys.0 && block.header().keys.1 <= keys.last {
                return block.rows(0..count);
            }
            let mut own = Vec::new();
            block.column(0, 0..count, &mut own)?;
            let from = own.partition_point(|key| key.cast_unsigned() < keys.first);
            let to = own.partition_point(|key| key.cast_unsigned() <= keys.last).max(from);
            block.rows(from..to)
        })
    }

    /// The key of the first row of a section's block at or after `time`, when times ascend in it.
    ///
    /// # Errors
    ///
    /// When it is damaged.
    pub fn first_key_at(&self, section: &SectionIndex, at: usize, time: i64) -> Result<Option<u64>, BlockError> {
        self.with_block(section, at, |block| {
            let (count, mut values) = (block.header().rows as usize, Vec::new());
            block.column(1, 0..count, &mut values)?;
            let row = values.partition_point(|own| *own < time);
            if row == count {
                return Ok(None);
            }
            block.column(0, row..row + 1, &mut values)?;
            Ok(values.first().map(|key| key.cast_unsigned()))
        })
    }

    fn is_right(&self, number: usize, header: &BlockHeader, payload: &[u8]) -> bool {
        let (word, bit) = (&self.checked[number / 64], 1 << (number % 64));
        // Relaxed: the bit stands for bytes that never change; who misses it computes the same again.
        if self.map.is_some() && word.load(Ordering::Relaxed) & bit != 0 {
            return true;
        }
        let right = checksum(payload) == header.payload_checksum;
        if right {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        right
    }

    /// Reads everything: every block's checksum and decoding, and the whole file's hash. A block that cannot be read is
    /// damaged.
    ///
    /// # Errors
    ///
    /// When nothing of the file can be read.
    pub fn check(&self) -> io::Result<Checked> {
        let mut checked = Checked { hash_is_right: self.hash_is_right().unwrap_or(false), ..Checked::default() };
        let mut failure = None;
        for section in &self.footer.sections {
            for (at, block) in self.blocks(section).iter().enumerate() {
                match self.rows(section, at) {
                    Ok(rows) => checked.rows += rows.len() as u64,
                    Err(error) => {
                        checked.damaged.push((*section, *block));
                        if let BlockError::Io(error) = error {
                            failure = Some(error);
                        }
                    }
                }
            }
        }
        match failure {
            Some(error) if checked.rows == 0 => Err(error),
            _ => Ok(checked),
        }
    }

    /// Whether the bytes are those that were hashed when it was made.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn hash_is_right(&self) -> io::Result<bool> {
        let Some(trailer) = self.trailer() else { return Ok(false) };
        let (mut hasher, mut copy) = (Xxh3::new(), Vec::new());
        let (end, mut at) = (self.len - TRAILER_BYTES as u64, 0);
        while at < end {
            let next = end.min(at + (1 << 20));
            hasher.update(self.bytes_at(at..next, &mut copy)?);
            at = next;
        }
        Ok(hasher.digest128() == trailer.hash)
    }

    fn trailer(&self) -> Option<Trailer> {
        let mut copy = Vec::new();
        let bytes = self.bytes_at(self.len.checked_sub(TRAILER_BYTES as u64)?..self.len, &mut copy).ok()?;
        Trailer::read(bytes, self.len)
    }

    fn read_footer(&self) -> Option<Footer> {
        let trailer = self.trailer()?;
        let mut aligned = rkyv::util::AlignedVec::<16>::new();
        let mut copy = Vec::new();
        let range = trailer.footer_at..trailer.footer_at + u64::from(trailer.footer_bytes);
        aligned.extend_from_slice(self.bytes_at(range, &mut copy).ok()?);
        (checksum(&aligned) == trailer.footer_checksum).then_some(())?;
        let archived = rkyv::access::<ArchivedFooter, rancor::Error>(&aligned).ok()?;
        Some(Footer::from(archived)).filter(Footer::is_sound)
    }

    /// The index, from the blocks themselves. Runs are not told from one another by origin any more.
    fn footer_of_blocks(&self) -> io::Result<Footer> {
        let mut footer = Footer::default();
        let (mut at, mut copy) = (HEADER_RECORD_BYTES as u64, Vec::new());
        while at + HEADER_BYTES as u64 <= self.len {
            let bytes = self.bytes_at(at..at + HEADER_BYTES as u64, &mut copy)?;
            let header = header_at(self.identity, at, bytes).filter(|header| at + header.block_bytes() <= self.len);
            if let Some(header) = header {
                footer.add_block(at, &header);
            }
            at += header.map_or(64, |header| header.block_bytes());
        }
        footer.finish_blocks();
        self.add_runs(&mut footer);
        Ok(footer)
    }

    /// Runs of what can be read, for an index that was made from blocks.
    fn add_runs(&self, footer: &mut Footer) {
        // `rows` looks into `self.footer`, which is empty yet: blocks are read by their place.
        let mut runs = Vec::new();
        for section in &mut footer.sections {
            section.first_run = u32::try_from(runs.len()).unwrap_or(u32::MAX);
            let blocks = section.first_block as usize..(section.first_block + section.blocks) as usize;
            let keys = footer.blocks[blocks].iter().flat_map(|block| self.keys_of(block).unwrap_or_default());
            if Kind::from_number(section.kind).is_some_and(|kind| kind.schema().dense) {
                section.runs = extend_with(&mut runs, keys);
            }
        }
        footer.runs = runs;
    }

    fn keys_of(&self, index: &BlockIndex) -> Option<Vec<u64>> {
        let mut copy = Vec::new();
        let bytes = self.bytes_at(index.offset..index.offset + u64::from(index.bytes), &mut copy).ok()?;
        let header = header_at(self.identity, index.offset, bytes)?;
        let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize)?;
        (checksum(payload) == header.payload_checksum).then_some(())?;
        let mut keys = Vec::new();
        Block::of(header, payload).ok()?.column(0, 0..header.rows as usize, &mut keys).ok()?;
        Some(keys.into_iter().map(i64::cast_unsigned).collect())
    }

    /// The bytes of a range: in the map, or read into `copy`.
    fn bytes_at<'a>(&'a self, range: Range<u64>, copy: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        if range.start > range.end || range.end > self.len {
            return Err(short());
        }
        let place = |offset: u64| usize::try_from(offset).map_err(|_| short());
        let (start, end) = (place(range.start)?, place(range.end)?);
        if let Some(map) = &self.map {
            return map.get(start..end).ok_or_else(short);
        }
        copy.resize(end - start, 0);
        read_exact_at(&*self.file, copy, range.start)?;
        Ok(copy)
    }
}

fn extend_with(runs: &mut Vec<RunIndex>, keys: impl Iterator<Item = u64>) -> u32 {
    let first = runs.len();
    for key in keys {
        match runs[first..].last_mut() {
            Some(run) if run.last + 1 == key => run.last = key,
            _ => runs.push(RunIndex { first: key, last: key, origin: 0 }),
        }
    }
    u32::try_from(runs.len() - first).unwrap_or(u32::MAX)
}

impl Footer {
    fn add_block(&mut self, offset: u64, header: &BlockHeader) {
        let block = BlockIndex::of(offset, header);
        let same = |section: &&mut SectionIndex| {
            (section.contract, section.kind) == (header.contract, header.kind.number())
                && section.last_key < block.first_key
        };
        if let Some(section) = self.sections.last_mut().filter(same) {
            section.rows += u64::from(block.rows);
            section.last_key = block.last_key;
            section.first_time = section.first_time.min(block.first_time);
            section.last_time = section.last_time.max(block.last_time);
            section.blocks += 1;
        } else {
            let before = self.sections.last().map(|section| (section.contract, section.kind));
            let own = (header.contract, header.kind.number());
            self.sections.push(SectionIndex {
                contract: own.0,
                kind: own.1,
                // What does not ascend any more within a contract and kind are its conflicts, which stand behind it.
                role: u16::from(before == Some(own)),
                rows: u64::from(block.rows),
                first_key: block.first_key,
                last_key: block.last_key,
                first_time: block.first_time,
                last_time: block.last_time,
                first_block: u32::try_from(self.blocks.len()).unwrap_or(u32::MAX),
                blocks: 1,
                first_run: 0,
                runs: 0,
            });
        }
        self.blocks.push(block);
    }

    fn finish_blocks(&mut self) {
        self.sections.sort_by_key(|section| (section.contract, section.kind, section.role));
    }

    /// Whether every section's blocks and runs are there.
    fn is_sound(&self) -> bool {
        let within = |first: u32, count: u32, len: usize| (first as usize).saturating_add(count as usize) <= len;
        self.sections.iter().all(|section| {
            within(section.first_block, section.blocks, self.blocks.len())
                && within(section.first_run, section.runs, self.runs.len())
        })
    }
}
