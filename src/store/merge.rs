//! How are rows that lie in many places read as one ascending run, each key once?

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        codec::CodecError,
        library::Library,
        record::{Kind, Rows},
        segment::{Block, BlockError, BlockIndex, SectionIndex, Segment},
        shelf::{JournalRun, Nearest, Part, SealedPart, Shelf, Span, dense_runs, without},
    },
};
use std::{cell::Cell, ops::Range, sync::Arc};

/// Rows read from a shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Ascending, each key once.
    pub rows: Rows,
    /// Keys among which some are held and cannot be read.
    pub damaged: Vec<IdRange>,
}

/// A piece that is read in one go.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// With its place among the parts, which come in the order of their arrival.
    Queued(Arc<Rows>, usize),
    Journal(JournalRun),
    Block(Arc<Segment>, SectionIndex, usize, BlockIndex),
    /// The same of a segment that was back-filled.
    Filled(Arc<Segment>, SectionIndex, usize, BlockIndex),
    /// A segment that cannot be opened.
    Lost(IdRange),
}

impl Piece {
    pub(super) fn keys(&self) -> Option<IdRange> {
        match self {
            Self::Queued(rows, _) => Span::of(rows).map(|span| span.keys),
            Self::Journal(run) => Some(run.span.keys),
            Self::Block(_, _, _, block) | Self::Filled(_, _, _, block) => IdRange::new(block.first_key, block.last_key),
            Self::Lost(keys) => Some(*keys),
        }
    }

    /// Of rows of equal keys the one that was held first is served.
    fn arrival(&self) -> (u8, u32, u64) {
        match self {
            Self::Block(..) | Self::Lost(_) => (0, 0, 0),
            Self::Filled(..) => (1, 0, 0),
            Self::Journal(run) => (2, run.file.identity.number, run.words_at),
            Self::Queued(_, at) => (3, 0, *at as u64),
        }
    }

    /// Its rows, of a block only those with keys in `keys`; nothing when it is damaged.
    pub(super) fn load(&self, library: &Library, kind: Kind, keys: IdRange) -> Option<Rows> {
        let read = match self {
            Self::Queued(rows, _) => Some(Rows::clone(rows)),
            Self::Journal(run) => run.read(kind).ok(),
            Self::Block(segment, section, at, block) | Self::Filled(segment, section, at, block) => {
                let rows = segment.rows_in(section, *at, keys);
                return rows.map_err(|why| library.note_damage(segment, section, block, &why)).ok();
            }
            Self::Lost(_) => None,
        };
        if read.is_none() {
            library.count_damage();
        }
        read
    }
}

impl Shelf {
    /// The rows with keys in `keys`, at most `limit`: the oldest, or the `newest` of them.
    pub fn rows(&self, library: &Library, keys: IdRange, limit: usize, newest: bool) -> Reading {
        let mut reading = Reading { rows: Rows::new(self.kind), damaged: Vec::new() };
        let (mut rest, mut chunks, mut missing) = (Some(keys), Vec::new(), limit);
        while let Some(range) = rest.filter(|_| missing > 0) {
            let (pieces, covered) = self.nearest(library, range, Nearest { rows: missing, newest });
            let mut groups = groups(pieces);
            if newest {
                groups.reverse();
            }
            for group in groups {
                if missing == 0 {
                    break;
                }
                let rows = self.load(library, &group, covered, &mut reading.damaged);
                missing = missing.saturating_sub(rows.len());
                chunks.push(rows);
            }
            rest = if newest {
                covered.first.checked_sub(1).and_then(|last| IdRange::new(range.first, last))
            } else {
                covered.last.checked_add(1).and_then(|first| IdRange::new(first, range.last))
            };
        }
        if newest {
            chunks.reverse();
        }
        chunks.iter().for_each(|rows| reading.rows.extend_from_words(rows.words().iter().copied()));
        reading.rows.keep(limit, newest);
        reading
    }

    /// What holds the oldest or newest rows with keys in `keys`, about as many as are wanted, and the keys up to which
    /// nothing of that was left out.
    fn nearest(&self, library: &Library, keys: IdRange, wanted: Nearest) -> (Vec<Piece>, IdRange) {
        let covered = Cell::new(keys);
        let parts = || {
            let (parts, reached) = self.nearest_parts(keys, wanted);
            covered.set(narrowed(covered.get(), reached));
            parts
        };
        let blocks = |blocks: &[BlockIndex]| {
            let all = blocks_of(blocks, keys);
            let some = wanted.of(all.clone(), |at| blocks[at].rows as usize);
            if some.start > all.start {
                covered.set(narrowed(covered.get(), IdRange { first: blocks[some.start].first_key, ..keys }));
            }
            if some.end < all.end {
                covered.set(narrowed(covered.get(), IdRange { last: blocks[some.end - 1].last_key, ..keys }));
            }
            some
        };
        let mut pieces = self.pieces_of(library, parts, blocks);
        let covered = covered.get();
        pieces.retain(|piece| piece.keys().is_some_and(|own| own.meet(covered).is_some()));
        (pieces, covered)
    }

    /// The lowest key of a row at or after `time`, of kinds whose keys and times ascend together.
    pub fn first_key_at(&self, library: &Library, time: UnixMillis) -> Option<u64> {
        let first_block = |blocks: &[BlockIndex]| {
            let at = blocks.partition_point(|block| block.last_time < time.get());
            at..(at + 1).min(blocks.len())
        };
        // What lies behind it as a whole begins with its own first row; only what reaches across has to be read.
        let behind = |part: &Part| part.span().is_some_and(|span| span.times.0 >= time);
        let whole = self
            .parts_at(time)
            .iter()
            .filter(|part| behind(part))
            .filter_map(Part::span)
            .map(|span| span.keys.first)
            .min();
        let across = || self.parts_at(time).into_iter().filter(|part| !behind(part)).collect();
        let pieces = self.pieces_of(library, across, first_block);
        let first_key = |piece: Piece| {
            if let Piece::Block(segment, section, at, _) | Piece::Filled(segment, section, at, _) = &piece {
                return segment.first_key_at(section, *at, time.get()).ok().flatten();
            }
            let rows = piece.load(library, self.kind, IdRange { first: 0, last: u64::MAX })?;
            rows.keys().zip(rows.times()).find(|(_, its)| *its >= time).map(|(key, _)| key)
        };
        pieces.into_iter().filter_map(first_key).chain(whole).min()
    }

    /// Lets `visit` see the rows of some of this shelf's parts with keys in `keys`, ascending, each key once. Says among
    /// which keys some cannot be read.
    pub(super) fn visit(
        &self,
        library: &Library,
        parts: Vec<Part>,
        keys: IdRange,
        mut visit: impl FnMut(Seen<'_, '_>) -> Result<(), CodecError>,
    ) -> Vec<IdRange> {
        let mut damaged = Vec::new();
        let pieces =
            parts.into_iter().enumerate().flat_map(|part| pieces_of(library, part, |blocks| blocks_of(blocks, keys)));
        for group in groups(pieces.collect()) {
            let seen = match group.as_slice() {
                [Piece::Block(segment, section, at, block) | Piece::Filled(segment, section, at, block)] => {
                    let seen = segment.with_block(section, *at, |block| {
                        let wanted = rows_of(block, keys)?;
                        visit(Seen::Block(block, wanted))
                    });
                    seen.inspect_err(|why| library.note_damage(segment, section, block, why))
                }
                group => visit(Seen::Rows(&self.load(library, group, keys, &mut damaged)))
                    .map_err(BlockError::from)
                    .inspect_err(|_| library.count_damage()),
            };
            if seen.is_err() {
                damaged.extend(span_of(&group).and_then(|lost| lost.meet(keys)));
            }
        }
        damaged
    }

    /// What holds rows with keys in `keys`, in pieces that are read in one go.
    pub(super) fn pieces(&self, library: &Library, keys: IdRange) -> Vec<Piece> {
        self.pieces_of(library, || self.parts(keys), |blocks| blocks_of(blocks, keys))
    }

    fn pieces_of(
        &self,
        library: &Library,
        parts: impl Fn() -> Vec<Part>,
        wanted: impl Fn(&[BlockIndex]) -> Range<usize>,
    ) -> Vec<Piece> {
        loop {
            let changes = self.changes();
            let pieces: Vec<Piece> =
                parts().into_iter().enumerate().flat_map(|part| pieces_of(library, part, &wanted)).collect();
            // A segment that is gone may just have been replaced: then the shelf has another.
            if !pieces.iter().any(|piece| matches!(piece, Piece::Lost(_))) || self.changes() == changes {
                return pieces;
            }
        }
    }

    pub(super) fn load(&self, library: &Library, group: &[Piece], keys: IdRange, damaged: &mut Vec<IdRange>) -> Rows {
        let (mut all, mut lost) = (Rows::new(self.kind), Vec::new());
        let mut group: Vec<&Piece> = group.iter().collect();
        group.sort_by_key(|piece| piece.arrival());
        for piece in group {
            match piece.load(library, self.kind, keys) {
                Some(rows) => all.extend_from_words(rows.words().iter().copied()),
                None => lost.extend(piece.keys().and_then(|lost| lost.meet(keys))),
            }
        }
        all.sort();
        let (mut rows, _) = deduplicated(all);
        rows.clip(keys);
        if self.kind.schema().dense && !lost.is_empty() {
            // What stands in another place, too, is not lost.
            let held = dense_runs(&rows);
            lost = lost.into_iter().flat_map(|keys| without(keys, &held)).collect();
        }
        damaged.extend(lost);
        rows
    }
}

/// Rows as [`Shelf::visit`] shows them.
#[derive(Clone, Debug)]
pub(super) enum Seen<'a, 'b> {
    Rows(&'a Rows),
    /// Some rows of a block that nobody shares a key with.
    Block(&'a Block<'b>, Range<usize>),
}

/// The rows of a block with keys in `keys`.
fn rows_of(block: &Block<'_>, keys: IdRange) -> Result<Range<usize>, CodecError> {
    let (header, rows) = (block.header(), block.header().rows as usize);
    if keys.first <= header.keys.0 && header.keys.1 <= keys.last {
        return Ok(0..rows);
    }
    let mut own = Vec::new();
    block.column(0, 0..rows, &mut own)?;
    let from = own.partition_point(|key| key.cast_unsigned() < keys.first);
    Ok(from..own.partition_point(|key| key.cast_unsigned() <= keys.last).max(from))
}

fn narrowed(range: IdRange, to: IdRange) -> IdRange {
    IdRange { first: range.first.max(to.first), last: range.last.min(to.last) }
}

/// The blocks with keys in `keys`.
fn blocks_of(blocks: &[BlockIndex], keys: IdRange) -> Range<usize> {
    let from = blocks.partition_point(|block| block.last_key < keys.first);
    from..blocks.partition_point(|block| block.first_key <= keys.last).max(from)
}

/// A part in pieces; of a segment the blocks that are `wanted`.
fn pieces_of(
    library: &Library,
    (at, part): (usize, Part),
    wanted: impl Fn(&[BlockIndex]) -> Range<usize>,
) -> Vec<Piece> {
    let part = match part {
        Part::Queued(rows, _) => return vec![Piece::Queued(rows, at)],
        Part::Journal(run) => return vec![Piece::Journal(run)],
        Part::Sealed(part) => part,
    };
    let Ok(segment) = library.segment(part.segment, &part.path) else {
        return vec![Piece::Lost(Span::of_section(&part.section).keys)];
    };
    // An index that was made anew may lack blocks that the manifest knows.
    let known = Kind::from_number(part.section.kind).filter(|_| segment.is_rebuilt());
    let section = known.map_or(Some(part.section), |kind| segment.section(part.section.contract, kind).copied());
    let Some(section) = section else { return vec![Piece::Lost(Span::of_section(&part.section).keys)] };
    let blocks = segment.blocks(&section);
    let kind = if part.is_fill { Piece::Filled } else { Piece::Block };
    let piece = |at: usize| kind(Arc::clone(&segment), section, at, blocks[at]);
    let lost = if segment.is_rebuilt() { gaps(&part, blocks) } else { Vec::new() };
    wanted(blocks).map(piece).chain(lost.into_iter().map(Piece::Lost)).collect()
}

/// Keys that the manifest calls held and that stand in none of the blocks that are left.
pub(super) fn gaps(part: &SealedPart, blocks: &[BlockIndex]) -> Vec<IdRange> {
    let span = Span::of_section(&part.section).keys;
    let starts = std::iter::once(span.first).chain(blocks.iter().map(|block| block.last_key.saturating_add(1)));
    let ends = blocks.iter().map(|block| block.first_key.checked_sub(1)).chain([Some(span.last)]);
    let held = |gap: &IdRange| {
        let mut runs = part.runs.iter();
        part.runs.is_empty() || runs.any(|run| run.first <= gap.last && gap.first <= run.last)
    };
    starts.zip(ends).filter_map(|(first, last)| IdRange::new(first, last?)).filter(held).collect()
}

/// Neighbours whose keys overlap, in ascending order: what is in one group may have to be merged.
pub(super) fn groups(mut pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    pieces.retain(|piece| piece.keys().is_some());
    pieces.sort_by_key(Piece::keys);
    let mut groups: Vec<(u64, Vec<Piece>)> = Vec::new();
    for piece in pieces {
        let Some(keys) = piece.keys() else { continue };
        match groups.last_mut() {
            Some((last, group)) if keys.first <= *last => {
                *last = keys.last.max(*last);
                group.push(piece);
            }
            _ => groups.push((keys.last, vec![piece])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn span_of(group: &[Piece]) -> Option<IdRange> {
    let keys = group.iter().filter_map(Piece::keys);
    keys.reduce(|a, b| IdRange { first: a.first.min(b.first), last: a.last.max(b.last) })
}

/// Rows in ascending order with each key once, and the rows that contradict the one that was kept. Of kinds with
/// revisions the latest is kept, and nothing differs; of others the first.
pub fn deduplicated(sorted: Rows) -> (Rows, Rows) {
    let kind = sorted.kind();
    let mut conflicts = Rows::new(kind);
    if sorted.keys().is_sorted_by(|a, b| a < b) {
        return (sorted, conflicts);
    }
    let revision = kind.schema().revision;
    let mut kept: Vec<&[u64]> = Vec::with_capacity(sorted.len());
    for row in sorted.iter() {
        match (kept.last_mut(), revision) {
            (Some(last), Some(at)) if last[0] == row[0] => {
                if row[at] >= last[at] {
                    *last = row;
                }
            }
            (Some(last), None) if last[0] == row[0] => {
                if !kind.agree(last, row) {
                    conflicts.extend_from_words(row.iter().copied());
                }
            }
            _ => kept.push(row),
        }
    }
    let mut rows = Rows::with_capacity(kind, kept.len());
    kept.into_iter().for_each(|row| rows.extend_from_words(row.iter().copied()));
    (rows, conflicts)
}
