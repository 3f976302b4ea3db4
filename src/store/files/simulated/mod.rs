//! How does a disk behave that loses, tears, refuses and damages what real ones may?
//!
//! What is written is pending until the file's `sync`, and a name until its directory's `sync_dir`; a power cut keeps of
//! what is pending whatever chance has it. Every chance comes from a seed, so a run replays.

mod content;
mod cut;
mod damage;
mod disk;
mod draws;
mod faults;
mod inode;
mod names;
mod state;
#[cfg(test)]
mod tests;
mod transfer;

pub use damage::Damage;
pub use faults::{Fault, Lasting};

use draws::Draws;
use state::State;
use std::{
    fmt, io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A disk in memory. Its clones are the same disk; [`SimulatedDisk::fork`] makes another.
///
/// What the tests do to it by the methods here is no call: it is not counted and meets no fault.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

struct Shared(Mutex<State>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulated")
    }
}

impl SimulatedDisk {
    /// An empty disk with room for a tebibyte. The seed decides how short a short write is and where a misdirected one
    /// goes.
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(seed))
    }

    fn of(state: State) -> Self {
        Self { shared: Arc::new(Shared(Mutex::new(state))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Another disk in the same state, what is pending and the faults to come included, but nobody has opened or locked
    /// anything there.
    pub fn fork(&self) -> Self {
        let mut state = self.state().clone();
        state.kill();
        Self::of(state)
    }

    /// Loses power and starts again. Of the unsynced writes, by sectors of 512 bytes, nothing has landed, everything, any
    /// subset, a prefix, or everything but a part of one write, for all files alike or for each by itself; of a new length
    /// all, nothing or a part, with zeros where no data landed; of the unsynced names a prefix, of all or in each
    /// directory. Handles fail from then on with `ESTALE`, locks are released; maps stay. Faults to come still come.
    pub fn power_cut(&self, seed: u64) {
        self.state().power_cut(seed);
    }

    /// Ends the process: handles fail from then on with `ESTALE`, locks are released, and nothing that was written is lost.
    pub fn kill(&self) {
        self.state().kill();
    }

    /// How many calls of [`Disk`](super::Disk) and [`File`](super::File) have reached the disk, those that failed included.
    pub fn calls(&self) -> u64 {
        self.state().faults.calls()
    }

    /// How many of them have met a fault.
    pub fn faults_met(&self) -> u64 {
        self.state().faults.injected()
    }

    /// Lets the `at_call`-th call from now go wrong: 1 is the next. Of several faults due the one armed first comes first.
    pub fn fail(&self, at_call: u64, fault: Fault, lasting: Lasting) {
        self.state().faults.arm(at_call, fault, lasting);
    }

    /// Takes back all faults to come.
    pub fn heal(&self) {
        self.state().faults.disarm();
    }

    /// How many bytes fit on it from now on. A file takes its length, holes included, until it has neither name nor handle.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// How many calls were refused because they did not fit.
    pub fn refused(&self) -> u64 {
        self.state().refused
    }

    /// Damages a file on the medium and in memory, and says whether that changed any of it; handles stay good.
    ///
    /// # Errors
    ///
    /// When there is no such file, or no such other one to swap with.
    pub fn damage(&self, path: &str, damage: &Damage) -> io::Result<bool> {
        self.state().damage(path, damage)
    }

    /// From now on the medium does not give these bytes of a file: reading them fails with `EIO`.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn spoil(&self, path: &str, bytes: Range<u64>) -> io::Result<()> {
        self.state().body(path).map(|body| body.spoil(bytes))
    }

    /// How often bytes were mapped that cannot be read: touched on a real disk, they end the process.
    pub fn bad_maps(&self) -> u64 {
        self.state().bad_maps
    }

    /// Damages a file as a seed has it, a swap with any other included, and says how.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn damage_by(&self, path: &str, seed: u64) -> io::Result<Damage> {
        let mut state = self.state();
        let mut draws = Draws::new(seed);
        let others: Vec<_> = state.names.files().map(|(other, _)| other).filter(|&other| other != path).collect();
        let other = others.get(draws.index(others.len())).filter(|_| draws.below(10) == 0).copied();
        let other = other.map(|other| Damage::SwapWith(other.to_owned()));
        let len = state.body(path)?.len();
        let damage = other.unwrap_or_else(|| Damage::draw(draws.next(), len));
        state.damage(path, &damage)?;
        Ok(damage)
    }

    /// Puts bytes in place of a file's, or makes a file of them and the directories above it. All of it is durable, but the
    /// name of a file that was there stays as durable as it was.
    pub fn replace_file(&self, path: &str, bytes: &[u8]) {
        self.state().replace_file(path, bytes);
    }

    /// The bytes of a file as they are read.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn contents(&self, path: &str) -> io::Result<Vec<u8>> {
        Ok(self.state().body(path)?.seen().bytes(0..u64::MAX))
    }

    /// The paths of all files, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.state().names.files().map(|(path, _)| path.to_owned()).collect()
    }
}
