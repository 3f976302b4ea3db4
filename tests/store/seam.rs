//! What can stand between a store and its simulated disk: one who looks at every call, and planted bugs?

use std::{
    fmt, io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};
use tapedeck::store::files::{Disk, File, Lock, Map, SimulatedDisk};

/// Is called before every call of disk and files.
pub(crate) type Look = Box<dyn FnMut() + Send>;

/// A mistake that the store might make with its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Names are never made durable.
    NoDirectorySync,
    /// What is written to the journal is called durable at once.
    NoSync,
    /// A failed write or sync passes for one that worked.
    SwallowedErrors,
    /// A failed sync is tried again, and its second success believed.
    RetriedSync,
}

/// A disk seen through the seam.
#[derive(Clone)]
pub(crate) struct Seam {
    disk: SimulatedDisk,
    shared: Arc<Shared>,
}

struct Shared {
    bug: Option<Bug>,
    look: Mutex<Option<Look>>,
}

impl Shared {
    fn look(&self) {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = &mut *look {
            look();
        }
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seam")
    }
}

impl Seam {
    pub(crate) fn new(disk: &SimulatedDisk, bug: Option<Bug>) -> Self {
        Self { disk: disk.clone(), shared: Arc::new(Shared { bug, look: Mutex::new(None) }) }
    }

    /// From now on `look` sees every call before it is made.
    pub(crate) fn watch(&self, look: Option<Look>) {
        *self.shared.look.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    pub(crate) fn arc(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn file(&self, path: &str, file: Arc<dyn File>) -> Arc<dyn File> {
        let bug = self.shared.bug.filter(|bug| *bug != Bug::NoSync || path.starts_with("journal/"));
        Arc::new(SeamFile { file, bug, shared: Arc::clone(&self.shared) })
    }
}

impl Disk for Seam {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.shared.look();
        Ok(self.file(path, self.disk.create(path)?))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.shared.look();
        Ok(self.file(path, self.disk.open(path)?))
    }

    fn open_to_write(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.shared.look();
        Ok(self.file(path, self.disk.open_to_write(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.shared.look();
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.shared.look();
        self.disk.unlink(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.shared.look();
        self.disk.create_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.shared.look();
        if self.shared.bug == Some(Bug::NoDirectorySync) { Ok(()) } else { self.disk.sync_dir(path) }
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.shared.look();
        self.disk.list(path)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.shared.look();
        self.disk.free_bytes()
    }

    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        self.shared.look();
        self.disk.lock(path)
    }
}

struct SeamFile {
    file: Arc<dyn File>,
    bug: Option<Bug>,
    shared: Arc<Shared>,
}

impl fmt::Debug for SeamFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl SeamFile {
    fn swallows(&self) -> bool {
        self.bug == Some(Bug::SwallowedErrors)
    }
}

impl File for SeamFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.shared.look();
        let written = self.file.write_at(bytes, offset);
        if self.swallows() { Ok(written.unwrap_or(bytes.len())) } else { written }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.shared.look();
        self.file.read_at(bytes, offset)
    }

    fn map(&self, range: Range<u64>) -> io::Result<Map> {
        self.shared.look();
        self.file.map(range)
    }

    fn sync(&self) -> io::Result<()> {
        self.shared.look();
        match self.bug {
            Some(Bug::NoSync) => Ok(()),
            Some(Bug::SwallowedErrors) => self.file.sync().or(Ok(())),
            Some(Bug::RetriedSync) => self.file.sync().or_else(|_| self.file.sync()),
            Some(Bug::NoDirectorySync) | None => self.file.sync(),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.shared.look();
        self.file.allocate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.shared.look();
        self.file.len()
    }
}
