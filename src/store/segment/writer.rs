//! How is a segment made, so that it is there whole or not at all?

use crate::{
    model::UnixMillis,
    store::{
        codec::{CodecError, Tier},
        files::{Disk, File, parent, write_all_at},
        record::{Kind, Origin, Rows},
        segment::{
            SegmentIdentity,
            block::{self, block_rows},
            footer::{BlockIndex, Footer, Replaced, RunIndex, SectionIndex, Trailer},
            header_record,
        },
    },
};
use rkyv::rancor;
use std::{fmt, io, sync::Arc};
use xxhash_rust::xxh3::Xxh3;

/// Written in pieces of about so many bytes.
const WRITE_BYTES: usize = 1 << 20;

/// Why a segment was not made.
#[derive(Debug, thiserror::Error)]
pub enum SegmentWriteError {
    /// The disk is full or fails.
    #[error("the segment cannot be written")]
    Io(#[from] io::Error),
    /// A column cannot be coded.
    #[error("the segment's rows cannot be coded")]
    Codec(#[from] CodecError),
    /// Its index cannot be archived.
    #[error("the segment's index cannot be made")]
    Index,
}

/// A segment in the making, under another name.
pub struct SegmentWriter {
    disk: Arc<dyn Disk>,
    identity: SegmentIdentity,
    path: String,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    /// Bytes that are in the file.
    written: u64,
    hasher: Box<Xxh3>,
    footer: Footer,
    tier: Tier,
    /// Whether it has its own name.
    named: bool,
    /// Rows of the current section that fill no block yet.
    open: Rows,
    section: Option<SectionIndex>,
}

impl SegmentWriter {
    /// Begins the segment that will stand at `path`.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails.
    pub fn create(
        disk: &Arc<dyn Disk>,
        identity: SegmentIdentity,
        path: &str,
        tier: Tier,
        now: UnixMillis,
    ) -> io::Result<Self> {
        let temporary = temporary(path);
        match disk.unlink(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            file: disk.create(&temporary)?,
            disk: Arc::clone(disk),
            identity,
            path: path.to_owned(),
            buffer: header_record(identity, now),
            written: 0,
            hasher: Box::default(),
            footer: Footer::default(),
            tier,
            named: false,
            open: Rows::new(Kind::Trade),
            section: None,
        })
    }

    /// Notes a file whose rows will all be in this segment.
    pub fn replaces(&mut self, replaced: Replaced) {
        self.footer.replaces.push(replaced);
    }

    /// Begins the rows of a contract and kind, ascending; `conflicts` for those that differ from a held one.
    ///
    /// # Errors
    ///
    /// When what came before cannot be written.
    pub fn begin(&mut self, contract: u32, kind: Kind, conflicts: bool) -> Result<(), SegmentWriteError> {
        self.end_section()?;
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.open = Rows::with_capacity(kind, block_rows(self.tier));
        self.section = Some(SectionIndex {
            contract,
            kind: kind.number(),
            role: u16::from(conflicts),
            rows: 0,
            first_key: 0,
            last_key: 0,
            first_time: i64::MAX,
            last_time: i64::MIN,
            first_block: count(self.footer.blocks.len()),
            blocks: 0,
            first_run: count(self.footer.runs.len()),
            runs: 0,
        });
        Ok(())
    }

    /// Adds a row, whose key is above all before it in this section.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn push(&mut self, row: &[u64], origin: Origin) -> Result<(), SegmentWriteError> {
        let Some(section) = &mut self.section else { return Ok(()) };
        let (key, time) = (row[0], row[1].cast_signed());
        if section.rows == 0 {
            section.first_key = key;
        }
        section.rows += 1;
        section.last_key = key;
        section.first_time = section.first_time.min(time);
        section.last_time = section.last_time.max(time);
        if section.role == 0 {
            extend_runs(&mut self.footer.runs, section, (key, origin), self.open.kind().schema().dense);
        }
        self.open.push_words(row);
        // Counting the rows would divide.
        let is_full = self.open.words().len() >= block_rows(self.tier) * self.open.kind().width();
        if is_full { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<(), SegmentWriteError> {
        let Some(section) = self.section.as_mut().filter(|_| !self.open.is_empty()) else { return Ok(()) };
        let offset = self.written + self.buffer.len() as u64;
        let header = block::encode(self.identity, offset, section.contract, self.tier, &self.open, &mut self.buffer)?;
        section.blocks += 1;
        self.footer.blocks.push(BlockIndex::of(offset, &header));
        self.open.clear();
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn end_section(&mut self) -> Result<(), SegmentWriteError> {
        self.close_block()?;
        self.footer.sections.extend(self.section.take().filter(|section| section.rows > 0));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(&*self.file, &self.buffer, self.written)?;
        self.hasher.update(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the segment and gives it its name: durable when this returns. Says its index and length.
    ///
    /// # Errors
    ///
    /// Then there is no segment of that name, or one that no manifest knows and the next start takes away.
    pub fn finish(mut self) -> Result<(Footer, u64), SegmentWriteError> {
        self.end_section()?;
        self.footer.sections.sort_by_key(|section| (section.contract, section.kind, section.role));
        let archive = rkyv::to_bytes::<rancor::Error>(&self.footer).map_err(|_| SegmentWriteError::Index)?;
        let footer_at = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&archive);
        self.buffer.resize(self.buffer.len().next_multiple_of(64), 0);
        self.flush()?;
        let trailer = Trailer::new(footer_at, &archive, self.hasher.digest128());
        write_all_at(&*self.file, &trailer.bytes(), self.written)?;
        self.file.sync()?;
        self.disk.rename(&temporary(&self.path), &self.path)?;
        self.named = true;
        self.disk.sync_dir(parent(&self.path))?;
        Ok((std::mem::take(&mut self.footer), self.written + trailer.bytes().len() as u64))
    }
}

impl Drop for SegmentWriter {
    /// Takes away what was not finished: a disk that is full would fill with attempts.
    fn drop(&mut self) {
        if !self.named {
            self.disk.unlink(&temporary(&self.path)).unwrap_or_default();
        }
    }
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("path", &self.path)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

fn temporary(path: &str) -> String {
    format!("{path}.new")
}

/// Adds a key to the runs of a section. Of kinds whose keys are not dense a run says of one origin, and nothing of gaps.
fn extend_runs(runs: &mut Vec<RunIndex>, section: &mut SectionIndex, (key, origin): (u64, Origin), dense: bool) {
    let origin = u64::from(origin.number());
    let own = &mut runs[section.first_run as usize..];
    match own.last_mut() {
        Some(run) if run.origin == origin && (!dense || run.last + 1 == key) => run.last = key,
        _ => {
            runs.push(RunIndex { first: key, last: key, origin });
            section.runs += 1;
        }
    }
}
