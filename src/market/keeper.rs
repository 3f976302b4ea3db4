//! How do a contract's trades get into the store, without ever waiting for it?
//!
//! Trades are handed in once they are on the tape. What the store has no room for stays *unpersisted*: it is read off the
//! ring again when there is room. What the ring overwrites first is missing on the disk, and counted.

use crate::{
    market::{Print, Tape, TapeReader},
    metrics::{Labels, Metrics},
    model::{IdRange, Trade},
    store::{Holding, record::Origin},
};
use prometheus_client::metrics::counter::Counter;
use std::{collections::BTreeMap, sync::Arc};

/// Trades handed in at once while catching up.
const CATCH_UP_TRADES: usize = 1_024;
/// Late trades that wait for room; they stand in no ring to be read again.
const LATE_MAX: usize = 65_536;

/// See the module's documentation.
#[derive(Debug)]
pub struct Keeper {
    holding: Holding,
    /// Where the trades that were refused begin.
    behind: Option<TapeReader>,
    late: BTreeMap<u64, Trade>,
    /// Ids that will never be stored, not told yet.
    given_up: Vec<IdRange>,
    refused: Counter,
    lost: Counter,
}

impl Keeper {
    /// A keeper of a contract of `symbol`.
    pub fn new(holding: Holding, symbol: &str, metrics: &Metrics) -> Self {
        Self {
            holding,
            behind: None,
            late: BTreeMap::new(),
            given_up: Vec::new(),
            refused: metrics.mailbox_full.get_or_create_owned(&Labels::new([("queue", "storage")])),
            lost: metrics.store_lost.get_or_create_owned(&Labels::new([("symbol", symbol)])),
        }
    }

    /// Hands in trades that have just been put on `tape`, ascending.
    pub fn keep(&mut self, tape: &Arc<Tape>, trades: &[(Trade, bool)]) {
        if self.is_behind() {
            self.catch_up();
        }
        if self.behind.is_none() && !self.holding.keep(Origin::Stream, trades.iter().map(|(trade, _)| trade)) {
            self.refused.inc();
            self.behind = Some(tape.reader_back(trades.len()));
        }
    }

    /// Hands in trades that were fetched for holes, ascending; nothing of them waits here. `false` when there is no room, so
    /// that they have to be offered again.
    #[must_use]
    pub fn keep_fetched(&mut self, origin: Origin, prints: &[Print]) -> bool {
        if self.is_behind() {
            self.catch_up();
        }
        let kept = !self.is_behind() && self.holding.keep(origin, prints.iter().filter_map(Print::as_trade));
        self.refused.inc_by(u64::from(!kept));
        kept
    }

    /// Hands in trades of the stream that came after their hole had been recorded, ascending.
    pub fn keep_late(&mut self, prints: &[Print]) {
        let trades = || prints.iter().filter_map(Print::as_trade);
        if self.late.is_empty() && self.holding.keep(Origin::Stream, trades()) {
            return;
        }
        self.refused.inc();
        let room = LATE_MAX.saturating_sub(self.late.len());
        self.late.extend(trades().take(room).map(|trade| (trade.id, *trade)));
        self.lost.inc_by(trades().skip(room).count() as u64);
        self.given_up.extend(trades().skip(room).map(|trade| IdRange { first: trade.id, last: trade.id }));
    }

    /// Goes on after a panic: what is on the tape and was not handed in is read off the ring.
    pub fn recover(&mut self, tape: &Arc<Tape>) {
        let newest = self.holding.ends().map_or(0, |ids| ids.last);
        let missed = tape.held().iter().rev().take_while(|trade| trade.id > newest).count();
        if missed > 0 && self.behind.is_none() {
            self.behind = Some(tape.reader_back(missed));
        }
    }

    /// Ids that turned out to be missing on the disk since the last call.
    pub fn given_up(&mut self) -> Vec<IdRange> {
        std::mem::take(&mut self.given_up)
    }

    /// Whether something waits for room.
    pub fn is_behind(&self) -> bool {
        self.behind.is_some() || !self.late.is_empty()
    }

    /// Tries to hand in what was refused.
    pub fn catch_up(&mut self) {
        if !self.late.is_empty() && self.holding.keep(Origin::Stream, self.late.values()) {
            self.late.clear();
        }
        while let Some(reader) = &mut self.behind {
            let (before, mut trades) = (reader.clone(), Vec::with_capacity(CATCH_UP_TRADES));
            let reading = reader.read(CATCH_UP_TRADES, &mut trades);
            if !self.holding.keep(Origin::Stream, trades.iter().map(|(trade, _)| trade)) {
                self.behind = Some(before);
                return;
            }
            self.lost.inc_by(reading.lapped.map_or(0, |ids| ids.count()));
            self.given_up.extend(reading.lapped);
            if !self.behind.as_ref().is_some_and(TapeReader::is_behind) {
                self.behind = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        model::{Price, Quantity, Symbol, UnixMillis},
        store::{
            self,
            files::{Disk, SimulatedDisk},
            identity::Identity,
            record::Kind,
            storage::Options,
        },
    };

    fn trade(id: u64) -> Trade {
        let (price, quantity) = (Price::from_units(1), Quantity::from_units(1));
        let time = UnixMillis::new(1_795_168_800_000);
        Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false }
    }

    #[test]
    fn what_the_ring_overwrote_before_there_was_room_is_told_as_given_up() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let clock = Clock::starting_at(UnixMillis::new(1_795_168_800_000));
        let wanted = Identity { store: 1, venue: "here".to_owned(), created: UnixMillis::new(0) };
        let options = Options { queue_bytes: 20 * 56, file_bytes: 64 << 10, ..Options::default() };
        let mut opened = store::open(&disk, &wanted, options, clock).expect("opens");
        let symbol = Symbol::new("A").expect("a symbol");
        let number = opened.storage.register(&[symbol], clock.now()).expect("registered")[0].number;
        let holding = Holding::new(&opened.library, &opened.desk, number, Kind::Trade);
        let (tape, metrics) = (Arc::new(Tape::new(64)), Metrics::default());
        let mut writer = tape.writer().expect("the first");
        let mut keeper = Keeper::new(holding.clone(), "A", &metrics);
        for id in 1..=400 {
            writer.push(&trade(id), true);
            keeper.keep(&tape, &[(trade(id), true)]);
        }
        assert!(keeper.is_behind(), "the queue takes twenty");
        for _ in 0..100 {
            opened.storage.drain(clock.now());
            keeper.catch_up();
        }
        assert!(!keeper.is_behind());
        let given_up = keeper.given_up();
        let held: Vec<u64> = holding.from_id(0, usize::MAX).trades.iter().map(|trade| trade.id).collect();
        let lost = |id: &u64| given_up.iter().any(|run| run.contains(*id));
        assert!(!given_up.is_empty() && held.contains(&1) && held.contains(&400));
        assert_eq!((1..=400).filter(|id| !lost(id)).collect::<Vec<_>>(), held, "each is held or given up");
        assert_eq!(keeper.given_up(), [], "told once");
    }
}
