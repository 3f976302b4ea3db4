//! How does a file become rows that may be adopted?

use crate::{
    exchange::binance::archive::{Place, Sha256, Table},
    history::archive::{
        directory::{self, Entry},
        error::{Cause, ReadError},
        inflate::hash,
        limits::Limits,
        order::{Ascent, Outcome, Task},
        pass::pass,
        tally::Tally,
    },
    model::UnixMillis,
};
use std::io::{Read, Seek};

/// Which file it should be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a, T> {
    /// Its name and time.
    pub place: &'a Place,
    /// What its lines say: the table of the place's dataset.
    pub table: &'a T,
    /// Its sum, from its CHECKSUM.
    pub sha256: Sha256,
    /// What it may cost.
    pub limits: Limits,
}

/// Rows that may be adopted, as every check of their file was passed.
#[derive(Debug)]
pub struct Confirmed<S, R> {
    /// Where the rows were staged, all of them.
    pub staged: S,
    /// What they are.
    pub tally: Tally<R>,
    /// Bytes of CSV.
    pub csv_bytes: u64,
    /// Readings that sorting took; 0 when rows came in order.
    pub strips: usize,
}

/// A file whose directory was found in order.
pub(super) struct Opened<'a, T> {
    name: String,
    pub(super) entry: Entry,
    pub(super) table: &'a T,
    pub(super) span: (UnixMillis, UnixMillis),
    expected: Sha256,
}

impl<T> Opened<'_, T> {
    pub(super) fn refused<E>(&self, cause: Cause) -> ReadError<E> {
        ReadError::Refused { name: self.name.clone(), cause }
    }

    pub(super) fn check(&self, found: Sha256) -> Result<(), Cause> {
        check(self.expected, found)
    }
}

fn check(expected: Sha256, found: Sha256) -> Result<(), Cause> {
    if expected == found { Ok(()) } else { Err(Cause::Checksum { expected, found }) }
}

/// Reads a file and checks everything about it that can be told from itself and its CHECKSUM. `begin` makes a place to stage
/// rows in, `stage` adds rows to it: ascending by key, each key once. The place is handed back only with the summary.
///
/// `begin` is called a second time when rows turn out to be out of order; what was staged before is dropped then. Rows of
/// another day or month than the file's are left out and counted.
///
/// The calling thread runs `begin` and `stage`, and blocks: never call this on an arbiter. To give up, fail in `stage`.
///
/// # Errors
///
/// When the file is not what it should be, or the caller's staging fails. Nothing staged survives that.
pub fn read<F, T, S, E>(
    file: &mut F,
    wanted: &Wanted<'_, T>,
    mut begin: impl FnMut() -> Result<S, E>,
    mut stage: impl FnMut(&mut S, &[T::Row]) -> Result<(), E>,
) -> Result<Confirmed<S, T::Row>, ReadError<E>>
where
    F: Read + Seek + Send,
    T: Table,
{
    let opened = open(file, wanted)?;
    let mut staged = begin().map_err(ReadError::Staging)?;
    let (tally, strips) = match pass(file, &opened, Task::Stream, |rows| stage(&mut staged, rows))? {
        Outcome::Scattered { low, high, left_out } => {
            staged = begin().map_err(ReadError::Staging)?;
            let sorting = Sorting { from: low, high, ascent: Ascent::new(left_out), strips: 0 };
            sorting.run(file, &opened, &wanted.limits, |rows| stage(&mut staged, rows))?
        }
        Outcome::Whole(tally) => (tally, 0),
        Outcome::Strip { ascent, .. } => (ascent.end(T::DENSE), 0),
    };
    if tally.rows == 0 && tally.outside > 0 {
        return Err(opened.refused(Cause::OtherPeriod));
    }
    Ok(Confirmed { staged, tally, csv_bytes: opened.entry.csv_bytes, strips })
}

fn open<'a, F: Read + Seek, T, E>(file: &mut F, wanted: &Wanted<'a, T>) -> Result<Opened<'a, T>, ReadError<E>> {
    let refused = |cause| ReadError::Refused { name: wanted.place.zip_name(), cause };
    let entry = match directory::open(file, &wanted.place.entry_name(), &wanted.limits) {
        Ok(entry) => entry,
        // Too long to be hashed, too.
        Err(cause @ Cause::ZipTooLong { .. }) => return Err(refused(cause)),
        Err(cause) => {
            let found = hash(file).map_err(|error| refused(Cause::Io(error)))?;
            return Err(refused(check(wanted.sha256, found).err().unwrap_or(cause)));
        }
    };
    let period = wanted.place.period();
    let span = (period.start(), period.end());
    Ok(Opened { name: wanted.place.zip_name(), entry, table: wanted.table, span, expected: wanted.sha256 })
}

/// A file whose rows are out of order, between its lowest and its highest key.
struct Sorting<R> {
    from: u64,
    high: u64,
    ascent: Ascent<R>,
    strips: usize,
}

impl<R: Copy + PartialEq> Sorting<R> {
    /// Reads the file strip by strip; what came out, and how many strips it took.
    fn run<F, T, E>(
        mut self,
        file: &mut F,
        opened: &Opened<'_, T>,
        limits: &Limits,
        mut stage: impl FnMut(&[R]) -> Result<(), E>,
    ) -> Result<(Tally<R>, usize), ReadError<E>>
    where
        F: Read + Seek + Send,
        T: Table<Row = R>,
    {
        let slots_max = (limits.sort_bytes_max / size_of::<Option<R>>()).max(1);
        loop {
            if self.strips == limits.strips_max {
                return Err(opened.refused(Cause::Scattered { strips_max: limits.strips_max }));
            }
            self.strips += 1;
            let keys = usize::try_from(self.high.saturating_sub(self.from)).unwrap_or(usize::MAX).saturating_add(1);
            let task = Task::Strip { from: self.from, slots: keys.min(slots_max), ascent: self.ascent };
            match pass(file, opened, task, &mut stage)? {
                Outcome::Strip { next: Some(next), ascent } => (self.from, self.ascent) = (next, ascent),
                Outcome::Strip { next: None, ascent } => return Ok((ascent.end(T::DENSE), self.strips)),
                // Only a stream has these outcomes.
                Outcome::Whole(tally) | Outcome::Scattered { left_out: tally, .. } => return Ok((tally, self.strips)),
            }
        }
    }
}
