//! Why is a file of the archive not taken?

use crate::exchange::binance::archive::{RowError, Sha256};
use std::{fmt, io};

/// Why there are no rows to adopt.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The file cannot be read, or is not what it should be.
    #[error("{name}: {cause}")]
    Refused {
        /// The file's name, as it should be.
        name: String,
        /// What is wrong with it.
        cause: Cause,
    },
    /// The caller could not stage rows.
    #[error("cannot stage rows of the archive")]
    Staging(#[source] E),
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It cannot be read, or no thread can be started.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// Its bytes are not those that the venue summed up: download both again. Everything else is said only of files whose sum
    /// is right, so it is the venue's doing.
    #[error("its sha-256 is {}, its CHECKSUM says {}", Hex(.found), Hex(.expected))]
    Checksum {
        /// As published.
        expected: Sha256,
        /// As found.
        found: Sha256,
    },
    /// Longer than allowed.
    #[error("it has {bytes} bytes, at most {bytes_max} are read")]
    ZipTooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// No end of a zip where it should be: cut off, extended, or no zip at all.
    #[error("it does not end as a zip does")]
    NoZip,
    /// A form that only several or huge entries need, or parts that do not join without gaps.
    #[error("its parts are not laid out as those of one entry")]
    Layout,
    /// Not one entry.
    #[error("it has {0} entries instead of one")]
    Entries(u16),
    /// An entry of another name.
    #[error("its entry is called `{found}` instead of `{expected}`")]
    EntryName {
        /// As it should be.
        expected: String,
        /// As it is, shortened: it is a label for people, never a path.
        found: String,
    },
    /// Encrypted, patched, or with another flag that changes what its bytes mean.
    #[error("its entry has flags {0:#06x}")]
    Flags(u16),
    /// Neither deflated nor stored.
    #[error("its entry is compressed by method {0}")]
    Method(u16),
    /// The directory is not understood.
    #[error("its directory is damaged: {0}")]
    Directory(#[source] zip::result::ZipError),
    /// Nothing in it, not even a header.
    #[error("its entry is empty")]
    Empty,
    /// The CSV would be longer than allowed.
    #[error("its entry would have {bytes} bytes, at most {bytes_max} are inflated from what it is")]
    CsvTooLong {
        /// As declared.
        bytes: u64,
        /// The limit, by length or by ratio.
        bytes_max: u64,
    },
    /// The compressed bytes mean nothing.
    #[error("its entry cannot be inflated")]
    Deflate,
    /// The compressed bytes end before or after the entry does.
    #[error("its entry's compressed bytes end in the wrong place")]
    StreamEnd,
    /// The CSV is not as long as declared.
    #[error("its entry has {found} bytes or more, {declared} are declared")]
    Size {
        /// As declared.
        declared: u64,
        /// As many as were inflated.
        found: u64,
    },
    /// The CSV is not the one that was compressed.
    #[error("its entry's CRC-32 is {found:08x}, {declared:08x} is declared")]
    Crc {
        /// As declared.
        declared: u32,
        /// As found.
        found: u32,
    },
    /// A line without an end in sight.
    #[error("a line is longer than {} bytes", super::LINE_BYTES_MAX)]
    LineTooLong,
    /// The last line has no line feed.
    #[error("its last line is cut off")]
    LastLine,
    /// A first line that is neither a row nor the header of this dataset.
    #[error("it begins with `{0}`, which is no header of these rows")]
    Header(String),
    /// A row that is not understood.
    #[error("line {line}: {source}")]
    Row {
        /// From 1, the header counted.
        line: u64,
        /// Why not.
        source: RowError,
    },
    /// Rows, but none of the period that its name says.
    #[error("its rows are of another time than its name says")]
    OtherPeriod,
    /// Rows so far out of order that sorting them would take too long.
    #[error("its rows are too far out of order: sorting them takes more than {strips_max} readings")]
    Scattered {
        /// The limit.
        strips_max: usize,
    },
}

struct Hex<'a>(&'a Sha256);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
