//! What goes wrong on purpose?

use crate::{
    model::Symbol,
    sim::{archive::ArchiveFaults, rest::RestFaults},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// Frame faults waiting for one symbol; more are not taken.
const QUEUED_MAX: usize = 4_096;

/// Switches that every connection of the exchange obeys.
#[derive(Debug)]
pub struct Faults {
    cuts: watch::Sender<Cut>,
    stalled: AtomicBool,
    /// How many frame faults wait in all, so that a healthy exchange takes no lock.
    queued: AtomicUsize,
    frames: Mutex<HashMap<Symbol, VecDeque<Verdict>>>,
    archive: ArchiveFaults,
    rest: RestFaults,
}

/// How many times all connections were cut, and whether the last cut tore a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) count: u64,
    pub(super) torn: bool,
}

/// What becomes of one `aggTrade` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    Drop,
    Twice,
    /// It follows its successor.
    After,
    /// Nonsense is sent before it.
    Garbage,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            cuts: watch::Sender::new(Cut::default()),
            stalled: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            frames: Mutex::default(),
            archive: ArchiveFaults::default(),
            rest: RestFaults::default(),
        }
    }
}

impl Faults {
    /// The switches for faults of the archive.
    pub fn archive(&self) -> &ArchiveFaults {
        &self.archive
    }

    /// The switches for faults of REST.
    pub fn rest(&self) -> &RestFaults {
        &self.rest
    }

    /// Ends every open connection without a close frame; with `torn`, in the middle of a frame.
    pub fn cut(&self, torn: bool) {
        self.cuts.send_modify(|cut| *cut = Cut { count: cut.count + 1, torn });
    }

    /// While stalled, streams are silent (what falls due is lost), yet requests and pings are answered.
    pub fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// Loses the next `count` `aggTrade` frames of `symbol`, whichever connection they are due on.
    pub fn drop_next(&self, symbol: &Symbol, count: usize) {
        self.queue(symbol, Verdict::Drop, count);
    }

    /// Sends the next `count` `aggTrade` frames of `symbol` twice.
    pub fn duplicate_next(&self, symbol: &Symbol, count: usize) {
        self.queue(symbol, Verdict::Twice, count);
    }

    /// Sends the next `aggTrade` frame of `symbol` after the connection's next frame; when that one is to follow its
    /// successor too, after it all the same, so that a run of such frames comes in reverse.
    pub fn reorder_next(&self, symbol: &Symbol) {
        self.queue(symbol, Verdict::After, 1);
    }

    /// Sends text that is no JSON before each of the next `count` `aggTrade` frames of `symbol`.
    pub fn garbage_next(&self, symbol: &Symbol, count: usize) {
        self.queue(symbol, Verdict::Garbage, count);
    }

    fn queue(&self, symbol: &Symbol, verdict: Verdict, count: usize) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = frames.entry(symbol.clone()).or_default();
        let count = count.min(QUEUED_MAX - waiting.len());
        waiting.extend(std::iter::repeat_n(verdict, count));
        self.queued.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    pub(super) fn cuts(&self) -> watch::Receiver<Cut> {
        self.cuts.subscribe()
    }

    /// What becomes of the next `aggTrade` frame of `symbol`.
    pub(super) fn verdict(&self, symbol: &Symbol) -> Verdict {
        if self.queued.load(Ordering::Relaxed) == 0 {
            return Verdict::Send;
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(verdict) = frames.get_mut(symbol).and_then(VecDeque::pop_front) else { return Verdict::Send };
        self.queued.fetch_sub(1, Ordering::Relaxed);
        verdict
    }
}
