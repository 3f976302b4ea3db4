//! Who finds, starts and stops the publishers of one live thread, and tells them when time passes?

use crate::{
    candle::{FoldOptions, LiveFold},
    clock::Clock,
    live::{
        CandleQuery, Channel, Encoder, SessionKey, Subscriber, Subscription, Topic,
        lines::Publishing,
        tape::TapeActor,
        timeframe::{Barrier, Counters, FoldState, TimeframeActor, newest_candles},
    },
    market::{Bell, Contract, Contracts, Repaired, Rings, VenueClock},
    metrics::{Labels, Metrics},
    model::{Candle, ContractId, IdRange, Symbol, Timeframe, UnixMillis},
};
use actix::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Requests that wait for a live thread; a session is told to try again.
const MAILBOX_REQUESTS: usize = 2_048;
/// Messages that wait for one publisher. Wakes among them may be refused: one that waits serves for all.
const MAILBOX_PUBLISHER: usize = 4_096;
/// The longest sleep between looks at the venue's clock, which every event can move.
const LOOK_MS_MAX: i64 = 250;
/// A barrier comes so long after the last moment at which a candle closes.
const BARRIER_MS: i64 = 1_000;

/// How publishers behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// By dialect number.
    pub encoders: Vec<Encoder>,
    /// How candles close, and how many closed ones are kept.
    pub fold: FoldOptions,
    /// A session whose mailbox refuses for so long is ended.
    pub slow_cut: Duration,
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

/// A new line for a publisher.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Join(pub(super) Subscription);

/// A line that ends.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    session: SessionKey,
    sub: u32,
}

impl Leave {
    pub(super) fn is_of(&self, subscriber: &Subscriber) -> bool {
        self.session == subscriber.session && self.sub == subscriber.sub
    }
}

/// See [`crate::live::Handle::subscribe`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Subscribe(pub(super) Subscription);

/// See [`crate::live::Handle::unsubscribe`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Unsubscribe {
    pub(super) topic: Topic,
    pub(super) session: SessionKey,
    pub(super) sub: u32,
}

/// See [`crate::live::Handle::candles`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Candle>")]
pub(super) struct ReadCandles(pub(super) CandleQuery);

/// What the topics actor of a thread leaves to its successor.
#[derive(Debug)]
pub struct TopicsState {
    thread: usize,
    contracts: Vec<Arc<Contract>>,
    bell: Arc<Bell>,
    clock: Clock,
    venue_clock: Arc<VenueClock>,
    options: Options,
    metrics: Arc<Metrics>,
    tapes: HashMap<ContractId, Publisher<TapeActor>>,
    folds: BTreeMap<(ContractId, Timeframe), Fold>,
    /// The next minute's end at which candles are closed by the clock.
    next_tick: Option<UnixMillis>,
    /// The next minute's end that a barrier is due for.
    next_barrier: Option<UnixMillis>,
}

/// A publisher's address, and who it must know when it is rebuilt.
#[derive(Debug)]
struct Publisher<A: Actor> {
    address: Addr<A>,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
struct Fold {
    state: Arc<Mutex<FoldState>>,
    publisher: Publisher<TimeframeActor>,
}

impl TopicsState {
    /// The state of live thread `thread` of `threads`, over the contracts that fall to it.
    pub fn new(
        contracts: &Contracts,
        (thread, threads): (usize, usize),
        bell: Arc<Bell>,
        clock: Clock,
        venue_clock: Arc<VenueClock>,
        options: Options,
        metrics: Arc<Metrics>,
    ) -> Self {
        let contracts = contracts.iter().filter(|contract| contract.id.index() % threads == thread).cloned().collect();
        Self {
            thread,
            contracts,
            bell,
            clock,
            venue_clock,
            options,
            metrics,
            tapes: HashMap::new(),
            folds: BTreeMap::new(),
            next_tick: None,
            next_barrier: None,
        }
    }

    fn contract(&self, id: ContractId) -> Option<Arc<Contract>> {
        self.contracts.iter().find(|contract| contract.id == id).cloned()
    }

    fn publishing(&self, channel: &str) -> Publishing {
        let slow = Labels::new([("channel", channel), ("reason", "slow")]);
        Publishing {
            encoders: self.options.encoders.clone(),
            slow_ms_max: i64::try_from(self.options.slow_cut.as_millis()).unwrap_or(i64::MAX),
            dropped: self.metrics.ws_dropped.get_or_create_owned(&slow),
            ended: self.metrics.ws_cut.get_or_create_owned(&Labels::new([("reason", "slow_consumer")])),
        }
    }

    /// Starts the 1-minute fold of every contract, and again each publisher that has died.
    fn raise(&mut self) {
        for contract in self.contracts.clone() {
            self.fold(&contract, Timeframe::MINUTE);
        }
        let dead: Vec<_> =
            self.folds.iter().filter(|(_, fold)| !fold.publisher.address.connected()).map(|(key, _)| *key).collect();
        for key in dead {
            self.raise_fold(key);
        }
        let dead: Vec<_> = self.tapes.iter().filter(|(_, tape)| !tape.address.connected()).map(|(id, _)| *id).collect();
        for id in dead {
            self.raise_tape(id);
        }
    }

    fn raise_fold(&mut self, (id, timeframe): (ContractId, Timeframe)) {
        let (Some(contract), Some(old)) = (self.contract(id), self.folds.remove(&(id, timeframe))) else { return };
        self.note_rebuild("timeframe");
        let address = self.start_fold(&contract, timeframe, Arc::clone(&old.state));
        rejoin(&address, &old.publisher.subscriptions);
        let publisher = Publisher { address, subscriptions: old.publisher.subscriptions };
        self.folds.insert((id, timeframe), Fold { state: old.state, publisher });
    }

    fn raise_tape(&mut self, id: ContractId) {
        let (Some(contract), Some(old)) = (self.contract(id), self.tapes.remove(&id)) else { return };
        self.note_rebuild("tape");
        let address = self.start_tape(&contract);
        rejoin(&address, &old.subscriptions);
        self.tapes.insert(id, Publisher { address, subscriptions: old.subscriptions });
    }

    fn note_rebuild(&self, actor: &str) {
        self.metrics.actor_rebuilds.get_or_create(&Labels::new([("actor", actor)])).inc();
        tracing::error!(actor, "a publisher panicked and was rebuilt");
    }

    fn start_tape(&self, contract: &Arc<Contract>) -> Addr<TapeActor> {
        let actor = TapeActor::new(contract, self.clock, self.publishing("trades"), &self.metrics);
        start(actor)
    }

    fn start_fold(
        &self,
        contract: &Arc<Contract>,
        timeframe: Timeframe,
        state: Arc<Mutex<FoldState>>,
    ) -> Addr<TimeframeActor> {
        let (publishing, counters) = (self.publishing("candles"), Counters::new(&self.metrics));
        start(TimeframeActor::new(contract, timeframe, state, self.clock, publishing, counters))
    }

    /// The running fold of a contract and timeframe, started from the minutes when there is none.
    fn fold(&mut self, contract: &Arc<Contract>, timeframe: Timeframe) -> &mut Fold {
        let key = (contract.id, timeframe);
        if !self.folds.contains_key(&key) {
            let state = Arc::new(Mutex::new(self.new_fold(contract, timeframe)));
            let address = self.start_fold(contract, timeframe, Arc::clone(&state));
            let publisher = Publisher { address, subscriptions: Vec::new() };
            self.folds.insert(key, Fold { state, publisher });
        }
        self.folds.get_mut(&key).unwrap_or_else(|| unreachable!("inserted above"))
    }

    /// Fold and place on the tape as the minutes stand now.
    fn new_fold(&self, contract: &Arc<Contract>, timeframe: Timeframe) -> FoldState {
        let Some(minutes) = self.folds.get(&(contract.id, Timeframe::MINUTE)) else {
            return FoldState {
                fold: LiveFold::new(timeframe, self.options.fold),
                reader: contract.tape.reader_from_oldest(),
                events: Vec::new(),
            };
        };
        let minutes = FoldState::lock(&minutes.state);
        let fold = LiveFold::from_minutes(timeframe, &minutes.fold);
        FoldState { fold, reader: minutes.reader.clone(), events: Vec::new() }
    }

    fn subscribe(&mut self, subscription: &Subscription) {
        let Some(contract) = self.contract(subscription.topic.contract) else { return };
        let join = Join(subscription.clone());
        let taken = match subscription.topic.channel {
            Channel::Trades => {
                if !self.tapes.contains_key(&contract.id) {
                    let publisher = Publisher { address: self.start_tape(&contract), subscriptions: Vec::new() };
                    self.tapes.insert(contract.id, publisher);
                }
                self.tapes.get_mut(&contract.id).map(|publisher| publisher.join(join))
            }
            Channel::Candles(timeframe) => Some(self.fold(&contract, timeframe).publisher.join(join)),
        };
        if taken != Some(true) {
            subscription.subscriber.cut.now();
        }
    }

    fn unsubscribe(&mut self, leave: Leave, topic: Topic) {
        match topic.channel {
            Channel::Trades => {
                if let Some(publisher) = self.tapes.get_mut(&topic.contract) {
                    publisher.leave(leave);
                }
            }
            Channel::Candles(timeframe) => {
                if let Some(fold) = self.folds.get_mut(&(topic.contract, timeframe)) {
                    fold.publisher.leave(leave);
                }
            }
        }
        self.retire();
    }

    /// Stops publishers that nobody listens to; the 1-minute folds go on.
    fn retire(&mut self) {
        self.tapes.retain(|_, publisher| publisher.is_wanted());
        self.folds.retain(|(_, timeframe), fold| fold.publisher.is_wanted() || *timeframe == Timeframe::MINUTE);
    }

    fn wake(&self) {
        self.bell.take(|id| {
            if let Some(publisher) = self.tapes.get(&id) {
                publisher.tell(Wake);
            }
            for (_, fold) in self.folds_of(id) {
                fold.publisher.tell(Wake);
            }
        });
    }

    fn folds_of(&self, id: ContractId) -> impl Iterator<Item = (&(ContractId, Timeframe), &Fold)> {
        self.folds.range((id, Timeframe::FIRST)..).take_while(move |((contract, _), _)| *contract == id)
    }

    fn repaired(&self, repaired: &Repaired) {
        if let Some(publisher) = self.tapes.get(&repaired.contract) {
            publisher.tell(repaired.clone());
        }
        for (_, fold) in self.folds_of(repaired.contract) {
            if !fold.publisher.tell(repaired.clone()) {
                self.lose(repaired, fold);
            }
        }
    }

    /// A fold that was not told of a repair must not take its hole for filled.
    fn lose(&self, repaired: &Repaired, fold: &Fold) {
        self.metrics.mailbox_full.get_or_create(&Labels::new([("queue", "publisher")])).inc();
        let ids = repaired.prints.first().zip(repaired.prints.last());
        if let Some(ids) = ids.and_then(|(first, last)| IdRange::new(first.id(), last.id())) {
            FoldState::lock(&fold.state).fold.give_up(ids);
        }
    }

    fn candles(&self, query: &CandleQuery) -> Vec<Candle> {
        let fold = match self.folds.get(&(query.contract, query.timeframe)) {
            Some(fold) => FoldState::lock(&fold.state).fold.clone(),
            None => match self.contract(query.contract) {
                Some(contract) => self.new_fold(&contract, query.timeframe).fold,
                None => return Vec::new(),
            },
        };
        let mut candles = newest_candles(&fold, usize::MAX, false);
        candles.retain(|candle| {
            query.start.is_none_or(|start| candle.open_time >= start)
                && query.end.is_none_or(|end| candle.open_time < end)
        });
        let surplus = candles.len().saturating_sub(query.limit);
        if query.start.is_some() {
            candles.truncate(query.limit);
        } else {
            candles.drain(..surplus);
        }
        candles
    }

    /// Does what the venue's clock says is due, and returns how long to sleep.
    fn look(&mut self) -> Duration {
        let Some(venue_now) = self.venue_clock.now() else { return Duration::from_millis(LOOK_MS_MAX.unsigned_abs()) };
        let grace_ms = self.options.fold.grace_ms;
        let next_minute = |from: UnixMillis| from.floor(UnixMillis::MINUTE, 0).plus(UnixMillis::MINUTE);
        let tick = *self.next_tick.get_or_insert_with(|| next_minute(venue_now.plus(-grace_ms)));
        if venue_now >= tick.plus(grace_ms) {
            self.next_tick = Some(next_minute(venue_now.plus(-grace_ms)));
            for fold in self.folds.values() {
                fold.publisher.tell(Tick { venue_now });
            }
            self.sweep();
        }
        let settle_ms = grace_ms + BARRIER_MS;
        let barrier = *self.next_barrier.get_or_insert_with(|| next_minute(venue_now.plus(-settle_ms)));
        if venue_now >= barrier.plus(settle_ms) {
            self.next_barrier = Some(next_minute(venue_now.plus(-settle_ms)));
            self.raise_barrier(venue_now.plus(-settle_ms).floor(UnixMillis::MINUTE, 0));
        }
        let due = [(self.next_tick, grace_ms), (self.next_barrier, settle_ms)];
        let wait_ms =
            due.iter().filter_map(|(end, after_ms)| Some(end.as_ref()?.plus(*after_ms).since(venue_now))).min();
        Duration::from_millis(wait_ms.unwrap_or(LOOK_MS_MAX).clamp(1, LOOK_MS_MAX).unsigned_abs())
    }

    /// Tells everybody who follows a timeframe that ends at `end` whose buckets are not complete.
    fn raise_barrier(&self, end: UnixMillis) {
        let timeframes: BTreeSet<_> = self.folds.keys().map(|(_, timeframe)| *timeframe).collect();
        for timeframe in timeframes.into_iter().filter(|timeframe| timeframe.bucket(end).0 == end) {
            let folds = || self.folds.iter().filter(move |((_, other), _)| *other == timeframe);
            let incomplete: Arc<[Symbol]> =
                folds().filter_map(|((id, _), fold)| self.incomplete_at(*id, fold, end)).collect();
            for (_, fold) in folds() {
                fold.publisher.tell(Barrier { thread: self.thread, end, incomplete: Arc::clone(&incomplete) });
            }
        }
    }

    fn incomplete_at(&self, id: ContractId, fold: &Fold, end: UnixMillis) -> Option<Symbol> {
        let contract = self.contract(id)?;
        let complete = FoldState::lock(&fold.state).fold.is_complete_at(end);
        // A bucket without a trade has no candle: it is known to be empty only if the stream flowed past its end.
        (!complete.unwrap_or_else(|| contract.flowing_to() >= end)).then(|| contract.symbol.clone())
    }

    /// Forgets sessions that ended without saying so.
    fn sweep(&mut self) {
        self.tapes.values_mut().for_each(Publisher::sweep);
        self.folds.values_mut().for_each(|fold| fold.publisher.sweep());
        self.retire();
        self.raise();
    }
}

fn rejoin<A>(address: &Addr<A>, subscriptions: &[Subscription])
where
    A: Actor<Context = Context<A>> + Handler<Join>,
{
    for subscription in subscriptions {
        if address.try_send(Join(subscription.clone())).is_err() {
            subscription.subscriber.cut.now();
        }
    }
}

fn start<A: Actor<Context = Context<A>>>(actor: A) -> Addr<A> {
    A::create(|context| {
        context.set_mailbox_capacity(MAILBOX_PUBLISHER);
        actor
    })
}

impl<A: Actor<Context = Context<A>> + Handler<Join> + Handler<Leave>> Publisher<A> {
    fn join(&mut self, join: Join) -> bool {
        self.subscriptions.push(join.0.clone());
        self.address.try_send(join).is_ok()
    }

    fn leave(&mut self, leave: Leave) {
        self.subscriptions.retain(|subscription| !leave.is_of(&subscription.subscriber));
        self.tell(leave);
    }

    fn sweep(&mut self) {
        self.subscriptions.retain(|subscription| subscription.subscriber.mailbox.connected());
    }

    fn is_wanted(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

impl<A: Actor<Context = Context<A>>> Publisher<A> {
    /// Sends without waiting; whether it was taken. A mailbox that refuses a wake holds one already, and a dead publisher
    /// is found by the next sweep.
    fn tell<M>(&self, message: M) -> bool
    where
        M: Message<Result = ()> + Send + 'static,
        A: Handler<M>,
    {
        self.address.try_send(message).is_ok()
    }
}

/// The one consumer of a live thread's bell.
#[derive(Debug)]
pub struct TopicsActor {
    /// A lock because a panicked actor's state must outlive it; there is one user at a time, so nobody waits.
    state: Arc<Mutex<TopicsState>>,
}

impl TopicsActor {
    /// An actor over `state`, which an earlier one may have left.
    pub fn new(state: Arc<Mutex<TopicsState>>) -> Self {
        Self { state }
    }

    fn state(&self) -> MutexGuard<'_, TopicsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&mut self, context: &mut Context<Self>) {
        let wait = self.state().look();
        context.run_later(wait, Self::look);
    }
}

impl Actor for TopicsActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX_REQUESTS);
        self.state().raise();
        let bell = Arc::clone(&self.state().bell);
        context.add_stream(Rings::of(bell));
        self.look(context);
    }
}

impl StreamHandler<()> for TopicsActor {
    fn handle(&mut self, (): (), _: &mut Self::Context) {
        self.state().wake();
    }
}

impl Handler<Subscribe> for TopicsActor {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) {
        self.state().subscribe(&subscribe.0);
    }
}

impl Handler<Unsubscribe> for TopicsActor {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, _: &mut Self::Context) {
        let Unsubscribe { topic, session, sub } = unsubscribe;
        self.state().unsubscribe(Leave { session, sub }, topic);
    }
}

impl Handler<Repaired> for TopicsActor {
    type Result = ();

    fn handle(&mut self, repaired: Repaired, _: &mut Self::Context) {
        self.state().repaired(&repaired);
    }
}

impl Handler<ReadCandles> for TopicsActor {
    type Result = MessageResult<ReadCandles>;

    fn handle(&mut self, read: ReadCandles, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.state().candles(&read.0))
    }
}
