//! What have all publishers in common, and what of one outlives its panic?
//!
//! A [`PublisherActor`] is a thin shell over a [`Publish`]: place on the tape, lines and all stand outside it, so that the
//! next actor goes on where the last one was. What was in flight is owed to every line.

use crate::{
    live::{Event, SessionKey, Subscriber, Subscription, lines::Line, lines::Offer},
    market::Ending,
    model::UnixMillis,
};
use actix::prelude::*;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Messages that wait for one publisher. Wakes among them may be refused: one that waits serves for all.
const MAILBOX: usize = 4_096;
/// How soon a session that refused is tried again when nothing new comes.
const RETRY: Duration = Duration::from_millis(50);

/// One topic's work.
pub(super) trait Publish: fmt::Debug + 'static {
    /// For logs and counters.
    const KIND: &'static str;

    /// Publishes what is new on the tape; whether more waits for the next turn.
    fn publish(&mut self) -> bool;

    /// Takes the venue's time.
    fn pass_time(&mut self, venue_now: UnixMillis);

    /// Begins a line, with its snapshot.
    fn join(&mut self, subscription: Subscription);

    /// Gives lines that are behind what they are owed, if their mailboxes take it.
    fn pay_debts(&mut self);

    /// Goes on after a panic: whatever may not have been published is owed.
    fn recover(&mut self);

    /// Whoever listens.
    fn lines(&mut self) -> &mut Vec<Line>;
}

/// There is something new on the tape.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// The venue's clock has passed a minute's end and its grace.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Tick {
    pub(super) venue_now: UnixMillis,
}

/// A barrier, or what else goes to every line and waits for none.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Announce(pub(super) Event);

/// A new line.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Join(pub(super) Subscription);

/// A line that ends.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    pub(super) session: SessionKey,
    pub(super) sub: u32,
}

impl Leave {
    fn is_of(&self, subscriber: &Subscriber) -> bool {
        self.session == subscriber.session && self.sub == subscriber.sub
    }
}

/// The one consumer of a topic.
#[derive(Debug)]
pub(super) struct PublisherActor<P> {
    /// A lock because a panicked actor's state must outlive it; all users live on one thread, so nobody waits.
    state: Arc<Mutex<P>>,
    retry_set: bool,
}

impl<P: Publish> PublisherActor<P> {
    /// Does a step, then sees to it that sessions that refused are tried again.
    fn step(&mut self, context: &mut Context<Self>, step: impl FnOnce(&mut P)) {
        let mut state = lock(&self.state);
        step(&mut state);
        if self.retry_set || !state.lines().iter().any(Line::is_behind) {
            return;
        }
        self.retry_set = true;
        context.run_later(RETRY, |actor, context| {
            actor.retry_set = false;
            actor.step(context, P::pay_debts);
        });
    }
}

fn lock<P>(state: &Mutex<P>) -> MutexGuard<'_, P> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Publish> Actor for PublisherActor<P> {
    type Context = Context<Self>;
}

impl<P: Publish> Handler<Wake> for PublisherActor<P> {
    type Result = ();

    fn handle(&mut self, wake: Wake, context: &mut Self::Context) {
        let mut more = false;
        self.step(context, |state| more = state.publish());
        if more {
            context.notify(wake);
        }
    }
}

impl<P: Publish> Handler<Tick> for PublisherActor<P> {
    type Result = ();

    fn handle(&mut self, tick: Tick, context: &mut Self::Context) {
        self.step(context, |state| state.pass_time(tick.venue_now));
    }
}

impl<P: Publish> Handler<Announce> for PublisherActor<P> {
    type Result = ();

    fn handle(&mut self, announce: Announce, _: &mut Self::Context) {
        // A line that is behind misses it.
        lock(&self.state).lines().retain(|line| line.is_behind() || line.offer(announce.0.clone()) != Offer::Gone);
    }
}

impl<P: Publish> Handler<Join> for PublisherActor<P> {
    type Result = ();

    fn handle(&mut self, join: Join, context: &mut Self::Context) {
        self.step(context, |state| state.join(join.0));
    }
}

impl<P: Publish> Handler<Leave> for PublisherActor<P> {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        lock(&self.state).lines().retain(|line| !leave.is_of(&line.subscriber));
    }
}

/// A publisher as its live thread knows it.
#[derive(Debug)]
pub(super) struct Post<P: Publish> {
    state: Arc<Mutex<P>>,
    address: Addr<PublisherActor<P>>,
    /// Who subscribed: a join may still be in the mailbox when the actor dies.
    subscriptions: Vec<Subscription>,
}

impl<P: Publish> Post<P> {
    /// Starts an actor over `state`, on this thread.
    pub(super) fn new(state: P) -> Self {
        let state = Arc::new(Mutex::new(state));
        Self { address: start(&state), state, subscriptions: Vec::new() }
    }

    /// The state, even when its last user panicked.
    pub(super) fn state(&self) -> MutexGuard<'_, P> {
        lock(&self.state)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.address.connected()
    }

    /// Puts another actor in the place of a dead one.
    pub(super) fn raise(&mut self, venue_now: Option<UnixMillis>) {
        let mut state = lock(&self.state);
        state.recover();
        self.address = start(&self.state);
        let has_line = |state: &mut P, subscription: &Subscription| {
            let Subscriber { session, sub, .. } = subscription.subscriber;
            state.lines().iter().any(|line| Leave { session, sub }.is_of(&line.subscriber))
        };
        for subscription in &self.subscriptions {
            if !has_line(&mut state, subscription) && self.address.try_send(Join(subscription.clone())).is_err() {
                subscription.subscriber.cut.now();
            }
        }
        drop(state);
        self.tell(Wake);
        if let Some(venue_now) = venue_now {
            self.tell(Tick { venue_now });
        }
    }

    /// Sends without waiting; whether the actor lives. A mailbox that refuses a wake holds one already.
    pub(super) fn tell<M>(&self, message: M) -> bool
    where
        M: Message<Result = ()> + Send + 'static,
        PublisherActor<P>: Actor<Context = Context<PublisherActor<P>>> + Handler<M>,
    {
        !matches!(self.address.try_send(message), Err(SendError::Closed(_)))
    }

    /// Whether the subscription was taken.
    pub(super) fn join(&mut self, subscription: Subscription) -> bool {
        self.subscriptions.push(subscription.clone());
        // A dead actor's successor finds it in the list.
        !matches!(self.address.try_send(Join(subscription)), Err(SendError::Full(_)))
    }

    /// Notes a subscription whose line has begun.
    pub(super) fn note(&mut self, subscription: Subscription) {
        self.subscriptions.push(subscription);
    }

    pub(super) fn leave(&mut self, leave: Leave) {
        self.subscriptions.retain(|subscription| !leave.is_of(&subscription.subscriber));
        self.tell(leave);
    }

    /// Ends every line: its contract is not recorded any more. A line that is behind is not told, and its socket cut.
    pub(super) fn end(self, ending: Ending) {
        let mut state = self.state();
        for line in state.lines().drain(..) {
            if line.offer(Event::Ended(ending)) == Offer::Full {
                line.subscriber.cut.now();
            }
        }
    }

    /// Forgets sessions that ended without saying so.
    pub(super) fn sweep(&mut self) {
        self.subscriptions.retain(|subscription| subscription.subscriber.mailbox.connected());
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

fn start<P: Publish>(state: &Arc<Mutex<P>>) -> Addr<PublisherActor<P>> {
    PublisherActor::create(|context| {
        context.set_mailbox_capacity(MAILBOX);
        PublisherActor { state: Arc::clone(state), retry_set: false }
    })
}
