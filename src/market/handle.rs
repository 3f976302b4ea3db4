//! How do prints reach a contract's actor, through its rebuilds?

use crate::{
    market::{Print, SymbolActor},
    model::{IdRange, Trade},
    store::record::Origin,
};
use actix::prelude::*;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Prints of one contract in the order in which they came off the stream.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Batch(pub Vec<Print>);

/// Trades that were fetched for holes of one contract. The answer says whether there was room for them; if not, nothing
/// has changed.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct Fetched {
    /// Ascending by id.
    pub trades: Arc<[Trade]>,
    /// Where they were fetched; not the stream.
    pub origin: Origin,
}

/// Ids that are missing no more, though no trade of theirs came by way of the actor: the store holds them now, back-filled in
/// bulk, or it is proven that the venue never used them.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Stored(pub Arc<[IdRange]>);

/// Ids that had counted as held, and are missing: what the store had of them is damaged.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Lost(pub Arc<[IdRange]>);

/// Panics on purpose, so that a test can watch the rebuilding.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Crash;

/// Where a contract's prints go: follows its actor through rebuilds.
#[derive(Debug, Default)]
pub struct SymbolHandle {
    actor: ArcSwapOption<Addr<SymbolActor>>,
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

    /// Hands fetched trades over, waiting for a place in the mailbox, and says whether they were taken; they were not, too,
    /// when the actor is gone or panics over them. Offered again, they are taken once.
    pub async fn fetched(&self, fetched: Fetched) -> bool {
        let Some(actor) = self.actor.load_full() else { return false };
        actor.send(fetched).await.unwrap_or(false)
    }

    /// Says which ids are missing no more; whether the actor knows.
    pub async fn stored(&self, stored: Stored) -> bool {
        let Some(actor) = self.actor.load_full() else { return false };
        actor.send(stored).await.is_ok()
    }

    /// Says which ids are missing though they had counted as held; whether the actor knows.
    pub async fn lost(&self, lost: Lost) -> bool {
        let Some(actor) = self.actor.load_full() else { return false };
        actor.send(lost).await.is_ok()
    }

    /// Lets go of the actor, which ends once it has dealt with what waits for it: actix ends an actor without an address.
    pub fn retire(&self) {
        self.actor.store(None);
    }

    /// Makes the actor panic; see [`Crash`]. Whether its mailbox had room for that.
    pub fn crash(&self) -> bool {
        self.actor.load().as_ref().is_some_and(|actor| actor.try_send(Crash).is_ok())
    }
}
