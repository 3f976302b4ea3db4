//! How does the simulated disk do what [`Disk`] and [`File`] promise?

use super::{
    Shared, SimulatedDisk,
    faults::Call,
    inode::Body,
    state::{Handle, State},
};
use crate::store::files::{Disk, File, Lock, Map};
use std::{io, ops::Range, sync::Arc};

impl SimulatedDisk {
    fn open_with(&self, path: &str, writable: bool) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.begin(Call::Open)?;
        let ino = state.names.file(path)?;
        Ok(Arc::new(self.opened(state.open(ino, writable))))
    }

    fn opened(&self, handle: Handle) -> SimulatedFile {
        SimulatedFile { shared: self.shared.clone(), handle }
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.begin(Call::Create)?;
        let ino = state.next_ino();
        state.names.create(path, ino)?;
        state.add(Body::default());
        Ok(Arc::new(self.opened(state.open(ino, true))))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.open_with(path, false)
    }

    fn open_to_write(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.open_with(path, true)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Call::Rename)?;
        if let Some(replaced) = state.names.rename(from, to)? {
            state.forget(replaced);
        }
        Ok(())
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Call::Unlink)?;
        let ino = state.names.unlink(path)?;
        state.forget(ino);
        Ok(())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Call::CreateDir)?;
        state.names.create_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Call::SyncDir)?;
        state.names.sync_dir(path)?;
        state.sweep();
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Call::List)?;
        state.names.list(path)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(Call::FreeBytes)?;
        Ok(state.free())
    }

    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        let mut state = self.state();
        state.begin(Call::Lock)?;
        let ino = state.names.file(path)?;
        if state.inodes.get(&ino).is_some_and(|inode| inode.locked) {
            return Ok(None);
        }
        let handle = state.open(ino, true);
        state.inode(handle)?.locked = true;
        Ok(Some(Lock::new(Held(self.opened(handle)))))
    }
}

/// An open file of a [`SimulatedDisk`].
#[derive(Debug)]
struct SimulatedFile {
    shared: Arc<Shared>,
    handle: Handle,
}

impl SimulatedFile {
    fn with<T>(&self, run: impl FnOnce(&mut State, Handle) -> T) -> T {
        run(&mut self.shared.state(), self.handle)
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.with(State::close);
    }
}

impl File for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.with(|state, handle| state.write(handle, bytes, offset))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state, handle| state.read(handle, bytes, offset))
    }

    fn map(&self, range: Range<u64>) -> io::Result<Map> {
        self.with(|state, handle| state.map(handle, range))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(State::sync)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(|state, handle| state.allocate(handle, len))
    }

    fn len(&self) -> io::Result<u64> {
        self.with(State::len)
    }
}

/// A lock that is held: on the file itself, whatever its name becomes.
#[derive(Debug)]
struct Held(SimulatedFile);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.with(State::unlock);
    }
}
