//! Which files make up the store, and what is in them, without opening them?
//!
//! The manifest is replaced in one step and by the storage thread alone. It is a list of what else is there: lost or
//! damaged, it is made anew from the files themselves.

use crate::{
    model::UnixMillis,
    store::{
        bytes::{Fields, Reader, checksum},
        files::{self, Disk},
        record::{ContractRow, Kind, Record as _, Rows},
        segment::{Footer, RunIndex, SectionIndex},
        shelf::SealedPart,
    },
};
use rkyv::rancor;
use std::{io, sync::Arc};

/// Its file.
pub const MANIFEST_FILE: &str = "MANIFEST";

const RECORD_BYTES: usize = 64;
const MAGIC: u32 = u32::from_le_bytes(*b"TDMF");
const VERSION: u16 = 1;
const BYTES_MAX: u64 = 1 << 30;

/// How long a stretch a segment holds, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One or a few journal files of a shard.
    Hour,
    /// A day of a shard.
    Day,
    /// A month of a contract.
    Month,
    /// Back-filled trades of a contract.
    Fill,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Fill];

    /// Its directory.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Fill => "fill",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Hour => 0,
            Self::Day => 1,
            Self::Month => 2,
            Self::Fill => 3,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }
}

/// A segment as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Its number.
    pub number: u64,
    /// Its level, and so its directory.
    pub level: Level,
    /// Its length.
    pub bytes: u64,
    /// Its footer's sections and runs; the blocks are left in the file.
    pub footer: Footer,
}

impl SegmentEntry {
    /// The entry of a segment with that footer.
    pub(super) fn new(number: u64, level: Level, bytes: u64, mut footer: Footer) -> Self {
        footer.blocks = Vec::new();
        footer.replaces = Vec::new();
        // What is derived is looked for in the segment itself, once it is open.
        footer.sections.retain(|section| Kind::from_number(section.kind).is_none_or(|kind| !kind.is_derived()));
        Self { number, level, bytes, footer }
    }

    /// Its path in the store.
    pub fn path(&self) -> String {
        path(self.level, self.number)
    }

    /// What it holds, and what differs from that, for the shelf of each section.
    pub fn parts(&self) -> impl Iterator<Item = (u32, Kind, SealedPart)> {
        let path: Arc<str> = self.path().into();
        self.footer.sections.iter().filter_map(move |section| {
            let runs = self.runs_of(section).into();
            let (path, is_fill) = (Arc::clone(&path), self.level == Level::Fill);
            let part =
                SealedPart { segment: self.number, path, is_fill, section: *section, runs, lost: Arc::default() };
            let kind = Kind::from_number(section.kind).filter(|kind| !kind.is_derived())?;
            Some((section.contract, kind, part))
        })
    }
}

impl SegmentEntry {
    /// The sections of a contract and kind, what is held first.
    pub fn sections_of(&self, contract: u32, kind: Kind) -> impl Iterator<Item = &SectionIndex> {
        self.footer.sections.iter().filter(move |section| (section.contract, section.kind) == (contract, kind.number()))
    }

    /// The sections of contracts' records, not of the contracts themselves.
    pub fn record_sections(&self) -> impl Iterator<Item = &SectionIndex> {
        self.footer.sections.iter().filter(|section| section.kind != Kind::Contract.number())
    }

    /// Whether it holds records of one contract only.
    pub fn is_only_of(&self, contract: u32) -> bool {
        self.record_sections().all(|section| section.contract == contract)
    }

    /// The contract whose records it holds, if there is only one.
    pub fn only_contract(&self) -> Option<u32> {
        let contract = self.record_sections().next()?.contract;
        self.is_only_of(contract).then_some(contract)
    }

    /// The runs of a section.
    pub fn runs_of(&self, section: &SectionIndex) -> &[RunIndex] {
        let first = section.first_run as usize;
        self.footer.runs.get(first..first + section.runs as usize).unwrap_or_default()
    }
}

/// The path of a segment.
pub fn path(level: Level, number: u64) -> String {
    format!("{}/{number:012}.tds", level.directory())
}

/// The number of a segment's name; nothing for another name.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".tds")?;
    (digits.len() == 12).then(|| digits.parse().ok())?
}

/// What the store consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Counts its replacements.
    pub generation: u64,
    /// The next segment's number.
    pub next_segment: u64,
    /// Every contract, by number.
    pub contracts: Vec<ContractRow>,
    /// By shard, the journal files below that number are sealed.
    pub journals: Vec<(u32, u32)>,
    /// Every segment.
    pub segments: Vec<SegmentEntry>,
    /// Journal files, by shard, that could not be read and may be next time. Not written.
    pub(super) unread: Vec<(u32, u32)>,
}

/// The form in which it is written.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
struct Archive {
    contracts: Vec<u64>,
    journals: Vec<(u32, u32)>,
    segments: Vec<SegmentRecord>,
    sections: Vec<SectionIndex>,
    runs: Vec<RunIndex>,
}

#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
struct SegmentRecord {
    number: u64,
    bytes: u64,
    level: u32,
    sections: u32,
    runs: u32,
}

impl Manifest {
    /// Puts it in place of the last one.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails; then the last one is still in place.
    pub fn write(&mut self, disk: &dyn Disk, store: u128, now: UnixMillis) -> io::Result<()> {
        let generation = self.generation + 1;
        let body = rkyv::to_bytes::<rancor::Error>(&self.archive()).map_err(io::Error::other)?;
        let mut fields = Fields::with_capacity(RECORD_BYTES);
        fields.u32(MAGIC).u16(VERSION).u16(0).u128(store).u64(generation).u64(self.next_segment).i64(now.get());
        fields.u32(checksum(&body));
        let mut bytes = fields.sealed(RECORD_BYTES);
        bytes.extend_from_slice(&body);
        files::replace(disk, MANIFEST_FILE, &bytes)?;
        self.generation = generation;
        Ok(())
    }

    /// The version of a manifest that is whole and that a newer program wrote.
    pub fn newer_version(disk: &dyn Disk) -> Option<u16> {
        let mut record = [0; RECORD_BYTES];
        files::read_exact_at(&*disk.open(MANIFEST_FILE).ok()?, &mut record, 0).ok()?;
        let mut reader = Reader::unsealed(&record, RECORD_BYTES)?;
        let (magic, version) = (reader.u32(), reader.u16());
        (magic == MAGIC && version > VERSION).then_some(version)
    }

    /// Reads it; nothing when there is none that is whole and this store's.
    pub fn read(disk: &dyn Disk, store: u128) -> Option<Self> {
        let bytes = files::read_whole(disk, MANIFEST_FILE, BYTES_MAX).ok()?;
        Self::parse(&bytes).filter(|(own, _)| *own == store).map(|(_, manifest)| manifest)
    }

    /// The manifest that a file holds, and whose it is; nothing when it is not whole.
    pub fn parse(bytes: &[u8]) -> Option<(u128, Self)> {
        let mut reader = Reader::unsealed(bytes, RECORD_BYTES)?;
        let known = (reader.u32(), reader.u16(), reader.u16()) == (MAGIC, VERSION, 0);
        let store = reader.u128();
        let (generation, next_segment, _) = (reader.u64(), reader.u64(), reader.i64());
        let sum = reader.u32();
        let mut body = rkyv::util::AlignedVec::<16>::new();
        body.extend_from_slice(&bytes[RECORD_BYTES..]);
        (known && checksum(&body) == sum).then_some(())?;
        let archive = rkyv::access::<ArchivedArchive, rancor::Error>(&body).ok()?;
        let contracts = archive.contracts.iter().map(|word| word.to_native());
        let mut rows = Rows::new(Kind::Contract);
        rows.extend_from_words(contracts);
        let manifest = Self {
            generation,
            next_segment,
            contracts: rows.records().collect(),
            journals: archive.journals.iter().map(|pair| (pair.0.to_native(), pair.1.to_native())).collect(),
            segments: segments_of(archive)?,
            unread: Vec::new(),
        };
        Some((store, manifest))
    }

    fn archive(&self) -> Archive {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let mut archive = Archive { journals: self.journals.clone(), ..Archive::default() };
        self.contracts.iter().for_each(|row| row.write(&mut archive.contracts));
        for entry in &self.segments {
            archive.segments.push(SegmentRecord {
                number: entry.number,
                bytes: entry.bytes,
                level: entry.level.number(),
                sections: count(entry.footer.sections.len()),
                runs: count(entry.footer.runs.len()),
            });
            archive.sections.extend_from_slice(&entry.footer.sections);
            archive.runs.extend_from_slice(&entry.footer.runs);
        }
        archive
    }

    /// Takes a segment off the list, or only the sections of one contract: then it stays listed while any other is left.
    pub fn take(&mut self, number: u64, contract: Option<u32>) {
        let is_left = |entry: &mut SegmentEntry| {
            let Some(contract) = contract.filter(|_| entry.number == number) else { return entry.number != number };
            let own = |section: &SectionIndex| section.contract == contract && section.kind != Kind::Contract.number();
            entry.footer.sections.retain(|section| !own(section));
            entry.record_sections().next().is_some()
        };
        self.segments.retain_mut(is_left);
    }

    /// The first journal file of a shard that is not sealed.
    pub fn sealed_below(&self, shard: u32) -> u32 {
        self.journals.iter().find(|(own, _)| *own == shard).map_or(0, |(_, number)| *number)
    }

    /// Notes that a shard's journal files below `number` are sealed, those that could not be read excepted: what is called
    /// sealed is taken away at the next start.
    pub fn seal_below(&mut self, shard: u32, number: u32) {
        let unread = self.unread.iter().filter(|(own, _)| *own == shard).map(|(_, number)| *number).min();
        let number = number.min(unread.unwrap_or(u32::MAX));
        match self.journals.iter_mut().find(|(own, _)| *own == shard) {
            Some((_, below)) => *below = number.max(*below),
            None => self.journals.push((shard, number)),
        }
    }
}

fn segments_of(archive: &ArchivedArchive) -> Option<Vec<SegmentEntry>> {
    let (mut sections, mut runs) = (archive.sections.as_slice(), archive.runs.as_slice());
    let segment = |record: &ArchivedSegmentRecord| {
        let (own_sections, rest) = sections.split_at_checked(record.sections.to_native() as usize)?;
        sections = rest;
        let (own_runs, rest) = runs.split_at_checked(record.runs.to_native() as usize)?;
        runs = rest;
        Some(SegmentEntry {
            number: record.number.to_native(),
            level: Level::from_number(record.level.to_native())?,
            bytes: record.bytes.to_native(),
            footer: Footer {
                sections: own_sections.iter().map(SectionIndex::from).collect(),
                blocks: Vec::new(),
                runs: own_runs.iter().map(RunIndex::from).collect(),
                replaces: Vec::new(),
            },
        })
    };
    archive.segments.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_laid_out_as_the_format_says() {
        assert_eq!((size_of::<ArchivedArchive>(), align_of::<ArchivedArchive>()), (40, 4));
        assert_eq!((size_of::<ArchivedSegmentRecord>(), align_of::<ArchivedSegmentRecord>()), (32, 8));
    }
}
