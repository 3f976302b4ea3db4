//! Which times of a series without ids are held and lacking?

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        coverage::{HoleState, Reach, stretches::Spacing},
        ledger::Witnesses,
        library::Library,
        record::{Kind, Origin},
        shelf::Shelf,
    },
};

/// Times `[start, end)` that rows of one source hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRun {
    /// The first millisecond.
    pub start: UnixMillis,
    /// The first one behind.
    pub end: UnixMillis,
    /// Their source.
    pub origin: Origin,
}

/// Times `[start, end)` between held ones that are not held, all in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeHole {
    /// The first millisecond.
    pub start: UnixMillis,
    /// The first one behind.
    pub end: UnixMillis,
    /// What is known of them.
    pub state: HoleState<Proof>,
}

/// Why times are known to have no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Who lacks them.
    pub witnesses: Witnesses,
    /// When the last of these was seen to.
    pub at: UnixMillis,
}

/// What the store holds and lacks of a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoveredTimes {
    /// Ascending; those that join touch.
    pub runs: Vec<TimeRun>,
    /// Ascending; times before the first held one and after the last are no hole.
    pub holes: Vec<TimeHole>,
    /// The first time from which on all is held or confirmed absent, up to the newest.
    pub whole_from: Option<UnixMillis>,
}

/// A file of the archive all rows of which were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenFile {
    /// The first millisecond of which it has the rows.
    pub start: UnixMillis,
    /// The first one behind.
    pub end: UnixMillis,
    /// When the venue was last seen to offer it as it was taken.
    pub at: UnixMillis,
}

/// What was taken from each archive that has a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archives(Vec<(Origin, Vec<TakenFile>)>);

impl Archives {
    /// Of each archive the files, ascending, none overlapping another.
    pub const fn new(files: Vec<(Origin, Vec<TakenFile>)>) -> Self {
        Self(files)
    }

    /// Without files of whose time nothing is held: their rows were given up or lost, and say nothing of what they lacked.
    fn with_rows(&self, runs: &[TimeRun]) -> Self {
        let has_rows = |file: &&TakenFile| {
            runs.get(runs.partition_point(|run| run.end <= file.start)).is_some_and(|run| run.start < file.end)
        };
        let of = |files: &Vec<TakenFile>| files.iter().filter(has_rows).copied().collect();
        Self(self.0.iter().map(|(source, files)| (*source, of(files))).collect())
    }

    /// Where what is known changes between two times.
    fn borders(&self, from: UnixMillis, to: UnixMillis) -> impl Iterator<Item = UnixMillis> {
        let files = self.0.iter().flat_map(move |(_, files)| {
            let first = files.partition_point(|file| file.end <= from);
            files.iter().skip(first).take_while(move |file| file.start < to)
        });
        files.flat_map(|file| [file.start, file.end]).filter(move |border| from < *border && *border < to)
    }

    /// The proof that a time has no row: every archive's file of it was taken.
    fn proof(&self, time: UnixMillis) -> Option<Proof> {
        let file = |(source, files): &(Origin, Vec<TakenFile>)| {
            let file = files.get(files.partition_point(|file| file.end <= time))?;
            (file.start <= time).then_some(Proof { witnesses: Witnesses::of(*source), at: file.at })
        };
        let proofs = self.0.iter().map(file).collect::<Option<Vec<_>>>()?;
        proofs.into_iter().reduce(|a, b| Proof { witnesses: a.witnesses.and(b.witnesses), at: a.at.max(b.at) })
    }
}

impl CoveredTimes {
    /// Of the rows of a shelf whose kind has no ids and is expected at certain times; nothing of other kinds.
    pub fn of(shelf: &Shelf, library: &Library, archives: &Archives, reach: Reach) -> Option<Self> {
        let spacing = Spacing::of(shelf.kind)?;
        let mut found = shelf.stretches(library, spacing);
        let runs = found.runs().into_iter().map(|(start, end, origin)| TimeRun { start, end, origin });
        let runs: Vec<TimeRun> = runs.collect();
        let horizon = reach.back_ms.map(|back_ms| reach.now.plus(-back_ms).floor(spacing.step_ms, 0));
        let damaged: Vec<_> = found.damaged.iter().map(|keys| times_of(shelf.kind, *keys)).collect();
        let states = States { archives: archives.with_rows(&runs), horizon, damaged };
        let gaps = runs.windows(2).filter_map(|pair| match pair {
            [before, after] if before.end < after.start => Some((before.end, after.start)),
            _ => None,
        });
        let holes: Vec<TimeHole> = gaps.flat_map(|(start, end)| states.holes(start, end)).collect();
        let open = holes.iter().rfind(|hole| hole.state.is_open()).map(|hole| hole.end);
        let whole_from = open.or_else(|| runs.first().map(|run| run.start));
        Some(Self { runs, holes, whole_from })
    }

    /// What lies within `[start, end)`.
    #[must_use]
    pub fn within(&self, start: UnixMillis, end: UnixMillis) -> Self {
        let clip =
            |from: UnixMillis, to: UnixMillis| Some((from.max(start), to.min(end))).filter(|(from, to)| from < to);
        let run = |run: &TimeRun| clip(run.start, run.end).map(|(start, end)| TimeRun { start, end, ..*run });
        let hole = |hole: &TimeHole| clip(hole.start, hole.end).map(|(start, end)| TimeHole { start, end, ..*hole });
        let runs = self.runs.iter().skip(self.runs.partition_point(|run| run.end <= start));
        let holes = self.holes.iter().skip(self.holes.partition_point(|hole| hole.end <= start));
        let (runs, holes) = (runs.map_while(run).collect(), holes.map_while(hole).collect());
        Self { runs, holes, whole_from: self.whole_from }
    }

    /// From the first held time up to the end of the last.
    pub fn ends(&self) -> Option<(UnixMillis, UnixMillis)> {
        self.runs.first().zip(self.runs.last()).map(|(first, last)| (first.start, last.end))
    }
}

/// What is known of times that are not held.
struct States {
    archives: Archives,
    /// What is older live sources do not have.
    horizon: Option<UnixMillis>,
    /// Times of rows that were held and cannot be read.
    damaged: Vec<(UnixMillis, UnixMillis)>,
}

impl States {
    /// A gap, cut where its state changes.
    fn holes(&self, start: UnixMillis, end: UnixMillis) -> Vec<TimeHole> {
        let inside = |time: &UnixMillis| start < *time && *time < end;
        let damaged = self.damaged.iter().flat_map(|(from, to)| [*from, *to]).chain(self.horizon).filter(inside);
        let mut borders: Vec<UnixMillis> =
            self.archives.borders(start, end).chain(damaged).chain([start, end]).collect();
        borders.sort_unstable();
        borders.dedup();
        let mut holes: Vec<TimeHole> = Vec::new();
        for (start, end) in borders.iter().zip(borders.iter().skip(1)) {
            let state = self.at(*start);
            match holes.last_mut() {
                Some(last) if last.state == state => last.end = *end,
                _ => holes.push(TimeHole { start: *start, end: *end, state }),
            }
        }
        holes
    }

    fn at(&self, time: UnixMillis) -> HoleState<Proof> {
        let is_damaged = self.damaged.iter().any(|(from, to)| *from <= time && time < *to);
        match self.archives.proof(time).filter(|_| !is_damaged) {
            Some(proof) => HoleState::ConfirmedAbsent(proof),
            None if self.horizon.is_some_and(|horizon| time >= horizon) => HoleState::Missing,
            None => HoleState::AwaitingArchive,
        }
    }
}

/// The times of rows with such keys: minutes of candles, milliseconds of others.
fn times_of(kind: Kind, keys: IdRange) -> (UnixMillis, UnixMillis) {
    let unit = if kind == Kind::Candle { UnixMillis::MINUTE } else { 1 };
    let time = |key: u64| UnixMillis::new(i64::try_from(key).unwrap_or(i64::MAX).saturating_mul(unit));
    let step_ms = Spacing::of(kind).map_or(1, |spacing| spacing.step_ms);
    (time(keys.first).floor(step_ms, 0), time(keys.last).floor(step_ms, 0).plus(step_ms))
}
