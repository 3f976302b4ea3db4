//! What is done about an order book whose stream is silent though the book moves?
//!
//! It is in doubt at once, its stream asked for anew, then on another connection. When no book of a connection flows, it is the
//! connection that is opened anew, then on another path.

use crate::{
    app::{
        Engine, Remedy,
        books::silence::{Look, Silences, Verdict},
    },
    book::Replica,
    clock::Clock,
    feed::StreamKey,
    market::{BookPost, Contract},
    metrics::Metrics,
    model::{BookTicker, ContractId},
};
use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often books are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many silent books, where no other flows, are the connection's fault.
const MANY: usize = 3;
/// A book whose newest update is younger than this flows.
const FLOWING_MS: i64 = 10_000;

/// Watches over every book's stream. Follows what the venue says of all contracts' best bids and asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BookWatch {
    /// What is watched, and does what is to be done.
    pub engine: Rc<Engine>,
    /// Time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl BookWatch {
    /// Goes on for ever, on the engine's own thread.
    pub async fn run(self) {
        let mut silences = Silences::default();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            silences.retain(|id| self.engine.contracts.get(id).is_some());
            let silent = self.silent(&mut silences);
            self.act(&mut silences, &silent);
        }
    }

    /// The books about whose streams something is to be done, and how often it was done before.
    fn silent(&self, silences: &mut Silences) -> Vec<(Arc<Contract>, u32)> {
        let now_ms = self.clock.monotonic_ms();
        let judge = |contract: Arc<Contract>| match silences.judge(contract.id, &look(contract.book.as_ref()?), now_ms)
        {
            Verdict::Wait => None,
            Verdict::Act(tries) => Some((contract, tries)),
            Verdict::Healed(after_ms) => {
                tracing::info!(symbol = %contract.symbol, after_ms, "an order book's stream flows again");
                None
            }
        };
        self.engine.contracts.iter().filter_map(judge).collect()
    }

    fn act(&self, silences: &mut Silences, silent: &[(Arc<Contract>, u32)]) {
        if silent.is_empty() {
            return;
        }
        let mut by_connection: BTreeMap<usize, Vec<&(Arc<Contract>, u32)>> = BTreeMap::new();
        for one in silent {
            let at = self.engine.place_of(StreamKey::Book(one.0.id));
            at.into_iter().for_each(|at| by_connection.entry(at).or_default().push(one));
        }
        for (at, silent) in by_connection {
            for (contract, tries) in &silent {
                self.doubt(contract, *tries);
                silences.tried(contract.id, self.clock.monotonic_ms());
            }
            if self.is_dead(silences, at) {
                let tries = silent.iter().map(|(_, tries)| *tries).max().unwrap_or_default();
                self.revive(if tries == 0 { Remedy::Renew(at) } else { Remedy::Reroute(at) });
            } else {
                silent.iter().for_each(|(contract, tries)| self.revive(remedy(contract.id, *tries)));
            }
        }
    }

    fn doubt(&self, contract: &Contract, tries: u32) {
        if tries == 0 {
            self.metrics.book_silences.inc();
        }
        tracing::warn!(symbol = %contract.symbol, tries, "an order book's stream is silent though the book moves");
        contract.book.iter().for_each(|book| {
            book.doubt();
        });
    }

    /// Whether several books of a connection may be silent, and none of it flows.
    fn is_dead(&self, silences: &Silences, at: usize) -> bool {
        let is_there = |contract: &Arc<Contract>| self.engine.place_of(StreamKey::Book(contract.id)) == Some(at);
        let books: Vec<_> = self.engine.contracts.iter().filter(is_there).collect();
        let silent = books.iter().filter(|contract| silences.has(contract.id)).count();
        silent >= MANY.min(books.len()) && !books.iter().any(|contract| self.is_flowing(contract))
    }

    fn is_flowing(&self, contract: &Contract) -> bool {
        let newest = contract.book.as_ref().and_then(|book| book.read(Replica::newest));
        let now = self.engine.venue_clock.now();
        newest.zip(now).is_some_and(|((_, time), now)| now.since(time) < FLOWING_MS)
    }

    fn revive(&self, remedy: Remedy) {
        self.metrics.stream_remedies.get_or_create(&remedy.labels()).inc();
        self.engine.revive(remedy);
    }
}

const fn remedy(id: ContractId, tries: u32) -> Remedy {
    let key = StreamKey::Book(id);
    if tries.is_multiple_of(2) { Remedy::AskAgain(key) } else { Remedy::MoveAway(key) }
}

fn look(book: &BookPost) -> Look {
    let (newest, top) = book.read(|replica| {
        let top = replica.book().map(|book| {
            let best = |level: Option<_>| level.unwrap_or_default();
            let (bid, ask) = (best(book.bids().best()), best(book.asks().best()));
            BookTicker { update_id: book.last_id(), time: book.time(), bid, ask }
        });
        (replica.newest(), top)
    });
    Look { newest, top, told: book.told_top().map(|top| *top) }
}
