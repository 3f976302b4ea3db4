//! Who owns the order of one contract's trades, and what becomes of it when its actor panics?
//!
//! A [`SymbolActor`] is a thin shell. Sequencer, tape writer and high-water id stand in a [`SymbolState`] outside it, so
//! the next actor goes on where the last one was; what was in flight shows as a hole.

use crate::{
    clock::Clock,
    market::{Bell, Contract, Keeper, Ordered, Print, Sequencer, TapeWriter},
    metrics::{Labels, Metrics},
    model::ContractId,
    store::Holding,
};
use actix::prelude::*;
use arc_swap::ArcSwapOption;
use prometheus_client::metrics::counter::Counter;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Batches that wait for one symbol actor; its feed keeps and extends what does not fit.
const MAILBOX_BATCHES: usize = 64;
/// What the store refused is offered again this often while no trade comes.
const CATCH_UP_EVERY_MS: i64 = 100;

/// Prints of one contract in the order in which they came off the stream.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Batch(pub Vec<Print>);

/// Panics on purpose, so that a test can watch the rebuilding.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Crash;

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
    bells: Vec<Arc<Bell>>,
    ordered: Ordered,
    counters: Counters,
}

#[derive(Debug)]
struct Counters {
    trades: Counter,
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
        metrics: Arc<Metrics>,
    ) -> Option<Self> {
        let symbol = contract.symbol.as_str();
        let counters = Counters {
            trades: metrics.ingest_trades.get_or_create_owned(&Labels::new([("symbol", symbol), ("source", "live")])),
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
        Some(Self {
            writer,
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
        self.contract.flow.store(None);
        self.ordered.clear();
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
        self.contract.set_waiting(self.sequencer.deadline_ms().is_some());
    }

    fn record_holes(&mut self) {
        self.writer.open_holes(&self.ordered.holes);
        for hole in &self.ordered.holes {
            self.counters.gaps.inc();
            self.counters.metrics.gap_missing_ids.inc_by(hole.count());
            tracing::warn!(symbol = %self.contract.symbol, first = hole.first, last = hole.last, "trade ids are missing");
        }
    }

    /// What the store never got, and memory holds no more, is missing like any other id.
    fn record_given_up(&mut self) {
        let given_up = self.keeper.as_mut().map(Keeper::given_up).unwrap_or_default();
        if !given_up.is_empty() {
            tracing::warn!(symbol = %self.contract.symbol, runs = given_up.len(), "trades were never stored");
            self.writer.open_holes(&given_up);
        }
    }

    fn record_late(&mut self) {
        self.ordered.late.sort_by_key(Print::id);
        if self.writer.repair(&self.ordered.late) {
            self.keeper.iter_mut().for_each(|keeper| keeper.keep_late(&self.ordered.late));
            self.counters.metrics.gap_repaired_trades.inc_by(self.ordered.late.len() as u64);
        } else {
            // The sequencer takes them for found; the tape goes on calling them missing, which is honest.
            self.counters.refused.inc();
        }
    }
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

impl Handler<Crash> for SymbolActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        self.with_state(|state| panic!("{}: told to crash", state.contract.symbol));
    }
}

/// Where a contract's prints go: follows its actor through rebuilds.
#[derive(Clone, Debug)]
pub struct SymbolHandle {
    contract: ContractId,
    actor: Arc<ArcSwapOption<Addr<SymbolActor>>>,
}

/// A batch that could not be delivered, given back.
#[derive(Debug)]
pub struct Refused {
    /// The batch.
    pub batch: Batch,
    /// Whether the actor is gone rather than busy.
    pub gone: bool,
}

impl SymbolHandle {
    /// A handle without an actor yet.
    pub fn new(contract: ContractId) -> Self {
        Self { contract, actor: Arc::new(ArcSwapOption::empty()) }
    }

    /// Whose it is.
    pub fn contract(&self) -> ContractId {
        self.contract
    }

    /// Puts a new actor in place.
    pub fn replace(&self, actor: Addr<SymbolActor>) {
        self.actor.store(Some(Arc::new(actor)));
    }

    /// Whether the actor takes messages.
    pub fn is_alive(&self) -> bool {
        self.actor.load().as_ref().is_some_and(|actor| actor.connected())
    }

    /// Hands a batch over without waiting.
    ///
    /// # Errors
    ///
    /// Gives the batch back when the mailbox is full or the actor gone.
    pub fn send(&self, batch: Batch) -> Result<(), Refused> {
        let actor = self.actor.load();
        let Some(actor) = actor.as_ref() else { return Err(Refused { batch, gone: true }) };
        actor.try_send(batch).map_err(|refusal| match refusal {
            SendError::Full(batch) => Refused { batch, gone: false },
            SendError::Closed(batch) => Refused { batch, gone: true },
        })
    }

    /// Makes the actor panic; see [`Crash`]. Whether its mailbox had room for that.
    pub fn crash(&self) -> bool {
        self.actor.load().as_ref().is_some_and(|actor| actor.try_send(Crash).is_ok())
    }
}
