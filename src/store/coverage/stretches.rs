//! Which stretches of time do rows of a series hold that has no ids, and where do they come from?
//!
//! A row holds the step of time that it stands in. Rows that follow each other closely enough join: of what lies between
//! them nothing is lacking.

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        codec::CodecError,
        library::Library,
        record::{Kind, Origin, Rows},
        segment::{Block, Segment, origin_at},
        shelf::{Part, SealedPart, Shelf, Span},
    },
};
use std::iter::zip;

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };
/// Columns of a candle: the ids of its first trade and its last.
const CANDLE_IDS: [usize; 2] = [16, 17];

/// How rows of a kind follow each other in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spacing {
    /// A row holds the step that its time lies in, counted from the epoch.
    pub(super) step_ms: i64,
    /// Rows whose steps begin further apart have a hole between them.
    joins_ms: i64,
}

impl Spacing {
    /// That of a kind whose rows are expected at certain times.
    pub(super) const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Candle => Some(Self { step_ms: UnixMillis::MINUTE, joins_ms: UnixMillis::MINUTE }),
            // The archive has a row in five minutes; a live one in between stands for it.
            Kind::OpenInterest => Some(Self { step_ms: 5 * UnixMillis::MINUTE, joins_ms: 5 * UnixMillis::MINUTE }),
            // Every 1 to 8 hours, as the venue has it of a contract at that time; some milliseconds late.
            Kind::Funding => {
                Some(Self { step_ms: UnixMillis::SECOND, joins_ms: 8 * UnixMillis::HOUR + 5 * UnixMillis::SECOND })
            }
            _ => None,
        }
    }

    /// Whether nothing is lacking between two rows of which `next` is not earlier.
    fn joins(self, row: Mark, next: Mark) -> bool {
        let follows =
            row.ids.is_some_and(|(_, last)| next.ids.is_some_and(|(first, _)| last.checked_add(1) == Some(first)));
        // Minutes without a trade have no candle.
        follows || next.start.since(row.start) <= self.joins_ms
    }
}

/// A row as coverage sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where its step begins.
    pub(super) start: UnixMillis,
    /// Its first trade's id and its last's, of a candle that was made of trades.
    ids: Option<(u64, u64)>,
}

/// Rows of one origin that join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) first: Mark,
    pub(super) last: Mark,
    pub(super) origin: Origin,
}

/// What is found of a shelf's rows.
#[derive(Debug)]
pub(super) struct Found {
    spacing: Spacing,
    pub(super) stretches: Vec<Stretch>,
    /// Keys among which some were held and cannot be read.
    pub(super) damaged: Vec<IdRange>,
    /// Whether a segment was not there.
    is_gone: bool,
}

impl Shelf {
    /// What stretches of time rows hold, in no order. Reads the keys of every row.
    pub(super) fn stretches(&self, library: &Library, spacing: Spacing) -> Found {
        loop {
            let changes = self.changes();
            let mut found = Found { spacing, stretches: Vec::new(), damaged: Vec::new(), is_gone: false };
            self.parts(ALL).iter().for_each(|part| found.part(self.kind, library, part));
            // A segment that is gone may just have been replaced: then the shelf has another.
            if !found.is_gone || self.changes() == changes {
                return found;
            }
        }
    }
}

impl Found {
    fn part(&mut self, kind: Kind, library: &Library, part: &Part) {
        match part {
            Part::Queued(rows, origin) => self.rows(rows, *origin),
            Part::Journal(run) => match run.read(kind) {
                Ok(rows) => self.rows(&rows, run.origin),
                Err(_) => self.damaged.push(run.span.keys),
            },
            Part::Sealed(part) => match library.segment(part.segment, &part.path) {
                Ok(segment) => self.blocks(kind, library, part, &segment),
                Err(_) => {
                    self.is_gone = true;
                    self.damaged.push(Span::of_section(&part.section).keys);
                }
            },
        }
    }

    fn rows(&mut self, rows: &Rows, origin: Origin) {
        let mut open = None;
        for row in rows.iter() {
            let ids = (rows.kind() == Kind::Candle).then(|| CANDLE_IDS.map(|at| row[at]));
            self.push(&mut open, (row[1].cast_signed(), ids, origin));
        }
        self.stretches.extend(open);
    }

    fn blocks(&mut self, kind: Kind, library: &Library, part: &SealedPart, segment: &Segment) {
        let known = Some(kind).filter(|_| segment.is_rebuilt());
        // An index that was made anew may lack blocks that the manifest knows.
        let section = known.map_or(Some(&part.section), |kind| segment.section(part.section.contract, kind));
        let (mut open, mut columns) = (None, Columns::default());
        let blocks = section.map_or(&[][..], |section| segment.blocks(section));
        if segment.is_rebuilt() {
            self.damaged.extend(crate::store::merge::gaps(part, blocks));
        }
        for (section, (at, index)) in
            section.into_iter().flat_map(|section| blocks.iter().enumerate().map(move |block| (section, block)))
        {
            match segment.with_block(section, at, |block| columns.read(block)) {
                Ok(()) => columns.rows().for_each(|(key, time, ids)| {
                    self.push(&mut open, (time, ids, origin_at(&part.runs, kind, key)));
                }),
                Err(why) => {
                    library.note_damage(segment, section, index, &why);
                    self.damaged.extend(IdRange::new(index.first_key, index.last_key));
                }
            }
        }
        self.stretches.extend(open);
    }

    /// Adds a row behind those of the open stretch, or begins another.
    fn push(&mut self, open: &mut Option<Stretch>, (time, ids, origin): (i64, Option<[u64; 2]>, Origin)) {
        // Candles that were not made of trades have 0 for both.
        let ids = ids.filter(|ids| *ids != [0, 0]).map(|[first, last]| (first, last));
        let mark = Mark { start: UnixMillis::new(time).floor(self.spacing.step_ms, 0), ids };
        match open {
            Some(stretch) if stretch.origin == origin && self.spacing.joins(stretch.last, mark) => stretch.last = mark,
            _ => self.stretches.extend(open.replace(Stretch { first: mark, last: mark, origin })),
        }
    }

    /// Times that are held, each from one source, ascending: what joins touches.
    pub(super) fn runs(&mut self) -> Vec<(UnixMillis, UnixMillis, Origin)> {
        let Spacing { step_ms, .. } = self.spacing;
        self.stretches.sort_unstable_by_key(|stretch| (stretch.first.start, stretch.last.start, stretch.origin));
        let mut runs: Vec<(UnixMillis, UnixMillis, Origin)> = Vec::new();
        let mut high: Option<Mark> = None;
        for stretch in &self.stretches {
            let end = stretch.last.start.plus(step_ms);
            match (runs.last_mut(), high) {
                (Some(last), Some(row))
                    if stretch.first.start <= row.start || self.spacing.joins(row, stretch.first) =>
                {
                    if stretch.last.start > row.start {
                        // What lies between the last row of the one and the first of the other goes with the earlier.
                        last.1 = last.1.max(stretch.first.start.min(end));
                        extend(&mut runs, end, stretch.origin);
                    }
                }
                _ => runs.push((stretch.first.start, end, stretch.origin)),
            }
            high = high.filter(|row| row.start >= stretch.last.start).or(Some(stretch.last));
        }
        runs
    }
}

/// Lets the last run reach up to `end`, or puts one of another source behind it.
fn extend(runs: &mut Vec<(UnixMillis, UnixMillis, Origin)>, end: UnixMillis, origin: Origin) {
    match runs.last_mut() {
        Some(last) if last.2 == origin => last.1 = last.1.max(end),
        Some(last) if last.1 < end => {
            let start = last.1;
            runs.push((start, end, origin));
        }
        _ => {}
    }
}

/// What of a block's rows is looked at.
#[derive(Debug, Default)]
struct Columns {
    keys: Vec<i64>,
    times: Vec<i64>,
    /// Empty but for candles.
    ids: [Vec<i64>; 2],
}

impl Columns {
    fn read(&mut self, block: &Block<'_>) -> Result<(), CodecError> {
        let (kind, rows) = (block.header().kind, 0..block.header().rows as usize);
        block.column(0, rows.clone(), &mut self.keys)?;
        block.column(1, rows.clone(), &mut self.times)?;
        if kind == Kind::Candle {
            zip(CANDLE_IDS, &mut self.ids).try_for_each(|(at, ids)| block.column(at, rows.clone(), ids))?;
        }
        Ok(())
    }

    /// Key, time and ids of each row.
    fn rows(&self) -> impl Iterator<Item = (u64, i64, Option<[u64; 2]>)> {
        let [first, last] = &self.ids;
        let ids = |at: usize| Some([first.get(at)?.cast_unsigned(), last.get(at)?.cast_unsigned()]);
        let rows = zip(&self.keys, &self.times).enumerate();
        rows.map(move |(at, (key, time))| (key.cast_unsigned(), *time, ids(at)))
    }
}
