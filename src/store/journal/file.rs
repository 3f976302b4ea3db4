//! What is a journal file, and how does one begin?
//!
//! A page of header, then room for frames, all of it allocated when the file is made. Nothing is ever written to it again
//! once it was left, condemned or found on a start.

use crate::{
    model::UnixMillis,
    store::{
        bytes::{Fields, Reader, checksum},
        files::{Disk, File, read_exact_at, write_all_at},
        journal::FileIdentity,
        record::{Kind, Rows},
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Where the first frame stands.
pub const HEADER_PAGE_BYTES: u64 = 4096;
/// Where journal files live.
pub const DIRECTORY: &str = "journal";

const RECORD_BYTES: usize = 128;
const MAGIC: u32 = u32::from_le_bytes(*b"TDJL");
const VERSION: u16 = 1;
const SUFFIX: &str = ".tdj";

/// A journal file, open.
#[derive(Debug)]
pub struct JournalFile {
    /// Which one.
    pub identity: FileIdentity,
    /// When it was made.
    pub created: UnixMillis,
    /// Room for header and frames.
    pub bytes: u64,
    /// Its header's checksum, which its first frame carries.
    pub checksum: u32,
    file: Arc<dyn File>,
    /// Whether something in it that was durable could not be read.
    damaged: AtomicBool,
}

/// Why a file in the journal's directory is none of this journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalFileError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It has no header that is whole.
    #[error("its header is damaged")]
    Header,
    /// A newer program wrote it.
    #[error("its format {0} is newer than this program's {VERSION}")]
    Newer(u16),
    /// It belongs to another store or is another file under this name.
    #[error("it is another store's or another file's")]
    Identity,
}

impl JournalFile {
    /// Makes a file with room for `bytes`; it and its name are durable afterwards.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails; what is left of the file is found and ignored by the next start.
    pub fn create(disk: &dyn Disk, identity: FileIdentity, bytes: u64, created: UnixMillis) -> io::Result<Self> {
        let path = path(identity);
        let file = disk.create(&path)?;
        let made = Self::fill(&*file, identity, bytes, created).and_then(|checksum| {
            disk.sync_dir(DIRECTORY)?;
            Ok(checksum)
        });
        let checksum = made.inspect_err(|_| {
            // It holds nothing: gone, it takes no room on a disk that may be full. If that fails, too, it is ignored.
            disk.unlink(&path).unwrap_or_default();
        })?;
        Ok(Self { identity, created, bytes, checksum, file, damaged: AtomicBool::new(false) })
    }

    fn fill(file: &dyn File, identity: FileIdentity, bytes: u64, created: UnixMillis) -> io::Result<u32> {
        file.allocate(bytes)?;
        let mut fields = Fields::with_capacity(RECORD_BYTES);
        fields.u32(MAGIC).u16(VERSION).u16(0);
        fields.u128(identity.store).u32(identity.shard).u32(identity.number);
        fields.u64(bytes).i64(created.get());
        let record = fields.sealed(RECORD_BYTES);
        write_all_at(file, &record, 0)?;
        file.sync()?;
        Ok(record.last_chunk().copied().map_or(0, u32::from_le_bytes))
    }

    /// Opens the file under `name`, which must be the one that its name says.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn open(disk: &dyn Disk, store: u128, name: &str) -> Result<Self, JournalFileError> {
        let opened = Self::open_at(disk, &format!("{DIRECTORY}/{name}"))?;
        let identity = opened.identity;
        if identity.store != store || number_of(name) != Some((identity.shard, identity.number)) {
            return Err(JournalFileError::Identity);
        }
        Ok(opened)
    }

    /// Opens the journal file at `path`, whichever it is.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn open_at(disk: &dyn Disk, path: &str) -> Result<Self, JournalFileError> {
        let file = disk.open(path)?;
        let mut record = [0; RECORD_BYTES];
        read_exact_at(&*file, &mut record, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => JournalFileError::Header,
            _ => JournalFileError::Io(error),
        })?;
        let mut reader = Reader::unsealed(&record, RECORD_BYTES).ok_or(JournalFileError::Header)?;
        let (magic, version, _) = (reader.u32(), reader.u16(), reader.u16());
        match (magic, version) {
            (MAGIC, VERSION) => {}
            (MAGIC, newer) => return Err(JournalFileError::Newer(newer)),
            _ => return Err(JournalFileError::Header),
        }
        let identity = FileIdentity { store: reader.u128(), shard: reader.u32(), number: reader.u32() };
        let (bytes, created) = (reader.u64(), UnixMillis::new(reader.i64()));
        let checksum = record.last_chunk().copied().map_or(0, u32::from_le_bytes);
        Ok(Self { identity, created, bytes, checksum, file, damaged: AtomicBool::new(false) })
    }

    /// Opens the file under `name` without regard to its header, which is damaged: name and store say all that it did.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or the name is no journal file's.
    pub fn open_headless(disk: &dyn Disk, store: u128, name: &str) -> io::Result<Self> {
        let (shard, number) = number_of(name).ok_or(io::ErrorKind::InvalidFilename)?;
        let file = disk.open(&format!("{DIRECTORY}/{name}"))?;
        Self::headless(file, FileIdentity { store, shard, number })
    }

    /// A file whose header is damaged, and of which something else says which it is.
    ///
    /// # Errors
    ///
    /// When its length cannot be read.
    pub fn headless(file: Arc<dyn File>, identity: FileIdentity) -> io::Result<Self> {
        Ok(Self {
            identity,
            created: UnixMillis::new(0),
            bytes: file.len()?,
            checksum: 0,
            file,
            damaged: AtomicBool::new(true),
        })
    }

    /// Notes that something in it that was durable cannot be read: it is put aside, not removed, when it is sealed.
    pub fn note_damage(&self) {
        // Relaxed: the flag stands for itself.
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Whether something in it that was durable cannot be read.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The file itself.
    pub fn file(&self) -> &dyn File {
        &*self.file
    }

    /// Its path in the store.
    pub fn path(&self) -> String {
        path(self.identity)
    }

    /// Rows whose words stand at `offset` and have that checksum: the medium is not trusted to keep them.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or `InvalidData` when they are not what they were.
    pub fn rows(&self, kind: Kind, offset: u64, count: usize, sum: u32) -> io::Result<Rows> {
        let mut bytes = vec![0; count * kind.width() * size_of::<u64>()];
        read_exact_at(&*self.file, &mut bytes, offset)?;
        if checksum(&bytes) != sum {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (words, _) = bytes.as_chunks::<8>();
        let mut rows = Rows::with_capacity(kind, count);
        rows.extend_from_words(words.iter().map(|word| u64::from_le_bytes(*word)));
        Ok(rows)
    }
}

fn path(identity: FileIdentity) -> String {
    format!("{DIRECTORY}/{:04}-{:08}{SUFFIX}", identity.shard, identity.number)
}

/// Shard and number of a journal file's name; nothing for another name.
pub fn number_of(name: &str) -> Option<(u32, u32)> {
    let (shard, number) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    (shard.len() == 4 && number.len() == 8).then_some(())?;
    Some((shard.parse().ok()?, number.parse().ok()?))
}
