//! How does a session follow what becomes of all contracts?
//!
//! It reads the announcements itself whenever there are others: nothing is queued for it, and one that was frozen goes on where
//! it was, or is told what it has missed.

use crate::{
    api::native::{
        announcements::rows,
        request_error::RequestError,
        session::{Context, SessionActor},
        wish::Wish,
    },
    live::{Event, Topic},
    model::{ContractId, IdRange},
};
use actix::prelude::*;
use futures_util::stream;

/// Announcements of a snapshot at most.
const SNAPSHOT: u64 = 100;

/// A subscription to announcements.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) sub: u32,
    /// The newest one that was told.
    told: u64,
    rings: SpawnHandle,
}

/// There are others.
struct Announced;

impl SessionActor {
    /// Begins to follow what becomes of all contracts.
    pub(super) fn follow_announcements(&mut self, wish: Wish, context: &mut Context) -> Result<u32, RequestError> {
        let topic = Topic { contract: ContractId::NONE, channel: wish.channel };
        self.check_room(topic, &wish)?;
        let (sub, newest) = (self.next_sub, self.shared.announcements.follow());
        self.next_sub += 1;
        self.outbox.open(sub, wish.channel.name(), "");
        self.gauge(&wish, 1);
        self.subs.insert(sub, (topic, wish));
        let told = *newest.borrow();
        let snapshot = self.shared.announcements.after(told.saturating_sub(SNAPSHOT));
        let told = snapshot.last().map_or(told, |last| last.id);
        self.outbox.push(sub, Event::Snapshot(rows(&snapshot)));
        let rings = stream::unfold(newest, |mut newest| async {
            newest.changed().await.ok()?;
            Some((Announced, newest))
        });
        let rings = context.add_stream(rings);
        self.following = Some(Following { sub, told, rings });
        self.plan_flush(context);
        Ok(sub)
    }

    /// Ends that, if it is what `sub` is.
    pub(super) fn end_following(&mut self, sub: u32, context: &mut Context) {
        if let Some(following) = self.following.take_if(|following| following.sub == sub) {
            context.cancel_future(following.rings);
        }
    }
}

impl StreamHandler<Announced> for SessionActor {
    fn handle(&mut self, _: Announced, context: &mut Context) {
        let Some(following) = self.following.as_mut().filter(|_| !self.closing) else { return };
        let new = self.shared.announcements.after(following.told);
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return };
        let missed = IdRange::new(following.told + 1, first.id - 1);
        following.told = last.id;
        let (sub, gap) = (following.sub, missed.map(Event::Gap));
        gap.into_iter().chain([Event::Rows(rows(&new))]).for_each(|event| self.outbox.push(sub, event));
        self.plan_flush(context);
    }

    fn finished(&mut self, _: &mut Context) {}
}
