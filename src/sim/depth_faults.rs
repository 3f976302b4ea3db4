//! What goes wrong with order books on purpose?

use crate::model::Symbol;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Faults that wait at once, of updates and of snapshots; more are not taken.
const FAULTS_MAX: usize = 4_096;

/// What becomes of one update of a diff stream, on whichever connection it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthFault {
    /// It is lost: the next one's `pu` names an id that nobody saw.
    Lost,
    /// It holds a bid above the best ask.
    Crossed,
    /// An update without levels comes before it; the chain stays whole.
    Empty,
    /// It deletes a level that the book never held; this is normal on the venue.
    UnknownLevel,
}

/// What becomes of one answer of REST `depth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotFault {
    /// It is a minute old: older than what a client has buffered.
    Old,
    /// It is five seconds ahead: newer than all that the stream has sent.
    Ahead,
    /// Nobody bids.
    OneSided,
}

/// Which books meet which faults.
#[derive(Debug, Default)]
pub struct DepthFaults {
    /// How many wait in all, so that a healthy exchange takes no lock.
    waiting: AtomicUsize,
    updates: Mutex<HashMap<Symbol, VecDeque<DepthFault>>>,
    snapshots: Mutex<HashMap<Symbol, VecDeque<SnapshotFault>>>,
}

impl DepthFaults {
    /// The next `count` updates of `symbol` on diff streams meet `fault`, after the faults that wait already.
    pub fn next(&self, symbol: &Symbol, fault: DepthFault, count: usize) {
        self.queue(&self.updates, symbol, fault, count);
    }

    /// The next `count` answers of REST `depth` for `symbol` meet `fault`.
    pub fn next_snapshot(&self, symbol: &Symbol, fault: SnapshotFault, count: usize) {
        self.queue(&self.snapshots, symbol, fault, count);
    }

    /// Takes back what waits.
    pub fn clear(&self) {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.waiting.store(0, Ordering::Relaxed);
    }

    fn queue<T: Copy>(&self, faults: &Mutex<HashMap<Symbol, VecDeque<T>>>, symbol: &Symbol, fault: T, count: usize) {
        let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(FAULTS_MAX.saturating_sub(self.waiting.load(Ordering::Relaxed)));
        faults.entry(symbol.clone()).or_default().extend(std::iter::repeat_n(fault, count));
        self.waiting.fetch_add(count, Ordering::Relaxed);
    }

    fn take_from<T>(&self, faults: &Mutex<HashMap<Symbol, VecDeque<T>>>, symbol: &Symbol) -> Option<T> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.get_mut(symbol).and_then(VecDeque::pop_front)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(fault)
    }

    /// What becomes of the next update of `symbol`.
    pub(super) fn take(&self, symbol: &Symbol) -> Option<DepthFault> {
        self.take_from(&self.updates, symbol)
    }

    /// What becomes of the next snapshot of `symbol`.
    pub(super) fn take_snapshot(&self, symbol: &Symbol) -> Option<SnapshotFault> {
        self.take_from(&self.snapshots, symbol)
    }
}
