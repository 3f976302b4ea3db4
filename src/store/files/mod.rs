//! Which operations on a disk does the store use, and what does each promise?
//!
//! Everything in `store` goes through [`Disk`] and [`File`]: the real disk, or the simulated one that loses, tears and
//! damages what a real one may. Paths are relative to the store's directory, with `/` between names.

#[cfg(test)]
mod contract;
mod map;
mod real;
mod simulated;

pub use map::Map;
pub use real::RealDisk;
pub use simulated::{Damage, Fault, Lasting, SimulatedDisk};

use std::{fmt, io, ops::Range, sync::Arc};

/// A directory tree that one store owns.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a file, open for writing. Fails with `AlreadyExists` when there is one. Its name survives a power cut once
    /// [`Disk::sync_dir`] of its directory has returned.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading only.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    fn open_to_write(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name in place of whatever had it. Atomic; durable once both directories are synced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file's name away. Whoever has it open or mapped keeps it.
    fn unlink(&self, path: &str) -> io::Result<()>;

    /// Creates a directory below an existing one; nothing happens when it exists.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Waits until every name in a directory (`""` is the root) is as durable as the disk makes it.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// The names in a directory, sorted, of files and directories alike.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// How many bytes may still be written.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes the writer's lock on an existing file, held until the value is dropped or the process ends. Nothing when
    /// another holds it.
    fn lock(&self, path: &str) -> io::Result<Option<Lock>>;
}

/// An open file. Writing and reading are positioned; nothing is ever stored through a map.
pub trait File: fmt::Debug + Send + Sync {
    /// Writes some of `bytes` at `offset` and says how many; may be interrupted. [`write_all_at`] goes on to the end.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Reads some bytes at `offset` and says how many; 0 at the end. [`read_exact_at`] goes on to the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// A read-only view of a range that lies within the file, aligned to 64 bytes if its start is. It stays valid when the
    /// file is unlinked; nobody may shrink the file.
    fn map(&self, range: Range<u64>) -> io::Result<Map>;

    /// Waits until what was written is as durable as the disk makes it. After a failure what was written since the last
    /// success may be lost although it can be read: never retry, condemn the file.
    fn sync(&self) -> io::Result<()>;

    /// Reserves room for a new, empty file of `len` bytes, which reads as zeros. On failure the file is empty again.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// How long it is.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The right to write to a store; see [`Disk::lock`].
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for what dropping it does")] Box<dyn fmt::Debug + Send + Sync>);

impl Lock {
    /// A lock that ends when `held` is dropped.
    pub fn new(held: impl fmt::Debug + Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

/// Writes all of `bytes`, through short writes and interruptions.
///
/// # Errors
///
/// The first real error; then how much was written is not known.
pub fn write_all_at(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `bytes` from the file, through short reads and interruptions.
///
/// # Errors
///
/// `UnexpectedEof` when the file ends before, or the first real error.
pub fn read_exact_at(file: &dyn File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Puts a small file in place of `path` in one step: readers and a power cut see the old one or the new one, whole.
///
/// # Errors
///
/// The first error; then the old file is still in place.
pub fn replace(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let (directory, temporary) = (parent(path), format!("{path}.new"));
    match disk.unlink(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    write_all_at(&*file, bytes, 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(directory)
}

/// A whole file, when it is no longer than `len_max`.
///
/// # Errors
///
/// When it cannot be read, or `FileTooLarge`.
pub fn read_whole(disk: &dyn Disk, path: &str, len_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = file.len()?;
    let size = usize::try_from(len).ok().filter(|_| len <= len_max).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; size];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}

/// Bytes read at once before they are mapped.
const READ_AHEAD_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// All bytes of a file, of which a bad sector takes no more than itself away. Touched in a map, it would end the process
/// (`SIGBUS`): so everything is read first, and mapped when it can be, else copied with ones for the pages that cannot.
///
/// # Errors
///
/// When nothing of it can be read.
pub fn readable(file: &dyn File) -> io::Result<Map> {
    let len = file.len()?;
    let mut bytes = vec![0; READ_AHEAD_BYTES];
    for at in (0..len).step_by(READ_AHEAD_BYTES) {
        let count = usize::try_from(len - at).map_or(READ_AHEAD_BYTES, |rest| rest.min(READ_AHEAD_BYTES));
        if let Err(error) = read_exact_at(file, &mut bytes[..count], at) {
            return rescued(file, len).map_err(|_| error);
        }
    }
    // Where the kernel has no more maps to give.
    file.map(0..len).or_else(|_| rescued(file, len))
}

/// A copy of the pages that can be read; an error when none can.
fn rescued(file: &dyn File, len: u64) -> io::Result<Map> {
    let size = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let (mut copy, mut failure, mut read) = (vec![0; size], None, 0);
    for (page, at) in copy.chunks_mut(PAGE_BYTES).zip((0..len).step_by(PAGE_BYTES)) {
        match read_exact_at(file, page, at) {
            Ok(()) => read += 1,
            Err(error) => {
                // Zeros would look like room that was never written to.
                page.fill(u8::MAX);
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if read == 0 => Err(error),
        _ => Ok(Map::copied(&copy)),
    }
}

/// The directory of a path; `""` is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
