//! How do trades stand in the ring, and how are positions turned back into ids?
//!
//! The ring holds trades in ascending id order. A trade before which ids are missing carries a mark, so a reader learns
//! of every hole in line with the trades, without a lock.

use crate::{
    market::Holes,
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
    ring::{Cursor, Ring, Writer},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Words of a trade in the ring; with the slot's stamp they fill one cache line.
const WORDS: usize = 7;
const BUYER_IS_MAKER: u64 = 1;
/// No id is missing between this trade and the one before it on the tape.
const JOINS: u64 = 2;
/// Late trades kept until the store takes them; the oldest ids go first.
const LATE_TRADES_MAX: usize = 65_536;

/// The hot end of a contract's trades, and what is known of its holes.
#[derive(Debug)]
pub struct Tape {
    ring: Arc<Ring<WORDS>>,
    /// Written once a hole or a late trade, never on the hot path; readers are REST calls.
    aside: Mutex<LateTrades>,
}

/// What does not stand in the ring: holes, and trades that came after theirs had been recorded.
#[derive(Clone, Debug, Default)]
pub struct LateTrades {
    /// Missing ids between the tape's first trade and its newest.
    pub holes: Holes,
    /// Trades by id that the ring could not take, since it accepts only ids above its head.
    pub trades: BTreeMap<u64, Trade>,
}

impl Tape {
    /// An empty tape with room for at least `ring_trades`.
    pub fn new(ring_trades: usize) -> Self {
        Self { ring: Ring::new(ring_trades), aside: Mutex::default() }
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

    /// Whether any id of `ids` is missing.
    pub fn is_missing(&self, ids: IdRange) -> bool {
        self.aside().holes.within(ids).next().is_some()
    }

    /// Holes and late trades.
    pub fn aside(&self) -> MutexGuard<'_, LateTrades> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader that starts at the next trade.
    pub fn reader(self: &Arc<Self>) -> TapeReader {
        TapeReader {
            tape: Arc::clone(self),
            cursor: Cursor::at(self.ring.head()),
            last_id: self.newest_id(),
            lapped: false,
        }
    }

    /// A reader that starts at the oldest trade held.
    pub fn reader_from_oldest(self: &Arc<Self>) -> TapeReader {
        TapeReader { tape: Arc::clone(self), cursor: Cursor::at(self.ring.oldest()), last_id: None, lapped: false }
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
    /// Publishes the next trade; its id must be above every one before it.
    pub fn push(&mut self, trade: &Trade, joins: bool) {
        self.writer.push(encode(trade, joins));
    }

    /// Keeps a trade that came after its hole had been recorded.
    pub fn push_late(&mut self, trade: &Trade) {
        let mut aside = self.tape.aside();
        aside.trades.insert(trade.id, *trade);
        if aside.trades.len() > LATE_TRADES_MAX {
            aside.trades.pop_first();
        }
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
        let ids = || IdRange::new(before.map_or(1, |id| id + 1), first_id - 1);
        Reading { trades: batch.records, lapped: if lapped { ids() } else { None } }
    }

    /// The newest trades before this reader's place, at most `count`, ascending.
    pub fn before(&self, count: usize) -> Vec<Trade> {
        self.tape.newest_below(self.cursor.position(), count).1
    }

    /// Whether there is something to read.
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
