//! What of one connection concerns order books, and waits to be handed over?

use crate::{
    feed::{Carried, PlannedStream, continuity::Continuity},
    market::{BookUpdates, Contract},
    metrics::Metrics,
    model::{BookUpdate, Level},
};
use std::{collections::HashMap, mem, sync::Arc};

/// Levels kept for one book whose actor takes none, 16 bytes each; beyond, updates are dropped and the book is built anew.
const LEVELS_HELD_MAX: usize = 65_536;

/// The books of one connection.
#[derive(Debug, Default)]
pub(super) struct Books {
    lanes: Vec<Lane>,
    lane_of: HashMap<Box<str>, usize>,
    /// Lanes with something that waits to be handed over.
    dirty: Vec<usize>,
}

#[derive(Debug)]
struct Lane {
    contract: Arc<Contract>,
    updates: BookUpdates,
    /// Whether the book is to be told that its stream is in doubt, behind the updates.
    is_doubted: bool,
    /// How often it was to be asked for anew.
    asks: u32,
    /// The newest update since.
    newest: Option<BookUpdate>,
}

impl Books {
    /// Says which books the connection carries now. One that was asked for anew is in doubt until it flows.
    pub(super) fn carry(&mut self, streams: &[PlannedStream]) {
        let mut known: HashMap<_, Lane> = self.lanes.drain(..).map(|lane| (lane.contract.id, lane)).collect();
        let lane = |stream: &PlannedStream| {
            let Carried::Book(contract) = &stream.carried else { return None };
            let new = || Lane {
                contract: Arc::clone(contract),
                updates: BookUpdates::default(),
                is_doubted: false,
                asks: stream.asks,
                newest: None,
            };
            let mut lane = known.remove(&contract.id).unwrap_or_else(new);
            if mem::replace(&mut lane.asks, stream.asks) != stream.asks {
                (lane.is_doubted, lane.newest) = (true, None);
            }
            Some(lane)
        };
        self.lanes = streams.iter().filter_map(lane).collect();
        let named = |(lane, at): (&Lane, usize)| (lane.contract.symbol.as_str().into(), at);
        self.lane_of = self.lanes.iter().zip(0..).map(named).collect();
        self.dirty = (0..self.lanes.len()).filter(|at| self.lanes[*at].is_due()).collect();
        // Another connection may carry them by now: whatever it brings proves them again.
        for lane in known.into_values() {
            lane.contract.book.iter().for_each(|book| {
                book.doubt();
            });
        }
    }

    /// Takes an update; whether it is of a book that the connection carries.
    pub(super) fn take(
        &mut self,
        symbol: &str,
        update: BookUpdate,
        (bids, asks): (&[Level], &[Level]),
        continuity: &mut Continuity,
        metrics: &Metrics,
    ) -> bool {
        let Some(at) = self.lane_of.get(symbol).copied() else { return false };
        let lane = &mut self.lanes[at];
        if let Some(last) = lane.newest.replace(update).filter(|last| update.last_id > last.last_id) {
            continuity.note_update(update.previous_id == last.last_id, update.time.since(last.time));
        }
        if !lane.is_due() {
            self.dirty.push(at);
        }
        if lane.updates.levels() < LEVELS_HELD_MAX {
            lane.updates.push(update, bids, asks);
        } else {
            metrics.book_dropped.inc();
        }
        true
    }

    /// Every book is in doubt: the connection has ended.
    pub(super) fn doubt_all(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.is_doubted = true);
        self.dirty = (0..self.lanes.len()).collect();
    }

    /// Whether something waits to be handed over.
    pub(super) fn are_held(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The same, without waiting for what is held: nobody will hand that over.
    pub(super) fn doubt_now(&self) {
        self.lanes.iter().filter_map(|lane| lane.contract.book.as_ref()).for_each(|book| {
            book.doubt();
        });
    }

    /// Whether a book's stream has brought something, if there are any.
    pub(super) fn have_flowed(&self) -> bool {
        self.lanes.is_empty() || self.lanes.iter().any(|lane| lane.newest.is_some())
    }

    /// Hands over what waits; whether some is still held.
    pub(super) fn deliver(&mut self) -> bool {
        let lanes = &mut self.lanes;
        self.dirty.retain(|at| !lanes[*at].deliver());
        !self.dirty.is_empty()
    }
}

impl Lane {
    fn is_due(&self) -> bool {
        self.is_doubted || !self.updates.is_empty()
    }

    /// Whether nothing waits any more.
    fn deliver(&mut self) -> bool {
        let Some(book) = &self.contract.book else { return true };
        if !self.updates.is_empty()
            && let Err(refused) = book.send(mem::take(&mut self.updates))
        {
            self.updates = refused;
            return false;
        }
        if self.is_doubted {
            self.is_doubted = !book.doubt();
        }
        !self.is_doubted
    }
}
