//! In which order do trades go onto the tape, and which are duplicates, late, or missing?
//!
//! A pure state machine over ids: time comes in as an argument, results go out to an [`Ordered`].

use crate::{
    market::Holes,
    model::{IdRange, Trade},
};
use std::collections::{BTreeMap, btree_map::Entry};

/// Ids that wait for a missing one before it; beyond, the wait is cut short and the hole recorded at once.
const PENDING_MAX: usize = 65_536;

/// A jump over more ids than any outage explains (BTCUSDT has about 3 million aggregates a day) is believed only when a
/// second print lands near the first: one absurd id would make everything after it late.
const JUMP_MAX: u64 = 100_000_000;
/// How long a print past such a jump is kept for a second one.
const SUSPECT_MS: i64 = 60_000;

/// What the venue published under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// A trade.
    Trade(Trade),
    /// An id that names no trade (raw tapes): present, so no hole, and nothing to keep.
    Burnt(u64),
}

impl Print {
    /// The trade, if it is one.
    pub fn as_trade(&self) -> Option<&Trade> {
        match self {
            Self::Trade(trade) => Some(trade),
            Self::Burnt(_) => None,
        }
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        match self {
            Self::Trade(trade) => trade.id,
            Self::Burnt(id) => *id,
        }
    }
}

/// Results of a step, in order; the caller empties it.
#[derive(Debug, Default)]
pub struct Ordered {
    /// For the tape, ascending; whether no id is missing between the trade and the one before it on the tape.
    pub trades: Vec<(Trade, bool)>,
    /// Prints whose hole had been recorded before they came.
    pub late: Vec<Print>,
    /// Holes found.
    pub holes: Vec<IdRange>,
    /// Prints that were there already.
    pub duplicates: u64,
    /// Prints older than the tape's beginning.
    pub before_start: u64,
    /// Burnt ids, in order or late.
    pub burnt: u64,
    /// Prints with an implausible id, dropped.
    pub implausible: u64,
}

impl Ordered {
    /// Makes it empty, keeping its memory.
    pub fn clear(&mut self) {
        self.trades.clear();
        self.late.clear();
        self.holes.clear();
        (self.duplicates, self.before_start, self.burnt, self.implausible) = (0, 0, 0, 0);
    }
}

/// Orders the prints of one contract by id.
#[derive(Debug)]
pub struct Sequencer {
    reorder_ms: i64,
    /// The newest id that has been released or given up; nothing before the tape has begun.
    head: Option<u64>,
    /// The first id of the tape.
    start: u64,
    /// Whether an id has been given up since the last trade was released.
    broken: bool,
    /// Prints past a missing id, with the time they came.
    pending: BTreeMap<u64, (Print, i64)>,
    holes: Holes,
}

impl Sequencer {
    /// A sequencer for a tape that has not begun: its first prints wait `reorder_ms`, so that the lowest id starts it.
    pub fn new(reorder_ms: i64) -> Self {
        Self { reorder_ms, head: None, start: 0, broken: true, pending: BTreeMap::new(), holes: Holes::default() }
    }

    /// A sequencer for a tape whose ids up to `last` are dealt with: the next trade joins if its id does.
    pub fn after(reorder_ms: i64, last: u64) -> Self {
        Self { head: Some(last), start: last + 1, broken: false, ..Self::new(reorder_ms) }
    }

    /// Goes on after a panic: what waits is forgotten, and ids that were released but did not get past `published`, the
    /// newest id known to be dealt with, are a hole.
    pub fn resume(&mut self, published: Option<u64>) -> Option<IdRange> {
        self.pending.clear();
        let head = self.head?;
        let Some(published) = published else {
            (self.head, self.broken) = (None, true);
            return None;
        };
        let hole = IdRange::new(published + 1, head)?;
        self.holes.open(hole);
        self.broken = true;
        Some(hole)
    }

    /// How long an id waits for those before it.
    pub fn reorder_ms(&self) -> i64 {
        self.reorder_ms
    }

    /// The newest id released or given up.
    pub fn head(&self) -> Option<u64> {
        self.head
    }

    /// The missing ids.
    pub fn holes(&self) -> &Holes {
        &self.holes
    }

    /// Notes ids that are missing although they were released, or were before this sequencer began.
    pub fn reopen(&mut self, hole: IdRange) {
        self.holes.open(hole);
    }

    /// Notes that a missing id has come by another way.
    pub fn fill(&mut self, id: u64) {
        self.holes.fill(id);
    }

    /// Notes that missing ids have come by another way.
    pub fn close(&mut self, ids: IdRange) {
        self.holes.close(ids);
    }

    /// Takes over what the tape calls missing: what was found and not put there is missing again.
    pub fn set_holes(&mut self, holes: Holes) {
        self.holes = holes;
    }

    /// Takes the next print off the stream at `now_ms` (monotonic).
    pub fn accept(&mut self, print: Print, now_ms: i64, out: &mut Ordered) {
        let id = print.id();
        match self.head {
            Some(head) if id == head + 1 && self.pending.is_empty() => self.release(print, out),
            Some(head) if id <= head => self.accept_old(print, out),
            _ => self.accept_early(print, now_ms, out),
        }
    }

    /// When [`Sequencer::expire`] has something to do, if nothing comes before.
    pub fn deadline_ms(&self) -> Option<i64> {
        let wait_ms = if self.is_suspect() { SUSPECT_MS } else { self.reorder_ms };
        let plausible_to = self.head.map_or(u64::MAX, |head| head.saturating_add(JUMP_MAX));
        let came_ms = |(_, (_, came_ms)): (&u64, &(Print, i64))| *came_ms;
        let plausible = self.pending.range(..=plausible_to).map(came_ms).min();
        plausible.or_else(|| self.pending.iter().map(came_ms).min()).map(|came_ms| came_ms + wait_ms)
    }

    /// Gives up ids that have been waited for long enough.
    pub fn expire(&mut self, now_ms: i64, out: &mut Ordered) {
        while self.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            if self.is_suspect() {
                self.pending.pop_first();
                out.implausible += 1;
            } else {
                self.skip_to_pending(out);
            }
        }
    }

    /// Whether the next print that waits lies past an implausible jump, and none near it confirms that.
    fn is_suspect(&self) -> bool {
        let mut pending = self.pending.keys();
        let (Some(head), Some(&next)) = (self.head, pending.next()) else { return false };
        next - head > JUMP_MAX && pending.next().is_none_or(|second| second - next > JUMP_MAX)
    }

    fn accept_old(&mut self, print: Print, out: &mut Ordered) {
        if self.holes.fill(print.id()) {
            out.burnt += u64::from(matches!(print, Print::Burnt(_)));
            out.late.push(print);
        } else if print.id() < self.start {
            out.before_start += 1;
        } else {
            out.duplicates += 1;
        }
    }

    fn accept_early(&mut self, print: Print, now_ms: i64, out: &mut Ordered) {
        match self.pending.entry(print.id()) {
            Entry::Vacant(entry) => {
                entry.insert((print, now_ms));
            }
            Entry::Occupied(_) => out.duplicates += 1,
        }
        self.release_pending(out);
        if self.pending.len() > PENDING_MAX {
            self.skip_to_pending(out);
        }
    }

    /// Gives up the ids before the lowest that waits, and releases from there.
    fn skip_to_pending(&mut self, out: &mut Ordered) {
        let Some((&next, _)) = self.pending.first_key_value() else { return };
        match self.head {
            Some(head) => {
                if let Some(hole) = IdRange::new(head + 1, next - 1) {
                    self.holes.open(hole);
                    out.holes.push(hole);
                    self.broken = true;
                }
            }
            None => {
                self.start = next;
                // Ids start at 1: nothing can be missing before the first.
                self.broken = next > 1;
            }
        }
        self.head = Some(next - 1);
        self.release_pending(out);
    }

    fn release_pending(&mut self, out: &mut Ordered) {
        let Some(mut head) = self.head else { return };
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() == head + 1) {
            let (print, _) = entry.remove();
            self.release(print, out);
            head += 1;
        }
    }

    fn release(&mut self, print: Print, out: &mut Ordered) {
        self.head = Some(print.id());
        match print {
            Print::Trade(trade) => {
                out.trades.push((trade, !self.broken));
                self.broken = false;
            }
            Print::Burnt(_) => out.burnt += 1,
        }
    }
}
