//! Is a segment what its index, its hash and the manifest say of it?

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        files::Disk,
        manifest::SegmentEntry,
        record::{ContractRow, Kind, Rows},
        segment::{BlockError, BlockIndex, RunIndex, SectionIndex, Segment, SegmentError, SegmentIdentity},
        shelf::Span,
        verify::{Finding, Problem, VerifyError, tally::Examined},
    },
};
use std::io;

/// What came of looking at a segment.
pub(super) enum Looked {
    At(Box<Examined>),
    /// It is not there.
    Gone,
}

/// Reads all of a segment, a block at a time; `listed` is what the manifest says of it, if there is one.
pub(super) fn examine(
    disk: &dyn Disk,
    identity: SegmentIdentity,
    path: &str,
    listed: Option<&SegmentEntry>,
) -> Result<Looked, VerifyError> {
    let segment = match Segment::open_unmapped(disk, identity, path) {
        Ok(segment) => segment,
        Err(SegmentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Looked::Gone),
        Err(error) => return Ok(Looked::At(Box::new(unopened(error, path, listed)?))),
    };
    Ok(Looked::At(Box::new(check(&segment, listed))))
}

/// Reads all of an open segment, a block at a time.
pub(in crate::store) fn check(segment: &Segment, listed: Option<&SegmentEntry>) -> Examined {
    let mut checking = Checking { segment, found: Examined::default(), differs: false, damaged: false };
    checking.found.bytes = segment.bytes();
    segment.footer().sections.iter().for_each(|section| checking.section(section));
    checking.whole();
    checking.against(listed);
    checking.found
}

/// A segment that cannot be opened: all that the manifest says of it is lost.
pub(super) fn lost(problem: Problem, path: &str, listed: Option<&SegmentEntry>) -> Examined {
    let mut found = Examined::of(Finding::new(path, problem));
    listed.into_iter().for_each(|listed| lose(&mut found, listed));
    found
}

fn lose(found: &mut Examined, listed: &SegmentEntry) {
    for (contract, kind, part) in listed.parts().filter(|(_, kind, part)| kind.schema().dense && part.section.role == 0)
    {
        for run in &*part.runs {
            let keys = IdRange { first: run.first, last: run.last };
            found.series(contract, kind).lose(Span { keys, ..Span::of_section(&part.section) });
        }
    }
}

fn unopened(error: SegmentError, path: &str, listed: Option<&SegmentEntry>) -> Result<Examined, VerifyError> {
    let problem = match error {
        SegmentError::Newer(_) => {
            return Err(VerifyError::Newer { path: path.to_owned(), reason: error.to_string() });
        }
        SegmentError::Identity => Problem::Foreign,
        SegmentError::Header => Problem::HeaderDamaged,
        SegmentError::Io(error) => Problem::Unreadable(error.to_string()),
    };
    Ok(lost(problem, path, listed))
}

struct Checking<'a> {
    segment: &'a Segment,
    found: Examined,
    /// Whether the index was found to be wrong.
    differs: bool,
    damaged: bool,
}

impl Checking<'_> {
    fn find(&mut self, problem: Problem) {
        self.found.findings.push(Finding::new(self.segment.path(), problem));
    }

    fn section(&mut self, section: &SectionIndex) {
        let Some(kind) = Kind::from_number(section.kind) else { return };
        let mut seen = Seen::default();
        for (at, block) in self.segment.blocks(section).iter().enumerate() {
            match self.segment.rows(section, at) {
                Ok(rows) => {
                    seen.add(&rows, block);
                    self.count(section, &rows, u64::from(block.bytes));
                }
                Err(error) => {
                    seen.broken = true;
                    self.damaged_block((section, kind), block, &error);
                }
            }
        }
        if !seen.agrees(section, self.segment.runs(section), kind) {
            self.differs = true;
            self.find(Problem::FooterDiffers { contract: section.contract, kind });
        }
    }

    fn count(&mut self, section: &SectionIndex, rows: &Rows, bytes: u64) {
        if rows.kind() == Kind::Contract {
            return self.found.contracts.extend(rows.records::<ContractRow>());
        }
        if rows.kind().is_derived() {
            // It counts nothing that the rows which it sums up do not.
            return;
        }
        let series = self.found.series(section.contract, rows.kind());
        if section.role == 0 {
            series.add(rows, bytes);
        } else {
            rows.keys().for_each(|key| series.conflicts.add(IdRange { first: key, last: key }));
        }
    }

    fn damaged_block(&mut self, (section, kind): (&SectionIndex, Kind), block: &BlockIndex, error: &BlockError) {
        let keys = IdRange { first: block.first_key, last: block.last_key };
        self.damaged = true;
        self.find(match error {
            BlockError::Io(error) => Problem::Unreadable(error.to_string()),
            BlockError::Changed | BlockError::Codec(_) => {
                let bytes = block.offset..block.offset + u64::from(block.bytes);
                Problem::BlockDamaged { bytes, contract: section.contract, kind, keys }
            }
        });
        if kind.schema().dense && section.role == 0 {
            let times = (UnixMillis::new(block.first_time), UnixMillis::new(block.last_time));
            for keys in self.runs_within(section, keys) {
                self.found.series(section.contract, kind).lose(Span { keys, times });
            }
        }
    }

    /// What a section holds among `keys`, as its index has it; all of them when that says nothing.
    fn runs_within(&self, section: &SectionIndex, keys: IdRange) -> Vec<IdRange> {
        let runs = self.segment.runs(section).iter();
        let clipped = runs.filter_map(|run| IdRange::new(run.first, run.last)?.meet(keys));
        let within: Vec<_> = clipped.collect();
        if within.is_empty() { IdRange::new(keys.first, keys.last).into_iter().collect() } else { within }
    }

    /// What no block shows: a lost footer, bytes between blocks.
    fn whole(&mut self) {
        if self.segment.is_rebuilt() {
            return self.find(Problem::FooterLost);
        }
        match self.segment.hash_is_right() {
            Ok(false) if !self.damaged && !self.differs => self.find(Problem::HashDiffers),
            Ok(_) => {}
            Err(error) => self.find(Problem::Unreadable(error.to_string())),
        }
    }

    /// Whether the manifest's copy of the index is right, where the index itself is.
    fn against(&mut self, listed: Option<&SegmentEntry>) {
        let Some(listed) = listed else { return };
        if self.segment.is_rebuilt() {
            // Blocks whose headers were changed were not found at all: what the manifest knows of them is lost.
            return lose(&mut self.found, listed);
        }
        if !listed.agrees_with(self.segment) {
            self.find(Problem::CacheDiffers);
        }
    }
}

/// What the blocks of a section hold.
#[derive(Default)]
struct Seen {
    rows: u64,
    keys: Option<IdRange>,
    times: Option<(i64, i64)>,
    runs: Vec<IdRange>,
    /// A block cannot be read, so that totals are not known.
    broken: bool,
    /// Keys that do not ascend, or a block that spans something else than the index says.
    wrong: bool,
}

impl Seen {
    fn add(&mut self, rows: &Rows, block: &BlockIndex) {
        let Some(span) = Span::of(rows) else { return };
        let times = (span.times.0.get(), span.times.1.get());
        let says = (block.first_key, block.last_key, block.first_time, block.last_time, u64::from(block.rows));
        self.wrong |= says != (span.keys.first, span.keys.last, times.0, times.1, rows.len() as u64);
        self.wrong |= !rows.keys().is_sorted_by(|a, b| a < b);
        self.wrong |= self.keys.is_some_and(|before| before.last >= span.keys.first);
        self.rows += rows.len() as u64;
        self.keys = Some(IdRange { first: self.keys.map_or(span.keys.first, |keys| keys.first), last: span.keys.last });
        let before = self.times.unwrap_or(times);
        self.times = Some((before.0.min(times.0), before.1.max(times.1)));
        self.runs.extend(crate::store::shelf::dense_runs(rows));
    }

    fn agrees(&self, section: &SectionIndex, runs: &[RunIndex], kind: Kind) -> bool {
        if self.broken {
            return !self.wrong;
        }
        let spans = (IdRange::new(section.first_key, section.last_key), (section.first_time, section.last_time));
        let totals = section.rows == self.rows && (self.keys, self.times) == (spans.0, Some(spans.1));
        let listed = runs.iter().map(|run| IdRange { first: run.first, last: run.last });
        let with_runs = kind.schema().dense && section.role == 0;
        !self.wrong && totals && (!with_runs || joined(listed) == joined(self.runs.iter().copied()))
    }
}

/// Runs in which neighbours that touch are one.
fn joined(runs: impl Iterator<Item = IdRange>) -> Vec<IdRange> {
    let mut joined: Vec<IdRange> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(run.first) => last.last = run.last,
            _ => joined.push(run),
        }
    }
    joined
}
