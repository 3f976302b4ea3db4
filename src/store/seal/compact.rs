//! How do segments become fewer and larger ones?
//!
//! Inputs are read block by block and never held whole. An input that cannot be read in full is no input: then nothing is
//! merged, and everything stays as it is.

use crate::{
    model::UnixMillis,
    store::{
        derive::Derivation,
        manifest::{Level, SegmentEntry},
        plan::{Damaged, Plan},
        record::{Kind, Origin, Rows},
        seal::{
            Done, Sealed, Sealer, Taken,
            cursor::{Cursor, MergeError, Merged, merge},
            write_conflicts, write_section,
        },
        segment::{Replaced, Segment, SegmentError, SegmentWriter},
    },
};
use std::{collections::BTreeSet, sync::Arc};

impl Sealer {
    pub(super) fn merge(&self, plan: &Plan, inputs: &[SegmentEntry]) -> Done {
        match self.merged(plan, inputs) {
            Ok(sealed) => Done::Merged(sealed),
            Err(MergeError::Damaged(damaged)) => Done::Skipped(damaged),
            Err(MergeError::Failed(error)) => Done::Failed(plan.inputs.clone(), error),
        }
    }

    fn merged(&self, plan: &Plan, inputs: &[SegmentEntry]) -> Result<Sealed, MergeError> {
        let opened = inputs.iter().map(|entry| self.open(entry)).collect::<Result<Vec<_>, _>>()?;
        let mut outputs = Outputs { sealer: self, plan, open: Vec::new(), month: 0, month_end: UnixMillis::new(0) };
        for (contract, kind) in sections_of(plan, inputs) {
            let (mut cursors, mut listed) = (Vec::new(), 0);
            for (entry, segment) in inputs.iter().zip(&opened) {
                for section in entry.sections_of(contract, kind) {
                    listed += section.rows;
                    cursors.push(Cursor::new(entry, Arc::clone(segment), *section));
                }
            }
            outputs.begin();
            let read = merge(kind, &mut cursors, |row| outputs.push(contract, kind, row))?;
            if read != listed {
                // Their indexes contradict each other: which of them is wrong nobody can say here.
                return Err(MergeError::damaged(inputs[0].number, contract));
            }
            outputs.end(contract)?;
        }
        let entries = outputs.finish(inputs)?;
        let taken =
            inputs.iter().map(|entry| Taken { segment: entry.number, path: entry.path(), contract: plan.contract });
        Ok(Sealed::of_segments(entries, taken.collect()))
    }

    fn open(&self, entry: &SegmentEntry) -> Result<Arc<Segment>, MergeError> {
        let damaged = MergeError::Damaged(Damaged { segment: entry.number, contract: None });
        match self.library.segment(entry.number, &entry.path()) {
            Ok(segment) if !segment.is_rebuilt() && entry.agrees_with(&segment) => Ok(segment),
            Err(SegmentError::Io(error)) => Err(error.into()),
            Ok(_) | Err(_) => Err(damaged),
        }
    }
}

/// Which contracts and kinds are merged; what is derived is made anew.
fn sections_of(plan: &Plan, inputs: &[SegmentEntry]) -> BTreeSet<(u32, Kind)> {
    let sections = inputs.iter().flat_map(|entry| &entry.footer.sections);
    let known = sections.filter_map(|section| Some((section.contract, Kind::from_number(section.kind)?)));
    known
        .filter(|(contract, kind)| {
            *kind != Kind::Contract
                && !kind.is_derived()
                && !plan.without.contains(&(*contract, *kind))
                && plan.contract.is_none_or(|only| only == *contract)
        })
        .collect()
}

/// The segments in the making: one, or one a month.
struct Outputs<'a> {
    sealer: &'a Sealer,
    plan: &'a Plan,
    open: Vec<Output>,
    /// The output that rows go to, of months counted since year 0. Within a section it never goes back, so that outputs
    /// share no key.
    month: i64,
    month_end: UnixMillis,
}

struct Output {
    month: i64,
    number: u64,
    writer: SegmentWriter,
    /// Whether the section was begun.
    begun: bool,
    conflicts: Option<Rows>,
    derivation: Derivation,
}

impl Outputs<'_> {
    fn begin(&mut self) {
        (self.month, self.month_end) = (i64::MIN, UnixMillis::new(i64::MIN));
    }

    fn push(&mut self, contract: u32, kind: Kind, row: Merged<'_>) -> Result<(), MergeError> {
        // A conflict stands beside the held row of its key, whatever time it claims.
        let beside = row.conflict && self.month > i64::MIN;
        let time = if beside { self.month_end.plus(-1) } else { UnixMillis::new(row.words[1].cast_signed()) };
        let output = self.output_at(time)?;
        if row.conflict {
            let conflicts = output.conflicts.get_or_insert_with(|| Rows::new(kind));
            conflicts.extend_from_words(row.words.iter().copied());
            return Ok(());
        }
        if !output.begun {
            output.writer.begin(contract, kind, false)?;
            output.begun = true;
        }
        output.derivation.push_row(kind, row.words);
        Ok(output.writer.push(row.words, row.origin)?)
    }

    /// The output of a row of that time.
    fn output_at(&mut self, time: UnixMillis) -> Result<&mut Output, MergeError> {
        if self.plan.level == Level::Month && time >= self.month_end {
            let (year, month) = time.year_month();
            self.month = year * 12 + month - 1;
            self.month_end = UnixMillis::month_start(year, month + 1);
        }
        let at = match self.open.binary_search_by_key(&self.month, |output| output.month) {
            Ok(at) => at,
            Err(at) => {
                self.open.insert(at, self.create()?);
                at
            }
        };
        Ok(&mut self.open[at])
    }

    fn create(&self) -> Result<Output, MergeError> {
        let number = self.sealer.number();
        let mut writer = self.sealer.writer(self.plan.level, number)?;
        let mut contracts = self.sealer.library.contracts();
        contracts.retain(|row| self.plan.contract.is_none_or(|only| only == row.number));
        write_section(&mut writer, 0, &Rows::of(Kind::Contract, &contracts), |_| Origin::Derived)?;
        let derivation = Derivation::default();
        Ok(Output { month: self.month, number, writer, begun: false, conflicts: None, derivation })
    }

    /// Ends the section in every output.
    fn end(&mut self, contract: u32) -> Result<(), MergeError> {
        for output in &mut self.open {
            if let Some(conflicts) = output.conflicts.take() {
                write_conflicts(&mut output.writer, contract, conflicts, Origin::Stream)?;
            }
            for rows in std::mem::take(&mut output.derivation).sections().iter().filter(|rows| !rows.is_empty()) {
                write_section(&mut output.writer, contract, rows, |_| Origin::Derived)?;
            }
            output.begun = false;
        }
        Ok(())
    }

    fn finish(mut self, inputs: &[SegmentEntry]) -> Result<Vec<SegmentEntry>, MergeError> {
        if let [only] = self.open.as_mut_slice() {
            // Found unlisted after a crash, it replaces only what is wholly in it.
            let is_whole = |entry: &&SegmentEntry| self.plan.contract.is_none_or(|own| entry.is_only_of(own));
            inputs.iter().filter(is_whole).for_each(|entry| only.writer.replaces(Replaced::segment(entry.number)));
        }
        let level = self.plan.level;
        let finished = self.open.into_iter().map(|output| {
            let (footer, bytes) = output.writer.finish()?;
            Ok(SegmentEntry::new(output.number, level, bytes, footer))
        });
        finished.collect()
    }
}
