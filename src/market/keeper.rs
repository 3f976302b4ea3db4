//! How do a contract's trades get into the store, without ever waiting for it?
//!
//! Trades are handed in once they are on the tape. What the store has no room for stays *unpersisted*: it is read off the
//! ring again when there is room. What the ring overwrites first is missing on the disk, and counted.

use crate::{
    market::{Print, Tape, TapeReader},
    metrics::{Labels, Metrics},
    model::Trade,
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

    /// Hands in trades that came after their hole had been recorded, ascending.
    pub fn keep_late(&mut self, prints: &[Print]) {
        let trades = || prints.iter().filter_map(Print::as_trade);
        if self.late.is_empty() && self.holding.keep(Origin::Stream, trades()) {
            return;
        }
        self.refused.inc();
        let room = LATE_MAX.saturating_sub(self.late.len());
        self.late.extend(trades().take(room).map(|trade| (trade.id, *trade)));
        self.lost.inc_by(trades().skip(room).count() as u64);
    }

    /// Goes on after a panic: what is on the tape and was not handed in is read off the ring.
    pub fn recover(&mut self, tape: &Arc<Tape>) {
        let newest = self.holding.ends().map_or(0, |ids| ids.last);
        let missed = tape.held().iter().rev().take_while(|trade| trade.id > newest).count();
        if missed > 0 && self.behind.is_none() {
            self.behind = Some(tape.reader_back(missed));
        }
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
            if !self.behind.as_ref().is_some_and(TapeReader::is_behind) {
                self.behind = None;
            }
        }
    }
}
