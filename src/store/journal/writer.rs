//! How do bodies of rows become durable, whatever the disk answers?
//!
//! The writer knows one file at a time, with the next one ready beside it. A failed write or sync condemns the file: it is
//! never written or synced again, and its caller writes what was not synced once more, into the next file.

use crate::{
    model::UnixMillis,
    store::{
        files::{Disk, write_all_at},
        journal::{
            Body, FileIdentity, JournalFile,
            file::HEADER_PAGE_BYTES,
            frame::{self, FrameTooLong, HEADER_BYTES},
        },
    },
};
use rkyv::util::AlignedVec;
use std::{io, sync::Arc};

/// Writes one shard's journal.
#[derive(Debug)]
pub struct JournalWriter {
    disk: Arc<dyn Disk>,
    store: u128,
    shard: u32,
    file_bytes: u64,
    next_number: u32,
    sequence: u64,
    /// The sequence number after the last frame that is synced. Frames of a condemned file that are written again bear
    /// their numbers again, so that none seems to be missing.
    synced_sequence: u64,
    active: Option<Active>,
    ready: Option<JournalFile>,
    buffer: AlignedVec<64>,
}

#[derive(Debug)]
struct Active {
    file: Arc<JournalFile>,
    /// Where the next frame goes.
    end: u64,
    /// Below it everything is synced.
    synced: u64,
    /// The checksum that the next frame carries.
    previous: u32,
}

/// Where a body was written.
#[derive(Clone, Debug)]
pub struct Placed {
    /// In which file.
    pub file: Arc<JournalFile>,
    /// Where its archive begins.
    pub payload_at: u64,
    /// Offset of every section's words, in the body's order.
    pub words_at: Vec<u64>,
}

/// Why a body was not written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The active file has no room, or there is none: [`JournalWriter::roll`] first.
    #[error("no file has room")]
    NoRoom,
    /// The body is too long for any file.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
    /// The disk failed; the file is condemned, and what was not synced must be written again.
    #[error("the journal cannot be written")]
    Io(#[from] io::Error),
}

impl JournalWriter {
    /// A writer whose files go on after `next_number`, its frames after `sequence`. Nothing is touched yet.
    pub fn new(
        disk: Arc<dyn Disk>,
        (store, shard): (u128, u32),
        file_bytes: u64,
        next_number: u32,
        sequence: u64,
    ) -> Self {
        let (active, ready, buffer) = (None, None, AlignedVec::new());
        Self { disk, store, shard, file_bytes, next_number, sequence, synced_sequence: sequence, active, ready, buffer }
    }

    /// Makes the next file ready, if it is not.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails; the active file stays in use.
    pub fn prepare(&mut self, now: UnixMillis) -> io::Result<()> {
        if self.ready.is_none() {
            let identity = FileIdentity { store: self.store, shard: self.shard, number: self.next_number };
            // A number is never used twice, even when making its file failed half-way.
            self.next_number += 1;
            self.ready = Some(JournalFile::create(&*self.disk, identity, self.file_bytes, now)?);
        }
        Ok(())
    }

    /// Leaves the active file, which must be synced, and goes on in the next. Says which was left.
    ///
    /// # Errors
    ///
    /// When none is ready and none can be made.
    pub fn roll(&mut self, now: UnixMillis) -> io::Result<Option<Arc<JournalFile>>> {
        debug_assert!(!self.is_dirty(), "what a file holds is synced before it is left");
        self.prepare(now)?;
        let left = self.active.take().map(|active| active.file);
        self.active = self.ready.take().map(|file| Active {
            end: HEADER_PAGE_BYTES,
            synced: HEADER_PAGE_BYTES,
            previous: file.checksum,
            file: Arc::new(file),
        });
        Ok(left)
    }

    /// The file that is written to.
    pub fn active(&self) -> Option<&Arc<JournalFile>> {
        self.active.as_ref().map(|active| &active.file)
    }

    /// Whether the next file is there.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Whether something was written that is not synced.
    pub fn is_dirty(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.synced < active.end)
    }

    /// Whether `body` has room in the active file.
    pub fn has_room(&self, body: &Body) -> bool {
        let longest = HEADER_BYTES as u64 + body.bytes() as u64 + 64;
        self.active.as_ref().is_some_and(|active| active.end + longest <= self.file_bytes)
    }

    /// Writes `body` as one frame.
    ///
    /// # Errors
    ///
    /// See [`AppendError`].
    pub fn append(&mut self, body: &Body) -> Result<Placed, AppendError> {
        if !self.has_room(body) {
            return Err(AppendError::NoRoom);
        }
        let Some(active) = &mut self.active else { return Err(AppendError::NoRoom) };
        let chain = (self.sequence, active.previous, active.synced);
        let header = frame::encode(active.file.identity, active.end, chain, body, &mut self.buffer)?;
        if let Err(error) = write_all_at(active.file.file(), &self.buffer, active.end) {
            self.condemn();
            return Err(error.into());
        }
        let payload_at = active.end + HEADER_BYTES as u64;
        let payload = &self.buffer[HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize];
        let placed =
            Placed { file: Arc::clone(&active.file), payload_at, words_at: frame::words_at(payload_at, payload) };
        active.end += header.frame_bytes();
        active.previous = header.checksum;
        self.sequence += 1;
        Ok(placed)
    }

    /// Makes everything that was written durable.
    ///
    /// # Errors
    ///
    /// The file is condemned, and what was not synced must be written again.
    pub fn sync(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        if let Err(error) = active.file.file().sync() {
            self.condemn();
            return Err(error);
        }
        active.synced = active.end;
        self.synced_sequence = self.sequence;
        Ok(())
    }

    fn condemn(&mut self) {
        self.active = None;
        self.sequence = self.synced_sequence;
    }
}
