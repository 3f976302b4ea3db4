//! How is a damaged store put right with what is still whole in it?
//!
//! A [`Repair`] holds the writer's lock. It writes new files first, lists them in one step, and only then moves the damaged
//! ones to `quarantine/`: stopped anywhere, another repair goes on. Nothing is deleted. What was lost becomes a hole.

mod aside;
mod plan;
mod rewrite;

pub use plan::Action;

use crate::{
    clock::Clock,
    store::{
        codec::CodecError,
        files::{Disk, Lock},
        identity::{Identity, IdentityError, STORE_FILE},
        manifest::{Level, MANIFEST_FILE, Manifest, SegmentEntry},
        open::make_directories,
        recovery::{LoadError, Loaded, load},
        seal::{self, Step, sealer},
        segment::{Segment, SegmentWriteError},
        verify::{Finding, Progress, Report, VerifyError, verify},
    },
};
use std::{io, sync::Arc};

/// Why a store is not repaired.
#[expect(clippy::module_name_repetitions, reason = "it travels up to where `Error` alone would say nothing")]
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// A writer runs.
    #[error("a server writes to this store: stop it first")]
    Locked,
    /// It cannot be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The disk is full or fails.
    #[error("the store cannot be written: what was done stands, and another repair goes on from there")]
    Io(#[from] io::Error),
    /// A segment cannot be made.
    #[error("a segment cannot be written: what was done stands, and another repair goes on from there")]
    Segment(#[from] SegmentWriteError),
}

impl From<IdentityError> for RepairError {
    fn from(error: IdentityError) -> Self {
        Self::Verify(error.into())
    }
}

impl From<CodecError> for RepairError {
    fn from(error: CodecError) -> Self {
        Self::Segment(error.into())
    }
}

/// What is to be done to a store that nobody else writes to meanwhile.
#[derive(Debug)]
pub struct Repair {
    disk: Arc<dyn Disk>,
    identity: Identity,
    report: Report,
    actions: Vec<Action>,
    hopeless: Vec<Finding>,
    _lock: Lock,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Segments that were made.
    pub made: Vec<String>,
    /// Files that were put aside, and where they are now.
    pub aside: Vec<(String, String)>,
}

impl Repair {
    /// Locks the store, checks it, and says what there is to do. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When a writer runs, there is no store, a newer program wrote to it, or the disk fails.
    pub fn plan(disk: &Arc<dyn Disk>, progress: impl FnMut(Progress<'_>)) -> Result<Self, RepairError> {
        let identity = Identity::read(&**disk)?;
        let lock = disk.lock(STORE_FILE)?.ok_or(RepairError::Locked)?;
        let report = verify(&**disk, progress)?;
        let (actions, hopeless) = plan::plan(&**disk, identity.store, &report)?;
        Ok(Self { disk: Arc::clone(disk), identity, report, actions, hopeless, _lock: lock })
    }

    /// What there is to do, in order.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Damage that cannot be put right here.
    pub fn hopeless(&self) -> &[Finding] {
        &self.hopeless
    }

    /// What the check found.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Does it all.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails. What was done stands.
    pub fn apply(self, clock: Clock) -> Result<Done, RepairError> {
        if self.actions.is_empty() {
            return Ok(Done::default());
        }
        make_directories(&*self.disk)?;
        let loaded = load(&self.disk, self.identity.store)?;
        let manifest = Manifest { contracts: loaded.library.contracts(), ..loaded.manifest.clone() };
        let mut work = Work { repair: &self, clock, loaded, manifest, done: Done::default() };
        work.seal()?;
        work.rewrite()?;
        work.list()?;
        work.put_aside()?;
        Ok(work.done)
    }
}

struct Work<'a> {
    repair: &'a Repair,
    clock: Clock,
    loaded: Loaded,
    manifest: Manifest,
    done: Done,
}

impl Work<'_> {
    fn has(&self, wanted: &Action) -> bool {
        self.repair.actions.contains(wanted)
    }

    /// Makes a segment of what can be read of the journal.
    fn seal(&mut self) -> Result<(), RepairError> {
        if !self.has(&Action::SealJournal) || self.loaded.journals.is_empty() {
            return Ok(());
        }
        let library = Arc::clone(&self.loaded.library);
        let (seals, mut sealer) = sealer(library, self.manifest.next_segment, self.clock);
        seals.request(self.loaded.journals.clone());
        if let Step::Failed(error) = sealer.step() {
            return Err(error.into());
        }
        let before: Vec<u64> = self.manifest.segments.iter().map(|entry| entry.number).collect();
        for done in seals.finished() {
            if let seal::Done::Sealed(sealed) = done {
                sealed.list(&mut self.manifest);
            }
        }
        self.manifest.next_segment = seals.next_segment();
        let new = self.manifest.segments.iter().filter(|entry| !before.contains(&entry.number));
        self.done.made.extend(new.map(SegmentEntry::path));
        Ok(())
    }

    /// Makes a segment of the whole blocks of each damaged one.
    fn rewrite(&mut self) -> Result<(), RepairError> {
        for action in &self.repair.actions {
            let Action::Rewrite { path, level, number } = action else { continue };
            if !self.loaded.spent.contains(path) && !self.is_replaced(*number) {
                self.rewrite_one(path, *level, *number)?;
            }
            self.manifest.segments.retain(|entry| entry.number != *number);
        }
        Ok(())
    }

    /// Whether an earlier repair, stopped before it could say so, wrote the segment anew.
    fn is_replaced(&self, number: u64) -> bool {
        let (disk, store) = (&*self.repair.disk, self.repair.identity.store);
        let mut later = self.manifest.segments.iter().filter(|entry| entry.number > number);
        // A manifest that was read says so itself.
        self.repair.report.generation.is_none()
            && later.any(|entry| {
                let segment = Segment::open_unmapped(disk, rewrite::identity(store, entry.number), &entry.path());
                segment.is_ok_and(|segment| rewrite::replaces(&segment, number))
            })
    }

    fn rewrite_one(&mut self, path: &str, level: Level, number: u64) -> Result<(), RepairError> {
        let (disk, store) = (&self.repair.disk, self.repair.identity.store);
        let Some(old) = rewrite::open(&**disk, rewrite::identity(store, number), path)? else {
            // Nothing in it can be read: it is only put aside.
            return Ok(());
        };
        let listed = self.manifest.segments.iter().find(|entry| entry.number == number);
        let new = rewrite::identity(store, self.manifest.next_segment);
        if let Some(entry) = rewrite::rewrite(disk, (&old, number), listed, (level, new), self.clock.wall())? {
            self.done.made.push(entry.path());
            self.manifest.segments.push(entry);
        }
        self.manifest.next_segment += 1;
        Ok(())
    }

    /// Puts a manifest in place that lists what is there now.
    fn list(&mut self) -> Result<(), RepairError> {
        let disk = &self.repair.disk;
        for action in &self.repair.actions {
            match action {
                Action::PutAside(path) => self.manifest.segments.retain(|entry| entry.path() != *path),
                Action::ListAgain(path) => {
                    rewrite::list_again(&**disk, self.repair.identity.store, path, &mut self.manifest)
                }
                _ => {}
            }
        }
        if self.has(&Action::RebuildManifest) {
            self.done.aside.extend(aside::keep_copy(&**disk, MANIFEST_FILE)?);
        }
        Ok(self.manifest.write(&**disk, self.repair.identity.store, self.clock.wall())?)
    }

    fn put_aside(&mut self) -> Result<(), RepairError> {
        for path in self.repair.actions.iter().filter_map(Action::puts_aside) {
            self.done.aside.extend(aside::put(&*self.repair.disk, path)?);
        }
        Ok(())
    }
}
