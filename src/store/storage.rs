//! How do rows that were handed in become durable, and what happens when the disk is full or fails?
//!
//! [`Storage`] is a machine without a thread or a clock of its own: whoever drives it calls [`Storage::step`] with the time
//! and is told when it wants to be called again.

use crate::{
    clock::Now,
    model::{Symbol, UnixMillis},
    store::{
        desk::{Desk, Enlisted, Enlisting, Gauge, Health, Inbox},
        journal::{AppendError, Body, HEADER_PAGE_BYTES, JournalFile, JournalWriter, Placed},
        library::Library,
        manifest::Manifest,
        record::{ContractRow, Kind, Origin, Rows},
        recovery::Finding,
        seal::{Sealed, Seals},
        sections::{Section, sections_of},
        shelf::Batch,
        upkeep::{Keeper, Tally, Upkeep},
    },
};
use crossbeam::channel::{Receiver, RecvTimeoutError, select};
use std::{io, sync::Arc, time::Duration};

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

/// The writing end of a store.
#[derive(Debug)]
pub struct Storage {
    library: Arc<Library>,
    options: Options,
    inbox: Inbox,
    gauge: Arc<Gauge>,
    journal: JournalWriter,
    manifest: Manifest,
    seals: Seals,
    /// Handed in and not written, in order.
    waiting: Vec<Batch>,
    /// Written and not synced, in order.
    unsynced: Vec<Written>,
    /// The frame in the making.
    body: Body,
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
    /// Whether the active file lacks the name of a contract.
    unnamed: bool,
    /// Whether contracts were registered that the manifest on the disk may lack.
    unregistered: bool,
    /// Whether a file could not be made for want of room, and none was since.
    full: bool,
    /// Nothing is tried before.
    retry_ms: i64,
    /// The next file is not made before.
    prepare_retry_ms: i64,
    /// Segments are not listed before.
    list_retry_ms: i64,
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
    sections: Vec<Section>,
}

impl Storage {
    pub(super) fn new(
        library: Arc<Library>,
        options: Options,
        (desk, inbox): (&Desk, Inbox),
        journal: JournalWriter,
        manifest: Manifest,
        (seals, left): (Seals, Vec<Arc<JournalFile>>),
    ) -> Self {
        Self {
            library,
            options,
            inbox,
            gauge: desk.gauge(),
            journal,
            manifest,
            seals,
            left,
            waiting: Vec::new(),
            unsynced: Vec::new(),
            body: Body::default(),
            unlisted: Vec::new(),
            keeper: Keeper::default(),
            write_due_ms: None,
            sync_due_ms: None,
            roll_due_ms: i64::MIN,
            has_rows: false,
            unnamed: false,
            unregistered: false,
            full: false,
            retry_ms: i64::MIN,
            prepare_retry_ms: i64::MIN,
            list_retry_ms: i64::MIN,
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
        let named = |symbol: &Symbol| Enlisted { symbol: symbol.clone(), onboard_time: None };
        self.enlist(&symbols.iter().map(named).collect::<Vec<_>>(), now)
    }

    /// The same for contracts whose time of listing may be known.
    fn enlist(&mut self, contracts: &[Enlisted], now: Now) -> io::Result<Vec<ContractRow>> {
        let registered: Vec<_> = contracts.iter().map(|contract| self.library.register(contract)).collect();
        // What could not be listed once is new until it is.
        self.unregistered |= registered.iter().any(|(_, new)| *new);
        if self.unregistered {
            self.write_manifest(now)?;
            (self.unregistered, self.unnamed) = (false, true);
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

    /// Sleeps until there is something to do, but no longer than `longest`; whether `stop` was disconnected.
    pub fn wait(&mut self, longest: Duration, stop: &Receiver<()>) -> bool {
        if self.write_due_ms.is_some() {
            // What comes meanwhile is written with what waits: no need to wake for it.
            return stop.recv_timeout(longest) == Err(RecvTimeoutError::Disconnected);
        }
        select! {
            recv(self.inbox.batches) -> batch => {
                self.waiting.extend(batch);
                false
            }
            recv(stop) -> _ => true,
            default(longest) => false,
        }
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
        while let Ok(Enlisting { contracts, done }) = self.inbox.enlistings.try_recv() {
            let enlisted = self.enlist(&contracts, now);
            // Who waits no more has no use for the answer.
            done.send(enlisted.map(drop)).unwrap_or_default();
        }
        self.inbox.retentions.try_iter().last().into_iter().for_each(|retention| self.keeper.retain(retention));
        self.waiting.extend(self.inbox.batches.try_iter());
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
        // Only age asks for it: it waits for a file that is ready.
        if now.monotonic_ms >= self.roll_due_ms && self.has_rows && self.journal.is_ready() {
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
        match self.journal.prepare(now.wall) {
            Ok(()) => self.prepare_retry_ms = i64::MIN,
            Err(error) => {
                // Said once, until it succeeds again.
                if self.prepare_retry_ms == i64::MIN {
                    tracing::warn!("the next journal file cannot be made yet: {error}");
                }
                self.prepare_retry_ms = now.monotonic_ms + RETRY_MS;
            }
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
        self.roll(now)
    }

    /// A disk that was full takes no new file before it has room for several: otherwise it would be full again at once.
    fn wait_for_room(&self) -> io::Result<()> {
        let wanted = RESUME_FILES * self.options.file_bytes;
        if self.full && !self.journal.is_ready() && self.library.disk().free_bytes()? < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Goes on in the next file, which begins with every contract's name.
    fn roll(&mut self, now: Now) -> io::Result<()> {
        self.sync(now)?;
        self.wait_for_room()?;
        self.left.extend(self.journal.roll(now.wall)?);
        (self.has_rows, self.full) = (false, false);
        self.roll_due_ms = now.monotonic_ms.saturating_add(self.options.roll_ms);
        self.append(&self.names())?;
        self.unnamed = false;
        let left = std::mem::take(&mut self.left);
        self.left = self.seals.request(left);
        Ok(())
    }

    /// Every contract's name, for the files to be readable without a manifest.
    fn names(&self) -> Body {
        let (mut body, contracts) = (Body::default(), self.library.contracts());
        if !contracts.is_empty() {
            body.push(0, Origin::Derived, &Rows::of(Kind::Contract, &contracts));
        }
        body
    }

    /// Names contracts that are new since the file was begun.
    fn name_new(&mut self, now: Now) -> io::Result<()> {
        if self.unnamed {
            self.place(&self.names(), now)?;
            self.unnamed = false;
        }
        Ok(())
    }

    /// Writes everything that waits, in frames of bounded length.
    fn write(&mut self, now: Now) -> io::Result<()> {
        self.open_file(now)?;
        self.name_new(now)?;
        let bytes_max = self.frame_bytes();
        let mut sections = sections_of(std::mem::take(&mut self.waiting), bytes_max).into_iter().peekable();
        while let Some(first) = sections.next() {
            let mut bytes = first.rows().bytes();
            let mut frame = vec![first];
            while let Some(section) = sections.next_if(|section| bytes + section.rows().bytes() <= bytes_max) {
                bytes += section.rows().bytes();
                frame.push(section);
            }
            if let Err((error, frame)) = self.write_frame(frame, now) {
                // Behind what was not synced and came back before.
                self.waiting.extend(frame.into_iter().chain(sections).flat_map(Section::into_batches));
                return Err(error);
            }
        }
        self.write_due_ms = None;
        self.sync_when_due(now)
    }

    /// The most that a frame carries: little enough for two to fit a file.
    fn frame_bytes(&self) -> usize {
        let room = self.options.file_bytes.saturating_sub(HEADER_PAGE_BYTES) / 2;
        usize::try_from(room).map_or(FRAME_BYTES, |room| room.min(FRAME_BYTES))
    }

    fn write_frame(&mut self, frame: Vec<Section>, now: Now) -> Result<(), (io::Error, Vec<Section>)> {
        // Its memory is used again: a new one a frame would cost more than filling it.
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        frame.iter().for_each(|section| section.fill(&mut body));
        let placed = self.place(&body, now);
        self.body = body;
        match placed {
            Ok(placed) => {
                self.has_rows = true;
                self.unsynced.push(Written { placed, sections: frame });
                Ok(())
            }
            Err(error) => Err((error, frame)),
        }
    }

    fn sync_when_due(&mut self, now: Now) -> io::Result<()> {
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
                self.counts.rows += section.rows().len() as u64;
                self.gauge.release(section.queued_bytes());
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
        let sections = unsynced.into_iter().flat_map(|written| written.sections);
        let mut batches: Vec<_> = sections.flat_map(Section::into_batches).collect();
        batches.append(&mut self.waiting);
        self.waiting = batches;
        self.sync_due_ms = None;
    }

    /// Draws the consequences of success or failure.
    fn note(&mut self, error: Option<&io::Error>, now: Now) {
        let Some(error) = error else {
            self.failures = 0;
            self.retry_ms = i64::MIN;
            let health = if self.full { self.gauge.health() } else { Health::Good };
            return self.set_health(health, None);
        };
        if !self.waiting.is_empty() {
            self.write_due_ms.get_or_insert(now.monotonic_ms);
        }
        self.failures += 1;
        // The first failure condemned a file: the next one is tried at once.
        self.retry_ms = if self.failures > 1 { now.monotonic_ms + RETRY_MS } else { i64::MIN };
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full {
            self.full = true;
            self.set_health(Health::DiskFull, Some(error));
        } else if self.failures > 1 {
            self.set_health(Health::DiskFails, Some(error));
        }
    }

    fn set_health(&self, health: Health, error: Option<&io::Error>) {
        if self.gauge.health() != health {
            match error {
                Some(error) => say_stalled(health, error),
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
        if self.unlisted.is_empty() || now.monotonic_ms < self.list_retry_ms {
            return;
        }
        let before = self.manifest.clone();
        self.unlisted.iter().for_each(|sealed| sealed.list(&mut self.manifest));
        if let Err(error) = self.write_manifest(now) {
            if self.list_retry_ms == i64::MIN {
                tracing::warn!("segments wait to be listed: {error}");
            }
            self.list_retry_ms = now.monotonic_ms + RETRY_MS;
            self.manifest = before;
            return;
        }
        self.list_retry_ms = i64::MIN;
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

fn say_stalled(health: Health, error: &io::Error) {
    tracing::error!(health = health.as_str(), "the tape is not being stored: {error}");
}
