//! How do journal files become a segment?

use crate::store::{
    derive::Derivation,
    journal::JournalFile,
    manifest::{Level, SegmentEntry},
    merge::deduplicated,
    record::{Kind, Origin, Rows},
    seal::{Sealed, Sealer, write_conflicts, write_section},
    segment::{Replaced, SegmentWriteError, SegmentWriter},
    shelf::{JournalRun, Shelf},
};
use std::{io, sync::Arc};

impl Sealer {
    pub(super) fn seal(&self, files: &[Arc<JournalFile>]) -> Result<Sealed, SegmentWriteError> {
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
        for (runs, shelf) in shelves.iter().filter(|(runs, _)| !runs.is_empty()) {
            seal_shelf(&mut writer, shelf, runs)?;
        }
        let (footer, bytes) = writer.finish()?;
        Ok(Sealed::of_journals(Some(SegmentEntry::new(number, Level::Hour, bytes, footer)), files))
    }
}

/// Writes what journal runs of a shelf hold: rows, those that differ from a held one, and what is derived from them.
fn seal_shelf(writer: &mut SegmentWriter, shelf: &Shelf, runs: &[JournalRun]) -> Result<(), SegmentWriteError> {
    let mut all = Rows::with_capacity(shelf.kind, runs.iter().map(|run| run.rows as usize).sum());
    for run in runs {
        let rows = match run.read(shelf.kind) {
            // Changed on the medium: what cannot be read is a hole from here on, and does not stop the rest.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            rows => rows?,
        };
        all.extend_from_words(rows.words().iter().copied());
    }
    all.sort();
    let (rows, conflicts) = deduplicated(all);
    let origin_of = |key: u64| {
        let own = runs.iter().find(|run| run.span.keys.contains(key));
        own.map_or(Origin::Stream, |run| run.origin)
    };
    write_section(writer, shelf.contract, &rows, origin_of)?;
    write_conflicts(writer, shelf.contract, conflicts)?;
    let mut derivation = Derivation::default();
    rows.iter().for_each(|row| derivation.push_row(shelf.kind, row));
    derivation.sections().iter().try_for_each(|rows| write_section(writer, shelf.contract, rows, |_| Origin::Derived))
}
