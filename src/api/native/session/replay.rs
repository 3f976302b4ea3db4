//! How does a session get the trades since the last one that its client has?
//!
//! One page at a time, each read off this thread, and the next only when the last has been put into the outbox: a session
//! whose client does not read is not polled, so its replay waits with it.

use crate::{
    api::native::{
        dialect::ENCODER,
        session::{Context, SessionActor},
    },
    live::{Event, Handle, Replay, ReplayPage, Rows, Subscription},
    market::Contract,
    model::Trade,
};
use actix::{fut, prelude::*};
use actix_web::web;
use std::{sync::Arc, time::Duration};

/// A publisher that cannot take the line, or a disk that cannot be read now, is asked again after this time.
const AGAIN: Duration = Duration::from_millis(50);

/// What is being replayed to whom.
struct Replaying {
    contract: Arc<Contract>,
    subscription: Subscription,
    replay: Replay,
}

impl SessionActor {
    /// Begins a subscription with what followed the client's last trade.
    pub(super) fn begin_replay(
        &mut self,
        contract: Arc<Contract>,
        subscription: Subscription,
        replay: Replay,
        context: &mut Context,
    ) {
        self.outbox.push(subscription.subscriber.sub, Event::Snapshot(Rows::default()));
        self.plan_flush(context);
        read_page(Replaying { contract, subscription, replay }, context);
    }

    /// Whether the subscription is still wanted.
    fn is_replaying(&self, replaying: &Replaying) -> bool {
        !self.closing && self.subs.contains_key(&replaying.subscription.subscriber.sub)
    }

    fn replayed(&mut self, page: ReplayPage, replaying: Replaying, context: &mut Context) {
        if !self.is_replaying(&replaying) {
            return;
        }
        if let Some(ending) = replaying.contract.ending() {
            let sub = replaying.subscription.subscriber.sub;
            self.ended(sub);
            self.outbox.push(sub, Event::Ended(ending));
            return self.plan_flush(context);
        }
        let sub = replaying.subscription.subscriber.sub;
        let ReplayPage { gap, trades, repairs, lost, is_last } = page;
        let (trades, repairs) = (rows(&trades).map(Event::Rows), rows(&repairs).map(Event::Repair));
        for event in [gap.map(Event::Gap), trades, lost.map(Event::Gap), repairs].into_iter().flatten() {
            self.outbox.push(sub, event);
        }
        self.plan_flush(context);
        if is_last {
            go_live(replaying, self.shared.live.clone(), context);
        } else {
            read_page(replaying, context);
        }
    }
}

/// Reads the next page, then has it told.
fn read_page(mut replaying: Replaying, context: &mut Context) {
    let reading = async move {
        let (contract, mut replay) = (Arc::clone(&replaying.contract), replaying.replay);
        let read = web::block(move || (replay.next_page(&contract), replay)).await;
        let page = read.ok().map(|(page, replay)| {
            replaying.replay = replay;
            page
        });
        (page, replaying)
    };
    context.spawn(fut::wrap_future::<_, SessionActor>(reading).map(|(page, replaying), actor, context| match page {
        Some(page) => actor.replayed(page, replaying, context),
        None => {
            context.run_later(AGAIN, |_, context| read_page(replaying, context));
        }
    }));
}

/// Has the publisher add what is left, and the line.
fn go_live(replaying: Replaying, live: Handle, context: &mut Context) {
    let asking = async move {
        let begun = live.resume(replaying.subscription.clone(), replaying.replay).await;
        (begun, replaying)
    };
    context.spawn(fut::wrap_future::<_, SessionActor>(asking).map(|(begun, replaying), actor, context| {
        let Subscription { topic, subscriber, .. } = &replaying.subscription;
        match begun {
            // It was ended meanwhile, before there was a line to end.
            Ok(true) if !actor.is_replaying(&replaying) => {
                let left = actor.shared.live.unsubscribe(*topic, subscriber.session, subscriber.sub);
                left.unwrap_or_else(|error| tracing::debug!(%error, "an unsubscription was not taken"));
            }
            Ok(true) => {}
            Ok(false) | Err(_) => {
                context.run_later(AGAIN, |_, context| read_page(replaying, context));
            }
        }
    }));
}

fn rows(trades: &[Trade]) -> Option<Rows> {
    let mut body = Vec::new();
    (ENCODER.trades)(trades, &mut body);
    let rows = Rows { body: body.into(), count: u32::try_from(trades.len()).unwrap_or(u32::MAX) };
    Some(rows).filter(|rows| !rows.is_empty())
}
