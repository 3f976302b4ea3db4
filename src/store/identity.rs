//! Whose is this directory, and may this program write to it?

use crate::{
    model::UnixMillis,
    store::{
        bytes::{Fields, Reader},
        files::{self, Disk, Lock},
    },
};
use std::io;

/// The file that says what a directory is, and that the writer locks.
pub const STORE_FILE: &str = "STORE";

const RECORD_BYTES: usize = 512;
const VENUE_BYTES_MAX: usize = 256;
const MAGIC: u32 = u32::from_le_bytes(*b"TDST");
const VERSION: u16 = 1;

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A random number that stands in each of its files.
    pub store: u128,
    /// Which venue it records: a host, or the simulated exchange with its seed.
    pub venue: String,
    /// When it was made.
    pub created: UnixMillis,
}

/// Why a directory is not used as a store.
#[expect(clippy::module_name_repetitions, reason = "it is named outside this module")]
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read or written.
    #[error("{STORE_FILE} cannot be read or written")]
    Io(#[from] io::Error),
    /// There is no store.
    #[error("there is no store: {STORE_FILE} is missing")]
    Missing,
    /// The file is not what a store writes.
    #[error("{STORE_FILE} is damaged; put back a copy of it, every other file names the same store")]
    Damaged,
    /// Another version wrote it.
    #[error("{STORE_FILE} has format {0}, this program knows {VERSION}: run the program that wrote it")]
    Newer(u16),
    /// It records something else.
    #[error("the store records `{found}`, not `{wanted}`: point store.dir to another directory")]
    OtherVenue {
        /// What it records.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// Another process writes to it.
    #[error("another process writes to this store")]
    Locked,
}

impl Identity {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When there is none, or none that this program knows.
    pub fn read(disk: &dyn Disk) -> Result<Self, IdentityError> {
        let bytes = files::read_whole(disk, STORE_FILE, RECORD_BYTES as u64).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => IdentityError::Missing,
            io::ErrorKind::FileTooLarge => IdentityError::Damaged,
            _ => IdentityError::Io(error),
        })?;
        let mut reader = Reader::unsealed(&bytes, RECORD_BYTES).ok_or(IdentityError::Damaged)?;
        let (magic, version, venue_bytes) = (reader.u32(), reader.u16(), reader.u16());
        if magic != MAGIC {
            return Err(IdentityError::Damaged);
        }
        if version != VERSION {
            return Err(IdentityError::Newer(version));
        }
        let (store, created) = (reader.u128(), UnixMillis::new(reader.i64()));
        let venue = String::from_utf8(reader.bytes(usize::from(venue_bytes)).to_vec());
        Ok(Self { store, created, venue: venue.map_err(|_| IdentityError::Damaged)? })
    }

    /// Writes it into a directory that has none.
    ///
    /// # Errors
    ///
    /// When the disk fails, or the venue's name is longer than 256 bytes.
    pub fn write(&self, disk: &dyn Disk) -> Result<(), IdentityError> {
        let length = u16::try_from(self.venue.len()).ok().filter(|_| self.venue.len() <= VENUE_BYTES_MAX);
        let mut fields = Fields::with_capacity(RECORD_BYTES);
        fields.u32(MAGIC).u16(VERSION).u16(length.ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from)?);
        fields.u128(self.store).i64(self.created.get()).bytes(self.venue.as_bytes());
        Ok(files::replace(disk, STORE_FILE, &fields.sealed(RECORD_BYTES))?)
    }

    /// The store of `wanted.venue` in this directory, made if there is none, with the right to write to it.
    ///
    /// # Errors
    ///
    /// When it is another's, or in use.
    pub fn claim(disk: &dyn Disk, wanted: &Self) -> Result<(Self, Lock), IdentityError> {
        let found = match Self::read(disk) {
            Err(IdentityError::Missing) => {
                wanted.write(disk)?;
                wanted.clone()
            }
            found => found?,
        };
        if found.venue != wanted.venue {
            return Err(IdentityError::OtherVenue { found: found.venue, wanted: wanted.venue.clone() });
        }
        let lock = disk.lock(STORE_FILE)?.ok_or(IdentityError::Locked)?;
        Ok((found, lock))
    }
}
