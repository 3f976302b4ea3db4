//! What is in a store's directory, whatever happened to it, and what is wrong there?
//!
//! [`load`] changes nothing, so that it serves the writer's start and a reader beside a running writer alike. It never
//! stops at damage: what can be read is found, what cannot is named.

use crate::{
    model::IdRange,
    store::{
        files::{self, Disk},
        journal::{self, Cause, JournalFile, JournalFileError, SectionView, Unreadable, number_of},
        ledger::{FileState, LEDGER_FILE, Ledger},
        library::Library,
        manifest::{self, Level, Manifest, SegmentEntry},
        record::{ContractRow, Kind, Rows},
        sections::journal_runs,
        segment::{Segment, SegmentError, SegmentIdentity},
        shelf::{JournalRun, Shelf},
    },
};
use std::{collections::HashSet, fmt, io, sync::Arc};

/// Where files go whose identity is wrong.
pub const QUARANTINE: &str = "quarantine";

/// Something that is not as it was written. Every class of damage is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The manifest was lost or damaged, and made anew from the files.
    ManifestRebuilt,
    /// The ledger is damaged: what it said of absent ids and archive files is asked for again.
    LedgerLost,
    /// A journal file's end had not been synced when writing stopped: ordinary, its trades were never called durable.
    TornTail(String, Unreadable),
    /// Synced frames of a journal file were changed; those around them are whole.
    JournalDamaged(String, Unreadable),
    /// Frames are missing between two journal files of a shard: an end was cut off, or a file is gone.
    JournalCut {
        /// The file before which they are missing.
        path: String,
        /// How many.
        frames: u64,
    },
    /// A journal file was being made when the power went; it holds nothing.
    Unfinished(String),
    /// A file is another store's, or another file under this name.
    Foreign(String),
    /// A file has no header that can be read.
    HeaderDamaged(String),
    /// A listed segment is not there.
    SegmentMissing(String),
    /// A segment's footer was lost, and made anew from its blocks.
    FooterRebuilt(String),
    /// A segment is there that the manifest does not list: it was made just before the end.
    Unlisted(String),
    /// A file cannot be read at all.
    Unreadable(String, String),
    /// A block of a segment was changed: its keys cannot be served.
    BlockDamaged {
        /// The segment.
        path: String,
        /// The contract's number.
        contract: u32,
        /// What the rows are.
        kind: Kind,
        /// Lowest and highest key in it.
        keys: IdRange,
    },
    /// A segment's bytes are not those that were hashed, though every block is whole.
    HashDiffers(String),
    /// The manifest says otherwise of a segment than the segment's own index.
    IndexDiffers(String),
}

impl Finding {
    /// Whether something that was durable is lost or was changed, rather than something that is ordinary after a crash.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::TornTail(..) | Self::Unfinished(_) | Self::Unlisted(_) | Self::ManifestRebuilt)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |unreadable: &Unreadable| format!("bytes {} to {}", unreadable.bytes.start, unreadable.bytes.end);
        match self {
            Self::ManifestRebuilt => write!(f, "the manifest was lost and made anew from the files"),
            Self::LedgerLost => write!(f, "{LEDGER_FILE} is damaged and begun anew: what it said is asked for again"),
            Self::TornTail(path, unreadable) => write!(f, "{path}: {} had not been synced", bytes(unreadable)),
            Self::JournalDamaged(path, unreadable) => {
                write!(f, "{path}: {} were synced and are changed", bytes(unreadable))
            }
            Self::JournalCut { path, frames } => write!(f, "before {path}: {frames} frames are missing"),
            Self::Unfinished(path) => write!(f, "{path}: was being made, and holds nothing"),
            Self::Foreign(path) => write!(f, "{path}: belongs to another store or is another file under this name"),
            Self::HeaderDamaged(path) => write!(f, "{path}: its header is damaged"),
            Self::SegmentMissing(path) => write!(f, "{path}: is listed and not there"),
            Self::FooterRebuilt(path) => write!(f, "{path}: its index was lost and made anew from its blocks"),
            Self::Unlisted(path) => write!(f, "{path}: was made just before the end, and is listed now"),
            Self::Unreadable(path, error) => write!(f, "{path}: cannot be read: {error}"),
            Self::BlockDamaged { path, contract, kind, keys } => write!(
                f,
                "{path}: {} {} to {} of contract {contract} are damaged",
                kind.schema().name,
                keys.first,
                keys.last
            ),
            Self::HashDiffers(path) => write!(f, "{path}: its bytes differ from those that were hashed"),
            Self::IndexDiffers(path) => write!(f, "{path}: the manifest says otherwise of it than its own index"),
        }
    }
}

/// Why a directory cannot be loaded at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The disk fails.
    #[error("the store cannot be read")]
    Io(#[from] io::Error),
    /// A file was written by a newer program: nothing is touched.
    #[error("{path} was written by a newer program: {reason}")]
    Newer {
        /// The file.
        path: String,
        /// What is new about it.
        reason: String,
    },
}

/// A store's directory, read.
#[derive(Debug)]
pub struct Loaded {
    /// What is in it.
    pub library: Arc<Library>,
    /// Which files make it up.
    pub manifest: Manifest,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Journal files that are not sealed, ascending.
    pub journals: Vec<Arc<JournalFile>>,
    /// Files that hold nothing that is not elsewhere: the writer may take them away.
    pub spent: Vec<String>,
    /// Files that the writer moves to [`QUARANTINE`].
    pub strange: Vec<String>,
    /// Journal files whose rows are all in a segment that no manifest listed.
    replaced: HashSet<(u32, u64)>,
    /// The next journal file's number.
    pub next_journal: u32,
    /// The next frame's sequence number.
    pub next_sequence: u64,
}

/// Reads the directory of the store with number `store`.
///
/// # Errors
///
/// When the disk fails, or something was written by a newer program.
pub fn load(disk: &Arc<dyn Disk>, store: u128) -> Result<Loaded, LoadError> {
    let (ledger, state) = Ledger::read(disk, store)?;
    let mut loaded = Loaded {
        library: Arc::new(Library::new(store, Arc::clone(disk), ledger)),
        manifest: Manifest::default(),
        findings: Vec::new(),
        journals: Vec::new(),
        spent: Vec::new(),
        strange: Vec::new(),
        replaced: HashSet::new(),
        next_journal: 0,
        next_sequence: 0,
    };
    loaded.note_ledger(state)?;
    loaded.read_segments(&**disk, store)?;
    loaded.read_journals(&**disk, store)?;
    Ok(loaded)
}

/// The names in a directory; none when it is not there.
fn names(disk: &dyn Disk, directory: &str) -> io::Result<Vec<String>> {
    match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}

impl Loaded {
    fn note_ledger(&mut self, state: FileState) -> Result<(), LoadError> {
        match state {
            FileState::Whole => {}
            FileState::Damaged => {
                self.findings.push(Finding::LedgerLost);
                self.strange.push(LEDGER_FILE.to_owned());
            }
            FileState::Newer(version) => {
                let reason = format!("its format is {version}");
                return Err(LoadError::Newer { path: LEDGER_FILE.to_owned(), reason });
            }
        }
        Ok(())
    }

    fn read_segments(&mut self, disk: &dyn Disk, store: u128) -> Result<(), LoadError> {
        if let Some(version) = Manifest::newer_version(disk) {
            let reason = format!("its format is {version}");
            return Err(LoadError::Newer { path: manifest::MANIFEST_FILE.to_owned(), reason });
        }
        let mut found = Vec::new();
        for level in Level::ALL {
            for name in names(disk, level.directory())? {
                match manifest::number_of(&name) {
                    Some(number) => found.push((level, number)),
                    None if name.ends_with(".new") => self.spent.push(format!("{}/{name}", level.directory())),
                    None => {}
                }
            }
        }
        match Manifest::read(disk, store) {
            Some(manifest) => {
                self.manifest = manifest;
                self.refuse_newer(disk, store)?;
                self.check_listed(&found);
                self.adopt_unlisted(disk, store, &found)?;
            }
            None => self.rebuild_manifest(disk, store, &found)?,
        }
        let above = found.iter().map(|(_, number)| number + 1).max().unwrap_or(0);
        self.manifest.next_segment = self.manifest.next_segment.max(above);
        self.manifest.contracts.iter().for_each(|row| self.library.note(*row));
        for (contract, kind, part) in self.manifest.segments.iter().flat_map(SegmentEntry::parts) {
            self.library.shelf(contract, kind).found_sealed(part);
        }
        Ok(())
    }

    /// The segment that was made last is the first to show that a newer program wrote here.
    fn refuse_newer(&self, disk: &dyn Disk, store: u128) -> Result<(), LoadError> {
        let Some(last) = self.manifest.segments.iter().max_by_key(|entry| entry.number) else { return Ok(()) };
        match Segment::open(disk, SegmentIdentity { store, number: last.number }, &last.path()) {
            Err(error @ SegmentError::Newer(_)) => {
                Err(LoadError::Newer { path: last.path(), reason: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn check_listed(&mut self, found: &[(Level, u64)]) {
        let found: HashSet<_> = found.iter().collect();
        let missing = |entry: &SegmentEntry| !found.contains(&(entry.level, entry.number));
        let lost = self.manifest.segments.extract_if(.., |entry| missing(entry));
        self.findings.extend(lost.map(|entry| Finding::SegmentMissing(entry.path())));
    }

    /// Takes up segments that were made and not listed before the end, and passes over those that were replaced.
    fn adopt_unlisted(&mut self, disk: &dyn Disk, store: u128, found: &[(Level, u64)]) -> Result<(), LoadError> {
        let listed: HashSet<u64> = self.manifest.segments.iter().map(|entry| entry.number).collect();
        for &(level, number) in found.iter().filter(|(_, number)| !listed.contains(number)) {
            let path = manifest::path(level, number);
            if number < self.manifest.next_segment {
                // Its number was taken when the manifest was written, and it was not in it: replaced, and not removed.
                self.spent.push(path);
            } else if let Some(segment) = self.open_segment(disk, store, (level, number))? {
                self.findings.push(Finding::Unlisted(path));
                // What it replaces is still there, and is given up for nothing less than a whole segment.
                if segment.check().is_ok_and(|checked| checked.is_whole()) {
                    self.take_over(&segment);
                }
                self.list(level, number, &segment);
            }
        }
        Ok(())
    }

    fn rebuild_manifest(&mut self, disk: &dyn Disk, store: u128, found: &[(Level, u64)]) -> Result<(), LoadError> {
        if !found.is_empty() {
            self.findings.push(Finding::ManifestRebuilt);
        }
        // What was replaced and not removed yet is listed beside its replacement: readers see each key once.
        for &(level, number) in found {
            match self.open_segment(disk, store, (level, number))? {
                Some(segment) => self.list(level, number, &segment),
                // Not listed and left where it is, the next start would take it for one that was replaced.
                None => self.set_aside(manifest::path(level, number))?,
            }
        }
        Ok(())
    }

    /// Leaves a file that cannot be listed to the writer; one that can perhaps be read later ends the start instead.
    fn set_aside(&mut self, path: String) -> Result<(), LoadError> {
        if let Some(Finding::Unreadable(_, error)) = self.findings.last() {
            return Err(io::Error::other(format!("{path}: {error}")).into());
        }
        if !self.strange.contains(&path) {
            self.strange.push(path);
        }
        Ok(())
    }

    fn open_segment(
        &mut self,
        disk: &dyn Disk,
        store: u128,
        (level, number): (Level, u64),
    ) -> Result<Option<Segment>, LoadError> {
        let path = manifest::path(level, number);
        let finding = match Segment::open(disk, SegmentIdentity { store, number }, &path) {
            Ok(segment) => {
                self.findings.extend(segment.is_rebuilt().then_some(Finding::FooterRebuilt(path)));
                return Ok(Some(segment));
            }
            Err(error @ SegmentError::Newer(_)) => return Err(LoadError::Newer { path, reason: error.to_string() }),
            Err(SegmentError::Io(error)) => Finding::Unreadable(path, error.to_string()),
            Err(SegmentError::Header) => Finding::HeaderDamaged(path),
            Err(SegmentError::Identity) => {
                self.strange.push(path.clone());
                Finding::Foreign(path)
            }
        };
        self.findings.push(finding);
        Ok(None)
    }

    /// Gives up what a segment replaces.
    fn take_over(&mut self, segment: &Segment) {
        for replaced in &segment.footer().replaces {
            if replaced.shard == u32::MAX {
                let old = self.manifest.segments.extract_if(.., |entry| entry.number == replaced.number);
                self.spent.extend(old.map(|entry| entry.path()));
            } else {
                self.replaced.insert((replaced.shard, replaced.number));
            }
        }
    }

    /// Lists a segment that was found.
    fn list(&mut self, level: Level, number: u64, segment: &Segment) {
        if let Some(section) = segment.section(0, Kind::Contract) {
            let rows = (0..section.blocks as usize).filter_map(|at| segment.rows(section, at).ok());
            self.manifest.contracts.extend(rows.flat_map(|rows| rows.records::<ContractRow>().collect::<Vec<_>>()));
        }
        self.manifest.segments.push(SegmentEntry::new(number, level, segment.bytes(), segment.footer().clone()));
    }

    fn read_journals(&mut self, disk: &dyn Disk, store: u128) -> Result<(), LoadError> {
        let mut last: Option<(u32, u64)> = None;
        for name in names(disk, journal::DIRECTORY)? {
            let Some((shard, number)) = number_of(&name) else { continue };
            let path = format!("{}/{name}", journal::DIRECTORY);
            self.next_journal = self.next_journal.max(number + 1);
            if number < self.manifest.sealed_below(shard) || self.replaced.contains(&(shard, number.into())) {
                self.spent.push(path);
                continue;
            }
            match self.open_journal(disk, store, &name, path)? {
                Some(file) => self.read_journal(Arc::new(file), &mut last),
                None if matches!(self.findings.last(), Some(Finding::Unreadable(..))) => {
                    self.manifest.unread.push((shard, number));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn open_journal(
        &mut self,
        disk: &dyn Disk,
        store: u128,
        name: &str,
        path: String,
    ) -> Result<Option<JournalFile>, LoadError> {
        match JournalFile::open(disk, store, name) {
            Ok(file) => return Ok(Some(file)),
            Err(error @ JournalFileError::Newer(_)) => {
                return Err(LoadError::Newer { path, reason: error.to_string() });
            }
            Err(JournalFileError::Io(error)) => self.findings.push(Finding::Unreadable(path, error.to_string())),
            Err(JournalFileError::Identity) => {
                self.strange.push(path.clone());
                self.findings.push(Finding::Foreign(path));
            }
            Err(JournalFileError::Header) if is_blank(disk, &path)? => {
                self.spent.push(path.clone());
                self.findings.push(Finding::Unfinished(path));
            }
            Err(JournalFileError::Header) => {
                // The header holds nothing that the name and the store do not say, so its frames can still be read.
                self.findings.push(Finding::HeaderDamaged(path.clone()));
                match JournalFile::open_headless(disk, store, name) {
                    Ok(file) => return Ok(Some(file)),
                    Err(error) => self.findings.push(Finding::Unreadable(path, error.to_string())),
                }
            }
        }
        Ok(None)
    }

    /// Puts everything that a journal file holds on the shelves.
    fn read_journal(&mut self, file: Arc<JournalFile>, last: &mut Option<(u32, u64)>) {
        let library = Arc::clone(&self.library);
        let mut found = Vec::new();
        let visit = |payload_at: u64, payload: &[u8], view: journal::View<'_>| {
            view.sections().for_each(|section| {
                note(&library, &file, payload_at + section.offset_in(payload) as u64, section, &mut found);
            });
        };
        let path = file.path();
        let scan = match journal::scan(&file, visit) {
            Ok(scan) => scan,
            Err(error) => {
                self.manifest.unread.push((file.identity.shard, file.identity.number));
                return self.findings.push(Finding::Unreadable(path, error.to_string()));
            }
        };
        for (shelf, run) in found {
            // What is read back need not be on the medium: after a kill, or a sync that failed, only memory may hold it.
            let synced = run.words_at < scan.durable_below;
            shelf.found(run, synced);
        }
        for unreadable in scan.unreadable {
            self.findings.push(match unreadable.cause {
                Cause::Torn => Finding::TornTail(path.clone(), unreadable),
                Cause::Corrupt => {
                    file.note_damage();
                    Finding::JournalDamaged(path.clone(), unreadable)
                }
            });
        }
        if let Some((first, end)) = scan.sequences {
            let shard = file.identity.shard;
            let before = last.replace((shard, end)).filter(|(own, _)| *own == shard).map(|(_, end)| end);
            let missing = before.map_or(0, |before| first.saturating_sub(before + 1));
            if missing > 0 {
                self.findings.push(Finding::JournalCut { path, frames: missing });
            }
            self.next_sequence = self.next_sequence.max(end + 1);
        }
        self.journals.push(file);
    }
}

/// Whether a file holds nothing but zeros.
fn is_blank(disk: &dyn Disk, path: &str) -> io::Result<bool> {
    let file = disk.open(path)?;
    Ok(file.is_empty()? || files::readable(&*file)?.iter().all(|byte| *byte == 0))
}

/// Finds the shelf of a frame's section, and where its rows stand.
fn note(
    library: &Library,
    file: &Arc<JournalFile>,
    words_at: u64,
    section: SectionView<'_>,
    found: &mut Vec<(Arc<Shelf>, JournalRun)>,
) {
    let mut rows = Rows::with_capacity(section.kind, section.len());
    rows.extend_from_words(section.words());
    if section.kind == Kind::Contract {
        rows.records::<ContractRow>().for_each(|row| library.note(row));
        return;
    }
    let shelf = library.shelf(section.contract, section.kind);
    found.extend(journal_runs(&rows, file, section.origin, words_at).into_iter().map(|run| (Arc::clone(&shelf), run)));
}
