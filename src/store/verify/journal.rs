//! What do the journal files that are not sealed hold, while somebody may be writing to the last of them?

use crate::store::{
    files::Disk,
    journal::{self, Cause, JournalFile, JournalFileError, Scan, SectionView, View, number_of},
    record::{ContractRow, Kind, Rows},
    verify::{Finding, Problem, VerifyError, tally::Examined},
};
use std::io;

/// A journal file, open: it stays readable when the writer seals it meanwhile.
#[derive(Debug)]
pub(super) enum Opened {
    File(Box<JournalFile>, Option<Problem>),
    /// It cannot be opened.
    Not(Finding),
}

/// Opens the journal files that are not sealed; nothing when one went away meanwhile.
pub(super) fn open_all(
    disk: &dyn Disk,
    store: u128,
    sealed_below: impl Fn(u32) -> u32,
) -> Result<Option<Vec<Opened>>, VerifyError> {
    let mut opened = Vec::new();
    for name in super::names(disk, journal::DIRECTORY)? {
        let Some((shard, number)) = number_of(&name) else { continue };
        if number >= sealed_below(shard) {
            match open(disk, store, &name)? {
                Some(file) => opened.push(file),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(opened))
}

fn open(disk: &dyn Disk, store: u128, name: &str) -> Result<Option<Opened>, VerifyError> {
    let path = format!("{}/{name}", journal::DIRECTORY);
    let problem = match JournalFile::open(disk, store, name) {
        Ok(file) => return Ok(Some(Opened::File(Box::new(file), None))),
        Err(JournalFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error @ JournalFileError::Newer(_)) => return Err(VerifyError::Newer { path, reason: error.to_string() }),
        Err(JournalFileError::Io(error)) => Problem::Unreadable(error.to_string()),
        Err(JournalFileError::Identity) => Problem::Foreign,
        Err(JournalFileError::Header) if super::is_blank(disk, &path).unwrap_or(false) => Problem::Unfinished,
        Err(JournalFileError::Header) => match JournalFile::open_headless(disk, store, name) {
            Ok(file) => return Ok(Some(Opened::File(Box::new(file), Some(Problem::HeaderDamaged)))),
            Err(error) => Problem::Unreadable(error.to_string()),
        },
    };
    Ok(Some(Opened::Not(Finding::new(path, problem))))
}

/// Reads every frame of every file, one at a time, and the last file first: once a file has frames, nothing is written to
/// those before it, so that a frame written meanwhile is never missed between two files.
pub(super) fn examine(files: Vec<Opened>) -> Vec<Examined> {
    let mut after = None;
    let mut examined: Vec<_> = files.into_iter().rev().map(|file| examine_one(file, &mut after)).collect();
    examined.reverse();
    examined
}

/// The shard of a file, its path, and its first frame.
type Begun = (u32, String, u64);

/// `after` is the next file that has frames.
fn examine_one(opened: Opened, after: &mut Option<Begun>) -> Examined {
    let (file, problem) = match opened {
        Opened::File(file, problem) => (file, problem),
        Opened::Not(finding) => return Examined::of(finding),
    };
    let path = file.path();
    let (scan, mut found) = match scan(&file) {
        Ok(scanned) => scanned,
        Err(error) => return Examined::of(Finding::new(path, Problem::Unreadable(error.to_string()))),
    };
    found.bytes = file.bytes;
    found.findings.extend(problem.map(|problem| Finding::new(&path, problem)));
    found.findings.extend(scan.unreadable.into_iter().map(|unreadable| Finding::unreadable(&path, unreadable)));
    if let Some((first, end)) = scan.sequences {
        let shard = file.identity.shard;
        if let Some((_, next, begin)) = after.replace((shard, path, first)).filter(|(own, ..)| *own == shard) {
            let missing = begin.saturating_sub(end.saturating_add(1));
            found.findings.extend((missing > 0).then(|| Finding::new(next, Problem::FramesMissing(missing))));
        }
    }
    found
}

fn scan(file: &JournalFile) -> io::Result<(Scan, Examined)> {
    let first = scan_once(file)?;
    let settled = first.0.unreadable.iter().all(|unreadable| unreadable.cause == Cause::Torn);
    // A frame that is being written while it is looked at may seem damaged: it is not a moment later.
    if settled { Ok(first) } else { scan_once(file) }
}

fn scan_once(file: &JournalFile) -> io::Result<(Scan, Examined)> {
    let mut found = Examined::default();
    let scan =
        journal::scan(file, |_, _, view: View<'_>| view.sections().for_each(|section| count(&mut found, section)))?;
    Ok((scan, found))
}

fn count(found: &mut Examined, section: SectionView<'_>) {
    let mut rows = Rows::with_capacity(section.kind, section.len());
    rows.extend_from_words(section.words());
    if section.kind == Kind::Contract {
        return found.contracts.extend(rows.records::<ContractRow>());
    }
    rows.sort();
    let bytes = rows.bytes() as u64;
    found.series(section.contract, section.kind).add(&rows, bytes);
}
