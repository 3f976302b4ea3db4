//! Where does a download lie until it has been read?

use crate::store::files::{self, Disk, File};
use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Below the store's directory. Nothing in it outlives the process that put it there.
const DIRECTORY: &str = "staging";

/// A directory of the store for what is on its way in.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    next: AtomicU64,
}

impl Staging {
    /// Makes the directory, and empties it of what an earlier process left. Only whoever holds the store's lock may do so.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn open(disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.create_dir(DIRECTORY)?;
        for name in disk.list(DIRECTORY)? {
            disk.unlink(&format!("{DIRECTORY}/{name}"))?;
        }
        Ok(Self { disk, next: AtomicU64::new(1) })
    }

    /// An empty file.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails.
    pub fn create(&self) -> io::Result<Staged> {
        // A number that only has to differ: `Relaxed` serves.
        let path = format!("{DIRECTORY}/{:08}.zip", self.next.fetch_add(1, Ordering::Relaxed));
        let file = self.disk.create(&path)?;
        Ok(Staged { disk: Arc::clone(&self.disk), path, file, len: 0, at: 0 })
    }
}

/// A file that is removed when it is dropped.
#[derive(Debug)]
pub struct Staged {
    disk: Arc<dyn Disk>,
    path: String,
    file: Arc<dyn File>,
    len: u64,
    at: u64,
}

impl Staged {
    /// Adds bytes at its end, on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails.
    pub async fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (file, at, count) = (Arc::clone(&self.file), self.len, bytes.len() as u64);
        let writing = tokio::task::spawn_blocking(move || files::write_all_at(&*file, &bytes, at));
        writing.await.map_err(io::Error::other)??;
        self.len += count;
        Ok(())
    }

    /// How long it is.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Read for Staged {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Staged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = self.disk.unlink(&self.path) {
            tracing::warn!(path = self.path, "a file that was read cannot be removed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::SimulatedDisk;

    #[tokio::test]
    async fn what_is_staged_is_read_and_leaves_nothing_behind() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let staging = Staging::open(Arc::clone(&disk)).expect("made");
        let mut staged = staging.create().expect("made");
        staged.append(b"one".to_vec()).await.expect("written");
        staged.append(b" two".to_vec()).await.expect("written");
        let mut text = String::new();
        staged.seek(SeekFrom::End(-3)).expect("inside");
        staged.read_to_string(&mut text).expect("read");
        assert_eq!((text.as_str(), staged.len()), ("two", 7));
        assert!(staged.seek(SeekFrom::Current(-8)).is_err());
        drop(staged);
        assert_eq!(disk.list(DIRECTORY).expect("listed"), Vec::<String>::new());
        let left = staging.create().expect("made");
        std::mem::forget(left);
        let staging = Staging::open(Arc::clone(&disk)).expect("made again");
        assert_eq!(disk.list(DIRECTORY).expect("listed"), Vec::<String>::new());
        assert!(staging.create().expect("made").is_empty());
    }
}
