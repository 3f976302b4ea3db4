//! Is everything in a store's directory still what was written, and which ids does it hold?
//!
//! [`verify`] reads and changes nothing. It needs no lock: beside a running writer it follows the manifest, and a file that
//! the writer replaced meanwhile is looked for under the new one. It holds one block or frame in memory at a time, and
//! what it counts.

mod finding;
mod journal;
mod ranges;
mod report;
mod segment;
mod tally;

pub use finding::{Finding, Problem};
pub use ranges::Ranges;
pub use report::{Conflict, Files, Month, Report};

use crate::store::{
    files::Disk,
    identity::{Identity, IdentityError},
    ledger::{self, FileState, LEDGER_FILE, ProvenAbsent},
    manifest::{self, Level, MANIFEST_FILE, Manifest, SegmentEntry},
    segment::SegmentIdentity,
};
use journal::Opened;
use segment::Looked;
pub(in crate::store) use segment::check as check_segment;
use std::{collections::HashMap, io};
use tally::Examined;

/// How often a store may change under the check before it gives up.
const ATTEMPTS: usize = 16;

/// Why a store cannot be checked.
#[expect(clippy::module_name_repetitions, reason = "it travels up to where `Error` alone would say nothing")]
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no store that this program knows.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The disk fails.
    #[error("the store cannot be read")]
    Io(#[from] io::Error),
    /// A file was written by a newer program.
    #[error("{path} was written by a newer program: {reason}; run that program")]
    Newer {
        /// The file.
        path: String,
        /// What is new about it.
        reason: String,
    },
    /// Its writer replaced files faster than they could be read.
    #[error("the store changes faster than it can be read: try again")]
    Restless,
}

/// How far a check is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file that is read next.
    pub path: &'a str,
    /// Files that were read.
    pub done: usize,
    /// All files.
    pub all: usize,
}

/// Reads every file of the store on `disk` and compares everything that is written twice.
///
/// # Errors
///
/// When there is no store, a newer program wrote to it, or the disk fails. Damage is no error: the report names it.
pub fn verify(disk: &dyn Disk, mut progress: impl FnMut(Progress<'_>)) -> Result<Report, VerifyError> {
    let identity = Identity::read(disk)?;
    let mut examined: HashMap<u64, Examined> = HashMap::new();
    for _ in 0..ATTEMPTS {
        let Some(snapshot) = Snapshot::take(disk, identity.store)? else { continue };
        if !snapshot.examine(disk, identity.store, &mut examined, &mut progress)? {
            continue;
        }
        let contracts = snapshot.contracts();
        let generation = snapshot.manifest.as_ref().map(|manifest| manifest.generation);
        let mut segments = snapshot.in_order(examined);
        let absent = snapshot.absent;
        segments.push(Examined { findings: snapshot.findings, ..Examined::default() });
        let journals = journal::examine(snapshot.journals);
        let mut report = Report::of((identity, generation), (&contracts, &absent), segments, journals);
        // What was found about no file in particular stood with the segments.
        report.segments.count -= 1;
        return Ok(report);
    }
    Err(VerifyError::Restless)
}

/// What the store consists of at one moment.
struct Snapshot {
    manifest: Option<Manifest>,
    /// By level and number, with what the manifest says.
    segments: Vec<(Level, u64, Option<SegmentEntry>)>,
    journals: Vec<Opened>,
    absent: ProvenAbsent,
    findings: Vec<Finding>,
}

impl Snapshot {
    /// Nothing when the writer changed something meanwhile.
    fn take(disk: &dyn Disk, store: u128) -> Result<Option<Self>, VerifyError> {
        let manifest = read_manifest(disk, store)?;
        let below = |shard: u32| manifest.as_ref().map_or(0, |manifest| manifest.sealed_below(shard));
        let Some(journals) = journal::open_all(disk, store, below)? else { return Ok(None) };
        let found = listed_files(disk)?;
        if generation(read_manifest(disk, store)?.as_ref()) != generation(manifest.as_ref()) {
            return Ok(None);
        }
        let (absent, findings) = read_ledger(disk, store)?;
        let mut snapshot = Self { manifest, segments: Vec::new(), journals, absent, findings };
        let there = disk.open(MANIFEST_FILE).is_ok();
        snapshot.note(&found, there);
        Ok(Some(snapshot))
    }

    /// `there` says whether there is a manifest, whatever is in it.
    fn note(&mut self, found: &[(Level, u64)], there: bool) {
        let Some(manifest) = &self.manifest else {
            if there || !found.is_empty() || !self.journals.is_empty() {
                self.findings.push(Finding::new(MANIFEST_FILE, Problem::ManifestLost));
            }
            self.segments = found.iter().map(|(level, number)| (*level, *number, None)).collect();
            return;
        };
        let listed = |number: u64| manifest.segments.iter().any(|entry| entry.number == number);
        let unlisted = found.iter().filter(|(_, number)| *number >= manifest.next_segment && !listed(*number));
        let unlisted = unlisted.map(|(level, number)| Finding::new(manifest::path(*level, *number), Problem::Unlisted));
        self.findings.extend(unlisted);
        let entries = manifest.segments.iter();
        self.segments = entries.map(|entry| (entry.level, entry.number, Some(entry.clone()))).collect();
    }

    /// Looks at every segment that was not looked at yet. `false` when the writer replaced one meanwhile.
    fn examine(
        &self,
        disk: &dyn Disk,
        store: u128,
        examined: &mut HashMap<u64, Examined>,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<bool, VerifyError> {
        let all = self.segments.len();
        for (done, (level, number, entry)) in self.segments.iter().enumerate() {
            if examined.contains_key(number) {
                continue;
            }
            let (path, identity) = (manifest::path(*level, *number), SegmentIdentity { store, number: *number });
            progress(Progress { path: &path, done, all });
            let looked = match segment::examine(disk, identity, &path, entry.as_ref())? {
                Looked::At(looked) => *looked,
                Looked::Gone
                    if generation(read_manifest(disk, store)?.as_ref()) != generation(self.manifest.as_ref()) =>
                {
                    return Ok(false);
                }
                Looked::Gone => segment::lost(Problem::Missing, &path, entry.as_ref()),
            };
            examined.insert(*number, looked);
        }
        Ok(true)
    }

    fn in_order(&self, mut examined: HashMap<u64, Examined>) -> Vec<Examined> {
        self.segments.iter().filter_map(|(_, number, _)| examined.remove(number)).collect()
    }

    fn contracts(&self) -> Vec<crate::store::record::ContractRow> {
        self.manifest.as_ref().map(|manifest| manifest.contracts.clone()).unwrap_or_default()
    }
}

/// What the ledger says, and what is wrong with it.
fn read_ledger(disk: &dyn Disk, store: u128) -> Result<(ProvenAbsent, Vec<Finding>), VerifyError> {
    match ledger::proven_absent(disk, store)? {
        (absent, FileState::Whole) => Ok((absent, Vec::new())),
        (_, FileState::Damaged) => Ok((Vec::new(), vec![Finding::new(LEDGER_FILE, Problem::LedgerLost)])),
        (_, FileState::Newer(version)) => {
            Err(VerifyError::Newer { path: LEDGER_FILE.to_owned(), reason: format!("its format is {version}") })
        }
    }
}

fn generation(manifest: Option<&Manifest>) -> Option<u64> {
    manifest.map(|manifest| manifest.generation)
}

fn read_manifest(disk: &dyn Disk, store: u128) -> Result<Option<Manifest>, VerifyError> {
    match disk.open(MANIFEST_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => drop(opened?),
    }
    match Manifest::newer_version(disk) {
        Some(version) => {
            Err(VerifyError::Newer { path: MANIFEST_FILE.to_owned(), reason: format!("its format is {version}") })
        }
        None => Ok(Manifest::read(disk, store)),
    }
}

/// Every segment file that has a segment's name.
pub(super) fn listed_files(disk: &dyn Disk) -> io::Result<Vec<(Level, u64)>> {
    let mut found = Vec::new();
    for level in Level::ALL {
        let numbers = names(disk, level.directory())?.into_iter().filter_map(|name| manifest::number_of(&name));
        found.extend(numbers.map(|number| (level, number)));
    }
    Ok(found)
}

/// The names in a directory; none when it is not there.
pub(super) fn names(disk: &dyn Disk, directory: &str) -> io::Result<Vec<String>> {
    match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}

/// Whether a file holds nothing but zeros.
fn is_blank(disk: &dyn Disk, path: &str) -> io::Result<bool> {
    let file = disk.open(path)?;
    let len = file.len()?;
    Ok(len == 0 || file.map(0..len)?.iter().all(|byte| *byte == 0))
}
