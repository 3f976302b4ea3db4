//! Who owns the order of one contract's trades, and what becomes of it when its actor panics?
//!
//! A [`SymbolActor`] is a thin shell. Sequencer, tape writer and high-water id stand in a [`SymbolState`] outside it, so
//! the next actor goes on where the last one was; what was in flight shows as a hole.

use crate::{
    clock::Clock,
    market::{
        Batch, Bell, Contract, Crash, Fetched, Holes, Keeper, Lost, Ordered, Print, Sequencer, Stored, TapeKind,
        TapeWriter,
    },
    metrics::{Labels, Metrics},
    model::IdRange,
    store::{Holding, record::Origin},
};
use actix::prelude::*;
use prometheus_client::metrics::counter::Counter;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Batches that wait for one symbol actor; its feed keeps and extends what does not fit.
const MAILBOX_BATCHES: usize = 64;
/// What the store refused is offered again this often while no trade comes.
const CATCH_UP_EVERY_MS: i64 = 100;

/// What a symbol actor needs and leaves to its successor.
#[derive(Debug)]
pub struct SymbolState {
    contract: Arc<Contract>,
    clock: Clock,
    sequencer: Sequencer,
    /// The sequencer's head when everything released had been dealt with.
    published: Option<u64>,
    writer: TapeWriter,
    /// None without a store.
    keeper: Option<Keeper>,
    /// Ids that were on the tape, and that the store lost on their way to the disk.
    unstored: Holes,
    bells: Vec<Arc<Bell>>,
    /// Rung when ids are missing.
    holes_bell: Arc<Bell>,
    ordered: Ordered,
    counters: Counters,
}

#[derive(Debug)]
struct Counters {
    trades: Counter,
    fetched: Counter,
    gaps: Counter,
    refused: Counter,
    metrics: Arc<Metrics>,
}

impl SymbolState {
    /// The state of a contract whose tape has no writer yet; nothing when it has one.
    pub fn new(
        contract: &Arc<Contract>,
        clock: Clock,
        reorder_ms: i64,
        bells: Vec<Arc<Bell>>,
        holes_bell: Arc<Bell>,
        metrics: Arc<Metrics>,
    ) -> Option<Self> {
        let symbol = contract.symbol.as_str();
        let counters = Counters {
            trades: metrics.ingest_trades.get_or_create_owned(&Labels::new([("symbol", symbol), ("source", "live")])),
            fetched: metrics.ingest_trades.get_or_create_owned(&Labels::new([("symbol", symbol), ("source", "rest")])),
            gaps: metrics.gaps_detected.get_or_create_owned(&Labels::new([("symbol", symbol)])),
            refused: metrics.mailbox_full.get_or_create_owned(&Labels::new([("queue", "repairs")])),
            metrics,
        };
        let holding = contract.holding.get();
        let keeper = holding.map(|holding| Keeper::new(holding.clone(), symbol, &counters.metrics));
        // The tape goes on where the stored one ends: what was missed in between is a hole.
        let last = holding.and_then(Holding::ends).map(|ids| ids.last);
        let sequencer = last.map_or_else(|| Sequencer::new(reorder_ms), |last| Sequencer::after(reorder_ms, last));
        let mut writer = contract.tape.writer()?;
        last.into_iter().for_each(|last| writer.begin(last + 1));
        // Which ids of a raw tape are burnt is not known any more: its jumps are no holes that could be named.
        if let Some(holding) = holding.filter(|_| contract.kind == TapeKind::Aggregate) {
            writer.open_holes(&jumps(holding));
            holes_bell.ring(contract.id);
        }
        Some(Self {
            writer,
            unstored: Holes::default(),
            holes_bell,
            contract: Arc::clone(contract),
            clock,
            published: sequencer.head(),
            sequencer,
            keeper,
            bells,
            ordered: Ordered::default(),
            counters,
        })
    }

    /// Makes the state whole again after a panic: what waited or was being handled is given up. What the dead mailbox held
    /// is gone although its feed had handed it over, so the stream has to prove itself anew.
    fn recover(&mut self) {
        self.contract.stream.disprove_all();
        self.ordered.clear();
        // What was found, and had not been put on the tape, is missing still.
        self.sequencer.set_holes(self.contract.tape.aside().holes().clone());
        let published = self.published.max(self.contract.tape.newest_id());
        self.ordered.holes.extend(self.sequencer.resume(published));
        self.keeper.iter_mut().for_each(|keeper| keeper.recover(self.writer.tape()));
        self.publish();
    }

    fn accept(&mut self, prints: Vec<Print>) {
        let now_ms = self.clock.monotonic_ms();
        for print in prints {
            self.sequencer.accept(print, now_ms, &mut self.ordered);
        }
        self.publish();
    }

    /// Takes trades that were fetched for holes; whether there was room. Those that are not missing are ignored.
    fn accept_fetched(&mut self, fetched: &Fetched) -> bool {
        let wanted: Vec<Print> = {
            let aside = self.contract.tape.aside();
            let missing = fetched.trades.iter().filter(|trade| aside.holes().contains(trade.id));
            missing.map(|trade| Print::Trade(*trade)).collect()
        };
        if !wanted.is_empty() {
            if !self.take_late(&wanted, fetched.origin) {
                return false;
            }
            wanted.iter().for_each(|print| self.sequencer.fill(print.id()));
            self.counters.fetched.inc_by(wanted.len() as u64);
            self.bells.iter().for_each(|bell| bell.ring(self.contract.id));
        }
        true
    }

    /// What the store got by another way, or knows to be absent, is missing no more. Followers read it there.
    fn accept_stored(&mut self, runs: &[IdRange]) {
        for run in runs {
            self.sequencer.close(*run);
            self.unstored.close(*run);
        }
        self.writer.close_holes(runs);
        self.bells.iter().for_each(|bell| bell.ring(self.contract.id));
    }

    fn expire(&mut self) {
        self.keeper.iter_mut().filter(|keeper| keeper.is_behind()).for_each(Keeper::catch_up);
        self.sequencer.expire(self.clock.monotonic_ms(), &mut self.ordered);
        self.publish();
    }

    /// How long until [`SymbolState::expire`] has something to do, if nothing comes before.
    fn wait_ms(&self) -> Option<i64> {
        let order = self.sequencer.deadline_ms().map(|deadline_ms| deadline_ms - self.clock.monotonic_ms());
        let store = self.keeper.as_ref().filter(|keeper| keeper.is_behind()).map(|_| CATCH_UP_EVERY_MS);
        order.into_iter().chain(store).min()
    }

    /// Puts what the sequencer released on the tape, and tells whoever follows it.
    fn publish(&mut self) {
        // Before the trades that show them: who reads a trade that does not join finds its hole on the tape.
        if !self.ordered.holes.is_empty() {
            self.record_holes();
        }
        if let Some((first, _)) = self.ordered.trades.first() {
            self.writer.begin(first.id);
            self.counters.trades.inc_by(self.ordered.trades.len() as u64);
        }
        for (trade, joins) in &self.ordered.trades {
            self.writer.push(trade, *joins);
        }
        if !self.ordered.late.is_empty() {
            self.record_late();
        }
        if !self.ordered.trades.is_empty() || !self.ordered.late.is_empty() {
            self.bells.iter().for_each(|bell| bell.ring(self.contract.id));
        }
        // Behind the bells: nobody who follows the tape waits for the store.
        if let Some(keeper) = self.keeper.as_mut().filter(|_| !self.ordered.trades.is_empty()) {
            keeper.keep(self.writer.tape(), &self.ordered.trades);
        }
        self.record_given_up();
        let (metrics, ordered) = (&self.counters.metrics, &self.ordered);
        let rare = [
            (&metrics.ingest_duplicates, ordered.duplicates),
            (&metrics.ingest_before_start, ordered.before_start),
            (&metrics.ingest_burnt_ids, ordered.burnt),
            (&metrics.ingest_implausible, ordered.implausible),
        ];
        // Cells that every contract shares: not touched for nothing.
        rare.into_iter().filter(|(_, count)| *count > 0).for_each(|(counter, count)| {
            counter.inc_by(count);
        });
        self.ordered.clear();
        self.published = self.sequencer.head();
        self.contract.stream.set_waiting(self.sequencer.deadline_ms().is_some());
    }

    fn record_holes(&mut self) {
        self.writer.open_holes(&self.ordered.holes);
        for hole in &self.ordered.holes {
            self.counters.gaps.inc();
            self.counters.metrics.gap_missing_ids.inc_by(hole.count());
            tracing::warn!(symbol = %self.contract.symbol, first = hole.first, last = hole.last, "trade ids are missing");
        }
        self.holes_bell.ring(self.contract.id);
    }

    /// What the store never got, and memory holds no more, is missing like any other id.
    fn record_given_up(&mut self) {
        let given_up = self.keeper.as_mut().map(Keeper::given_up).unwrap_or_default();
        if given_up.is_empty() {
            return;
        }
        tracing::warn!(symbol = %self.contract.symbol, runs = given_up.len(), "trades were never stored");
        self.reopen(&given_up);
    }

    /// What the store has lost since is missing, too.
    fn accept_lost(&mut self, lost: &[IdRange]) {
        self.reopen(lost);
        self.bells.iter().for_each(|bell| bell.ring(self.contract.id));
    }

    /// Makes ids missing that were on the tape: when they come again, they are news to the store alone.
    fn reopen(&mut self, runs: &[IdRange]) {
        for run in runs {
            let known: Vec<IdRange> = self.contract.tape.aside().holes().outside(*run);
            known.into_iter().for_each(|ids| self.unstored.open(ids));
            self.sequencer.reopen(*run);
        }
        self.writer.open_holes(runs);
        self.holes_bell.ring(self.contract.id);
    }

    fn record_late(&mut self) {
        self.ordered.late.sort_by_key(Print::id);
        let late = std::mem::take(&mut self.ordered.late);
        if !self.take_late(&late, Origin::Stream) {
            // The sequencer took them for found.
            self.counters.refused.inc();
            late.iter()
                .filter_map(|print| IdRange::new(print.id(), print.id()))
                .for_each(|id| self.sequencer.reopen(id));
            self.holes_bell.ring(self.contract.id);
        }
        self.ordered.late = late;
    }

    /// Takes prints that came after their hole had been recorded, ascending; whether there was room. The store is first: what
    /// a panic leaves between is held and called missing, so it comes again.
    fn take_late(&mut self, prints: &[Print], origin: Origin) -> bool {
        let stored = self.keeper.as_ref().is_some_and(|keeper| !keeper.is_behind());
        if self.keeper.is_some() && !self.writer.make_room(prints.len(), stored) {
            return false;
        }
        if let Some(keeper) = &mut self.keeper {
            if origin == Origin::Stream {
                keeper.keep_late(prints);
            } else if !keeper.keep_fetched(origin, prints) {
                return false;
            }
        }
        let (known, news): (Vec<Print>, Vec<Print>) =
            prints.iter().copied().partition(|print| self.unstored.fill(print.id()));
        self.writer.restock(&known);
        let taken = self.writer.repair(&news);
        self.counters.metrics.gap_repaired_trades.inc_by(if taken { prints.len() as u64 } else { 0 });
        taken
    }
}

/// Ids between those that are held, ascending, but for such as are proven absent.
fn jumps(holding: &Holding) -> Vec<IdRange> {
    let (mut jumps, mut next) = (Vec::new(), None);
    for (run, _) in holding.shelf().runs() {
        jumps.extend(next.zip(run.first.checked_sub(1)).and_then(|(next, last)| IdRange::new(next, last)));
        next = next.max(Some(run.last.saturating_add(1)));
    }
    jumps.into_iter().flat_map(|jump| holding.open_parts(jump)).collect()
}

/// The one consumer of a contract's prints.
#[derive(Debug)]
pub struct SymbolActor {
    /// A lock because a panicked actor's state must outlive it; there is one user at a time, so nobody waits.
    state: Arc<Mutex<SymbolState>>,
    /// Whether a timer is set for the sequencer's deadline.
    timer_set: bool,
}

impl SymbolActor {
    /// An actor over `state`, which an earlier one may have left.
    pub fn new(state: Arc<Mutex<SymbolState>>) -> Self {
        Self { state, timer_set: false }
    }

    fn with_state<R>(&self, step: impl FnOnce(&mut SymbolState) -> R) -> R {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sees to it that the sequencer is asked again when a wait ends.
    fn set_timer(&mut self, context: &mut Context<Self>) {
        if self.timer_set {
            return;
        }
        let wait_ms = self.with_state(|state| state.wait_ms());
        let Some(wait_ms) = wait_ms else { return };
        self.timer_set = true;
        // What comes meanwhile may be due earlier, but never earlier than the reorder window from now.
        let reorder_ms = self.with_state(|state| state.sequencer.reorder_ms());
        let wait_ms = wait_ms.clamp(1, reorder_ms.max(1));
        context.run_later(Duration::from_millis(wait_ms.unsigned_abs()), |actor, context| {
            actor.timer_set = false;
            actor.with_state(SymbolState::expire);
            actor.set_timer(context);
        });
    }
}

impl Actor for SymbolActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_BATCHES);
        self.with_state(SymbolState::recover);
    }
}

impl Handler<Batch> for SymbolActor {
    type Result = ();

    fn handle(&mut self, batch: Batch, context: &mut Self::Context) {
        self.with_state(|state| state.accept(batch.0));
        self.set_timer(context);
    }
}

impl Handler<Fetched> for SymbolActor {
    type Result = bool;

    fn handle(&mut self, fetched: Fetched, context: &mut Context<Self>) -> bool {
        let taken = self.with_state(|state| state.accept_fetched(&fetched));
        self.set_timer(context);
        taken
    }
}

impl Handler<Stored> for SymbolActor {
    type Result = ();

    fn handle(&mut self, stored: Stored, _: &mut Context<Self>) {
        self.with_state(|state| state.accept_stored(&stored.0));
    }
}

impl Handler<Lost> for SymbolActor {
    type Result = ();

    fn handle(&mut self, lost: Lost, _: &mut Context<Self>) {
        self.with_state(|state| state.accept_lost(&lost.0));
    }
}

impl Handler<Crash> for SymbolActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        self.with_state(|state| panic!("{}: told to crash", state.contract.symbol));
    }
}
