//! How do trades stand in the ring, and how are positions turned back into ids?
//!
//! The ring holds trades in ascending id order. A trade before which ids are missing carries a mark, so a reader learns
//! of every hole in line with the trades, without a lock.

use crate::{
    market::{Aside, Print, Repairs},
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
    ring::{Cursor, Ring, Writer},
};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Words of a trade in the ring; with the slot's stamp they fill one cache line.
const WORDS: usize = 7;
const BUYER_IS_MAKER: u64 = 1;
/// No id is missing between this trade and the one before it on the tape.
const JOINS: u64 = 2;

/// The hot end of a contract's trades, and what is known of its holes.
#[derive(Debug)]
pub struct Tape {
    ring: Arc<Ring<WORDS>>,
    /// Written once a hole or a repair, never on the hot path.
    aside: Mutex<Aside>,
    /// The id that the tape begins with.
    start: OnceLock<u64>,
    /// Late trades ever taken, so that readers need no lock to see that there is none for them.
    late_count: AtomicU64,
    /// How many ids are missing, as of the last change, so that it is told without the lock.
    missing: AtomicU64,
}

impl Tape {
    /// An empty tape with room for at least `ring_trades`.
    pub fn new(ring_trades: usize) -> Self {
        Self {
            ring: Ring::new(ring_trades),
            aside: Mutex::default(),
            start: OnceLock::new(),
            late_count: AtomicU64::new(0),
            missing: AtomicU64::new(0),
        }
    }

    /// The newest trades, at most `count`, ascending.
    pub fn newest(&self, count: usize) -> Vec<Trade> {
        self.newest_below(self.ring.head(), count).1
    }

    /// The trades just before ring position `end`, at most `count`, ascending, and the position of the first.
    fn newest_below(&self, end: u64, count: usize) -> (u64, Vec<Trade>) {
        let (first, records) = self.ring.newest_below(end, count);
        (first, records.into_iter().map(|words| decode(words).0).collect())
    }

    /// The id from which on this tape knows each hole; nothing while it has not begun.
    pub fn start(&self) -> Option<u64> {
        self.start.get().copied()
    }

    /// Every trade that the ring holds, ascending.
    pub fn held(&self) -> Vec<Trade> {
        self.newest(usize::MAX)
    }

    /// How many trades the ring can hold.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// The id of the newest trade.
    pub fn newest_id(&self) -> Option<u64> {
        self.newest(1).last().map(|trade| trade.id)
    }

    /// Holes and late trades. Whoever looks at the ring, too, does so first: a hole stands here before the trade that
    /// shows it stands there.
    pub fn aside(&self) -> MutexGuard<'_, Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many ids are missing.
    pub fn missing(&self) -> u64 {
        // A figure for people, which guards nothing: `Relaxed` serves.
        self.missing.load(Ordering::Relaxed)
    }

    fn note_missing(&self, aside: &Aside) {
        self.missing.store(aside.holes().count(), Ordering::Relaxed);
    }

    /// A reader that starts at the next trade.
    pub fn reader(self: &Arc<Self>) -> TapeReader {
        self.reader_back(0)
    }

    /// A reader that starts at the oldest trade held, and with every late one.
    pub fn reader_from_oldest(self: &Arc<Self>) -> TapeReader {
        let oldest = self.ring.oldest();
        // What was overwritten before it began is lost to it like what is overwritten later.
        TapeReader {
            tape: Arc::clone(self),
            cursor: Cursor::at(oldest),
            last_id: None,
            lapped: oldest > 0,
            next_late: 0,
        }
    }

    /// A reader that starts `count` trades before the next one, and with the next late one.
    pub fn reader_back(self: &Arc<Self>, count: usize) -> TapeReader {
        let next_late = self.aside().count();
        let position = self.ring.head().saturating_sub(count as u64);
        let last_id = self.newest_below(position, 1).1.last().map(|trade| trade.id);
        TapeReader { tape: Arc::clone(self), cursor: Cursor::at(position), last_id, lapped: false, next_late }
    }

    /// The writing end, or nothing while another lives.
    pub fn writer(self: &Arc<Self>) -> Option<TapeWriter> {
        Some(TapeWriter { tape: Arc::clone(self), writer: Writer::adopt(&self.ring)? })
    }
}

/// The only handle that may put trades on a tape.
#[derive(Debug)]
pub struct TapeWriter {
    tape: Arc<Tape>,
    writer: Writer<WORDS>,
}

impl TapeWriter {
    /// Says with which id the tape begins, before its first trade is published; once is enough.
    pub fn begin(&mut self, id: u64) {
        self.tape.start.get_or_init(|| id);
    }

    /// Publishes the next trade; its id must be above every one before it.
    pub fn push(&mut self, trade: &Trade, joins: bool) {
        self.writer.push(encode(trade, joins));
    }

    /// Records missing ids; before the trade that shows them, so that its reader finds them here.
    pub fn open_holes(&mut self, holes: &[IdRange]) {
        let mut aside = self.tape.aside();
        holes.iter().for_each(|hole| aside.open(*hole));
        self.tape.note_missing(&aside);
    }

    /// Notes that missing ids are missing no more: the store holds them.
    pub fn close_holes(&mut self, runs: &[IdRange]) {
        let mut aside = self.tape.aside();
        runs.iter().for_each(|run| aside.close(*run));
        self.tape.note_missing(&aside);
    }

    /// Takes prints that came after their hole had been recorded, ascending by id. `false` when there is no room: their
    /// holes stay.
    #[must_use]
    pub fn repair(&mut self, prints: &[Print]) -> bool {
        let mut aside = self.tape.aside();
        let taken = aside.repair(prints, || self.tape.held().first().map_or(0, |trade| trade.id));
        // Release pairs with the Acquire in `TapeReader::repairs`; what the number stands for is behind the lock.
        self.tape.late_count.store(aside.count(), Ordering::Release);
        self.tape.note_missing(&aside);
        taken
    }

    /// Whether so many late trades fit. `stored` says whether the store holds every trade that was ever put on the tape.
    #[must_use]
    pub fn make_room(&mut self, count: usize, stored: bool) -> bool {
        self.tape.aside().make_room(count, stored)
    }

    /// Takes prints that had been on the tape before, and were missing from the store alone: followers are not told.
    pub fn restock(&mut self, prints: &[Print]) {
        let mut aside = self.tape.aside();
        aside.restock(prints.iter().map(Print::id));
        self.tape.note_missing(&aside);
    }

    /// The tape.
    pub fn tape(&self) -> &Arc<Tape> {
        &self.tape
    }
}

/// One reader's place on a tape.
#[derive(Clone, Debug)]
pub struct TapeReader {
    tape: Arc<Tape>,
    cursor: Cursor,
    last_id: Option<u64>,
    /// Whether it was lapped since the last trade that it handed over.
    lapped: bool,
    /// The number of the first late trade that it has not taken.
    next_late: u64,
}

/// What one [`TapeReader::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Trades handed over.
    pub trades: usize,
    /// Ids that were overwritten unread; trades on the tape among them are lost to this reader, not to the tape.
    pub lapped: Option<IdRange>,
}

impl TapeReader {
    /// Appends the next trades to `out`, ascending, at most `count_max`, each with whether it joins what this reader saw
    /// before it: false when ids are missing between, on the tape or because this reader was lapped.
    pub fn read(&mut self, count_max: usize, out: &mut Vec<(Trade, bool)>) -> Reading {
        let before = self.last_id;
        let start = out.len();
        let batch = self.cursor.read(&self.tape.ring, count_max, |words| out.push(decode(words)));
        self.lapped |= !batch.lost.is_empty();
        // A loss without a trade after it is told with the next trade: only that says which ids are lost.
        let Some((first, joins)) = out.get_mut(start) else { return Reading { trades: 0, lapped: None } };
        let lapped = std::mem::take(&mut self.lapped);
        *joins &= !lapped;
        let first_id = first.id;
        self.last_id = out.last().map(|(trade, _)| trade.id).or(before);
        let from_start = || self.tape.start.get().copied().unwrap_or(1);
        let ids = || IdRange::new(before.map_or_else(from_start, |id| id + 1), first_id - 1);
        Reading { trades: batch.records, lapped: if lapped { ids() } else { None } }
    }

    /// Late trades since the last call, if any. Whatever was on the tape before them is there to be read now: take it
    /// first.
    pub fn repairs(&mut self) -> Option<Repairs> {
        // Acquire pairs with the Release in `TapeWriter::repair`.
        if self.tape.late_count.load(Ordering::Acquire) == self.next_late {
            return None;
        }
        let aside = self.tape.aside();
        let repairs = aside.since(self.next_late);
        self.next_late = aside.count();
        Some(repairs)
    }

    /// How many late trades, of all that ever came, it has taken.
    pub fn late_taken(&self) -> u64 {
        self.next_late
    }

    /// Holes as they are while this reader has taken every late trade; nothing when there is another.
    pub fn holes(&self) -> Option<MutexGuard<'_, Aside>> {
        Some(self.tape.aside()).filter(|aside| aside.count() == self.next_late)
    }

    /// The newest trades that this reader has passed, in time or late, at most `count`, ascending.
    pub fn before(&self, count: usize) -> Vec<Trade> {
        let mut trades = self.tape.newest_below(self.cursor.position(), count).1;
        let Some(first) = trades.first() else { return trades };
        let (ids, in_time) = (IdRange { first: first.id, last: u64::MAX }, trades.len());
        trades.extend(self.tape.aside().trades_before(self.next_late, ids));
        if trades.len() > in_time {
            trades.sort_unstable_by_key(|trade| trade.id);
            trades.drain(..trades.len().saturating_sub(count));
        }
        trades
    }

    /// The id of the newest trade that it has handed over.
    pub fn last_id(&self) -> Option<u64> {
        self.last_id
    }

    /// Whether there are trades to read.
    pub fn is_behind(&self) -> bool {
        self.cursor.position() < self.tape.ring.head()
    }
}

fn encode(trade: &Trade, joins: bool) -> [u64; WORDS] {
    let flags = if trade.buyer_is_maker { BUYER_IS_MAKER } else { 0 } | if joins { JOINS } else { 0 };
    [
        trade.id,
        trade.price.units().cast_unsigned(),
        trade.quantity.units().cast_unsigned(),
        trade.first_id,
        trade.last_id,
        trade.time.get().cast_unsigned(),
        flags,
    ]
}

fn decode(words: [u64; WORDS]) -> (Trade, bool) {
    let [id, price, quantity, first_id, last_id, time, flags] = words;
    let trade = Trade {
        id,
        price: Price::from_units(price.cast_signed()),
        quantity: Quantity::from_units(quantity.cast_signed()),
        first_id,
        last_id,
        time: UnixMillis::new(time.cast_signed()),
        buyer_is_maker: flags & BUYER_IS_MAKER != 0,
    };
    (trade, flags & JOINS != 0)
}
