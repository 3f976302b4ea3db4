//! What is to be done about each thing that is wrong?

use crate::store::{
    files::Disk,
    journal::{self, Cause, JournalFile, number_of},
    manifest::{self, Level, Manifest},
    repair::{RepairError, rewrite},
    segment::Segment,
    verify::{Finding, Problem, Report, listed_files, names},
};
use std::fmt;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Seal what can be read of the journal as a segment.
    SealJournal,
    /// Write the whole blocks of a segment as a new one, and put the damaged one aside.
    Rewrite {
        /// The damaged one.
        path: String,
        /// Its level.
        level: Level,
        /// Its number.
        number: u64,
    },
    /// Make the manifest anew from the files.
    RebuildManifest,
    /// Take up from a segment what the manifest says wrongly of it.
    ListAgain(String),
    /// List a segment no longer that is not there.
    Forget(String),
    /// Move a file to the quarantine.
    PutAside(String),
}

impl Action {
    /// The file that it moves to the quarantine.
    pub(super) fn puts_aside(&self) -> Option<&str> {
        match self {
            Self::Rewrite { path, .. } | Self::PutAside(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SealJournal => f.write_str("journal: seal every frame that can be read as a segment"),
            Self::Rewrite { path, .. } => {
                write!(f, "{path}: write its whole blocks as a new segment, move it to quarantine/")
            }
            Self::RebuildManifest => f.write_str("MANIFEST: make it anew from the files"),
            Self::ListAgain(path) => write!(f, "{path}: list it as it is"),
            Self::Forget(path) => write!(f, "{path}: list it no longer; its rows become holes"),
            Self::PutAside(path) => write!(f, "{path}: move it to quarantine/"),
        }
    }
}

/// What to do about what a check found, and what nothing can be done about.
pub(super) fn plan(disk: &dyn Disk, store: u128, report: &Report) -> Result<(Vec<Action>, Vec<Finding>), RepairError> {
    let mut hopeless: Vec<_> = report.findings.iter().filter(|finding| is_hopeless(finding)).cloned().collect();
    let mut actions: Vec<_> = report.findings.iter().flat_map(actions_of).collect();
    if let Some(manifest) = Manifest::read(disk, store) {
        actions.extend(leftovers(disk, store, &manifest)?);
    }
    let unreadable = hopeless.iter().any(|finding| finding.path.starts_with(journal::DIRECTORY));
    if unreadable && actions.contains(&Action::SealJournal) {
        // Sealing gives up every file of the journal, and what cannot be read now may be readable again tomorrow.
        let of_journal = |action: &Action| {
            *action == Action::SealJournal
                || action.puts_aside().is_some_and(|path| path.starts_with(journal::DIRECTORY))
        };
        actions.retain(|action| !of_journal(action));
        let held_back = report.findings.iter().filter(|finding| actions_of(finding).iter().any(of_journal));
        hopeless.extend(held_back.cloned());
    }
    actions.sort();
    actions.dedup();
    Ok((actions, hopeless))
}

fn is_hopeless(finding: &Finding) -> bool {
    matches!(finding.problem, Problem::Unreadable(_))
}

fn actions_of(finding: &Finding) -> Vec<Action> {
    let path = || finding.path.clone();
    match finding.problem {
        Problem::TornTail(_) | Problem::Unfinished | Problem::Unlisted | Problem::Unreadable(_) => Vec::new(),
        Problem::ManifestLost => vec![Action::RebuildManifest],
        Problem::CacheDiffers => vec![Action::ListAgain(path())],
        Problem::Missing => vec![Action::Forget(path())],
        Problem::Foreign | Problem::LedgerLost => vec![Action::PutAside(path())],
        Problem::FramesMissing(_) => vec![Action::SealJournal],
        Problem::FramesDamaged(_) => vec![Action::SealJournal, Action::PutAside(path())],
        Problem::HeaderDamaged
        | Problem::FooterLost
        | Problem::FooterDiffers { .. }
        | Problem::BlockDamaged { .. }
        | Problem::HashDiffers => match segment_of(&finding.path) {
            Some((level, number)) => vec![Action::Rewrite { path: path(), level, number }],
            None => vec![Action::SealJournal, Action::PutAside(path())],
        },
    }
}

fn segment_of(path: &str) -> Option<(Level, u64)> {
    let (directory, name) = path.split_once('/')?;
    let level = Level::ALL.into_iter().find(|level| level.directory() == directory)?;
    Some((level, manifest::number_of(name)?))
}

/// Damaged files that an earlier repair replaced and had no time to put aside. A start would delete them.
fn leftovers(disk: &dyn Disk, store: u128, manifest: &Manifest) -> Result<Vec<Action>, RepairError> {
    let mut damaged = Vec::new();
    let listed = |number: u64| manifest.segments.iter().any(|entry| entry.number == number);
    for (level, number) in listed_files(disk)? {
        let path = manifest::path(level, number);
        if number < manifest.next_segment && !listed(number) && !is_whole(disk, store, number, &path) {
            damaged.push(Action::PutAside(path));
        }
    }
    for name in names(disk, journal::DIRECTORY)? {
        let sealed = number_of(&name).is_some_and(|(shard, number)| number < manifest.sealed_below(shard));
        if sealed && is_damaged_journal(disk, store, &name) {
            damaged.push(Action::PutAside(format!("{}/{name}", journal::DIRECTORY)));
        }
    }
    Ok(damaged)
}

fn is_whole(disk: &dyn Disk, store: u128, number: u64, path: &str) -> bool {
    let segment = Segment::open_unmapped(disk, rewrite::identity(store, number), path);
    segment.is_ok_and(|segment| !segment.is_rebuilt() && segment.check().is_ok_and(|checked| checked.is_whole()))
}

fn is_damaged_journal(disk: &dyn Disk, store: u128, name: &str) -> bool {
    let Ok(file) = JournalFile::open(disk, store, name) else { return true };
    let scan = journal::scan(&file, |_, _, _| ());
    scan.map_or(true, |scan| scan.unreadable.iter().any(|unreadable| unreadable.cause == Cause::Corrupt))
}
