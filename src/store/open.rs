//! How is a store opened for writing, and what is put right on the way?

use crate::{
    clock::Clock,
    store::{
        desk::Desk,
        files::{self, Disk, Lock},
        identity::{Identity, IdentityError, STORE_FILE},
        journal::{self, JournalWriter},
        library::Library,
        manifest::{Level, MANIFEST_FILE},
        recovery::{Finding, LoadError, Loaded, QUARANTINE, load},
        seal::{Sealer, sealer},
        storage::{Options, Storage},
    },
};
use std::{collections::BTreeSet, io, sync::Arc};

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
    refuse_nameless(&**disk)?;
    let (identity, lock) = Identity::claim(&**disk, wanted)?;
    let mut loaded = load(disk, identity.store)?;
    make_directories(&**disk)?;
    if !loaded.findings.is_empty() {
        loaded.manifest.contracts = loaded.library.contracts();
        loaded.manifest.write(&**disk, identity.store, clock.wall())?;
    }
    // Only now is what takes the place of spent files listed.
    tidy_up(&**disk, &loaded.spent, &loaded.strange)?;
    let Loaded { library, manifest, findings, journals, next_journal, next_sequence, .. } = loaded;
    let (desk, inbox) = Desk::new(options.queue_bytes);
    let (seals, sealer) = sealer(Arc::clone(&library), manifest.next_segment, clock);
    let number = next_journal.max(manifest.sealed_below(SHARD));
    let journal =
        JournalWriter::new(Arc::clone(disk), (identity.store, SHARD), options.file_bytes, number, next_sequence);
    let storage = Storage::new(Arc::clone(&library), options, (&desk, inbox), journal, manifest, (seals, journals));
    Ok(Opened { library, desk, storage, sealer, findings, identity, lock })
}

fn directories() -> impl Iterator<Item = &'static str> {
    Level::ALL.map(Level::directory).into_iter().chain([journal::DIRECTORY, QUARANTINE])
}

/// Refuses a directory that holds a store's files and does not say whose: under another number all of them were strangers.
fn refuse_nameless(disk: &dyn Disk) -> Result<(), OpenError> {
    let names = disk.list("")?;
    let made = names.iter().any(|name| name == MANIFEST_FILE || directories().any(|directory| directory == name));
    let named = names.iter().any(|name| name == STORE_FILE);
    if made && !named { Err(IdentityError::Damaged.into()) } else { Ok(()) }
}

/// Makes every directory. What was found in them is durable afterwards: a file that a process named just before it was
/// killed may be relied on only then.
pub(super) fn make_directories(disk: &dyn Disk) -> io::Result<()> {
    directories().try_for_each(|directory| disk.create_dir(directory))?;
    disk.sync_dir("")?;
    directories().try_for_each(|directory| disk.sync_dir(directory))
}

/// Takes away what holds nothing that is not elsewhere, and puts aside what is not this store's.
fn tidy_up(disk: &dyn Disk, spent: &[String], strange: &[String]) -> io::Result<()> {
    for path in spent {
        match disk.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for path in strange {
        disk.rename(path, &free_name(disk, &format!("{QUARANTINE}/{}", path.replace('/', "-")))?)?;
    }
    if !strange.is_empty() {
        disk.sync_dir(QUARANTINE)?;
    }
    // What was passed over at this start must not come back at the next.
    let touched: BTreeSet<&str> = spent.iter().chain(strange).map(|path| files::parent(path)).collect();
    touched.into_iter().try_for_each(|directory| disk.sync_dir(directory))
}

/// `path`, or one like it that no file has.
fn free_name(disk: &dyn Disk, path: &str) -> io::Result<String> {
    let taken = disk.list(QUARANTINE)?;
    let names = std::iter::once(path.to_owned()).chain((1_u32..).map(|at| format!("{path}.{at}")));
    let free =
        |name: &String| name.strip_prefix(QUARANTINE).is_some_and(|rest| !taken.iter().any(|one| one == &rest[1..]));
    names.into_iter().find(free).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}
