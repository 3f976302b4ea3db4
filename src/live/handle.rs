//! How do sessions and readers reach the publishers?

use crate::{
    live::{
        Replay, Subscriber, Topic, TopicsActor, topics,
        variants::{Place, VARIANTS_MAX, Variants},
    },
    market::Ending,
    model::{Candle, ContractId, Timeframe},
};
use actix::prelude::*;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// A wish to receive a topic.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The topic.
    pub topic: Topic,
    /// How many of the newest rows the snapshot holds at most.
    pub snapshot: usize,
    /// For candles: only those that close.
    pub closed_only: bool,
    /// Who.
    pub subscriber: Subscriber,
    /// Its part in what it has made the publishers do.
    place: Option<Arc<Place>>,
}

impl Subscription {
    /// A wish for a topic with the newest `snapshot` rows, and of candles, if `closed_only`, those alone that close.
    pub fn new(topic: Topic, snapshot: usize, closed_only: bool, subscriber: Subscriber) -> Self {
        Self { topic, snapshot, closed_only, subscriber, place: None }
    }
}

/// Why the publishers did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too many requests wait; try again.
    #[error("the live thread is busy, try again")]
    Busy,
    /// The actor is being rebuilt; try again.
    #[error("the live thread is being restarted, try again")]
    Restarting,
    /// A contract has as many different views, or sizes of large trades, as there may be.
    #[error(
        "clients follow {VARIANTS_MAX} other views of this contract's book, or other sizes of its large trades, and no more are \
         told at a time: follow `book` or `trades` instead, or try again later"
    )]
    Crowded,
}

/// Where requests go: one topics actor a live thread, contracts spread by their number.
#[derive(Clone, Debug)]
pub struct Handle {
    actors: Arc<[ArcSwapOption<Addr<TopicsActor>>]>,
    variants: Arc<Variants>,
}

impl Handle {
    /// A handle for `threads` topics actors, none in place yet.
    pub fn new(threads: usize) -> Self {
        let actors = (0..threads.max(1)).map(|_| ArcSwapOption::empty()).collect();
        Self { actors, variants: Arc::default() }
    }

    /// The live thread of a contract.
    pub fn thread_of(&self, contract: ContractId) -> usize {
        contract.index() % self.actors.len()
    }

    /// Puts a new actor in place.
    pub fn replace(&self, thread: usize, actor: Addr<TopicsActor>) {
        self.actors[thread].store(Some(Arc::new(actor)));
    }

    /// Whether every actor takes messages.
    pub fn is_alive(&self, thread: usize) -> bool {
        self.actors[thread].load().as_ref().is_some_and(|actor| actor.connected())
    }

    /// Subscribes. The snapshot comes to the subscriber's mailbox, then the live rows, without a hole or an overlap.
    ///
    /// # Errors
    ///
    /// When the live thread cannot take it now, or publishes [`VARIANTS_MAX`] others of its kind.
    pub fn subscribe(&self, mut subscription: Subscription) -> Result<(), Unavailable> {
        subscription.place = self.variants.take(subscription.topic)?.map(Arc::new);
        let actor = self.actors[self.thread_of(subscription.topic.contract)].load();
        let Some(actor) = actor.as_ref() else { return Err(Unavailable::Restarting) };
        actor.try_send(topics::Subscribe::new(subscription)).map_err(|refusal| {
            let (reason, refused) = match refusal {
                SendError::Full(refused) => (Unavailable::Busy, refused),
                SendError::Closed(refused) => (Unavailable::Restarting, refused),
            };
            refused.take();
            reason
        })
    }

    /// Begins a subscription to trades where `replay` has come to; what was added since comes first, then the live rows,
    /// without a snapshot. `false` when too many were added: another page has to be read.
    ///
    /// # Errors
    ///
    /// When the live thread cannot take it now.
    pub async fn resume(&self, subscription: Subscription, replay: Replay) -> Result<bool, Unavailable> {
        let actor = self.actors[self.thread_of(subscription.topic.contract)].load_full();
        let actor = actor.ok_or(Unavailable::Restarting)?;
        actor.send(topics::Resume { subscription, replay }).await.map_err(|_| Unavailable::Restarting)
    }

    /// Ends one subscription of a session.
    ///
    /// # Errors
    ///
    /// When the live thread cannot take it now.
    pub fn unsubscribe(&self, topic: Topic, session: crate::live::SessionKey, sub: u32) -> Result<(), Unavailable> {
        self.send(topic.contract, topics::Unsubscribe { topic, session, sub })
    }

    /// Begins to fold a contract that was not recorded before. A thread that cannot take it now finds it within a minute.
    pub fn begin(&self, contract: ContractId) {
        self.send(contract, topics::Recorded::Begins(contract)).unwrap_or_default();
    }

    /// Ends every subscription to a contract that is not recorded any more. A thread that cannot take it now finds it within
    /// a minute.
    pub fn end(&self, contract: ContractId, ending: Ending) {
        self.send(contract, topics::Recorded::Ends(contract, ending)).unwrap_or_default();
    }

    /// Every candle that memory holds, ascending; the current one last.
    ///
    /// # Errors
    ///
    /// When the live thread cannot take it now.
    pub async fn candles(&self, contract: ContractId, timeframe: Timeframe) -> Result<Vec<Candle>, Unavailable> {
        let actor = self.actors[self.thread_of(contract)].load_full().ok_or(Unavailable::Restarting)?;
        actor.send(topics::ReadCandles(contract, timeframe)).await.map_err(|_| Unavailable::Restarting)
    }

    /// Hands in closed minutes, ascending, that were folded anew from everything held while `late_count` late trades had come:
    /// what differs from what memory has becomes a correction. `false` when other late trades have come by now, so that they
    /// have to be folded once more.
    ///
    /// # Errors
    ///
    /// When the live thread cannot take it now.
    pub async fn refold(
        &self,
        contract: ContractId,
        minutes: Vec<Candle>,
        late_count: u64,
    ) -> Result<bool, Unavailable> {
        let actor = self.actors[self.thread_of(contract)].load_full().ok_or(Unavailable::Restarting)?;
        let refold = topics::Refold { contract, minutes, late_count };
        actor.send(refold).await.map_err(|_| Unavailable::Restarting)
    }

    fn send<M>(&self, contract: ContractId, message: M) -> Result<(), Unavailable>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        TopicsActor: Handler<M>,
    {
        let actor = self.actors[self.thread_of(contract)].load();
        let Some(actor) = actor.as_ref() else { return Err(Unavailable::Restarting) };
        actor.try_send(message).map_err(|refusal| match refusal {
            SendError::Full(_) => Unavailable::Busy,
            SendError::Closed(_) => Unavailable::Restarting,
        })
    }
}
