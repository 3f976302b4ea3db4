//! What is the state of the simulated disk, and what ends with a process or with the power?

use super::{
    Damage,
    cut::Landing,
    draws::Draws,
    faults::{Call, Fault, Faults},
    inode::{Body, Ino, Inode},
    names::Names,
};
use rustix::io::Errno;
use std::{collections::BTreeMap, io, mem};

/// Room enough that nobody notices a bound: a tebibyte.
const CAPACITY: u64 = 1 << 40;

/// Everything there is, behind one lock.
#[derive(Clone)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) faults: Faults,
    pub(super) draws: Draws,
    pub(super) capacity: u64,
    pub(super) used: u64,
    pub(super) inodes: BTreeMap<Ino, Inode>,
    /// How often bytes were mapped that cannot be read.
    pub(super) bad_maps: u64,
    /// How many calls found no room.
    pub(super) refused: u64,
    generation: u64,
    next_ino: Ino,
    sequence: u64,
    /// Whether some file lost its last name and handle since the last sweep.
    litter: bool,
}

/// What an open file is known by. Good for the generation it was opened in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    pub(super) ino: Ino,
    pub(super) writable: bool,
    generation: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Names::default(),
            faults: Faults::default(),
            draws: Draws::new(seed),
            capacity: CAPACITY,
            used: 0,
            inodes: BTreeMap::new(),
            bad_maps: 0,
            refused: 0,
            generation: 0,
            next_ino: 0,
            sequence: 0,
            litter: false,
        }
    }

    /// Counts a call and lets it fail; a fault that shows no error is left to the call.
    pub(super) fn begin(&mut self, call: Call) -> io::Result<Option<Fault>> {
        let fault = self.faults.meet(call);
        match fault.and_then(Fault::error) {
            Some(error) => Err(error.into()),
            None => Ok(fault),
        }
    }

    /// Refuses a handle of an earlier generation; such calls do not reach the disk and are not counted.
    pub(super) fn inode(&mut self, handle: Handle) -> io::Result<&mut Inode> {
        let inode = self.inodes.get_mut(&handle.ino).filter(|_| handle.generation == self.generation);
        inode.ok_or_else(|| Errno::STALE.into())
    }

    /// The place of a write in the order of all writes.
    pub(super) const fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) const fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// The next that [`State::add`] will give.
    pub(super) const fn next_ino(&self) -> Ino {
        self.next_ino
    }

    /// A new file; the caller names it.
    pub(super) fn add(&mut self, body: Body) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        self.inodes.insert(ino, Inode { body, named: true, ..Inode::default() });
        ino
    }

    pub(super) fn open(&mut self, ino: Ino, writable: bool) -> Handle {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.open += 1;
        }
        Handle { ino, writable, generation: self.generation }
    }

    pub(super) fn close(&mut self, handle: Handle) {
        if let Ok(inode) = self.inode(handle) {
            inode.open -= 1;
            self.release(handle.ino);
        }
    }

    pub(super) fn unlock(&mut self, handle: Handle) {
        if let Ok(inode) = self.inode(handle) {
            inode.locked = false;
        }
    }

    /// A file has lost its name.
    pub(super) fn forget(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.named = false;
            self.release(ino);
        }
    }

    fn release(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get(&ino).filter(|inode| !inode.live()) {
            self.used = self.used.saturating_sub(inode.body.len());
            self.litter = true;
        }
    }

    /// Drops the files that not even a power cut could bring back.
    pub(super) fn sweep(&mut self) {
        if mem::take(&mut self.litter) {
            let referenced = self.names.referenced();
            self.inodes.retain(|ino, inode| inode.live() || referenced.contains(ino));
        }
    }

    /// Ends every handle and lock.
    pub(super) fn kill(&mut self) {
        self.generation += 1;
        for inode in self.inodes.values_mut() {
            (inode.open, inode.locked) = (0, false);
        }
        self.litter = true;
        self.sweep();
        self.recount();
    }

    /// Loses what was not synced, as chance has it, and ends every handle and lock.
    pub(super) fn power_cut(&mut self, seed: u64) {
        let mut draws = Draws::new(seed);
        self.names.cut(&mut draws);
        self.keep_named();
        let pending: Vec<_> = self.inodes.values().flat_map(|inode| inode.body.pending()).collect();
        let common = draws.chance(4).then(|| Landing::draw(&pending, &mut draws));
        for inode in self.inodes.values_mut() {
            let landing = common.unwrap_or_else(|| {
                let pending: Vec<_> = inode.body.pending().collect();
                Landing::draw(&pending, &mut draws)
            });
            inode.body.cut(landing, &mut draws);
        }
        self.kill();
    }

    /// Keeps the files that have a name after a power cut.
    fn keep_named(&mut self) {
        let referenced = self.names.referenced();
        self.inodes.retain(|ino, _| referenced.contains(ino));
        self.inodes.values_mut().for_each(|inode| inode.named = true);
    }

    pub(super) fn recount(&mut self) {
        let live = self.inodes.values().filter(|inode| inode.live());
        self.used = live.map(|inode| inode.body.len()).sum();
    }

    /// The bytes at a path, for those who look from outside.
    pub(super) fn body(&mut self, path: &str) -> io::Result<&mut Body> {
        let ino = self.names.file(path)?;
        self.inodes.get_mut(&ino).map(|inode| &mut inode.body).ok_or_else(|| Errno::NOENT.into())
    }

    /// Puts bytes in place of a file's, durably.
    pub(super) fn replace_file(&mut self, path: &str, bytes: &[u8]) {
        if let Ok(body) = self.body(path) {
            *body = Body::of(bytes);
        } else {
            let ino = self.add(Body::of(bytes));
            self.names.put(path, ino);
        }
        self.recount();
    }

    /// Damages a file and says whether anything of it changed.
    pub(super) fn damage(&mut self, path: &str, damage: &Damage) -> io::Result<bool> {
        let before = self.body(path)?.seen().clone();
        match damage {
            Damage::Delete => {
                let ino = self.names.remove(path)?;
                self.forget(ino);
                return Ok(true);
            }
            Damage::SwapWith(other) => self.swap(path, other)?,
            _ => self.body(path)?.damage(|content| damage.apply(content)),
        }
        self.recount();
        Ok(!self.body(path)?.seen().same(&before))
    }

    fn swap(&mut self, path: &str, other: &str) -> io::Result<()> {
        let theirs = self.body(other)?.clone();
        let own = mem::replace(self.body(path)?, theirs);
        *self.body(other)? = own;
        Ok(())
    }
}
