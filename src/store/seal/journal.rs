//! How do journal files become a segment?

use crate::{
    model::IdRange,
    store::{
        derive::Derivation,
        journal::JournalFile,
        library::Library,
        manifest::{Level, SegmentEntry},
        merge::{Seen, deduplicated},
        record::{Kind, Origin, Rows},
        seal::{Sealed, Sealer, write_conflicts, write_section},
        segment::{Replaced, SegmentWriteError, SegmentWriter},
        shelf::{JournalRun, Part, Shelf, Span, dense_runs},
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
        all.extend_from_words(rows.words().iter().copied());
    }
    all.sort();
    let (rows, mut conflicts) = deduplicated(all);
    let first_file = runs.first().map_or(0, |run| run.file.identity.number);
    let (rows, more) = without_held(library, shelf, rows, first_file);
    if !more.is_empty() {
        conflicts.extend_from_words(more.words().iter().copied());
        conflicts.sort();
    }
    let origin_of = |key: u64| {
        let own = runs.iter().find(|run| run.span.keys.contains(key));
        own.map_or(Origin::Stream, |run| run.origin)
    };
    let count = rows.len() + conflicts.len();
    write_section(writer, shelf.contract, &rows, origin_of)?;
    write_conflicts(writer, shelf.contract, conflicts)?;
    let mut derivation = Derivation::default();
    rows.iter().for_each(|row| derivation.push_row(shelf.kind, row));
    for derived in derivation.sections() {
        write_section(writer, shelf.contract, &derived, |_| Origin::Derived)?;
    }
    Ok(count)
}

/// Whether the medium does not give what was asked of it, rather than the system lacking something just now.
fn is_bad_sector(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Rows, ascending, whose keys no segment and no earlier journal file holds; and those that differ from what is held there.
/// What cannot be read there does not count as held.
fn without_held(library: &Library, shelf: &Shelf, rows: Rows, first_file: u32) -> (Rows, Rows) {
    let parts = earlier(shelf, &rows, first_file);
    let mut differs: Vec<Option<bool>> = vec![None; rows.len()];
    let keys: Vec<u64> = rows.keys().collect();
    let mut compare = |held: &Rows| {
        for row in held.iter() {
            if let Ok(at) = keys.binary_search(&row[0]) {
                differs[at] = Some(rows.get(at) != Some(row));
            }
        }
    };
    for (part, shared) in parts {
        // What is damaged is counted where it is read, and kept here.
        shelf.visit(library, vec![part], shared, |seen| {
            match seen {
                Seen::Rows(held) => compare(held),
                Seen::Block(block, wanted) => compare(&block.rows(wanted)?),
            }
            Ok(())
        });
    }
    if differs.iter().all(Option::is_none) {
        return (rows, Rows::new(shelf.kind));
    }
    let (mut new, mut conflicts) = (Rows::new(shelf.kind), Rows::new(shelf.kind));
    for (row, differs) in rows.iter().zip(differs) {
        match differs {
            None => new.extend_from_words(row.iter().copied()),
            Some(true) => conflicts.extend_from_words(row.iter().copied()),
            Some(false) => {}
        }
    }
    (new, conflicts)
}

/// Where keys of `rows` may be held that were there before: parts, each with the keys in question. Of kinds with revisions
/// the latest row counts, not the first: there is nothing to look for.
fn earlier(shelf: &Shelf, rows: &Rows, first_file: u32) -> Vec<(Part, IdRange)> {
    let schema = shelf.kind.schema();
    let Some(span) = Span::of(rows).filter(|_| schema.revision.is_none()) else { return Vec::new() };
    let held = |part: &Part| match part {
        Part::Sealed(part) if !schema.dense => vec![Span::of_section(&part.section).keys],
        Part::Sealed(part) => part.runs.iter().map(|run| IdRange { first: run.first, last: run.last }).collect(),
        Part::Journal(run) if run.file.identity.number < first_file => vec![run.span.keys],
        Part::Journal(_) | Part::Queued(_) => Vec::new(),
    };
    let own = if schema.dense { dense_runs(rows) } else { vec![span.keys] };
    let shared = |part: Part| {
        let held: Vec<IdRange> = held(&part);
        let both = |a: &IdRange, b: &IdRange| IdRange::new(a.first.max(b.first), a.last.min(b.last));
        let ranges = held.iter().flat_map(|held| own.iter().filter_map(|own| both(own, held)).collect::<Vec<_>>());
        let range = ranges.reduce(|a, b| IdRange { first: a.first.min(b.first), last: a.last.max(b.last) })?;
        Some((part, range))
    };
    shelf.parts(span.keys).into_iter().filter_map(shared).collect()
}
