//! How are sections that ascend read as one, block by block?

use crate::store::{
    manifest::{Level, SegmentEntry},
    plan::Damaged,
    record::{Kind, Origin, Rows},
    segment::{BlockError, SectionIndex, Segment, SegmentWriteError, origin_at},
};
use std::{io, sync::Arc};

/// Why nothing was merged.
#[derive(Debug)]
pub(super) enum MergeError {
    Damaged(Damaged),
    Failed(SegmentWriteError),
}

impl MergeError {
    pub(super) const fn damaged(segment: u64, contract: u32) -> Self {
        Self::Damaged(Damaged { segment, contract: Some(contract) })
    }
}

impl From<SegmentWriteError> for MergeError {
    fn from(error: SegmentWriteError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for MergeError {
    fn from(error: io::Error) -> Self {
        Self::Failed(SegmentWriteError::Io(error))
    }
}

/// Where one reads in a section. At most one block of it is in memory, and none before its turn.
#[derive(Debug)]
pub(super) struct Cursor {
    number: u64,
    is_fill: bool,
    segment: Arc<Segment>,
    section: SectionIndex,
    block: usize,
    /// The current block's, when it was read.
    rows: Option<Rows>,
    at: usize,
}

impl Cursor {
    pub(super) fn new(entry: &SegmentEntry, segment: Arc<Segment>, section: SectionIndex) -> Self {
        let is_fill = entry.level == Level::Fill;
        Self { number: entry.number, is_fill, segment, section, block: 0, rows: None, at: 0 }
    }

    /// Whether its rows differ from held ones.
    const fn is_conflicts(&self) -> bool {
        self.section.role != 0
    }

    /// The next row's key.
    fn key(&self) -> Option<u64> {
        match &self.rows {
            Some(rows) => rows.get(self.at).map(|row| row[0]),
            None => self.segment.blocks(&self.section).get(self.block).map(|block| block.first_key),
        }
    }

    /// The next row; none before it was read.
    fn row(&self) -> &[u64] {
        self.rows.as_ref().and_then(|rows| rows.get(self.at)).unwrap_or_default()
    }

    fn load(&mut self) -> Result<(), MergeError> {
        if self.rows.is_none() {
            let rows = self.segment.rows(&self.section, self.block).map_err(|error| match error {
                BlockError::Io(error) => MergeError::Failed(SegmentWriteError::Io(error)),
                _ => MergeError::damaged(self.number, self.section.contract),
            })?;
            self.rows = Some(rows);
        }
        Ok(())
    }

    fn advance(&mut self) {
        self.at += 1;
        if self.rows.as_ref().is_some_and(|rows| self.at >= rows.len()) {
            (self.rows, self.at, self.block) = (None, 0, self.block + 1);
        }
    }

    fn origin(&self, key: u64) -> Origin {
        let kind = Kind::from_number(self.section.kind);
        kind.map_or(Origin::Stream, |kind| origin_at(self.segment.runs(&self.section), kind, key))
    }

    /// Of rows of equal keys the one with the lowest rank is served: as in [`Shelf::rows`](crate::store::shelf::Shelf::rows),
    /// so that merging changes nothing that readers see.
    fn rank(&self) -> (bool, bool, u64, u64) {
        let block = self.segment.blocks(&self.section).get(self.block);
        let (first, last) = block.map_or((u64::MAX, u64::MAX), |block| (block.first_key, block.last_key));
        (self.is_conflicts(), self.is_fill, first, last)
    }
}

/// A row of merged sections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged<'a> {
    pub(super) words: &'a [u64],
    pub(super) origin: Origin,
    /// Whether it differs from the held row of its key.
    pub(super) conflict: bool,
}

/// Emits the rows of all sections of one kind in ascending order: of each key one that is held, and those that differ from
/// it. Says how many rows were read.
pub(super) fn merge(
    kind: Kind,
    cursors: &mut [Cursor],
    mut emit: impl FnMut(Merged<'_>) -> Result<(), MergeError>,
) -> Result<u64, MergeError> {
    let (mut read, mut tied) = (0, Vec::new());
    while let Some(lowest) = cursors.iter().filter_map(Cursor::key).min() {
        tied.clear();
        tied.extend((0..cursors.len()).filter(|at| cursors[*at].key() == Some(lowest)));
        if let [alone] = *tied {
            let limit = cursors.iter().filter_map(Cursor::key).filter(|key| *key > lowest);
            let others = limit.min().unwrap_or(u64::MAX);
            read += emit_below(&mut cursors[alone], others, &mut emit)?;
        } else {
            read += tied.len() as u64;
            tied.iter().try_for_each(|at| cursors[*at].load())?;
            emit_tied(kind, cursors, &mut tied, &mut emit)?;
            tied.iter().for_each(|at| cursors[*at].advance());
        }
    }
    Ok(read)
}

/// Emits the next row and those after it with keys below `limit`: nobody else has them.
fn emit_below(
    cursor: &mut Cursor,
    limit: u64,
    emit: &mut impl FnMut(Merged<'_>) -> Result<(), MergeError>,
) -> Result<u64, MergeError> {
    let mut read = 0;
    while let Some(key) = cursor.key().filter(|key| read == 0 || *key < limit) {
        cursor.load()?;
        emit(Merged { words: cursor.row(), origin: cursor.origin(key), conflict: cursor.is_conflicts() })?;
        cursor.advance();
        read += 1;
    }
    Ok(read)
}

/// Emits the next rows of cursors that have the same key.
fn emit_tied(
    kind: Kind,
    cursors: &[Cursor],
    tied: &mut [usize],
    emit: &mut impl FnMut(Merged<'_>) -> Result<(), MergeError>,
) -> Result<(), MergeError> {
    tied.sort_by_key(|at| cursors[*at].rank());
    let merged = |cursor: &Cursor, conflict| (cursor.origin(cursor.row()[0]), conflict);
    if let Some(revision) = kind.schema().revision {
        // `max_by_key` takes the last of equals, as readers do.
        let Some(latest) = tied.iter().max_by_key(|at| cursors[**at].row()[revision]) else { return Ok(()) };
        let (origin, conflict) = merged(&cursors[*latest], false);
        return emit(Merged { words: cursors[*latest].row(), origin, conflict });
    }
    for (count, at) in tied.iter().enumerate() {
        let cursor = &cursors[*at];
        if !tied[..count].iter().any(|before| kind.agree(cursors[*before].row(), cursor.row())) {
            let (origin, conflict) = merged(cursor, count > 0 || cursor.is_conflicts());
            emit(Merged { words: cursor.row(), origin, conflict })?;
        }
    }
    Ok(())
}
