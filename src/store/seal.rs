//! How do journal files become segments, and small segments larger ones, without a moment in which a trade is nowhere?
//!
//! [`Sealer`] reads, sorts and writes; it changes nothing that readers see. What it made goes back to the storage thread,
//! which lists it in the manifest, lets the shelves point to it, and only then takes away what it replaces. Stopped
//! anywhere, either the old files or the new one are listed, and both hold the same rows.

use crate::{
    clock::Clock,
    store::{
        codec::Tier,
        derive,
        journal::JournalFile,
        library::Library,
        manifest::{Level, Manifest, SegmentEntry, path},
        merge::deduplicated,
        record::{Kind, Origin, Rows},
        segment::{Replaced, SegmentIdentity, SegmentWriteError, SegmentWriter},
        shelf::{JournalRun, Shelf},
    },
};
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Requests and answers under way at most.
const JOBS_MAX: usize = 64;

/// What a sealer is asked for.
#[derive(Debug)]
enum Job {
    /// Make one segment of journal files.
    Seal(Vec<Arc<JournalFile>>),
}

/// A segment that is there and that no manifest lists yet.
#[derive(Debug)]
pub struct Sealed {
    /// The segment; none when the files held nothing.
    entry: Option<SegmentEntry>,
    journals: Vec<Arc<JournalFile>>,
    segments: Vec<SegmentEntry>,
}

/// The storage thread's end.
#[derive(Debug)]
pub struct Seals {
    jobs: Sender<Job>,
    finished: Receiver<Sealed>,
    next_segment: Arc<AtomicU64>,
}

/// The worker's end.
#[derive(Debug)]
pub struct Sealer {
    library: Arc<Library>,
    jobs: Receiver<Job>,
    finished: Sender<Sealed>,
    next_segment: Arc<AtomicU64>,
    clock: Clock,
    /// What failed and is tried again.
    again: Option<Job>,
}

/// What a call of [`Sealer::step`] did.
#[derive(Debug)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// A segment was made.
    Made,
    /// It failed, and will be tried again at the next call.
    Failed(SegmentWriteError),
    /// Nobody asks any more.
    Ended,
}

/// A sealer and its other end; segments are numbered from `next_segment` on.
pub fn sealer(library: Arc<Library>, next_segment: u64, clock: Clock) -> (Seals, Sealer) {
    let ((jobs, job_receiver), (finished_sender, finished)) = (bounded(JOBS_MAX), bounded(JOBS_MAX));
    let next_segment = Arc::new(AtomicU64::new(next_segment));
    let seals = Seals { jobs, finished, next_segment: Arc::clone(&next_segment) };
    (seals, Sealer { library, jobs: job_receiver, finished: finished_sender, next_segment, clock, again: None })
}

impl Seals {
    /// Asks for a segment of these files. Gives them back when the sealer is busy.
    pub(super) fn request(&self, files: Vec<Arc<JournalFile>>) -> Vec<Arc<JournalFile>> {
        if files.is_empty() {
            return files;
        }
        match self.jobs.try_send(Job::Seal(files)) {
            Ok(()) => Vec::new(),
            Err(refused) => match refused.into_inner() {
                Job::Seal(files) => files,
            },
        }
    }

    /// What was made since the last call.
    pub(super) fn finished(&self) -> Vec<Sealed> {
        self.finished.try_iter().collect()
    }

    /// Above every number that was given to a segment.
    pub(super) fn next_segment(&self) -> u64 {
        self.next_segment.load(Ordering::Relaxed)
    }
}

impl Sealer {
    /// Does one job, if there is one.
    pub fn step(&mut self) -> Step {
        let job = match self.again.take().map_or_else(|| self.jobs.try_recv(), Ok) {
            Ok(job) => job,
            Err(TryRecvError::Empty) => return Step::Idle,
            Err(TryRecvError::Disconnected) => return Step::Ended,
        };
        let Job::Seal(files) = &job;
        match self.seal(files) {
            // The other end is gone only when everything ends.
            Ok(sealed) => self.finished.send(sealed).map_or(Step::Ended, |()| Step::Made),
            Err(error) => {
                self.again = Some(job);
                Step::Failed(error)
            }
        }
    }

    fn seal(&self, files: &[Arc<JournalFile>]) -> Result<Sealed, SegmentWriteError> {
        let sealed = |entry| Sealed { entry, journals: files.to_vec(), segments: Vec::new() };
        let runs_of = |shelf: &Arc<Shelf>| files.iter().flat_map(|file| shelf.runs_in(file)).collect::<Vec<_>>();
        let shelves: Vec<_> = self.library.shelves().into_iter().map(|shelf| (runs_of(&shelf), shelf)).collect();
        if shelves.iter().all(|(runs, _)| runs.is_empty()) {
            return Ok(sealed(None));
        }
        // Relaxed: a number is only ever taken, once.
        let number = self.next_segment.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.writer(Level::Hour, number, Tier::Recent)?;
        files.iter().for_each(|file| writer.replaces(Replaced::journal(file.identity.shard, file.identity.number)));
        let contracts = Rows::of(Kind::Contract, &self.library.contracts());
        write_section(&mut writer, 0, &contracts, false, |_| Origin::Derived)?;
        for (runs, shelf) in shelves.iter().filter(|(runs, _)| !runs.is_empty()) {
            seal_shelf(&mut writer, shelf, runs)?;
        }
        let (footer, bytes) = writer.finish()?;
        Ok(sealed(Some(SegmentEntry::new(number, Level::Hour, bytes, footer))))
    }

    fn writer(&self, level: Level, number: u64, tier: Tier) -> io::Result<SegmentWriter> {
        let identity = SegmentIdentity { store: self.library.store(), number };
        SegmentWriter::create(self.library.disk(), identity, &path(level, number), tier, self.clock.wall())
    }
}

/// Writes what journal runs of a shelf hold: rows, those that differ from a held one, and what is derived from them.
fn seal_shelf(writer: &mut SegmentWriter, shelf: &Shelf, runs: &[JournalRun]) -> Result<(), SegmentWriteError> {
    let mut all = Rows::with_capacity(shelf.kind, runs.iter().map(|run| run.rows as usize).sum());
    for run in runs {
        let rows = match run.read(shelf.kind) {
            // Changed on the medium: what cannot be read is a hole from here on, and does not stop the rest.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            rows => rows?,
        };
        all.extend_from_words(rows.words().iter().copied());
    }
    all.sort();
    let (rows, mut conflicts) = deduplicated(all);
    let origin_of = |key: u64| {
        let own = runs.iter().find(|run| run.span.keys.contains(key));
        own.map_or(Origin::Stream, |run| run.origin)
    };
    write_section(writer, shelf.contract, &rows, false, origin_of)?;
    while !conflicts.is_empty() {
        // Keys ascend within a section; a third version of a row stands in a second one.
        let (first, more) = split_versions(conflicts);
        write_section(writer, shelf.contract, &first, true, |_| Origin::Stream)?;
        conflicts = more;
    }
    for derived in derive::sections(&rows) {
        write_section(writer, shelf.contract, &derived, false, |_| Origin::Derived)?;
    }
    Ok(())
}

fn split_versions(rows: Rows) -> (Rows, Rows) {
    let (mut first, mut more) = (Rows::new(rows.kind()), Rows::new(rows.kind()));
    for row in rows.iter() {
        let repeats = first.keys().next_back() == Some(row[0]);
        (if repeats { &mut more } else { &mut first }).extend_from_words(row.iter().copied());
    }
    (first, more)
}

fn write_section(
    writer: &mut SegmentWriter,
    contract: u32,
    rows: &Rows,
    conflicts: bool,
    origin_of: impl Fn(u64) -> Origin,
) -> Result<(), SegmentWriteError> {
    writer.begin(contract, rows.kind(), conflicts)?;
    rows.iter().try_for_each(|row| writer.push(row, origin_of(row[0])))
}

impl Sealed {
    /// Puts the segment into `manifest` in place of what it replaces.
    pub(super) fn list(&self, manifest: &mut Manifest) {
        manifest.segments.retain(|entry| self.segments.iter().all(|old| old.number != entry.number));
        manifest.segments.extend(self.entry.clone());
        for file in &self.journals {
            manifest.seal_below(file.identity.shard, file.identity.number + 1);
        }
    }

    /// Whether the files held anything.
    pub(super) fn is_segment(&self) -> bool {
        self.entry.is_some()
    }

    /// Lets readers find the rows in the segment, and takes away what it replaces; the manifest lists it.
    pub(super) fn adopt(self, library: &Library) {
        let old: Vec<u64> = self.segments.iter().map(|entry| entry.number).collect();
        if let Some(entry) = &self.entry {
            for (contract, kind, part) in entry.parts() {
                library.shelf(contract, kind).replace(&self.journals, &old, Some(part));
            }
        }
        library.shelves().iter().for_each(|shelf| shelf.replace(&self.journals, &old, None));
        let journals = self.journals.iter().map(|file| file.path());
        for path in journals.chain(self.segments.iter().map(SegmentEntry::path)) {
            // What stays is found at the next start and taken away then: the manifest says that it is replaced.
            if let Err(error) = library.disk().unlink(&path) {
                tracing::warn!(path, "a file that was replaced could not be removed: {error}");
            }
        }
        old.into_iter().for_each(|number| library.close(number));
    }
}

impl SegmentEntry {
    /// The entry of a segment that was just made.
    fn new(number: u64, level: Level, bytes: u64, mut footer: crate::store::segment::Footer) -> Self {
        footer.blocks.clear();
        footer.replaces.clear();
        Self { number, level, bytes, footer }
    }
}
