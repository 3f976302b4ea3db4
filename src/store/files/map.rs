//! How are the bytes of a file seen without copying them?
//!
//! One of the files in which `unsafe` may appear.
#![expect(unsafe_code, reason = "a file map: the kernel may change what it shows")]

use memmap2::{Mmap, MmapOptions};
use std::{fs, io, ops::Deref, ops::Range};

/// The alignment of a map whose range begins at a multiple of it.
const ALIGNMENT: usize = 64;

/// A read-only view of a range of a file, or a copy of it with the same alignment.
#[derive(Debug)]
pub struct Map(View);

#[derive(Debug)]
enum View {
    Mapped(Mmap),
    Copied(rkyv::util::AlignedVec<ALIGNMENT>),
}

impl Map {
    /// Maps a range that lies within `file`.
    ///
    /// # Errors
    ///
    /// When the range reaches past the end, or the kernel refuses; `pread` may still work then.
    pub fn of(file: &fs::File, range: &Range<u64>) -> io::Result<Self> {
        if range.start > range.end || range.end > file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        // `MmapOptions` rounds the offset down to a page by itself.
        let len = usize::try_from(range.end - range.start).map_err(too_large)?;
        let mut options = MmapOptions::new();
        options.offset(range.start).len(len);
        // SAFETY: the bytes must not change while they are borrowed. `store` never shrinks a file, never stores through a
        // map, and writes by `pwrite` only beyond what a reader was told to read; the directory lock keeps other writers
        // out. Bytes are judged by checksum before they are trusted, and read as plain integers only.
        let map = unsafe { options.map(file) }?;
        Ok(Self(View::Mapped(map)))
    }

    /// A copy of bytes.
    pub fn copied(bytes: &[u8]) -> Self {
        let mut copy = rkyv::util::AlignedVec::with_capacity(bytes.len());
        copy.extend_from_slice(bytes);
        Self(View::Copied(copy))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            View::Mapped(map) => map,
            View::Copied(copy) => copy,
        }
    }
}
