//! How do journal files become a segment?

use crate::{
    model::IdRange,
    store::{
        derive::Derivation,
        journal::JournalFile,
        library::Library,
        manifest::{Level, SegmentEntry},
        merge::deduplicated,
        record::{Kind, Origin, Rows},
        seal::{Sealed, Sealer, held::without_held, write_conflicts, write_section},
        segment::{Replaced, SegmentWriteError, SegmentWriter},
        shelf::{JournalRun, Shelf},
    },
};
use std::{io, sync::Arc};

impl Sealer {
    /// Makes one segment of journal files. With `forgiving`, an I/O error in reading is damage, like bytes that changed.
    pub(super) fn seal(&self, files: &[Arc<JournalFile>], forgiving: bool) -> Result<Sealed, SegmentWriteError> {
        let runs_of = |shelf: &Arc<Shelf>| files.iter().flat_map(|file| shelf.runs_in(file)).collect::<Vec<_>>();
        let shelves: Vec<_> = self.library.shelves().into_iter().map(|shelf| (runs_of(&shelf), shelf)).collect();
        if shelves.iter().all(|(runs, _)| runs.is_empty()) {
            return Ok(Sealed::of_journals(None, files));
        }
        let number = self.number();
        let mut writer = self.writer(Level::Hour, number)?;
        files.iter().for_each(|file| writer.replaces(Replaced::journal(file.identity.shard, file.identity.number)));
        let contracts = Rows::of(Kind::Contract, &self.library.contracts());
        write_section(&mut writer, 0, &contracts, |_| Origin::Derived)?;
        let mut rows = 0;
        for (runs, shelf) in shelves.into_iter().filter(|(runs, _)| !runs.is_empty()) {
            rows += seal_shelf(&mut writer, &self.library, &shelf, runs, forgiving)?;
        }
        if rows == 0 {
            // All of it is held elsewhere.
            return Ok(Sealed::of_journals(None, files));
        }
        let (footer, bytes) = writer.finish()?;
        Ok(Sealed::of_journals(Some(SegmentEntry::new(number, Level::Hour, bytes, footer)), files))
    }
}

/// Writes what journal runs of a shelf hold: rows, those that differ from a held one, and what is derived from them. Says
/// how many rows there are.
fn seal_shelf(
    writer: &mut SegmentWriter,
    library: &Library,
    shelf: &Shelf,
    mut runs: Vec<JournalRun>,
    forgiving: bool,
) -> Result<usize, SegmentWriteError> {
    // Of rows of equal keys the one that came first is held.
    runs.sort_by_key(|run| (run.file.identity.number, run.words_at));
    let mut origins = Origins::new(shelf.kind, &runs);
    let mut all = Rows::with_capacity(shelf.kind, runs.iter().map(|run| run.rows as usize).sum());
    for run in &runs {
        let rows = match run.read(shelf.kind) {
            // Changed on the medium: what cannot be read is a hole from here on, and does not stop the rest.
            Err(error) if error.kind() == io::ErrorKind::InvalidData || (forgiving && is_bad_sector(&error)) => {
                run.file.note_damage();
                library.count_damage();
                continue;
            }
            rows => rows?,
        };
        origins.note(&rows, run.origin);
        all.extend_from_words(rows.words().iter().copied());
    }
    all.sort();
    let (rows, mut conflicts) = deduplicated(all);
    let first_file = runs.first().map_or(0, |run| run.file.identity.number);
    let (rows, more) = without_held(library, shelf, rows, Some(first_file));
    if !more.is_empty() {
        conflicts.extend_from_words(more.words().iter().copied());
        conflicts.sort();
    }
    let origin_of = origins.finish(&runs);
    let count = rows.len() + conflicts.len();
    write_section(writer, shelf.contract, &rows, origin_of)?;
    write_conflicts(writer, shelf.contract, conflicts, Origin::Stream)?;
    let mut derivation = Derivation::default();
    rows.iter().for_each(|row| derivation.push_row(shelf.kind, row));
    for derived in derivation.sections() {
        write_section(writer, shelf.contract, &derived, |_| Origin::Derived)?;
    }
    Ok(count)
}

/// Where the rows of journal runs came from.
struct Origins {
    kind: Kind,
    /// Of each row, where runs of several origins may lie in each other: keys that are not dense.
    each: Option<Vec<(u64, Origin)>>,
}

impl Origins {
    fn new(kind: Kind, runs: &[JournalRun]) -> Self {
        let is_mixed = runs.windows(2).any(|pair| pair[0].origin != pair[1].origin);
        Self { kind, each: (is_mixed && !kind.schema().dense).then(Vec::new) }
    }

    /// Notes the rows of a run, in the order of their arrival.
    fn note(&mut self, rows: &Rows, origin: Origin) {
        self.each.iter_mut().for_each(|each| each.extend(rows.keys().map(|key| (key, origin))));
    }

    /// The origin of the row that is kept of a key.
    fn finish(mut self, runs: &[JournalRun]) -> impl Fn(u64) -> Origin {
        let is_latest = self.kind.schema().revision.is_some();
        self.each.iter_mut().for_each(|each| each.sort_by_key(|(key, _)| *key));
        let mut by_first: Vec<(IdRange, Origin)> = runs.iter().map(|run| (run.span.keys, run.origin)).collect();
        by_first.sort_by_key(|(keys, _)| keys.first);
        move |key| {
            let own = match &self.each {
                // Of equal keys the first or the last to arrive.
                Some(each) if is_latest => {
                    each[..each.partition_point(|(other, _)| *other <= key)].last().map(|own| own.1)
                }
                Some(each) => each.get(each.partition_point(|(other, _)| *other < key)).map(|own| own.1),
                None => {
                    let begun = by_first.partition_point(|(keys, _)| keys.first <= key);
                    by_first[..begun].iter().rev().find(|(keys, _)| keys.contains(key)).map(|own| own.1)
                }
            };
            own.unwrap_or_default()
        }
    }
}

/// Whether the medium does not give what was asked of it, rather than the system lacking something just now.
fn is_bad_sector(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
