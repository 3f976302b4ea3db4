//! In which pieces do rows that wait go into the journal, and where does each come to stand?

use crate::{
    model::IdRange,
    store::{
        bytes::words_checksum,
        journal::{Body, JournalFile},
        record::{Kind, Origin, Rows},
        shelf::{Batch, JournalRun, Shelf, Span, dense_runs},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// Rows of one contract, kind and origin that are written in one piece.
#[derive(Debug)]
pub(super) struct Section {
    shelf: Arc<Shelf>,
    origin: Origin,
    /// What they came in; a batch too long for one piece belongs to the last of its pieces.
    batches: Vec<Batch>,
    rows: Arc<Rows>,
}

impl Section {
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) fn into_batches(self) -> Vec<Batch> {
        self.batches
    }

    /// Bytes that its batches take of the queue.
    pub(super) fn queued_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.bytes()).sum()
    }

    pub(super) fn fill(&self, body: &mut Body) {
        body.push(self.shelf.contract, self.origin, &self.rows);
    }

    /// Its rows are in `file` now: readers find them there from here on.
    pub(super) fn settle(self, file: &Arc<JournalFile>, words_at: u64, synced: bool) {
        let queued: Vec<_> = self.batches.into_iter().map(|batch| batch.rows).collect();
        self.shelf.settle(&queued, journal_runs(&self.rows, file, self.origin, words_at), synced);
    }
}

/// Batches by contract, kind and origin, each in ascending order of keys and not longer than `bytes_max`.
pub(super) fn sections_of(batches: Vec<Batch>, bytes_max: usize) -> Vec<Section> {
    let mut by_shelf: BTreeMap<(u32, Kind, Origin), Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        by_shelf.entry((batch.shelf.contract, batch.shelf.kind, batch.origin)).or_default().push(batch);
    }
    by_shelf
        .into_values()
        .flat_map(|batches| grouped(batches, bytes_max))
        .flat_map(|group| cut(group, bytes_max))
        .collect()
}

/// As many batches together as are not longer than `bytes_max`, but at least one.
fn grouped(batches: Vec<Batch>, bytes_max: usize) -> Vec<Vec<Batch>> {
    let mut groups: Vec<Vec<Batch>> = Vec::new();
    let mut bytes = 0;
    for batch in batches {
        bytes += batch.rows.bytes();
        match groups.last_mut().filter(|_| bytes <= bytes_max) {
            Some(group) => group.push(batch),
            None => {
                bytes = batch.rows.bytes();
                groups.push(vec![batch]);
            }
        }
    }
    groups
}

fn cut(batches: Vec<Batch>, bytes_max: usize) -> Vec<Section> {
    let Some(first) = batches.first() else { return Vec::new() };
    let (shelf, origin) = (Arc::clone(&first.shelf), first.origin);
    if batches.len() == 1 && first.rows.bytes() <= bytes_max {
        // One batch ascends by itself: nothing is copied.
        let rows = Arc::clone(&first.rows);
        return vec![Section { shelf, origin, batches, rows }];
    }
    let mut rows = Rows::with_capacity(shelf.kind, batches.iter().map(|batch| batch.rows.len()).sum());
    batches.iter().for_each(|batch| rows.extend_from_words(batch.rows.words().iter().copied()));
    rows.sort();
    let section = |rows| Section { shelf: Arc::clone(&shelf), origin, batches: Vec::new(), rows: Arc::new(rows) };
    let mut sections: Vec<_> = pieces(rows, bytes_max).into_iter().map(section).collect();
    if let Some(last) = sections.last_mut() {
        last.batches = batches;
    }
    sections
}

fn pieces(rows: Rows, bytes_max: usize) -> Vec<Rows> {
    if rows.bytes() <= bytes_max {
        return vec![rows];
    }
    let width = rows.kind().width();
    let words = (bytes_max / size_of::<u64>() / width).max(1) * width;
    let piece = |words: &[u64]| {
        let mut piece = Rows::with_capacity(rows.kind(), words.len() / width);
        piece.extend_from_words(words.iter().copied());
        piece
    };
    rows.words().chunks(words).map(piece).collect()
}

/// Where rows stand in a journal file, one entry for each run of consecutive keys if keys are dense.
pub(super) fn journal_runs(rows: &Rows, file: &Arc<JournalFile>, origin: Origin, words_at: u64) -> Vec<JournalRun> {
    let run = |words_at, rows: &Rows| JournalRun::new(file, words_at, rows, origin);
    let runs = if rows.kind().schema().dense { dense_runs(rows) } else { Vec::new() };
    if runs.len() <= 1 {
        return run(words_at, rows).into_iter().collect();
    }
    let mut at = 0;
    let part = |keys: IdRange| {
        let from = at;
        at += rows.keys().skip(from).take_while(|key| *key <= keys.last).count();
        let mut part = Rows::new(rows.kind());
        (from..at).filter_map(|row| rows.get(row)).for_each(|row| part.extend_from_words(row.iter().copied()));
        run(words_at + (from * rows.kind().width() * size_of::<u64>()) as u64, &part)
    };
    runs.into_iter().filter_map(part).collect()
}

impl JournalRun {
    /// Rows, ascending by key, that stand in `file`; nothing for none.
    fn new(file: &Arc<JournalFile>, words_at: u64, rows: &Rows, origin: Origin) -> Option<Self> {
        let (span, checksum) = (Span::of(rows)?, words_checksum(rows.words()));
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        Some(Self { file: Arc::clone(file), words_at, rows: count, origin, span, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(shelf: &Arc<Shelf>, keys: impl IntoIterator<Item = u64>) -> Batch {
        let mut rows = Rows::new(Kind::Trade);
        keys.into_iter().for_each(|key| rows.extend_from_words([key, 1, 1, 1, 1, 1, 1]));
        Batch { shelf: Arc::clone(shelf), origin: Origin::Stream, rows: Arc::new(rows) }
    }

    #[test]
    fn no_piece_is_too_long_and_every_batch_belongs_to_the_last_of_its_pieces() {
        let shelves = [7, 3].map(|contract| Arc::new(Shelf::new(contract, Kind::Trade)));
        let batches = vec![batch(&shelves[0], 50..60), batch(&shelves[1], 1..3), batch(&shelves[0], 0..2)];
        let sections = sections_of(batches, 4 * 56);
        let seen: Vec<_> = sections.iter().map(|s| (s.shelf.contract, s.rows.len(), s.batches.len())).collect();
        assert_eq!(seen, [(3, 2, 1), (7, 4, 0), (7, 4, 0), (7, 2, 1), (7, 2, 1)]);
    }

    #[test]
    fn what_fits_is_one_piece_in_order() {
        let shelf = Arc::new(Shelf::new(0, Kind::Trade));
        let sections = sections_of(vec![batch(&shelf, 5..9), batch(&shelf, 1..3)], 1 << 20);
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0].rows.keys().collect::<Vec<_>>(), [1, 2, 5, 6, 7, 8]);
        assert_eq!(sections[0].queued_bytes(), 6 * 56);
    }
}
