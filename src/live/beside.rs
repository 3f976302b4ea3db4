//! Which publishers of one live thread tell what is no trade and no candle?

use crate::{
    clock::Clock,
    live::{
        Channel, Subscription,
        book::{BookFollower, FollowerState},
        figure::{FigureActor, FigureState},
        lines::Publishing,
        liquidations::{LiquidationsActor, LiquidationsState},
        publisher::{Leave, Post, Publish, Wake},
    },
    market::{Contract, Ending},
    metrics::Metrics,
    model::{ContractId, UnixMillis},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Publishers that live while somebody subscribes to them.
#[derive(Debug, Default)]
pub(super) struct Beside {
    figures: BTreeMap<(ContractId, Channel), FigureActor>,
    liquidations: HashMap<ContractId, LiquidationsActor>,
    books: HashMap<ContractId, BookFollower>,
}

impl Beside {
    /// Begins a line at the publisher of its channel, which is started when there is none. Whether it was taken.
    pub(super) fn join(
        &mut self,
        contract: &Arc<Contract>,
        subscription: Subscription,
        clock: Clock,
        publishing: Publishing,
    ) -> bool {
        let (id, channel) = (contract.id, subscription.topic.channel);
        match channel {
            Channel::Liquidations => {
                let new = || Post::new(LiquidationsState::new(contract, clock, publishing));
                self.liquidations.entry(id).or_insert_with(new).join(subscription)
            }
            Channel::Book => {
                let new = || Post::new(FollowerState::new(contract, clock, publishing));
                self.books.entry(id).or_insert_with(new).join(subscription)
            }
            _ => {
                let new = || Post::new(FigureState::new(contract, channel, clock, publishing));
                self.figures.entry((id, channel)).or_insert_with(new).join(subscription)
            }
        }
    }

    /// Ends a line.
    pub(super) fn leave(&mut self, leave: Leave, id: ContractId, channel: Channel) {
        match channel {
            Channel::Liquidations => self.liquidations.get_mut(&id).into_iter().for_each(|post| post.leave(leave)),
            Channel::Book => self.books.get_mut(&id).into_iter().for_each(|post| post.leave(leave)),
            _ => self.figures.get_mut(&(id, channel)).into_iter().for_each(|post| post.leave(leave)),
        }
    }

    /// Says that a contract has something new; whether every publisher of it lives.
    pub(super) fn wake(&self, id: ContractId) -> bool {
        let of_contract = self.figures.range((id, Channel::Trades)..).take_while(|((of, _), _)| *of == id);
        let mut alive = of_contract.fold(true, |alive, (_, post)| post.tell(Wake) && alive);
        alive &= self.liquidations.get(&id).is_none_or(|post| post.tell(Wake));
        alive & self.books.get(&id).is_none_or(|post| post.tell(Wake))
    }

    /// Has every publisher of how contracts fare look again: nothing rings for that.
    pub(super) fn look(&self) {
        let of_status = self.figures.iter().filter(|((_, channel), _)| *channel == Channel::Status);
        of_status.for_each(|(_, post)| {
            post.tell(Wake);
        });
    }

    /// Starts again each publisher that has died; `note` hears of which kind.
    pub(super) fn raise_dead(&mut self, metrics: &Metrics, venue_now: Option<UnixMillis>) {
        raise_dead(self.figures.values_mut(), metrics, venue_now);
        raise_dead(self.liquidations.values_mut(), metrics, venue_now);
        raise_dead(self.books.values_mut(), metrics, venue_now);
    }

    /// Forgets sessions that ended without saying so.
    pub(super) fn sweep(&mut self) {
        self.figures.values_mut().for_each(Post::sweep);
        self.liquidations.values_mut().for_each(Post::sweep);
        self.books.values_mut().for_each(Post::sweep);
    }

    /// Stops publishers that nobody listens to.
    pub(super) fn retire(&mut self) {
        self.figures.retain(|_, post| post.is_wanted());
        self.liquidations.retain(|_, post| post.is_wanted());
        self.books.retain(|_, post| post.is_wanted());
    }

    /// Ends with a contract: the last message of each of its lines says so.
    pub(super) fn end(&mut self, id: ContractId, ending: Ending) {
        self.figures.extract_if((id, Channel::Trades).., |(of, _), _| *of == id).for_each(|(_, post)| post.end(ending));
        self.liquidations.remove(&id).into_iter().for_each(|post| post.end(ending));
        self.books.remove(&id).into_iter().for_each(|post| post.end(ending));
    }
}

/// Starts again each of `posts` that has died.
pub(super) fn raise_dead<'a, P: Publish>(
    posts: impl Iterator<Item = &'a mut Post<P>>,
    metrics: &Metrics,
    venue_now: Option<UnixMillis>,
) {
    for post in posts.filter(|post| !post.is_alive()) {
        metrics.actor_rebuilds.get_or_create(&crate::metrics::Labels::new([("actor", P::KIND)])).inc();
        tracing::error!(actor = P::KIND, "a publisher panicked and was rebuilt");
        post.raise(venue_now);
    }
}
