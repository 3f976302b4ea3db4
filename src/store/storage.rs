//! How do rows that were handed in become durable, and what happens when the disk is full or fails?
//!
//! [`Storage`] is a machine without a thread or a clock of its own: whoever drives it calls [`Storage::step`] with the time
//! and is told when it wants to be called again.

use crate::{
    model::{IdRange, Symbol, UnixMillis},
    store::{
        desk::{Desk, Gauge, Health},
        journal::{AppendError, Body, JournalFile, JournalWriter, Placed},
        library::Library,
        manifest::Manifest,
        record::{ContractRow, Kind, Origin, Rows},
        recovery::Finding,
        seal::{Sealed, Seals},
        shelf::{Batch, JournalRun, Shelf, Span, dense_runs},
        upkeep::{Keeper, Tally, Upkeep},
    },
};
use crossbeam::channel::Receiver;
use std::{collections::BTreeMap, io, sync::Arc};

/// When what was written is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Never: the kernel writes when it likes to, and a power cut may lose half a minute.
    Never,
    /// At most so many milliseconds after it was written.
    EveryMs(i64),
    /// With every write.
    EveryBatch,
}

/// How the store behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Length of a journal file.
    pub file_bytes: u64,
    /// A journal file is left after so many milliseconds though it is not full.
    pub roll_ms: i64,
    /// Rows wait so many milliseconds for others to be written with: what `kill -9` loses.
    pub write_ms: i64,
    /// See [`SyncPolicy`].
    pub sync: SyncPolicy,
    /// Memory for rows that are not durable.
    pub queue_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file_bytes: 256 << 20,
            roll_ms: UnixMillis::HOUR,
            write_ms: 10,
            sync: SyncPolicy::EveryMs(200),
            queue_bytes: 256 << 20,
        }
    }
}

/// A frame carries at most about so many bytes, so that one that is torn loses little.
const FRAME_BYTES: usize = 4 << 20;
/// After a second failure in a row, the next attempt waits so long.
const RETRY_MS: i64 = 1_000;
/// Writing stops when a file cannot be made, and resumes when this many files have room.
const RESUME_FILES: u64 = 2;

/// Time as the driver knows it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall time, for names and reports.
    pub wall: UnixMillis,
    /// Monotonic milliseconds, for waits.
    pub monotonic_ms: i64,
}

/// The writing end of a store.
#[derive(Debug)]
pub struct Storage {
    library: Arc<Library>,
    options: Options,
    batches: Receiver<Batch>,
    gauge: Arc<Gauge>,
    journal: JournalWriter,
    manifest: Manifest,
    seals: Seals,
    /// Handed in and not written, in order.
    waiting: Vec<Batch>,
    /// Written and not synced, in order.
    unsynced: Vec<Written>,
    /// Journal files that nobody writes to any more.
    left: Vec<Arc<JournalFile>>,
    /// What could not be put into the manifest yet.
    unlisted: Vec<Sealed>,
    keeper: Keeper,
    write_due_ms: Option<i64>,
    sync_due_ms: Option<i64>,
    roll_due_ms: i64,
    /// Whether the active file holds more than the contracts' names.
    has_rows: bool,
    /// Nothing is tried before.
    retry_ms: i64,
    /// The next file is not made before.
    prepare_retry_ms: i64,
    failures: u32,
    counts: Counts,
}

/// What a storage thread has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that are durable.
    pub rows: u64,
    /// Frames written.
    pub frames: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Writes and syncs that failed, each of which condemned a file.
    pub condemned: u64,
    /// Segments listed.
    pub segments: u64,
}

#[derive(Debug)]
struct Written {
    placed: Placed,
    sections: Vec<WrittenSection>,
}

#[derive(Debug)]
struct WrittenSection {
    batches: Vec<Batch>,
    rows: Rows,
}

impl Storage {
    pub(super) fn new(
        library: Arc<Library>,
        options: Options,
        (desk, batches): (&Desk, Receiver<Batch>),
        journal: JournalWriter,
        manifest: Manifest,
        (seals, left): (Seals, Vec<Arc<JournalFile>>),
    ) -> Self {
        Self {
            library,
            options,
            batches,
            gauge: desk.gauge(),
            journal,
            manifest,
            seals,
            left,
            waiting: Vec::new(),
            unsynced: Vec::new(),
            unlisted: Vec::new(),
            keeper: Keeper::default(),
            write_due_ms: None,
            sync_due_ms: None,
            roll_due_ms: i64::MIN,
            has_rows: false,
            retry_ms: i64::MIN,
            prepare_retry_ms: i64::MIN,
            failures: 0,
            counts: Counts::default(),
        }
    }

    /// Gives every symbol a contract number, durably.
    ///
    /// # Errors
    ///
    /// When the manifest cannot be written; then nothing may be recorded.
    pub fn register(&mut self, symbols: &[Symbol], now: Now) -> io::Result<Vec<ContractRow>> {
        let registered: Vec<_> = symbols.iter().map(|symbol| self.library.register(symbol)).collect();
        if registered.iter().any(|(_, new)| *new) {
            self.write_manifest(now)?;
        }
        Ok(registered.into_iter().map(|(row, _)| row).collect())
    }

    /// Does what is due, and says when the next thing is.
    pub fn step(&mut self, now: Now) -> Option<i64> {
        self.take_in(now);
        if now.monotonic_ms >= self.retry_ms {
            let done = self.work(now);
            self.note(done.as_ref().err(), now);
        }
        self.next_due()
    }

    /// Sleeps until something is handed in, but no longer than `longest`.
    pub fn wait(&mut self, longest: std::time::Duration) {
        self.waiting.extend(self.batches.recv_timeout(longest));
    }

    /// Writes and syncs everything that was handed in, now. Whether all of it is durable.
    pub fn drain(&mut self, now: Now) -> bool {
        self.take_in(now);
        let done = self.write(now).and_then(|()| self.sync(now));
        self.note(done.as_ref().err(), now);
        self.waiting.is_empty() && self.unsynced.is_empty()
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Changes what is done to segments.
    pub fn set_upkeep(&mut self, upkeep: Upkeep) {
        self.keeper.set(upkeep);
    }

    /// What was done to segments.
    pub fn upkeep_counts(&self) -> Tally {
        self.keeper.counts()
    }

    /// What is wrong with segments that were read to their end.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.keeper.findings()
    }

    /// What the store consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn take_in(&mut self, now: Now) {
        self.waiting.extend(self.batches.try_iter());
        if !self.waiting.is_empty() {
            self.write_due_ms.get_or_insert(now.monotonic_ms + self.options.write_ms);
        }
    }

    fn work(&mut self, now: Now) -> io::Result<()> {
        let due = |at: Option<i64>| at.is_some_and(|at| at <= now.monotonic_ms);
        self.open_file(now)?;
        if due(self.write_due_ms) {
            self.write(now)?;
        }
        if due(self.sync_due_ms) {
            self.sync(now)?;
        }
        if now.monotonic_ms >= self.roll_due_ms && self.has_rows {
            self.roll(now)?;
        }
        self.list_sealed(now);
        if self.unlisted.is_empty() {
            self.unlisted.extend(self.keeper.step(now, &self.manifest, &self.seals));
        }
        self.prepare(now);
        Ok(())
    }

    /// Makes the next file ahead of need: a full disk shows here while the active file still has room.
    fn prepare(&mut self, now: Now) {
        if now.monotonic_ms < self.prepare_retry_ms {
            return;
        }
        if let Err(error) = self.journal.prepare(now.wall) {
            self.prepare_retry_ms = now.monotonic_ms + RETRY_MS;
            tracing::warn!("the next journal file cannot be made: {error}");
        }
    }

    fn next_due(&self) -> Option<i64> {
        let dues = [self.write_due_ms, self.sync_due_ms, Some(self.roll_due_ms).filter(|_| self.has_rows)];
        dues.into_iter().flatten().min().map(|due| due.max(self.retry_ms))
    }

    /// Sees to it that there is a file to write to.
    fn open_file(&mut self, now: Now) -> io::Result<()> {
        if self.journal.active().is_some() {
            return Ok(());
        }
        if self.gauge_is_full() && self.library.disk().free_bytes()? < RESUME_FILES * self.options.file_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.roll(now)
    }

    fn gauge_is_full(&self) -> bool {
        self.gauge.health() == Health::DiskFull
    }

    /// Goes on in the next file, which begins with every contract's name.
    fn roll(&mut self, now: Now) -> io::Result<()> {
        self.sync(now)?;
        self.left.extend(self.journal.roll(now.wall)?);
        self.has_rows = false;
        self.roll_due_ms = now.monotonic_ms.saturating_add(self.options.roll_ms);
        let contracts = self.library.contracts();
        if !contracts.is_empty() {
            let mut body = Body::default();
            body.push(0, Origin::Derived, &Rows::of(Kind::Contract, &contracts));
            self.append(&body)?;
        }
        let left = std::mem::take(&mut self.left);
        self.left = self.seals.request(left);
        Ok(())
    }

    /// Writes everything that waits, in frames of bounded length.
    fn write(&mut self, now: Now) -> io::Result<()> {
        self.open_file(now)?;
        let mut sections = sections_of(std::mem::take(&mut self.waiting)).into_iter();
        while let Some(first) = sections.next() {
            let (mut body, mut frame) = (Body::default(), vec![first]);
            let mut bytes = frame[0].rows.bytes();
            while bytes < FRAME_BYTES
                && let Some(section) = sections.next()
            {
                bytes += section.rows.bytes();
                frame.push(section);
            }
            frame.iter().for_each(|section| section.fill(&mut body));
            match self.place(&body, now) {
                Ok(placed) => {
                    self.has_rows = true;
                    self.unsynced.push(Written { placed, sections: frame });
                }
                Err(error) => {
                    let unwritten = frame.into_iter().chain(sections);
                    self.take_back(unwritten.flat_map(|section| section.batches).collect());
                    return Err(error);
                }
            }
        }
        self.write_due_ms = None;
        match self.options.sync {
            SyncPolicy::EveryBatch => self.sync(now),
            SyncPolicy::EveryMs(wait_ms) => {
                if !self.unsynced.is_empty() {
                    self.sync_due_ms.get_or_insert(now.monotonic_ms + wait_ms);
                }
                Ok(())
            }
            SyncPolicy::Never => {
                self.settle();
                Ok(())
            }
        }
    }

    /// Writes a body, in the next file if this one has no room.
    fn place(&mut self, body: &Body, now: Now) -> io::Result<Placed> {
        if !self.journal.has_room(body) {
            self.roll(now)?;
        }
        self.append(body)
    }

    fn append(&mut self, body: &Body) -> io::Result<Placed> {
        let file = self.journal.active().cloned();
        let placed = self.journal.append(body).map_err(|error| match error {
            AppendError::Io(error) => error,
            other => io::Error::other(other),
        });
        if placed.is_err() {
            self.condemn(file);
        } else {
            self.counts.frames += 1;
        }
        placed
    }

    fn sync(&mut self, _: Now) -> io::Result<()> {
        self.sync_due_ms = None;
        if !self.journal.is_dirty() {
            return Ok(());
        }
        let file = self.journal.active().cloned();
        if let Err(error) = self.journal.sync() {
            self.condemn(file);
            return Err(error);
        }
        self.counts.syncs += 1;
        self.settle();
        Ok(())
    }

    /// What was written is durable: readers find it on the disk from here on.
    fn settle(&mut self) {
        for written in std::mem::take(&mut self.unsynced) {
            for (section, words_at) in written.sections.into_iter().zip(&written.placed.words_at) {
                self.counts.rows += section.rows.len() as u64;
                self.gauge.release(section.batches.iter().map(|batch| batch.rows.bytes()).sum());
                let synced = self.options.sync != SyncPolicy::Never;
                section.settle(&written.placed.file, *words_at, synced);
            }
        }
    }

    /// Gives up a file that failed: what was not synced in it is written again, elsewhere.
    fn condemn(&mut self, file: Option<Arc<JournalFile>>) {
        self.counts.condemned += 1;
        self.left.extend(file);
        let unsynced = std::mem::take(&mut self.unsynced);
        self.take_back(
            unsynced.into_iter().flat_map(|written| written.sections).flat_map(|section| section.batches).collect(),
        );
        self.sync_due_ms = None;
    }

    /// Puts batches back before all that wait.
    fn take_back(&mut self, mut batches: Vec<Batch>) {
        batches.append(&mut self.waiting);
        self.waiting = batches;
    }

    /// Draws the consequences of success or failure.
    fn note(&mut self, error: Option<&io::Error>, now: Now) {
        let Some(error) = error else {
            self.failures = 0;
            self.retry_ms = i64::MIN;
            return self.set_health(Health::Good, None);
        };
        if !self.waiting.is_empty() {
            self.write_due_ms.get_or_insert(now.monotonic_ms);
        }
        self.failures += 1;
        // The first failure condemned a file: the next one is tried at once.
        self.retry_ms = if self.failures > 1 { now.monotonic_ms + RETRY_MS } else { i64::MIN };
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full {
            self.set_health(Health::DiskFull, Some(error));
        } else if self.failures > 1 {
            self.set_health(Health::DiskFails, Some(error));
        }
    }

    fn set_health(&self, health: Health, error: Option<&io::Error>) {
        if self.gauge.health() != health {
            match error {
                Some(error) => tracing::error!(health = health.as_str(), "the tape is not being stored: {error}"),
                None => tracing::info!("the tape is being stored again"),
            }
        }
        self.gauge.set_health(health);
    }

    /// Puts finished segments into the manifest, and takes away what they replace.
    fn list_sealed(&mut self, now: Now) {
        for done in self.seals.finished() {
            self.unlisted.extend(self.keeper.note(done, &self.manifest));
        }
        if self.unlisted.is_empty() {
            return;
        }
        let before = self.manifest.clone();
        self.unlisted.iter().for_each(|sealed| sealed.list(&mut self.manifest));
        if let Err(error) = self.write_manifest(now) {
            tracing::warn!("segments wait to be listed: {error}");
            self.manifest = before;
            return;
        }
        for sealed in std::mem::take(&mut self.unlisted) {
            self.counts.segments += sealed.segments();
            sealed.adopt(&self.library, &self.manifest);
        }
    }

    fn write_manifest(&mut self, now: Now) -> io::Result<()> {
        self.manifest.contracts = self.library.contracts();
        let next = self.seals.next_segment();
        self.manifest.next_segment = next.max(self.manifest.next_segment);
        self.manifest.write(&**self.library.disk(), self.library.store(), now.wall)
    }
}

impl WrittenSection {
    fn fill(&self, body: &mut Body) {
        let Some(batch) = self.batches.first() else { return };
        body.push(batch.shelf.contract, batch.origin, &self.rows);
    }

    fn settle(self, file: &Arc<JournalFile>, words_at: u64, synced: bool) {
        let Some(batch) = self.batches.first() else { return };
        let (shelf, origin) = (Arc::clone(&batch.shelf), batch.origin);
        let queued: Vec<_> = self.batches.into_iter().map(|batch| batch.rows).collect();
        shelf.settle(&queued, journal_runs(&self.rows, file, origin, words_at), synced);
    }
}

/// Where rows stand in a journal file, one entry for each run of consecutive keys if keys are dense.
pub(super) fn journal_runs(rows: &Rows, file: &Arc<JournalFile>, origin: Origin, words_at: u64) -> Vec<JournalRun> {
    let Some(span) = Span::of(rows) else { return Vec::new() };
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let run =
        |words_at, rows: usize, span| JournalRun { file: Arc::clone(file), words_at, rows: count(rows), origin, span };
    let runs = if rows.kind().schema().dense { dense_runs(rows) } else { Vec::new() };
    if runs.len() <= 1 {
        return vec![run(words_at, rows.len(), span)];
    }
    let mut at = 0;
    let part = |keys: IdRange| {
        let from = at;
        at += rows.keys().skip(from).take_while(|key| *key <= keys.last).count();
        let mut part = Rows::new(rows.kind());
        (from..at).filter_map(|row| rows.get(row)).for_each(|row| part.extend_from_words(row.iter().copied()));
        let offset = words_at + (from * rows.kind().width() * size_of::<u64>()) as u64;
        Some(run(offset, part.len(), Span::of(&part)?))
    };
    runs.into_iter().filter_map(part).collect()
}

/// Batches by contract, kind and origin, each in ascending order of keys.
fn sections_of(batches: Vec<Batch>) -> Vec<WrittenSection> {
    let mut sections: BTreeMap<(u32, Kind, Origin), Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        let shelf: &Shelf = &batch.shelf;
        sections.entry((shelf.contract, shelf.kind, batch.origin)).or_default().push(batch);
    }
    let section = |batches: Vec<Batch>| {
        let mut rows = Rows::with_capacity(batches[0].shelf.kind, batches.iter().map(|batch| batch.rows.len()).sum());
        batches.iter().for_each(|batch| rows.extend_from_words(batch.rows.words().iter().copied()));
        rows.sort();
        WrittenSection { batches, rows }
    };
    sections.into_values().map(section).collect()
}
