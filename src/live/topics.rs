//! Who finds, starts and stops the publishers of one live thread, and tells them when time passes?

use crate::{
    candle::{FoldOptions, LiveFold, regroup},
    clock::Clock,
    live::{
        Channel, Delivery, Encoder, Event, Replay, SessionKey, Subscriber, Subscription, Topic,
        beside::{Beside, raise_dead},
        lines::Publishing,
        publisher::{Announce, Leave, Post, Tick, Wake},
        tape::{TapeActor, TapeState},
        timeframe::{Counters, FoldState, Making, TimeframeActor, newest_candles},
    },
    market::{Bell, Contract, Contracts, Ending, Rings, VenueClock},
    metrics::{Labels, Metrics},
    model::{Candle, ContractId, QuoteVolume, Symbol, Timeframe, UnixMillis},
};
use actix::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Requests that wait for a live thread; a session is told to try again.
const MAILBOX_REQUESTS: usize = 2_048;
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

/// See [`crate::live::Handle::subscribe`].
///
/// A session was told that it is subscribed: if nobody takes this, as when the actor panics, its socket is cut, so that it
/// learns of it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Subscribe(Option<Subscription>);

impl Subscribe {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self(Some(subscription))
    }

    pub(super) fn take(mut self) -> Option<Subscription> {
        self.0.take()
    }
}

impl Drop for Subscribe {
    fn drop(&mut self) {
        if let Some(subscription) = &self.0 {
            subscription.subscriber.cut.now();
        }
    }
}

/// See [`crate::live::Handle::unsubscribe`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Unsubscribe {
    pub(super) topic: Topic,
    pub(super) session: SessionKey,
    pub(super) sub: u32,
}

/// See [`crate::live::Handle::begin`] and [`crate::live::Handle::end`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) enum Recorded {
    Begins(ContractId),
    Ends(ContractId, Ending),
}

/// See [`crate::live::Handle::candles`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Candle>")]
pub(super) struct ReadCandles(pub(super) ContractId, pub(super) Timeframe);

/// See [`crate::live::Handle::resume`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub(super) struct Resume {
    pub(super) subscription: Subscription,
    pub(super) replay: Replay,
}

/// See [`crate::live::Handle::refold`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub(super) struct Refold {
    pub(super) contract: ContractId,
    /// Closed, ascending.
    pub(super) minutes: Vec<Candle>,
    /// How many late trades had come when they were folded.
    pub(super) late_count: u64,
}

/// What the topics actor of a thread leaves to its successor.
#[derive(Debug)]
pub struct TopicsState {
    thread: usize,
    threads: usize,
    /// Every `threads`-th of them is this thread's.
    contracts: Arc<Contracts>,
    /// Rung for trades, and for everything else.
    bells: [Arc<Bell>; 2],
    clock: Clock,
    venue_clock: Arc<VenueClock>,
    options: Options,
    metrics: Arc<Metrics>,
    /// By contract, and how large trades are at least.
    tapes: BTreeMap<(ContractId, Option<QuoteVolume>), TapeActor>,
    folds: BTreeMap<(ContractId, Timeframe), TimeframeActor>,
    beside: Beside,
    /// The next minute's end at which candles are closed by the clock.
    next_tick: Option<UnixMillis>,
    /// The next minute's end that a barrier is due for.
    next_barrier: Option<UnixMillis>,
}

impl TopicsState {
    /// The state of live thread `thread` of `threads`, over the contracts that fall to it.
    pub fn new(
        contracts: Arc<Contracts>,
        (thread, threads): (usize, usize),
        bells: [Arc<Bell>; 2],
        clock: Clock,
        venue_clock: Arc<VenueClock>,
        options: Options,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            thread,
            threads,
            contracts,
            bells,
            clock,
            venue_clock,
            options,
            metrics,
            tapes: BTreeMap::new(),
            folds: BTreeMap::new(),
            beside: Beside::default(),
            next_tick: None,
            next_barrier: None,
        }
    }

    fn contract(&self, id: ContractId) -> Option<Arc<Contract>> {
        self.contracts.get(id)
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
        let (thread, threads) = (self.thread, self.threads);
        for contract in self.contracts.iter().filter(|contract| contract.id.index() % threads == thread) {
            self.fold(&contract, Timeframe::MINUTE);
        }
        self.raise_dead();
    }

    fn raise_dead(&mut self) {
        let venue_now = self.venue_clock.now();
        raise_dead(self.tapes.values_mut(), &self.metrics, venue_now);
        raise_dead(self.folds.values_mut(), &self.metrics, venue_now);
        self.beside.raise_dead(&self.metrics, venue_now);
    }

    /// The tape's publisher, started when there is none.
    fn tape(&mut self, contract: &Arc<Contract>, notional_min: Option<QuoteVolume>) -> &mut TapeActor {
        let publishing = self.publishing(if notional_min.is_none() { "trades" } else { "large_trades" });
        let state = || TapeState::new(contract, notional_min, self.clock, publishing, &self.metrics);
        self.tapes.entry((contract.id, notional_min)).or_insert_with(|| Post::new(state()))
    }

    /// The running fold of a contract and timeframe, started from the minutes when there is none.
    fn fold(&mut self, contract: &Arc<Contract>, timeframe: Timeframe) -> &mut TimeframeActor {
        let key = (contract.id, timeframe);
        if !self.folds.contains_key(&key) {
            if timeframe != Timeframe::MINUTE {
                self.fold(contract, Timeframe::MINUTE);
                // Minutes that have panicked say what they missed only once they are raised.
                self.raise_dead();
            }
            let making = Making {
                clock: self.clock,
                publishing: self.publishing("candles"),
                counters: Counters::new(&self.metrics),
            };
            let state = match self.folds.get(&(contract.id, Timeframe::MINUTE)) {
                Some(minutes) => minutes.state().longer(timeframe, &making),
                None => FoldState::minutes(contract, self.options.fold, &making),
            };
            self.folds.insert(key, Post::new(state));
        }
        self.folds.get_mut(&key).unwrap_or_else(|| unreachable!("inserted above"))
    }

    fn subscribe(&mut self, subscription: Subscription) {
        let Subscriber { cut, mailbox, sub, .. } = subscription.subscriber.clone();
        let Some(contract) = self.contract(subscription.topic.contract) else {
            // It ended since the session looked.
            if mailbox.try_send(Delivery { sub, event: Event::Ended(Ending::Removed) }).is_err() {
                cut.now();
            }
            return;
        };
        let taken = match subscription.topic.channel {
            Channel::Trades => self.tape(&contract, None).join(subscription),
            Channel::LargeTrades(min) => self.tape(&contract, Some(min)).join(subscription),
            Channel::Candles(timeframe) => self.fold(&contract, timeframe).join(subscription),
            channel => {
                let (clock, publishing) = (self.clock, self.publishing(channel.name()));
                self.beside.join(&contract, subscription, clock, publishing)
            }
        };
        if !taken {
            cut.now();
        }
    }

    /// Whether the line begins; if not, more has to be replayed.
    fn resume(&mut self, Resume { subscription, replay }: Resume) -> bool {
        self.raise_dead();
        let Some(contract) = self.contract(subscription.topic.contract) else { return false };
        let tape = self.tape(&contract, None);
        let begun = tape.state().resume(subscription.clone(), replay);
        if begun {
            tape.note(subscription);
        }
        begun
    }

    fn unsubscribe(&mut self, leave: Leave, topic: Topic) {
        match topic.channel {
            Channel::Trades => self.leave_tape(leave, (topic.contract, None)),
            Channel::LargeTrades(min) => self.leave_tape(leave, (topic.contract, Some(min))),
            Channel::Candles(timeframe) => {
                self.folds.get_mut(&(topic.contract, timeframe)).into_iter().for_each(|fold| fold.leave(leave));
            }
            channel => self.beside.leave(leave, topic.contract, channel),
        }
        self.retire();
    }

    fn leave_tape(&mut self, leave: Leave, key: (ContractId, Option<QuoteVolume>)) {
        self.tapes.get_mut(&key).into_iter().for_each(|tape| tape.leave(leave));
    }

    /// Begins with a contract.
    fn begin(&mut self, id: ContractId) {
        if let Some(contract) = self.contract(id) {
            self.fold(&contract, Timeframe::MINUTE);
        }
    }

    /// Ends with a contract: the last message of each of its lines says so.
    fn end(&mut self, id: ContractId, ending: Ending) {
        self.tapes.extract_if((id, None).., |(of, _), _| *of == id).for_each(|(_, tape)| tape.end(ending));
        self.beside.end(id, ending);
        let folds = self.folds.extract_if((id, Timeframe::FIRST).., |(of, _), _| *of == id);
        folds.for_each(|(_, fold)| fold.end(ending));
    }

    /// Stops publishers that nobody listens to; the 1-minute folds go on.
    fn retire(&mut self) {
        self.tapes.retain(|_, tape| tape.is_wanted());
        self.beside.retire();
        self.folds.retain(|(_, timeframe), fold| fold.is_wanted() || *timeframe == Timeframe::MINUTE);
    }

    fn wake(&mut self) {
        let mut alive = true;
        self.bells[0].take(|id| {
            for (_, tape) in self.tapes.range((id, None)..).take_while(|((of, _), _)| *of == id) {
                alive &= tape.tell(Wake);
            }
            for (_, fold) in self.folds.range((id, Timeframe::FIRST)..).take_while(|((of, _), _)| *of == id) {
                alive &= fold.tell(Wake);
            }
        });
        self.bells[1].take(|id| alive &= self.beside.wake(id));
        if !alive {
            self.raise_dead();
        }
    }

    /// Every candle that memory holds, ascending, the current one last.
    fn candles(&mut self, contract: ContractId, timeframe: Timeframe) -> Vec<Candle> {
        self.raise_dead();
        let of = |timeframe| self.folds.get(&(contract, timeframe));
        if let Some(running) = of(timeframe) {
            return newest_candles(&running.state().fold, usize::MAX, false);
        }
        let longer = |minutes: &TimeframeActor| LiveFold::from_minutes(timeframe, &minutes.state().fold);
        of(Timeframe::MINUTE).map(longer).map_or_else(Vec::new, |fold| newest_candles(&fold, usize::MAX, false))
    }

    /// Takes minutes that were folded anew, and what they change in longer timeframes; whether every fold took them.
    fn refold(&mut self, refold: &Refold) -> bool {
        self.raise_dead();
        let Some(minutes) = self.folds.get(&(refold.contract, Timeframe::MINUTE)) else { return false };
        let mut minutes = minutes.state();
        if !minutes.refold(&refold.minutes, refold.late_count) {
            return false;
        }
        let closed: Vec<Candle> = minutes.fold.closed().collect();
        let of_contract = self.folds.range((refold.contract, Timeframe::FIRST)..);
        let longer = of_contract.take_while(|((of, _), _)| *of == refold.contract);
        longer.filter(|((_, timeframe), _)| *timeframe != Timeframe::MINUTE).fold(
            true,
            |taken, ((_, timeframe), fold)| {
                let candles = regrouped(*timeframe, &closed, &refold.minutes);
                fold.state().refold(&candles, refold.late_count) && taken
            },
        )
    }

    /// Does what the venue's clock says is due, and returns how long to sleep.
    fn look(&mut self) -> Duration {
        self.beside.look();
        let Some(venue_now) = self.venue_clock.now() else { return Duration::from_millis(LOOK_MS_MAX.unsigned_abs()) };
        let grace_ms = self.options.fold.grace_ms;
        let next_minute = |from: UnixMillis| from.floor(UnixMillis::MINUTE, 0).plus(UnixMillis::MINUTE);
        let tick = *self.next_tick.get_or_insert_with(|| next_minute(venue_now.plus(-grace_ms)));
        if venue_now >= tick.plus(grace_ms) {
            self.next_tick = Some(next_minute(venue_now.plus(-grace_ms)));
            for fold in self.folds.values() {
                fold.tell(Tick { venue_now });
            }
            self.sweep();
            // Publishers take their ticks before anything is said of what they have closed.
            return Duration::from_millis(1);
        }
        let settle_ms = grace_ms + BARRIER_MS;
        let barrier = *self.next_barrier.get_or_insert_with(|| next_minute(venue_now.plus(-settle_ms)));
        if venue_now >= barrier.plus(settle_ms) {
            // After a pause every minute that passed has its own.
            self.next_barrier = Some(barrier.plus(UnixMillis::MINUTE));
            self.raise_barrier(barrier);
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
                let (thread, incomplete) = (self.thread, Arc::clone(&incomplete));
                fold.tell(Announce(Event::Barrier { timeframe, thread, end, incomplete }));
            }
        }
    }

    fn incomplete_at(&self, id: ContractId, fold: &TimeframeActor, end: UnixMillis) -> Option<Symbol> {
        let contract = self.contract(id)?;
        let complete = fold.state().fold.is_complete_at(end);
        // A bucket without a trade has no candle: it is known to be empty only if the stream flowed past its end.
        (!complete.unwrap_or_else(|| contract.stream.flowing_to() >= end)).then(|| contract.symbol.clone())
    }

    /// Forgets sessions that ended without saying so.
    fn sweep(&mut self) {
        self.tapes.values_mut().for_each(Post::sweep);
        self.folds.values_mut().for_each(Post::sweep);
        self.beside.sweep();
        let of_folds = self.folds.keys().map(|(id, _)| *id);
        let mut gone: BTreeSet<ContractId> = self.tapes.keys().map(|(id, _)| *id).chain(of_folds).collect();
        gone.retain(|id| self.contract(*id).is_none());
        gone.into_iter().for_each(|id| self.end(id, Ending::Removed));
        self.retire();
        self.raise();
    }
}

/// The closed candles of a longer timeframe that some of `minutes` are part of, folded from all that are `closed`, as far as
/// those reach.
fn regrouped(timeframe: Timeframe, closed: &[Candle], minutes: &[Candle]) -> Vec<Candle> {
    let Some(oldest) = closed.first().map(|minute| minute.open_time) else { return Vec::new() };
    let mut buckets: Vec<_> = minutes.iter().map(|minute| timeframe.bucket(minute.open_time)).collect();
    buckets.dedup();
    let whole = buckets.into_iter().filter(|(start, _)| *start >= oldest);
    let of_bucket = |(start, end): (UnixMillis, UnixMillis)| {
        let place = |time: UnixMillis| closed.partition_point(|minute| minute.open_time < time);
        regroup(timeframe, &closed[place(start)..place(end)]).pop().map(|candle| Candle { closed: true, ..candle })
    };
    whole.filter_map(of_bucket).collect()
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
        let bells = self.state().bells.clone();
        bells.into_iter().for_each(|bell| {
            context.add_stream(Rings::of(bell));
        });
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
        if let Some(subscription) = subscribe.take() {
            self.state().subscribe(subscription);
        }
    }
}

impl Handler<Unsubscribe> for TopicsActor {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, _: &mut Self::Context) {
        let Unsubscribe { topic, session, sub } = unsubscribe;
        self.state().unsubscribe(Leave { session, sub }, topic);
    }
}

impl Handler<Recorded> for TopicsActor {
    type Result = ();

    fn handle(&mut self, recorded: Recorded, _: &mut Self::Context) {
        match recorded {
            Recorded::Begins(id) => self.state().begin(id),
            Recorded::Ends(id, ending) => self.state().end(id, ending),
        }
    }
}

impl Handler<ReadCandles> for TopicsActor {
    type Result = MessageResult<ReadCandles>;

    fn handle(&mut self, read: ReadCandles, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.state().candles(read.0, read.1))
    }
}

impl Handler<Refold> for TopicsActor {
    type Result = bool;

    fn handle(&mut self, refold: Refold, _: &mut Self::Context) -> bool {
        self.state().refold(&refold)
    }
}

impl Handler<Resume> for TopicsActor {
    type Result = bool;

    fn handle(&mut self, resume: Resume, _: &mut Self::Context) -> bool {
        self.state().resume(resume)
    }
}
