//! How does the machine's own disk do what [`Disk`] promises?

use crate::store::files::{Disk, File, Lock, Map};
use rustix::fs::{FallocateFlags, fallocate, fdatasync, fsync, ftruncate, statvfs};
use std::{
    fs::{self, OpenOptions, TryLockError},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A directory on a disk of this machine.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The tree below `root`, which exists.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn open_with(&self, path: &str, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(options.open(self.path(path))?)))
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.open_with(path, OpenOptions::new().read(true).write(true).create_new(true))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.open_with(path, OpenOptions::new().read(true))
    }

    fn open_to_write(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.open_with(path, OpenOptions::new().read(true).write(true))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        match fs::create_dir(self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.path(path).is_dir() => Ok(()),
            result => result,
        }
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        Ok(fsync(fs::File::open(self.path(path))?)?)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.path(path))?.collect::<io::Result<Vec<_>>>()?;
        // The store names its own files in ASCII; a stranger's file that is not UTF-8 is none of them.
        let mut names: Vec<_> = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn map(&self, range: Range<u64>) -> io::Result<Map> {
        Map::of(&self.0, &range)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fdatasync(&self.0)?)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        fallocate(&self.0, FallocateFlags::empty(), 0, len).or_else(|error| {
            // ext4 leaves a file longer whose allocation failed; nobody has mapped this one yet.
            ftruncate(&self.0, 0)?;
            Err(error.into())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
