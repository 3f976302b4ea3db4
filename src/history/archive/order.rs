//! In which order do rows go out, and what if they do not come in it?
//!
//! As long as keys ascend, rows pass through. Once one does not, nothing more is handed out and the rest of the file is only looked
//! at for the lowest and the highest key. Then it is read again, a strip of keys at a time: a strip has a slot for each of its
//! keys, so it is sorted by putting rows where they belong, and its size is known beforehand whatever the file holds.

use crate::{
    exchange::binance::archive::Table,
    history::archive::tally::Tally,
    model::{IdRange, UnixMillis},
};
use crossbeam::channel::{Receiver, Sender};

/// Rows handed over at a time.
pub(super) const BATCH_ROWS: usize = 4_096;
/// No key: ids are below it, times far below.
const NO_KEY: u64 = u64::MAX;

/// Nobody takes rows any more.
#[derive(Debug)]
pub(super) struct Gone;

/// What one reading is for.
#[derive(Debug)]
pub(super) enum Task<R> {
    /// To hand out rows as they come.
    Stream,
    /// To hand out the rows of a strip in order, after those of the strips before.
    Strip {
        /// Its first key.
        from: u64,
        /// Its keys.
        slots: usize,
        /// What the strips before came to.
        ascent: Ascent<R>,
    },
}

/// What came of one reading.
#[derive(Debug)]
pub(super) enum Outcome<R> {
    /// All rows were handed out.
    Whole(Tally<R>),
    /// Rows are out of order, and their keys lie between these. The tally counts what was left out, and nothing else.
    Scattered {
        /// The lowest key.
        low: u64,
        /// The highest key.
        high: u64,
        /// What was left out.
        left_out: Tally<R>,
    },
    /// The strip's rows were handed out; the next row has this key.
    Strip {
        /// Where the next strip begins, unless this was the last.
        next: Option<u64>,
        /// What the strips so far came to.
        ascent: Ascent<R>,
    },
}

/// What went out so far: always ascending.
#[derive(Debug)]
pub(super) struct Ascent<R> {
    pub(super) tally: Tally<R>,
    /// The key after the last; [`NO_KEY`] at the beginning.
    next: u64,
    run_first: u64,
}

impl<R: Copy + PartialEq> Ascent<R> {
    /// Nothing went out; `left_out` is counted already.
    pub(super) fn new(left_out: Tally<R>) -> Self {
        Self { tally: left_out, next: NO_KEY, run_first: 0 }
    }

    /// Notes a key that does not follow the last one.
    fn jump(&mut self, key: u64) {
        let run = self.run();
        self.tally.run(run);
        self.run_first = key;
    }

    /// The run that goes on.
    fn run(&self) -> Option<IdRange> {
        let last = self.next.checked_sub(1).filter(|_| self.next != NO_KEY)?;
        IdRange::new(self.run_first, last)
    }

    /// Everything that went out.
    pub(super) fn end(mut self, dense: bool) -> Tally<R> {
        let run = self.run();
        self.tally.run(run);
        if !dense {
            self.tally.runs.clear();
            self.tally.runs_omitted = 0;
        }
        self.tally
    }
}

/// Rows on their way to the calling thread.
pub(super) struct Batches<R> {
    batch: Vec<R>,
    /// The last row of the batch before.
    sent: Option<R>,
    out: Sender<Vec<R>>,
    spare: Receiver<Vec<R>>,
}

impl<R: Copy> Batches<R> {
    /// Sends to `out`; vectors to be filled again come through `spare`.
    pub(super) fn new(out: Sender<Vec<R>>, spare: Receiver<Vec<R>>) -> Self {
        Self { batch: Vec::with_capacity(BATCH_ROWS), sent: None, out, spare }
    }

    #[inline(always)]
    fn push(&mut self, row: R) -> Result<(), Gone> {
        if self.batch.len() == BATCH_ROWS {
            self.send()?;
        }
        self.batch.push(row);
        Ok(())
    }

    #[inline(never)]
    fn send(&mut self) -> Result<(), Gone> {
        self.sent = self.batch.last().copied();
        let mut next = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH_ROWS));
        next.clear();
        let full = std::mem::replace(&mut self.batch, next);
        if full.is_empty() { Ok(()) } else { self.out.send(full).map_err(|_| Gone) }
    }

    fn last(&self) -> Option<R> {
        self.batch.last().copied().or(self.sent)
    }
}

/// Puts the rows of one reading in order.
pub(super) struct Order<T: Table> {
    start: UnixMillis,
    end: UnixMillis,
    ascent: Ascent<T::Row>,
    batches: Batches<T::Row>,
    way: Way<T::Row>,
}

enum Way<R> {
    Stream,
    Scattered { low: u64, high: u64 },
    Strip { from: u64, slots: Vec<Option<R>>, next: Option<u64> },
}

impl<T: Table> Order<T> {
    /// For rows of the time from `start` up to `end`.
    pub(super) fn new((start, end): (UnixMillis, UnixMillis), task: Task<T::Row>, batches: Batches<T::Row>) -> Self {
        let (way, ascent) = match task {
            Task::Stream => (Way::Stream, Ascent::new(Tally::default())),
            Task::Strip { from, slots, ascent } => (Way::Strip { from, slots: vec![None; slots], next: None }, ascent),
        };
        Self { start, end, ascent, batches, way }
    }

    /// A row, in the order of the file.
    #[inline(always)]
    pub(super) fn take(&mut self, row: T::Row) -> Result<(), Gone> {
        let key = T::key(&row);
        if key == self.ascent.next && matches!(self.way, Way::Stream) && T::belongs(&row, self.start, self.end) {
            return self.hand_out(key, row);
        }
        self.take_another(key, row)
    }

    /// A line without figures.
    pub(super) fn skip(&mut self) {
        if !matches!(self.way, Way::Strip { .. }) {
            self.ascent.tally.blank += 1;
        }
    }

    #[inline(always)]
    fn hand_out(&mut self, key: u64, row: T::Row) -> Result<(), Gone> {
        self.ascent.next = key + 1;
        self.ascent.tally.rows += 1;
        self.ascent.tally.hollow += u64::from(T::is_hollow(&row));
        self.batches.push(row)
    }

    /// A row that does not follow the last one as the next key does.
    #[inline(never)]
    fn take_another(&mut self, key: u64, row: T::Row) -> Result<(), Gone> {
        if !T::belongs(&row, self.start, self.end) {
            // Strips see it again.
            if !matches!(self.way, Way::Strip { .. }) {
                self.ascent.tally.leave_out(row);
            }
            return Ok(());
        }
        match &mut self.way {
            Way::Stream => self.take_next(key, row)?,
            Way::Scattered { low, high } => (*low, *high) = ((*low).min(key), (*high).max(key)),
            Way::Strip { from, slots, next } => {
                let Some(at) = key.checked_sub(*from) else { return Ok(()) };
                match usize::try_from(at).ok().and_then(|at| slots.get_mut(at)) {
                    Some(Some(taken)) => self.ascent.tally.again(*taken, row),
                    Some(slot) => *slot = Some(row),
                    None => *next = Some(next.map_or(key, |next| next.min(key))),
                }
            }
        }
        Ok(())
    }

    /// A row that came after the last one and is not of the next key.
    fn take_next(&mut self, key: u64, row: T::Row) -> Result<(), Gone> {
        let Some(last) = self.batches.last() else {
            self.ascent.jump(key);
            return self.hand_out(key, row);
        };
        match key.cmp(&T::key(&last)) {
            std::cmp::Ordering::Greater => {
                self.ascent.jump(key);
                self.hand_out(key, row)
            }
            std::cmp::Ordering::Equal => {
                self.ascent.tally.again(last, row);
                Ok(())
            }
            std::cmp::Ordering::Less => {
                let first = self.ascent.tally.runs.first().map_or(self.ascent.run_first, |run| run.first);
                self.way = Way::Scattered { low: first.min(key), high: T::key(&last) };
                Ok(())
            }
        }
    }

    /// After the last row.
    pub(super) fn finish(mut self) -> Result<Outcome<T::Row>, Gone> {
        match std::mem::replace(&mut self.way, Way::Stream) {
            Way::Stream => {
                self.batches.send()?;
                Ok(Outcome::Whole(self.ascent.end(T::DENSE)))
            }
            Way::Scattered { low, high } => {
                let Tally { outside, outside_first, blank, .. } = self.ascent.tally;
                Ok(Outcome::Scattered {
                    low,
                    high,
                    left_out: Tally { outside, outside_first, blank, ..Tally::default() },
                })
            }
            Way::Strip { from, slots, next } => {
                for (key, row) in (from..).zip(slots) {
                    let Some(row) = row else { continue };
                    if key != self.ascent.next {
                        self.ascent.jump(key);
                    }
                    self.hand_out(key, row)?;
                }
                self.batches.send()?;
                Ok(Outcome::Strip { next, ascent: self.ascent })
            }
        }
    }
}
