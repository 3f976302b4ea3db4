//! Where in a zip are the bytes of its one entry, and what do they claim to be?
//!
//! The end record and the one header are looked at by hand first: the `zip` crate would take the word of either about how many
//! there are. It then reads the directory, and what it finds must be what was seen.

use crate::history::archive::{error::Cause, limits::Limits};
use std::io::{Read, Seek, SeekFrom};
use zip::{CompressionMethod, ZipArchive, read::ArchiveOffset, read::Config};

const END_BYTES: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const LOCATOR_BYTES: u64 = 20;
const LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";
const HEADER_BYTES: usize = 46;
const HEADER_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
/// The longest descriptor that may stand between an entry and the directory.
const DESCRIPTOR_BYTES_MAX: u64 = 24;
/// Flags that say nothing about what the bytes mean: how hard they were compressed, a descriptor, a name in UTF-8.
const FLAGS_KNOWN: u16 = 0b0000_1000_0000_1110;
/// Of a wrong name no more is repeated in an error.
const NAME_CHARS_MAX: usize = 64;

/// The one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its compressed bytes begin.
    pub(super) start: u64,
    /// Where they end.
    pub(super) end: u64,
    /// Whether they are deflated; otherwise they are as they are.
    pub(super) deflated: bool,
    /// How long the CSV is said to be.
    pub(super) csv_bytes: u64,
    /// What its CRC-32 is said to be.
    pub(super) crc: u32,
}

/// Finds the entry, which must be called `name`.
pub(super) fn open<F: Read + Seek>(file: &mut F, name: &str, limits: &Limits) -> Result<Entry, Cause> {
    let directory = end(file, limits)?;
    header(file, directory, name)?;
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, file).map_err(Cause::Directory)?;
    if archive.len() != 1 || archive.has_duplicate_names() || archive.central_directory_start() != directory.start {
        return Err(Cause::Layout);
    }
    let found = archive.by_index_raw(0).map_err(Cause::Directory)?;
    if found.name_raw() != name.as_bytes() {
        return Err(wrong_name(name, found.name_raw()));
    }
    let start = found.data_start().ok_or(Cause::Layout)?;
    let end = start.checked_add(found.compressed_size()).ok_or(Cause::Layout)?;
    let between = directory.start.checked_sub(end).ok_or(Cause::Layout)?;
    if found.header_start() != 0 || between > DESCRIPTOR_BYTES_MAX {
        return Err(Cause::Layout);
    }
    let deflated = found.compression() == CompressionMethod::Deflated;
    let entry = Entry { start, end, deflated, csv_bytes: found.size(), crc: found.crc32() };
    allowed(&entry, limits)?;
    Ok(entry)
}

/// Where the directory is.
#[derive(Clone, Copy)]
struct Directory {
    start: u64,
    bytes: u64,
}

/// What the end record says, which must be the last bytes of the file.
fn end<F: Read + Seek>(file: &mut F, limits: &Limits) -> Result<Directory, Cause> {
    let length = file.seek(SeekFrom::End(0))?;
    if length > limits.zip_bytes_max {
        return Err(Cause::ZipTooLong { bytes: length, bytes_max: limits.zip_bytes_max });
    }
    let at = length.checked_sub(END_BYTES as u64).ok_or(Cause::NoZip)?;
    let record: [u8; END_BYTES] = read_at(file, at)?;
    let [a, b, c, d, disk, disk_high, of, of_high, here, here_high, all, all_high, rest @ ..] = record;
    let [b0, b1, b2, b3, s0, s1, s2, s3, comment @ ..] = rest;
    if [a, b, c, d] != END_SIGNATURE || comment != [0, 0] {
        return Err(Cause::NoZip);
    }
    let entries = u16::from_le_bytes([all, all_high]);
    if entries != 1 {
        return Err(Cause::Entries(entries));
    }
    let bytes = u64::from(u32::from_le_bytes([b0, b1, b2, b3]));
    let start = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
    let one_disk = [disk, disk_high, of, of_high] == [0; 4] && [here, here_high] == [1, 0];
    if !one_disk || start + bytes != at || bytes < HEADER_BYTES as u64 || has_locator(file, at)? {
        return Err(Cause::Layout);
    }
    Ok(Directory { start, bytes })
}

/// Whether a second end record of the long form is announced before the end record at `at`.
fn has_locator<F: Read + Seek>(file: &mut F, at: u64) -> Result<bool, Cause> {
    match at.checked_sub(LOCATOR_BYTES) {
        Some(at) => Ok(read_at::<4, _>(file, at)? == LOCATOR_SIGNATURE),
        None => Ok(false),
    }
}

/// That the directory is one header, of an entry of that name whose bytes mean what they are.
fn header<F: Read + Seek>(file: &mut F, directory: Directory, name: &str) -> Result<(), Cause> {
    let header: [u8; HEADER_BYTES] = read_at(file, directory.start)?;
    let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if header[..4] != HEADER_SIGNATURE {
        return Err(Cause::Layout);
    }
    let (name_bytes, extra_bytes, comment_bytes) = (word(28), word(30), word(32));
    if [name_bytes, extra_bytes, comment_bytes].map(u64::from).iter().sum::<u64>() + HEADER_BYTES as u64
        != directory.bytes
    {
        return Err(Cause::Layout);
    }
    let mut found = vec![0; usize::from(name_bytes)];
    file.read_exact(&mut found)?;
    if found != name.as_bytes() {
        return Err(wrong_name(name, &found));
    }
    let (flags, method) = (word(8), word(10));
    if flags & !FLAGS_KNOWN != 0 {
        return Err(Cause::Flags(flags));
    }
    if matches!(method, 0 | 8) { Ok(()) } else { Err(Cause::Method(method)) }
}

/// That what the entry claims is within bounds. What it turns out to be may then not go beyond its claim.
fn allowed(entry: &Entry, limits: &Limits) -> Result<(), Cause> {
    let compressed = entry.end - entry.start;
    let bytes_max = limits.csv_bytes_max.min(limits.inflated_bytes_max(compressed));
    match entry.csv_bytes {
        0 => Err(Cause::Empty),
        bytes if bytes > bytes_max => Err(Cause::CsvTooLong { bytes, bytes_max }),
        bytes if !entry.deflated && bytes != compressed => Err(Cause::Size { declared: bytes, found: compressed }),
        _ => Ok(()),
    }
}

fn wrong_name(expected: &str, found: &[u8]) -> Cause {
    let found = String::from_utf8_lossy(found).chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect();
    Cause::EntryName { expected: expected.to_owned(), found }
}

fn read_at<const N: usize, F: Read + Seek>(file: &mut F, at: u64) -> Result<[u8; N], Cause> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
