//! When is a candle of the live tape closed, when is it complete, and what does a repair change?
//!
//! A state machine without I/O for one timeframe of one contract: trades, repairs and the venue's clock go in, closed
//! candles and corrections come out.
//!
//! - A candle closes at once on the first trade at or past its end, else when the venue's clock passes its end and the
//!   grace; exactly once, before its successor's first update.
//! - It is complete when no known hole touches its bucket and its stream was proven flowing through its end: by the next
//!   id, which joins, or by the connection.
//! - What turns out otherwise later is a correction with a higher revision.

use crate::{
    candle::Bar,
    model::{Candle, IdRange, Timeframe, Trade, UnixMillis},
};
use std::collections::VecDeque;

/// Holes remembered one by one; when there are more, everything before the end of the oldest counts as incomplete.
const HOLES_MAX: usize = 4_096;

/// How candles close, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldOptions {
    /// Time past a bucket's end, by the venue's clock, until it is closed without a trade.
    pub grace_ms: i64,
    /// Closed candles kept, for snapshots, corrections and longer timeframes.
    pub closed_max: usize,
}

/// How a trade follows the one before it on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// No id is missing between, nor before when it is the first.
    Joins,
    /// Ids are missing between; repairs may bring them.
    Missing,
    /// This fold did not see the trades between, though the tape may have them: no repair will come.
    Unseen,
}

/// What a step has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldEvent {
    /// A bucket is over.
    Closed(Candle),
    /// A closed candle has changed.
    Correction(Candle),
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct LiveFold {
    timeframe: Timeframe,
    options: FoldOptions,
    /// Ascending, at most `options.closed_max`.
    closed: VecDeque<Closed>,
    open: Option<Open>,
    /// The newest trade's id and time.
    last: Option<(u64, UnixMillis)>,
    holes: Vec<Hole>,
    /// Buckets that begin before it are not complete: the tape or the history begins there.
    floor: UnixMillis,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    bucket: (UnixMillis, UnixMillis),
    bar: Bar,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    bucket: (UnixMillis, UnixMillis),
    bar: Bar,
    /// Whether the stream was proven flowing through the end.
    proven: bool,
    /// As last said.
    complete: bool,
    revision: u32,
    /// Whether the bar has changed since it was last said.
    changed: bool,
}

impl Closed {
    fn candle(&self) -> Candle {
        Candle { closed: true, complete: self.complete, revision: self.revision, ..self.bar.candle(self.bucket) }
    }
}

/// Missing ids, and the times between which their trades happened.
#[derive(Clone, Copy, Debug)]
struct Hole {
    ids: IdRange,
    from: UnixMillis,
    to: UnixMillis,
    repairable: bool,
}

impl Hole {
    fn touches(&self, (start, end): (UnixMillis, UnixMillis)) -> bool {
        start <= self.to && self.from < end
    }
}

impl LiveFold {
    /// A fold that has seen nothing.
    pub fn new(timeframe: Timeframe, options: FoldOptions) -> Self {
        let floor = UnixMillis::new(i64::MIN);
        Self { timeframe, options, closed: VecDeque::new(), open: None, last: None, holes: Vec::new(), floor }
    }

    /// A fold that goes on behind closed candles of its timeframe, ascending, which it said before it ended. Those that were
    /// not complete stay so: which ids they lack is not known here.
    pub fn after(timeframe: Timeframe, options: FoldOptions, candles: &[Candle]) -> Self {
        let mut fold = Self::new(timeframe, options);
        let candles = &candles[candles.len().saturating_sub(options.closed_max)..];
        let Some(last) = candles.last() else { return fold };
        fold.floor = candles[0].open_time;
        // When its last trade happened is not known: no later than its end.
        fold.last = Some((last.last_id, last.close_time.plus(-1)));
        for candle in candles {
            let bucket = (candle.open_time, candle.close_time);
            if !candle.complete {
                fold.note_incomplete(candle, bucket);
            }
            let (bar, complete, revision) = (Bar::of_candle(candle), candle.complete, candle.revision);
            fold.closed.push_back(Closed { bucket, bar, proven: true, complete, revision, changed: false });
        }
        fold
    }

    fn note_incomplete(&mut self, candle: &Candle, (from, end): (UnixMillis, UnixMillis)) {
        let (ids, to) = (IdRange { first: candle.first_id, last: candle.last_id }, end.plus(-1));
        match self.holes.last_mut() {
            Some(hole) if hole.to.plus(1) == from => (hole.ids.last, hole.to) = (ids.last, to),
            _ => self.holes.push(Hole { ids, from, to, repairable: false }),
        }
    }

    /// A longer timeframe's fold as it would stand had it seen what `minutes` has, as far as that remembers.
    pub fn from_minutes(timeframe: Timeframe, minutes: &Self) -> Self {
        let mut fold = Self::new(timeframe, minutes.options);
        (fold.last, fold.holes, fold.floor) = (minutes.last, minutes.holes.clone(), minutes.floor);
        for minute in &minutes.closed {
            fold.merge_minute(minute.bucket, &minute.bar);
        }
        if let Some(minute) = &minutes.open {
            fold.merge_minute(minute.bucket, &minute.bar);
        } else if let (Some(open), Some(minute)) = (fold.open, minutes.closed.back())
            && open.bucket.1 <= minute.bucket.1
        {
            fold.open = None;
            fold.push_closed(&open, minute.proven);
        }
        fold
    }

    fn merge_minute(&mut self, minute: (UnixMillis, UnixMillis), bar: &Bar) {
        match &mut self.open {
            Some(open) if minute.0 < open.bucket.1 => open.bar.merge(bar),
            open => {
                let next = Open { bucket: self.timeframe.bucket(minute.0), bar: *bar };
                if let Some(over) = open.replace(next) {
                    self.push_closed(&over, true);
                }
            }
        }
    }

    /// Its timeframe.
    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }

    /// The newest trade id it has seen; ids up to it that come again are ignored.
    pub fn last_id(&self) -> Option<u64> {
        self.last.map(|(id, _)| id)
    }

    /// The current candle, not closed.
    pub fn open(&self) -> Option<Candle> {
        self.open.map(|open| open.bar.candle(open.bucket))
    }

    /// The closed candles it keeps, ascending.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = Candle> + ExactSizeIterator {
        self.closed.iter().map(Closed::candle)
    }

    /// Takes the next trade of the tape.
    pub fn trade(&mut self, trade: &Trade, link: Link, events: &mut Vec<FoldEvent>) {
        if let (Some(open), Some((last_id, _)), Link::Joins) = (&mut self.open, self.last, link)
            && last_id < trade.id
            && open.bucket.0 <= trade.time
            && trade.time < open.bucket.1
        {
            open.bar.push(trade);
            self.last = Some((trade.id, trade.time));
            return;
        }
        if self.last.is_none_or(|(last_id, _)| last_id < trade.id) {
            self.trade_at_edge(trade, link, events);
        }
    }

    /// A trade that begins a bucket, follows a hole, or is the first.
    fn trade_at_edge(&mut self, trade: &Trade, link: Link, events: &mut Vec<FoldEvent>) {
        self.note_link(trade, link);
        self.last = Some((trade.id, self.last.map_or(trade.time, |(_, time)| time.max(trade.time))));
        if let Some(open) = self.open
            && trade.time >= open.bucket.1
        {
            self.close(open, true, events);
        }
        if let Some(last) = self.closed.back_mut()
            && trade.time >= last.bucket.1
        {
            // Whether its end joins is decided now; holes speak for themselves.
            last.proven = true;
        }
        self.place(trade);
        self.reassess(events);
    }

    /// Records what is missing before `trade`.
    fn note_link(&mut self, trade: &Trade, link: Link) {
        match (link, self.last) {
            (Link::Joins, _) => {}
            (_, None) => self.floor = self.floor.max(trade.time.plus(1)),
            (link, Some((last_id, last_time))) => {
                if let Some(ids) = IdRange::new(last_id + 1, trade.id - 1) {
                    let to = trade.time.max(last_time);
                    self.holes.push(Hole { ids, from: last_time, to, repairable: link == Link::Missing });
                }
                self.bound_holes();
            }
        }
    }

    /// Adds a trade to its bucket, wherever that is.
    fn place(&mut self, trade: &Trade) {
        match &mut self.open {
            Some(open) if trade.time >= open.bucket.0 => open.bar.add(trade),
            None if self.closed.back().is_none_or(|last| trade.time >= last.bucket.1) => {
                self.open = Some(Open { bucket: self.timeframe.bucket(trade.time), bar: Bar::of(trade) });
            }
            _ => self.place_among_closed(trade),
        }
    }

    fn place_among_closed(&mut self, trade: &Trade) {
        let bucket = self.timeframe.bucket(trade.time);
        match self.closed.binary_search_by_key(&bucket.0, |closed| closed.bucket.0) {
            Ok(at) => {
                self.closed[at].bar.add(trade);
                self.closed[at].changed = true;
            }
            // Older than what is kept: whoever keeps history corrects it there.
            Err(0) if self.closed.len() >= self.options.closed_max => {}
            Err(at) => {
                let bar = Bar::of(trade);
                self.closed
                    .insert(at, Closed { bucket, bar, proven: true, complete: false, revision: 0, changed: true });
                self.trim();
            }
        }
    }

    /// Takes trades that came after their hole had been recorded. Every trade that was on the tape before them must have
    /// been taken. [`LiveFold::settle`] makes it known.
    pub fn repair<'a>(&mut self, trades: impl IntoIterator<Item = &'a Trade>, events: &mut Vec<FoldEvent>) {
        for trade in trades {
            if self.last.is_none_or(|(last_id, _)| last_id < trade.id) {
                // Only burnt ids have followed its hole so far.
                self.trade_at_edge(trade, Link::Missing, events);
            } else if self.holes.iter().any(|hole| hole.ids.contains(trade.id)) {
                self.narrow(trade);
                self.place(trade);
            }
        }
    }

    /// Splits the holes that a trade fills an id of: times ascend with ids, so what is missing before it lies no later, and
    /// what is missing behind it no earlier. Holes that would be too many stay wider than they are.
    fn narrow(&mut self, trade: &Trade) {
        let id = trade.id;
        let is_filled = |hole: &Hole| hole.ids.contains(id);
        if self.holes.len() + self.holes.iter().filter(|hole| is_filled(hole)).count() > HOLES_MAX {
            return;
        }
        let split = |hole: Hole| {
            if !is_filled(&hole) {
                return [Some(hole), None];
            }
            let before = id.checked_sub(1).and_then(|last| IdRange::new(hole.ids.first, last));
            let behind = id.checked_add(1).and_then(|first| IdRange::new(first, hole.ids.last));
            // A time beyond both neighbours says nothing of what is missing.
            let time = trade.time.clamp(hole.from, hole.to);
            let before = before.map(|ids| Hole { ids, to: time, ..hole });
            [before, behind.map(|ids| Hole { ids, from: time, ..hole })]
        };
        self.holes = std::mem::take(&mut self.holes).into_iter().flat_map(split).flatten().collect();
    }

    /// Forgets holes that are none any more, and says what repairs have changed, one correction a candle. `is_missing`
    /// tells whether any id of a run is missing from the tape, as it is while every repair has been taken here.
    ///
    /// Call it, too, after a trade that did not join: where ids are burnt, less may be missing than it seems.
    pub fn settle(&mut self, is_missing: impl Fn(IdRange) -> bool, events: &mut Vec<FoldEvent>) {
        self.holes.retain(|hole| !hole.repairable || is_missing(hole.ids));
        self.reassess(events);
    }

    /// Notes that repairs of holes known so far have been lost on their way here, though the tape has them: they stay.
    pub fn give_up(&mut self) {
        self.holes.iter_mut().for_each(|hole| hole.repairable = false);
    }

    /// Takes a closed candle that was folded anew from everything that is held, every repair taken here included. What differs
    /// is a correction; what it calls complete is touched by no hole. Older candles than those kept are ignored, and such that
    /// lack trades which are known here.
    pub fn refold(&mut self, candle: &Candle, events: &mut Vec<FoldEvent>) {
        let (bucket, bar) = ((candle.open_time, candle.close_time), Bar::of_candle(candle));
        if self.open.is_some_and(|open| open.bucket.0 <= bucket.0) {
            return;
        }
        match self.closed.binary_search_by_key(&bucket.0, |closed| closed.bucket.0) {
            Ok(at) => {
                let closed = &mut self.closed[at];
                if !candle.complete && (closed.complete || closed.candle().trades > candle.trades) {
                    return;
                }
                closed.changed |= closed.bar != bar;
                (closed.bar, closed.proven) = (bar, closed.proven || candle.complete);
            }
            Err(0) if self.closed.len() >= self.options.closed_max => return,
            Err(at) => {
                let closed = Closed { bucket, bar, proven: true, complete: false, revision: 0, changed: true };
                self.closed.insert(at, closed);
                self.trim();
            }
        }
        if candle.complete {
            self.clear(bucket);
        }
        self.reassess(events);
    }

    /// Cuts a bucket out of every hole.
    fn clear(&mut self, (start, end): (UnixMillis, UnixMillis)) {
        let cut = |hole: Hole| {
            let before = (hole.from < start).then(|| Hole { to: hole.to.min(start.plus(-1)), ..hole });
            let behind = (hole.to >= end).then(|| Hole { from: hole.from.max(end), ..hole });
            before.into_iter().chain(behind)
        };
        self.holes = std::mem::take(&mut self.holes).into_iter().flat_map(cut).collect();
        self.bound_holes();
    }

    fn bound_holes(&mut self) {
        while self.holes.len() > HOLES_MAX {
            let oldest = self.holes.remove(0);
            self.floor = self.floor.max(oldest.to.plus(1));
        }
    }

    /// Takes the venue's clock, and the time up to which the stream is proven to flow.
    pub fn clock(&mut self, venue_now: UnixMillis, flowing_to: UnixMillis, events: &mut Vec<FoldEvent>) {
        if let Some(open) = self.open
            && venue_now >= open.bucket.1.plus(self.options.grace_ms)
        {
            self.close(open, flowing_to >= open.bucket.1, events);
        }
        if let Some(last) = self.closed.back_mut()
            && !last.proven
            && flowing_to >= last.bucket.1
        {
            last.proven = true;
            self.reassess(events);
        }
    }

    /// Whether the bucket that ends at `end` is complete; nothing when it has no trade and no hole touches it.
    pub fn is_complete_at(&self, end: UnixMillis) -> Option<bool> {
        if let Ok(at) = self.closed.binary_search_by_key(&end, |closed| closed.bucket.1) {
            return Some(self.closed[at].complete);
        }
        let bucket = self.timeframe.bucket(end.plus(-1));
        let is_open = self.open.is_some_and(|open| open.bucket.1 == end);
        (is_open || self.is_touched(bucket)).then_some(false)
    }

    fn close(&mut self, open: Open, proven: bool, events: &mut Vec<FoldEvent>) {
        self.open = None;
        self.push_closed(&open, proven);
        events.extend(self.closed.back().map(|closed| FoldEvent::Closed(closed.candle())));
    }

    fn push_closed(&mut self, open: &Open, proven: bool) {
        let complete = proven && !self.is_touched(open.bucket);
        let Open { bucket, bar } = *open;
        self.closed.push_back(Closed { bucket, bar, proven, complete, revision: 0, changed: false });
        self.trim();
    }

    fn trim(&mut self) {
        while self.closed.len() > self.options.closed_max {
            if let Some(gone) = self.closed.pop_front() {
                self.floor = self.floor.max(gone.bucket.1);
                self.holes.retain(|hole| hole.to >= gone.bucket.1);
            }
        }
    }

    fn is_touched(&self, bucket: (UnixMillis, UnixMillis)) -> bool {
        bucket.0 < self.floor || self.holes.iter().rev().any(|hole| hole.touches(bucket))
    }

    /// Says every closed candle anew whose figures or completeness are other than last said.
    fn reassess(&mut self, events: &mut Vec<FoldEvent>) {
        for at in 0..self.closed.len() {
            let closed = &self.closed[at];
            let complete = closed.proven && !self.is_touched(closed.bucket);
            if !closed.changed && complete == closed.complete {
                continue;
            }
            let closed = &mut self.closed[at];
            (closed.complete, closed.changed) = (complete, false);
            closed.revision += 1;
            events.push(FoldEvent::Correction(closed.candle()));
        }
    }
}
