//! How is a store opened for writing, and what is put right on the way?

use crate::{
    clock::Clock,
    store::{
        desk::Desk,
        files::{Disk, Lock},
        identity::{Identity, IdentityError},
        journal::{self, JournalWriter},
        library::Library,
        manifest::Level,
        recovery::{Finding, LoadError, Loaded, QUARANTINE, load},
        seal::{Sealer, sealer},
        storage::{Now, Options, Storage},
    },
};
use std::{io, sync::Arc};

/// The shard of everything that one storage thread writes.
const SHARD: u32 = 0;

/// Why a store cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is another's, or in use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot be put right.
    #[error("the store cannot be prepared for writing")]
    Io(#[from] io::Error),
}

/// A store that is open for writing.
#[derive(Debug)]
pub struct Opened {
    /// What is in it.
    pub library: Arc<Library>,
    /// Where rows are handed in.
    pub desk: Desk,
    /// Makes them durable.
    pub storage: Storage,
    /// Makes segments.
    pub sealer: Sealer,
    /// What was wrong.
    pub findings: Vec<Finding>,
    /// Which store it is.
    pub identity: Identity,
    /// Keeps other writers out.
    pub lock: Lock,
}

/// Opens the store of `wanted.venue`, or makes it, and puts right what a crash left.
///
/// Nothing is written before everything was read, so a crash in here changes nothing that the next start needs.
///
/// # Errors
///
/// When the directory is another's or in use, a newer program wrote to it, or the disk fails.
pub fn open(disk: &Arc<dyn Disk>, wanted: &Identity, options: Options, clock: Clock) -> Result<Opened, OpenError> {
    let (identity, lock) = Identity::claim(&**disk, wanted)?;
    let loaded = load(disk, identity.store)?;
    make_directories(&**disk)?;
    tidy_up(&**disk, &loaded)?;
    let Loaded { library, mut manifest, findings, journals, next_journal, next_sequence, .. } = loaded;
    if !findings.is_empty() {
        manifest.contracts = library.contracts();
        manifest.write(&**disk, identity.store, clock.wall())?;
    }
    let (desk, batches) = Desk::new(options.queue_bytes);
    let (seals, sealer) = sealer(Arc::clone(&library), manifest.next_segment, clock);
    let number = next_journal.max(manifest.sealed_below(SHARD));
    let journal =
        JournalWriter::new(Arc::clone(disk), (identity.store, SHARD), options.file_bytes, number, next_sequence);
    let storage = Storage::new(Arc::clone(&library), options, (&desk, batches), journal, manifest, (seals, journals));
    Ok(Opened { library, desk, storage, sealer, findings, identity, lock })
}

/// The directories of a store, made if they are not there.
pub(super) fn make_directories(disk: &dyn Disk) -> io::Result<()> {
    let directories = Level::ALL.map(Level::directory).into_iter().chain([journal::DIRECTORY, QUARANTINE]);
    directories.into_iter().try_for_each(|directory| disk.create_dir(directory))?;
    disk.sync_dir("")
}

/// Takes away what holds nothing that is not elsewhere, and puts aside what is not this store's.
fn tidy_up(disk: &dyn Disk, loaded: &Loaded) -> io::Result<()> {
    for path in &loaded.spent {
        match disk.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for path in &loaded.strange {
        disk.rename(path, &format!("{QUARANTINE}/{}", path.replace('/', "-")))?;
    }
    if !loaded.strange.is_empty() {
        disk.sync_dir(QUARANTINE)?;
    }
    Ok(())
}

impl Opened {
    /// The time, for [`Storage::step`].
    pub fn now(clock: Clock) -> Now {
        Now { wall: clock.wall(), monotonic_ms: clock.monotonic_ms() }
    }
}
