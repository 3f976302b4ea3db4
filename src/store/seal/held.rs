//! Which rows of some are held already, and are they the same?

use crate::{
    model::IdRange,
    store::{
        library::Library,
        merge::Seen,
        record::Rows,
        shelf::{Part, Shelf, Span, dense_runs},
    },
};

/// Rows, ascending, whose keys nothing holds; and those that contradict what is held there. With `before_file`, of what is
/// not sealed only journal files below that number count. What cannot be read does not count as held.
pub(super) fn without_held(library: &Library, shelf: &Shelf, rows: Rows, before_file: Option<u32>) -> (Rows, Rows) {
    let parts = earlier(shelf, &rows, before_file);
    if parts.is_empty() {
        return (rows, Rows::new(shelf.kind));
    }
    let mut differs: Vec<Option<bool>> = vec![None; rows.len()];
    let keys: Vec<u64> = rows.keys().collect();
    let mut compare = |held: &Rows| {
        for row in held.iter() {
            if let Ok(at) = keys.binary_search(&row[0]) {
                differs[at] = Some(rows.get(at).is_none_or(|own| !shelf.kind.agree(own, row)));
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
fn earlier(shelf: &Shelf, rows: &Rows, before_file: Option<u32>) -> Vec<(Part, IdRange)> {
    let schema = shelf.kind.schema();
    let ends = rows.keys().next().zip(rows.keys().next_back()).filter(|_| schema.revision.is_none());
    let Some(keys) = ends.and_then(|(first, last)| IdRange::new(first, last)) else { return Vec::new() };
    let held = |part: &Part| match part {
        Part::Sealed(part) if !schema.dense => vec![Span::of_section(&part.section).keys],
        Part::Sealed(part) => part.runs.iter().map(|run| IdRange { first: run.first, last: run.last }).collect(),
        Part::Journal(run) if before_file.is_none_or(|file| run.file.identity.number < file) => vec![run.span.keys],
        Part::Queued(rows, _) if before_file.is_none() => dense_runs(rows),
        Part::Journal(_) | Part::Queued(..) => Vec::new(),
    };
    let own = if schema.dense { dense_runs(rows) } else { vec![keys] };
    let shared = |part: Part| {
        let held: Vec<IdRange> = held(&part);
        let ranges = held.iter().flat_map(|held| own.iter().filter_map(|own| own.meet(*held)).collect::<Vec<_>>());
        let range = ranges.reduce(|a, b| IdRange { first: a.first.min(b.first), last: a.last.max(b.last) })?;
        Some((part, range))
    };
    shelf.parts(keys).into_iter().filter_map(shared).collect()
}
