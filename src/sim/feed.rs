//! Which frames are due on one connection, in what order?

use crate::{
    model::Symbol,
    sim::{
        exchange::Exchange,
        stream::{Route, Source},
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Streams a connection may hold (Binance USD-M change log, 2025-07-02).
pub(super) const STREAMS_MAX: usize = 1_024;

/// The subscriptions of one connection, merged by due time.
#[derive(Debug)]
pub(super) struct Feed {
    exchange: Arc<Exchange>,
    route: Route,
    /// Whether frames are wrapped in `{"stream":..,"data":..}`.
    pub(super) is_combined: bool,
    slots: Vec<Option<Subscription>>,
    free: Vec<usize>,
    by_name: HashMap<String, usize>,
    due: BTreeSet<(i64, usize)>,
}

#[derive(Debug)]
struct Subscription {
    name: String,
    source: Source,
    due: Option<i64>,
    /// Whose stream it is, unless it is one of all contracts.
    symbol: Option<Symbol>,
    /// What had been ordered of [`crate::sim::StreamFaults`] when it was taken.
    taken_at: u64,
}

/// The 1,025th stream was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many subscriptions")]
pub(super) struct TooManyStreams;

impl Feed {
    pub(super) fn new(exchange: Arc<Exchange>, route: Route, is_combined: bool) -> Self {
        Self {
            exchange,
            route,
            is_combined,
            slots: Vec::new(),
            free: Vec::new(),
            by_name: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Takes any name; one that is held already changes nothing.
    pub(super) fn subscribe(&mut self, name: &str) -> Result<(), TooManyStreams> {
        if self.by_name.contains_key(name) {
            return Ok(());
        }
        if self.by_name.len() == STREAMS_MAX {
            return Err(TooManyStreams);
        }
        let (source, contract) = Source::open(&self.exchange, self.route, name, self.exchange.now());
        let symbol = contract.map(|contract| self.exchange.contracts()[contract].symbol.clone());
        let taken_at = self.exchange.faults().streams().count();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let due = source.due();
        self.due.extend(due.map(|due| (due, slot)));
        self.by_name.insert(name.to_owned(), slot);
        self.slots[slot] = Some(Subscription { name: name.to_owned(), source, due, symbol, taken_at });
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, name: &str) {
        let Some(slot) = self.by_name.remove(name) else { return };
        if let Some(due) = self.slots[slot].take().and_then(|subscription| subscription.due) {
            self.due.remove(&(due, slot));
        }
        self.free.push(slot);
    }

    /// The names held.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().flatten().map(|subscription| subscription.name.as_str())
    }

    /// When the next frame is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether a stream of `symbol` is among those held.
    pub(super) fn carries(&self, symbol: &Symbol) -> bool {
        self.slots.iter().flatten().any(|subscription| subscription.symbol.as_ref() == Some(symbol))
    }

    /// Whether the route is dead.
    pub(super) fn is_dead(&self) -> bool {
        self.exchange.faults().streams().is_dead(self.route)
    }

    /// Writes the next frame that is due by `now` to `out`, or nothing where a stream has nothing to say; gives the symbol
    /// whose faults it is subject to, if any.
    pub(super) fn write_due(&mut self, now: i64, out: &mut String) -> Option<Option<Symbol>> {
        let (due, slot) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.pop_first();
        let subscription = self.slots.get_mut(slot)?.as_mut()?;
        let begin = out.len();
        if self.is_combined {
            out.push_str(r#"{"stream":""#);
            out.push_str(&subscription.name);
            out.push_str(r#"","data":"#);
        }
        let head = out.len();
        subscription.source.write(&self.exchange, due, out);
        if out.len() == head || subscription.is_stranded(&self.exchange) {
            out.truncate(begin);
        } else if self.is_combined {
            out.push('}');
        }
        subscription.due = subscription.source.due();
        self.due.extend(subscription.due.map(|due| (due, slot)));
        let is_subject = subscription.source.is_agg_trades();
        Some(subscription.symbol.clone().filter(|_| is_subject))
    }
}

impl Subscription {
    fn is_stranded(&self, exchange: &Exchange) -> bool {
        exchange.faults().streams().is_stranded(&self.name, self.symbol.as_ref(), self.taken_at)
    }
}
