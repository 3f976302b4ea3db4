//! What makes streams and connections fall silent on purpose, while all else goes on?

use crate::{model::Symbol, sim::stream::Route};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Orders to thin that are remembered; connections look at them whenever something happens to them.
const ORDERS_MAX: usize = 1_024;

/// Part of the venue's address: which streams flow there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/public`.
    Public,
    /// `/market`.
    Market,
    /// Addresses without a part of their own.
    Legacy,
}

/// Switches for streams and for what carries them.
#[derive(Debug, Default)]
pub struct StreamFaults {
    /// Counts what was ordered here: who began at a lower count was there before.
    count: AtomicU64,
    /// By symbol or name, the count at which those streams were stranded.
    stranded: Mutex<HashMap<String, u64>>,
    is_any_stranded: AtomicBool,
    orders: Mutex<Vec<Order>>,
    dead: [AtomicBool; 3],
}

/// How many frames carriers are to keep from now on.
#[derive(Clone, Debug)]
pub(super) struct Order {
    count: u64,
    /// Whose carriers; all when nothing is said.
    pub(super) symbol: Option<Symbol>,
    pub(super) kept_per_mille: u32,
}

impl StreamFaults {
    /// Every subscription to a stream of `symbol` that there is now falls silent until it is taken anew: by `UNSUBSCRIBE`
    /// and `SUBSCRIBE`, or on another connection.
    pub fn strand(&self, symbol: &Symbol) {
        self.strand_stream(symbol.as_str());
    }

    /// The same of the stream of that name alone, such as `!ticker@arr`.
    pub fn strand_stream(&self, name: &str) {
        let mut stranded = self.stranded.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        stranded.insert(name.to_owned(), count);
        self.is_any_stranded.store(true, Ordering::Relaxed);
    }

    /// The connections that carry a stream of `symbol` now keep `kept_per_mille` of a thousand frames, evenly, for as long as
    /// they live.
    pub fn thin_carrier(&self, symbol: &Symbol, kept_per_mille: u32) {
        self.order(Some(symbol.clone()), kept_per_mille);
    }

    /// Connections on `path` acknowledge, and deliver nothing, until it is revived.
    pub fn deaden(&self, path: Path) {
        self.dead[path as usize].store(true, Ordering::Relaxed);
    }

    /// Ends [`StreamFaults::deaden`].
    pub fn revive(&self, path: Path) {
        self.dead[path as usize].store(false, Ordering::Relaxed);
    }

    /// Ends every fault.
    pub fn clear(&self) {
        self.stranded.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.is_any_stranded.store(false, Ordering::Relaxed);
        self.dead.iter().for_each(|dead| dead.store(false, Ordering::Relaxed));
        self.order(None, 1_000);
    }

    fn order(&self, symbol: Option<Symbol>, kept_per_mille: u32) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if symbol.is_none() {
            orders.clear();
        } else if orders.len() == ORDERS_MAX {
            orders.remove(0);
        }
        orders.push(Order { count, symbol, kept_per_mille });
    }

    /// How much was ordered so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What was ordered after `count`.
    pub(super) fn orders_since(&self, count: u64) -> Vec<Order> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.iter().filter(|order| order.count > count).cloned().collect()
    }

    /// Whether a subscription to the stream `name`, which may be one of `symbol`, is silent if it was taken at `count`.
    pub(super) fn is_stranded(&self, name: &str, symbol: Option<&Symbol>, count: u64) -> bool {
        if !self.is_any_stranded.load(Ordering::Relaxed) {
            return false;
        }
        let stranded = self.stranded.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = [Some(name), symbol.map(Symbol::as_str)];
        keys.into_iter().flatten().any(|key| stranded.get(key).is_some_and(|at| *at > count))
    }

    pub(super) fn is_dead(&self, route: Route) -> bool {
        let path = match route {
            Route::Public => Path::Public,
            Route::Market => Path::Market,
            Route::Legacy => Path::Legacy,
            Route::Private | Route::Every => return false,
        };
        self.dead[path as usize].load(Ordering::Relaxed)
    }
}
