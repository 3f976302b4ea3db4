//! What can be wrong in a store, said to a person?

use crate::{
    model::IdRange,
    store::{journal::Cause, journal::Unreadable, record::Kind},
};
use std::{fmt, ops::Range};

/// Something in a store that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The end of a journal file had not been synced: ordinary while a writer runs, and after a crash.
    TornTail(Range<u64>),
    /// A journal file is being made, or was when the power went.
    Unfinished,
    /// A segment that the manifest does not list yet: ordinary while a writer runs, and after a crash.
    Unlisted,
    /// There is no manifest that can be read, though there are files that it should list.
    ManifestLost,
    /// The ledger is damaged; the next start begins it anew, and what it said is asked for again.
    LedgerLost,
    /// The manifest says something else of a segment than the segment itself.
    CacheDiffers,
    /// A listed segment is not there.
    Missing,
    /// It is another store's, or another file under this name.
    Foreign,
    /// Its header is damaged.
    HeaderDamaged,
    /// Synced frames were changed.
    FramesDamaged(Range<u64>),
    /// So many frames are missing before this file.
    FramesMissing(u64),
    /// Its index was lost; the blocks are still there.
    FooterLost,
    /// The index says something else of a section than its blocks.
    FooterDiffers {
        /// The contract's number.
        contract: u32,
        /// What the rows are.
        kind: Kind,
    },
    /// A block was changed: its keys cannot be served.
    BlockDamaged {
        /// Where it stands.
        bytes: Range<u64>,
        /// The contract's number.
        contract: u32,
        /// What the rows are.
        kind: Kind,
        /// Lowest and highest key in it.
        keys: IdRange,
    },
    /// Bytes were changed, though none that rows are read from.
    HashDiffers,
    /// It cannot be read at all.
    Unreadable(String),
}

impl Finding {
    pub(super) fn new(path: impl Into<String>, problem: Problem) -> Self {
        Self { path: path.into(), problem }
    }

    /// What the scan of a journal file says of a stretch.
    pub(super) fn unreadable(path: &str, unreadable: Unreadable) -> Self {
        let problem = match unreadable.cause {
            Cause::Torn => Problem::TornTail(unreadable.bytes),
            Cause::Corrupt => Problem::FramesDamaged(unreadable.bytes),
        };
        Self::new(path, problem)
    }

    /// Whether something that was durable is lost or was changed, rather than something that is ordinary.
    pub fn is_damage(&self) -> bool {
        !matches!(self.problem, Problem::TornTail(_) | Problem::Unfinished | Problem::Unlisted)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail(bytes) => write!(f, "bytes {} to {} are not synced (ordinary)", bytes.start, bytes.end),
            Self::Unfinished => f.write_str("is being made and holds nothing (ordinary)"),
            Self::Unlisted => f.write_str("is not listed yet (ordinary)"),
            Self::ManifestLost => f.write_str("is missing or damaged; it can be made anew from the files"),
            Self::LedgerLost => f.write_str("is damaged; what it said of absent ids is asked for again"),
            Self::CacheDiffers => f.write_str("differs from what the manifest says of it"),
            Self::Missing => f.write_str("is listed and not there"),
            Self::Foreign => f.write_str("belongs to another store, or is another file under this name"),
            Self::HeaderDamaged => f.write_str("its header is damaged"),
            Self::FramesDamaged(bytes) => {
                write!(f, "bytes {} to {} were synced and are changed", bytes.start, bytes.end)
            }
            Self::FramesMissing(frames) => write!(f, "{frames} frames are missing before it"),
            Self::FooterLost => f.write_str("its index is lost; it can be made anew from its blocks"),
            Self::FooterDiffers { contract, kind } => {
                write!(f, "its index differs from the {} of contract {contract}", kind.schema().name)
            }
            Self::BlockDamaged { bytes, contract, kind, keys } => {
                let (name, first, last) = (kind.schema().name, keys.first, keys.last);
                write!(f, "bytes {} to {} are changed: ", bytes.start, bytes.end)?;
                write!(f, "{name} {first} to {last} of contract {contract} cannot be read")
            }
            Self::HashDiffers => f.write_str("its bytes differ from those that were hashed"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}
