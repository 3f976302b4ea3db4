//! Who keeps a contract's order book, and how is it read meanwhile?
//!
//! A [`BookActor`] is the one writer. The replica stands outside it, behind a lock that readers hold only while they copy
//! what they need; a successor begins with an empty one, since a panic may have left half an update in it.

use crate::{
    book::{BookOptions, Fault, Replica, ReplicaOptions, Step, TickSize},
    market::{Bell, Contract, Crash},
    metrics::{Labels, Metrics},
    model::{BookSnapshot, BookTicker, BookUpdate, Level, Price},
};
use actix::prelude::*;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Batches that wait for one book actor; its feed keeps and extends what does not fit.
const MAILBOX_BATCHES: usize = 64;

/// Levels a side that snapshots are asked for: the most that the venue tells.
const SNAPSHOT_LEVELS: usize = 1_000;
/// About 130 KiB a book, and 256 KiB more while many updates wait for a snapshot.
const REPLICA: ReplicaOptions = ReplicaOptions {
    book: BookOptions { levels_max: 2 * SNAPSHOT_LEVELS, changes_max: 2_048 },
    snapshot_levels: SNAPSHOT_LEVELS,
    trusted_levels_min: 250,
    // A snapshot is asked for when its turn has come, so it is older than the newest few of them only.
    waiting_updates_max: 256,
};

/// How a contract's book is kept, and what of it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookSpec {
    /// How much is held, and when a fresh snapshot is wanted.
    pub replica: ReplicaOptions,
    /// By which tick sizes recorded snapshots are grouped, at most eight; none for a book that is not recorded.
    pub steps: Vec<Step>,
    /// Levels of a side in a recorded snapshot, and where nothing else is asked for.
    pub levels: usize,
}

impl BookSpec {
    /// A book that is kept as deep as the venue's snapshots tell.
    pub const fn new(steps: Vec<Step>, levels: usize) -> Self {
        Self { replica: REPLICA, steps, levels }
    }

    /// The tick sizes by which it is recorded, each once, where the contract's own is `tick`; those that need it wait for it.
    pub fn tick_sizes(&self, tick: Option<Price>) -> Vec<TickSize> {
        let mut tick_sizes = Vec::with_capacity(self.steps.len());
        for tick_size in self.steps.iter().filter_map(|step| step.tick_size(tick)) {
            if !tick_sizes.contains(&tick_size) {
                tick_sizes.push(tick_size);
            }
        }
        tick_sizes
    }
}

/// Updates of one contract's book in the order in which they came off the stream.
#[derive(Debug, Default)]
pub struct BookUpdates {
    /// Each with how many of the levels behind those of the one before are its bids and its asks.
    updates: Vec<(BookUpdate, usize, usize)>,
    levels: Vec<Level>,
}

impl BookUpdates {
    /// Adds the next one.
    pub fn push(&mut self, update: BookUpdate, bids: &[Level], asks: &[Level]) {
        self.updates.push((update, bids.len(), asks.len()));
        self.levels.extend_from_slice(bids);
        self.levels.extend_from_slice(asks);
    }

    /// How many levels they hold.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// Each with its bids and its asks.
    pub fn iter(&self) -> impl Iterator<Item = (&BookUpdate, &[Level], &[Level])> {
        let mut rest = self.levels.as_slice();
        self.updates.iter().map(move |(update, bids, asks)| {
            let (own, behind) = rest.split_at((bids + asks).min(rest.len()));
            rest = behind;
            let (bids, asks) = own.split_at((*bids).min(own.len()));
            (update, bids, asks)
        })
    }
}

/// What a book is told.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum BookNews {
    /// Of the stream.
    Updates(BookUpdates),
    /// One that was asked for.
    Snapshot(BookSnapshot),
    /// The stream is in doubt: its connection ended, or it is silent though the book moves.
    Doubt,
}

/// Where a contract's book is: follows its actor through rebuilds.
#[derive(Debug)]
pub struct BookPost {
    /// How it is kept; what is recorded of it may change.
    spec: ArcSwap<BookSpec>,
    replica: Mutex<Replica>,
    actor: ArcSwapOption<Addr<BookActor>>,
    /// The best of both sides as the venue tells it beside the stream.
    told_top: ArcSwapOption<BookTicker>,
}

impl BookPost {
    /// A book that has heard nothing.
    pub fn new(spec: BookSpec) -> Self {
        let replica = Mutex::new(Replica::new(spec.replica));
        let spec = ArcSwap::from_pointee(spec);
        Self { spec, replica, actor: ArcSwapOption::empty(), told_top: ArcSwapOption::empty() }
    }

    /// How it is kept, and what of it is recorded.
    pub fn spec(&self) -> Arc<BookSpec> {
        self.spec.load_full()
    }

    /// Changes what is recorded of it.
    pub fn set_spec(&self, spec: BookSpec) {
        self.spec.store(Arc::new(spec));
    }

    /// Looks at the replica; be short, its writer waits. What a panic left in it is not shown.
    pub fn read<R>(&self, look: impl FnOnce(&Replica) -> R) -> R {
        match self.replica.lock() {
            Ok(replica) => look(&replica),
            Err(_) => look(&Replica::new(self.spec().replica)),
        }
    }

    /// The newest best bid and ask that the venue has told beside the stream of changes.
    pub fn told_top(&self) -> Option<Arc<BookTicker>> {
        self.told_top.load_full()
    }

    /// Takes what the venue tells beside the stream of changes.
    pub fn note_told_top(&self, top: BookTicker) {
        if self.told_top.load().as_ref().is_none_or(|before| before.time < top.time) {
            self.told_top.store(Some(Arc::new(top)));
        }
    }

    /// Puts a new actor in place.
    pub fn replace(&self, actor: Addr<BookActor>) {
        self.actor.store(Some(Arc::new(actor)));
    }

    /// Whether the actor takes messages.
    pub fn is_alive(&self) -> bool {
        self.actor.load().as_ref().is_some_and(|actor| actor.connected())
    }

    /// Lets go of the actor, which ends once it has dealt with what waits for it.
    pub fn retire(&self) {
        self.actor.store(None);
    }

    /// Hands updates over without waiting.
    ///
    /// # Errors
    ///
    /// Gives them back when the mailbox is full or the actor gone.
    pub fn send(&self, updates: BookUpdates) -> Result<(), BookUpdates> {
        let actor = self.actor.load();
        let Some(actor) = actor.as_ref() else { return Err(updates) };
        actor.try_send(BookNews::Updates(updates)).map_err(|refusal| match refusal {
            SendError::Full(BookNews::Updates(updates)) | SendError::Closed(BookNews::Updates(updates)) => updates,
            SendError::Full(_) | SendError::Closed(_) => BookUpdates::default(),
        })
    }

    /// Says that the stream is in doubt; whether the actor has heard it, or there is none, whose successor begins anew.
    pub fn doubt(&self) -> bool {
        let actor = self.actor.load();
        actor.as_ref().is_none_or(|actor| !matches!(actor.try_send(BookNews::Doubt), Err(SendError::Full(_))))
    }

    /// Hands over a snapshot, waiting for a place in the mailbox; whether the actor took it.
    pub async fn tell(&self, news: BookNews) -> bool {
        let Some(actor) = self.actor.load_full() else { return false };
        actor.send(news).await.is_ok()
    }

    /// Makes the actor panic in the middle of an update; see [`Crash`]. Whether its mailbox had room for that.
    pub fn crash(&self) -> bool {
        self.actor.load().as_ref().is_some_and(|actor| actor.try_send(Crash).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one writer of a contract's book.
#[derive(Debug)]
pub struct BookActor {
    contract: Arc<Contract>,
    /// Rung when the book has changed, at those who publish it.
    bells: Vec<Arc<Bell>>,
    /// Rung when a snapshot is to be asked for.
    snapshot_bell: Arc<Bell>,
    metrics: Arc<Metrics>,
}

impl BookActor {
    /// An actor over the contract's book; does nothing for a contract without one.
    pub fn new(
        contract: Arc<Contract>,
        bells: Vec<Arc<Bell>>,
        snapshot_bell: Arc<Bell>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { contract, bells, snapshot_bell, metrics }
    }

    fn take(&self, post: &BookPost, news: BookNews) {
        let mut replica = post.lock();
        match news {
            BookNews::Updates(updates) => {
                for (update, bids, asks) in updates.iter() {
                    let fault = replica.update(update, bids, asks);
                    fault.into_iter().for_each(|fault| self.tell_of(fault));
                }
                self.metrics.book_updates.inc_by(updates.len() as u64);
            }
            BookNews::Snapshot(snapshot) => {
                let fault = replica.snapshot(snapshot);
                fault.into_iter().for_each(|fault| self.tell_of(fault));
            }
            BookNews::Doubt => replica.doubt(),
        }
        let (needs_snapshot, top) = (replica.needs_snapshot() && replica.has_heard(), top(&replica));
        drop(replica);
        top.into_iter().for_each(|top| {
            self.contract.figures.set_top(top);
        });
        if needs_snapshot {
            self.snapshot_bell.ring(self.contract.id);
        }
        self.bells.iter().for_each(|bell| bell.ring(self.contract.id));
    }

    #[cold]
    fn tell_of(&self, fault: Fault) {
        self.metrics.book_faults.get_or_create(&Labels::new([("fault", fault.name())])).inc();
        tracing::warn!(symbol = %self.contract.symbol, %fault, "an order book is not the venue's any more");
    }
}

/// The best of both sides, while the book may be believed.
fn top(replica: &Replica) -> Option<BookTicker> {
    let book = replica.book()?;
    let (bid, ask) = (book.bids().best().unwrap_or_default(), book.asks().best().unwrap_or_default());
    Some(BookTicker { update_id: book.last_id(), time: book.time(), bid, ask })
}

impl Actor for BookActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_BATCHES);
        let Some(post) = &self.contract.book else { return };
        // What a dead actor left may be half an update.
        drop(mem::replace(&mut *post.lock(), Replica::new(post.spec().replica)));
        post.replica.clear_poison();
    }
}

impl Handler<BookNews> for BookActor {
    type Result = ();

    fn handle(&mut self, news: BookNews, _: &mut Self::Context) {
        if let Some(post) = &self.contract.book {
            self.take(post, news);
        }
    }
}

impl Handler<Crash> for BookActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        let _half_written = self.contract.book.as_ref().map(BookPost::lock);
        panic!("{}: told to crash", self.contract.symbol);
    }
}
