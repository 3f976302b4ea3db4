//! How do journal files become segments, and small segments larger ones, without a moment in which a trade is nowhere?
//!
//! [`Sealer`] reads, sorts and writes; it changes nothing that readers see. What it made goes back to the storage thread,
//! which lists it in the manifest, lets the shelves point to it, and only then takes away what it replaces. Stopped
//! anywhere, either the old files or the new one are listed, and both hold the same rows.

mod adopt;
mod check;
mod compact;
mod cursor;
mod fill;
mod held;
mod journal;

pub use fill::{Fill, FillCounts, FillError, Filler};

pub(super) use adopt::{Sealed, Taken};

use crate::{
    clock::Clock,
    store::{
        codec::Tier,
        journal::JournalFile,
        library::Library,
        manifest::{Level, SegmentEntry, path},
        plan::{Damaged, Plan},
        record::{Origin, Rows},
        recovery::Finding,
        segment::{SegmentIdentity, SegmentWriteError, SegmentWriter},
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
/// After so many failures to seal, a minute of them, rows that cannot be read are given up: they stop the others no longer, and their file is
/// kept aside.
const PATIENT_FAILURES: u32 = 120;

/// What a sealer is asked for.
#[derive(Debug)]
pub(super) enum Job {
    /// Make one segment of journal files.
    Seal(Vec<Arc<JournalFile>>),
    /// Make segments of these segments.
    Merge(Plan, Vec<SegmentEntry>),
    /// Read a segment to its end.
    Check(SegmentEntry),
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Done {
    /// Segments that are there and that no manifest lists yet.
    Sealed(Sealed),
    /// The outcome of a merge.
    Merged(Sealed),
    /// A segment of rows that came aside from the journal.
    Filled(Sealed),
    /// Nothing was merged, as an input is damaged.
    Skipped(Damaged),
    /// Nothing was merged of these inputs, as the disk is full or fails.
    Failed(Vec<u64>, SegmentWriteError),
    /// A segment was read to its end; what is wrong with it.
    Checked(u64, Vec<Finding>),
}

/// The storage thread's end.
#[derive(Debug)]
pub struct Seals {
    jobs: Sender<Job>,
    finished: Receiver<Done>,
    next_segment: Arc<AtomicU64>,
}

/// The worker's end.
#[derive(Debug)]
pub struct Sealer {
    library: Arc<Library>,
    jobs: Receiver<Job>,
    finished: Sender<Done>,
    next_segment: Arc<AtomicU64>,
    clock: Clock,
    /// What failed and is tried again, and how often it failed.
    again: Option<(Job, u32)>,
}

/// What a call of [`Sealer::step`] did.
#[derive(Debug)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// A job was done, or given up.
    Made,
    /// Journal files could not be sealed; they are tried again at the next call.
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
        match self.jobs.try_send(Job::Seal(files)).map_err(crossbeam::channel::TrySendError::into_inner) {
            Err(Job::Seal(files)) => files,
            Ok(()) | Err(_) => Vec::new(),
        }
    }

    /// Asks for a merge or a check. Whether the sealer takes it.
    pub(super) fn ask(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// What was done since the last call.
    pub(super) fn finished(&self) -> Vec<Done> {
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
        let (job, failures) = match self.again.take().map_or_else(|| self.jobs.try_recv().map(|job| (job, 0)), Ok) {
            Ok(job) => job,
            Err(TryRecvError::Empty) => return Step::Idle,
            Err(TryRecvError::Disconnected) => return Step::Ended,
        };
        let done = match &job {
            Job::Seal(files) => match self.seal(files, failures >= PATIENT_FAILURES) {
                Ok(sealed) => Done::Sealed(sealed),
                Err(error) => {
                    self.again = Some((job, failures.saturating_add(1)));
                    return Step::Failed(error);
                }
            },
            Job::Merge(plan, inputs) => self.merge(plan, inputs),
            Job::Check(entry) => Done::Checked(entry.number, self.check(entry)),
        };
        // The other end is gone only when everything ends.
        self.finished.send(done).map_or(Step::Ended, |()| Step::Made)
    }

    fn number(&self) -> u64 {
        // Relaxed: a number is only ever taken, once.
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    fn writer(&self, level: Level, number: u64) -> io::Result<SegmentWriter> {
        let identity = SegmentIdentity { store: self.library.store(), number };
        let tier = if level == Level::Month { Tier::Cold } else { Tier::Recent };
        SegmentWriter::create(self.library.disk(), identity, &path(level, number), tier, self.clock.wall())
    }
}

/// Writes a section of what is held.
fn write_section(
    writer: &mut SegmentWriter,
    contract: u32,
    rows: &Rows,
    origin_of: impl Fn(u64) -> Origin,
) -> Result<(), SegmentWriteError> {
    writer.begin(contract, rows.kind(), false)?;
    rows.iter().try_for_each(|row| writer.push(row, origin_of(row[0])))
}

/// Writes rows, ascending, that differ from a held one of the same key.
fn write_conflicts(
    writer: &mut SegmentWriter,
    contract: u32,
    mut conflicts: Rows,
    origin: Origin,
) -> Result<(), SegmentWriteError> {
    while !conflicts.is_empty() {
        // Keys ascend within a section; a third version of a row stands in a second one.
        let (first, more) = split_versions(&conflicts);
        writer.begin(contract, first.kind(), true)?;
        first.iter().try_for_each(|row| writer.push(row, origin))?;
        conflicts = more;
    }
    Ok(())
}

fn split_versions(rows: &Rows) -> (Rows, Rows) {
    let (mut first, mut more) = (Rows::new(rows.kind()), Rows::new(rows.kind()));
    for row in rows.iter() {
        let repeats = first.keys().next_back() == Some(row[0]);
        (if repeats { &mut more } else { &mut first }).extend_from_words(row.iter().copied());
    }
    (first, more)
}
