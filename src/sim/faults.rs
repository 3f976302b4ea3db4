//! What goes wrong on purpose?

use crate::{
    model::Symbol,
    sim::{
        archive::ArchiveFaults,
        depth_faults::{DepthFault, DepthFaults},
        malformed::Malformed,
        outage::Outages,
        rest::RestFaults,
        stream_faults::StreamFaults,
    },
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
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
    refusing: AtomicBool,
    deafening: AtomicBool,
    /// Of so many frames in a thousand every stream keeps as many as this.
    kept_per_mille: AtomicU32,
    /// Those whose frames are lost, and how many there are.
    muted: Mutex<HashSet<Symbol>>,
    muted_count: AtomicUsize,
    /// How many frame faults wait in all, so that a healthy exchange takes no lock.
    queued: AtomicUsize,
    frames: Mutex<HashMap<Symbol, VecDeque<Verdict>>>,
    archive: ArchiveFaults,
    rest: RestFaults,
    outages: Outages,
    depth: DepthFaults,
    streams: StreamFaults,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// At once, without a close frame.
    #[default]
    Cut,
    /// In the middle of a frame.
    Torn,
    /// With a close frame of this code.
    Closed(u16),
}

/// How many times all connections were ended, and how the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) count: u64,
    pub(super) ending: Ending,
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
    Malformed(Malformed),
    /// The first frame of its stream on this connection is sent again after it.
    Old,
    /// Before it comes one with an id that no market reaches.
    Jump,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            cuts: watch::Sender::new(Cut::default()),
            stalled: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            deafening: AtomicBool::new(false),
            kept_per_mille: AtomicU32::new(1_000),
            muted: Mutex::default(),
            muted_count: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            frames: Mutex::default(),
            archive: ArchiveFaults::default(),
            rest: RestFaults::default(),
            outages: Outages::default(),
            depth: DepthFaults::default(),
            streams: StreamFaults::default(),
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

    /// The switches for what keeps clients from reaching the exchange.
    pub fn outages(&self) -> &Outages {
        &self.outages
    }

    /// The switches for faults of order books.
    pub fn depth(&self) -> &DepthFaults {
        &self.depth
    }

    /// The switches for streams that fall silent.
    pub fn streams(&self) -> &StreamFaults {
        &self.streams
    }

    /// Loses the next update of the book of `symbol`, so that the chain of its ids breaks.
    pub fn break_chain_next(&self, symbol: &Symbol) {
        self.depth.next(symbol, DepthFault::Lost, 1);
    }

    /// Ends every open connection without a close frame; with `torn`, in the middle of a frame.
    pub fn cut(&self, torn: bool) {
        self.end(if torn { Ending::Torn } else { Ending::Cut });
    }

    /// Ends every open connection.
    pub fn end(&self, ending: Ending) {
        self.cuts.send_modify(|cut| *cut = Cut { count: cut.count + 1, ending });
    }

    /// While refusing, new connections end before their handshake.
    pub fn refuse(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::Relaxed);
    }

    /// Connections that are opened while deafening acknowledge whatever is subscribed, and deliver nothing until they end.
    pub fn deafen(&self, deafening: bool) {
        self.deafening.store(deafening, Ordering::Relaxed);
    }

    /// Of a thousand frames every stream keeps `kept_per_mille`, evenly; 1,000 is health.
    pub fn thin(&self, kept_per_mille: u32) {
        self.kept_per_mille.store(kept_per_mille, Ordering::Relaxed);
    }

    /// While muted, the `aggTrade` frames of `symbol` are lost, on every connection.
    pub fn mute(&self, symbol: &Symbol, muted: bool) {
        let mut symbols = self.muted.lock().unwrap_or_else(PoisonError::into_inner);
        if muted {
            symbols.insert(symbol.clone());
        } else {
            symbols.remove(symbol);
        }
        self.muted_count.store(symbols.len(), Ordering::Relaxed);
    }

    /// Ends every fault that lasts, and takes back what waits.
    pub fn heal(&self) {
        self.stall(false);
        self.refuse(false);
        self.deafen(false);
        self.thin(1_000);
        self.muted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.muted_count.store(0, Ordering::Relaxed);
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.queued.store(0, Ordering::Relaxed);
        self.rest.clear();
        self.archive.clear("");
        self.outages.end();
        self.depth.clear();
        self.streams.clear();
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
        self.malform_next(symbol, Malformed::CutShort, count);
    }

    /// Sends a frame that is not as it should be before each of the next `count` `aggTrade` frames of `symbol`.
    pub fn malform_next(&self, symbol: &Symbol, malformed: Malformed, count: usize) {
        self.queue(symbol, Verdict::Malformed(malformed), count);
    }

    /// Sends the first `aggTrade` frame of `symbol` on each connection again, after the next one.
    pub fn repeat_old_next(&self, symbol: &Symbol) {
        self.queue(symbol, Verdict::Old, 1);
    }

    /// Sends a copy of the next `aggTrade` frame of `symbol` with an absurd id before it.
    pub fn jump_next(&self, symbol: &Symbol) {
        self.queue(symbol, Verdict::Jump, 1);
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

    pub(super) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    pub(super) fn is_deafening(&self) -> bool {
        self.deafening.load(Ordering::Relaxed)
    }

    /// Whether the `count`-th frame of a connection is lost because only some are kept.
    pub(super) fn is_thinned(&self, count: u64) -> bool {
        !is_kept(count, self.kept_per_mille.load(Ordering::Relaxed))
    }

    fn is_muted(&self, symbol: &Symbol) -> bool {
        self.muted_count.load(Ordering::Relaxed) > 0
            && self.muted.lock().unwrap_or_else(PoisonError::into_inner).contains(symbol)
    }

    pub(super) fn cuts(&self) -> watch::Receiver<Cut> {
        self.cuts.subscribe()
    }

    /// What becomes of the next `aggTrade` frame of `symbol`.
    pub(super) fn verdict(&self, symbol: &Symbol) -> Verdict {
        if self.is_muted(symbol) {
            return Verdict::Drop;
        }
        if self.queued.load(Ordering::Relaxed) == 0 {
            return Verdict::Send;
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(verdict) = frames.get_mut(symbol).and_then(VecDeque::pop_front) else { return Verdict::Send };
        self.queued.fetch_sub(1, Ordering::Relaxed);
        verdict
    }
}

/// Whether the `count`-th frame is among the `per_mille` of a thousand that are kept, evenly.
pub(super) fn is_kept(count: u64, per_mille: u32) -> bool {
    let kept = u64::from(per_mille);
    kept >= 1_000 || (count * kept) / 1_000 != ((count + 1) * kept) / 1_000
}
