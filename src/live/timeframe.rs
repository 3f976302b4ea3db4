//! Who folds a contract's trades into one timeframe, and publishes the candles?

use crate::{
    candle::{FoldEvent, Link, LiveFold},
    clock::Clock,
    live::{
        Event, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        topics::{Join, Leave, Tick, Wake},
    },
    market::{Contract, Print, Repaired, TapeReader},
    metrics::{Labels, Metrics},
    model::{Candle, Symbol, Timeframe, Trade, UnixMillis},
};
use actix::prelude::*;
use prometheus_client::metrics::counter::Counter;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Trades folded in one turn; more wait for the next, so that one contract cannot hold the thread.
const TRADES_MAX: usize = 4_096;
/// How soon a session that refused is tried again when nothing new comes.
const RETRY: Duration = Duration::from_millis(50);

/// A barrier for everybody who follows this timeframe.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Barrier {
    pub(super) thread: usize,
    pub(super) end: UnixMillis,
    pub(super) incomplete: Arc<[Symbol]>,
}

/// A fold and its place on the tape: they only move together, and outlive their actor.
#[derive(Clone, Debug)]
pub(super) struct FoldState {
    pub(super) fold: LiveFold,
    pub(super) reader: TapeReader,
    /// What the fold has said and nobody has been told.
    pub(super) events: Vec<FoldEvent>,
}

impl FoldState {
    /// The state, even when its last user panicked: every call leaves fold and reader consistent, since ids that the
    /// fold has seen are ignored when they come again.
    pub(super) fn lock(state: &Mutex<Self>) -> std::sync::MutexGuard<'_, Self> {
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folds one contract's tape into one timeframe.
#[derive(Debug)]
pub(super) struct TimeframeActor {
    contract: Arc<Contract>,
    timeframe: Timeframe,
    clock: Clock,
    publishing: Publishing,
    counters: Counters,
    /// A lock because a panicked actor's state must outlive it; all users live on one thread, so nobody waits.
    state: Arc<Mutex<FoldState>>,
    lines: Vec<Line>,
    read: Vec<(Trade, bool)>,
    retry_set: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Counters {
    lapped: Counter,
    closed: Counter,
    corrections: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            lapped: metrics.ring_lapped.get_or_create_owned(&Labels::new([("reader", "timeframe")])),
            closed: metrics.candles_closed.clone(),
            corrections: metrics.candle_corrections.clone(),
        }
    }
}

impl TimeframeActor {
    pub(super) fn new(
        contract: &Arc<Contract>,
        timeframe: Timeframe,
        state: Arc<Mutex<FoldState>>,
        clock: Clock,
        publishing: Publishing,
        counters: Counters,
    ) -> Self {
        Self {
            contract: Arc::clone(contract),
            timeframe,
            clock,
            publishing,
            counters,
            state,
            lines: Vec::new(),
            read: Vec::with_capacity(TRADES_MAX),
            retry_set: false,
        }
    }

    /// Folds the next trades; whether there are more.
    fn fold_next(&mut self) -> bool {
        let mut state = FoldState::lock(&self.state);
        let state = &mut *state;
        self.read.clear();
        let reading = state.reader.read(TRADES_MAX, &mut self.read);
        self.counters.lapped.inc_by(u64::from(reading.lapped.is_some()));
        let broken = if reading.lapped.is_some() { Link::Unseen } else { Link::Missing };
        for (trade, joins) in &self.read {
            state.fold.trade(trade, if *joins { Link::Joins } else { broken }, &mut state.events);
        }
        if self.read.iter().any(|(_, joins)| !joins) {
            // A hole may have been filled before this fold came to it.
            state.fold.repair([], |ids| self.contract.tape.is_missing(ids), &mut state.events);
        }
        state.reader.is_behind()
    }

    /// Folds everything on the tape, then does `step`, then publishes.
    fn advance(&mut self, step: impl FnOnce(&mut LiveFold, &mut Vec<FoldEvent>)) {
        while self.fold_next() {}
        let mut state = FoldState::lock(&self.state);
        let FoldState { fold, events, .. } = &mut *state;
        step(fold, events);
        drop(state);
        self.publish();
    }

    /// Hands what the fold said, and the current candle, to every line.
    fn publish(&mut self) {
        let (mut closed, mut corrections) = (Vec::<Candle>::new(), Vec::new());
        for event in std::mem::take(&mut FoldState::lock(&self.state).events) {
            match event {
                FoldEvent::Closed(candle) => closed.push(candle),
                // Corrections go out before closes: nobody may hear how a candle closed after it was corrected.
                FoldEvent::Correction(candle) => {
                    match closed.iter_mut().find(|said| said.open_time == candle.open_time) {
                        Some(said) => *said = candle,
                        None => corrections.push(candle),
                    }
                }
            }
        }
        self.counters.closed.inc_by(closed.len() as u64);
        self.counters.corrections.inc_by(corrections.len() as u64);
        if self.lines.is_empty() {
            return;
        }
        let open = FoldState::lock(&self.state).fold.open();
        self.deliver(&Publication { closed, corrections, open });
        self.pay_debts();
    }

    fn deliver(&mut self, publication: &Publication) {
        let mut bodies = PublicationBodies::default();
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            if line.is_behind() {
                // What it missed is put together from the fold's history when its mailbox takes something again.
                line.owe_candles_from(publication.earliest());
                return line.refused(None, 0, now_ms, publishing);
            }
            match bodies.offer(line, publication, publishing) {
                Offer::Taken => true,
                Offer::Full => {
                    line.owe_candles_from(publication.earliest());
                    line.refused(None, publication.rows(), now_ms, publishing)
                }
                Offer::Gone => false,
            }
        });
    }

    /// Gives lines that were behind all closed candles since, and the current one: candles conflate, none that closed is
    /// left out.
    fn pay_debts(&mut self) {
        if !self.lines.iter().any(Line::is_behind) {
            return;
        }
        let state = FoldState::lock(&self.state);
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            if !line.is_behind() {
                return true;
            }
            let from = line.candles_owed_from();
            let closed =
                state.fold.closed().filter(|candle| from.is_some_and(|from| candle.open_time >= from)).collect();
            let publication = Publication { closed, corrections: Vec::new(), open: state.fold.open() };
            match PublicationBodies::default().offer(line, &publication, publishing) {
                Offer::Taken => {
                    line.caught_up();
                    true
                }
                Offer::Full => line.refused(None, 0, now_ms, publishing),
                Offer::Gone => false,
            }
        });
    }

    fn join(&mut self, subscription: Subscription) {
        self.advance(|_, _| {});
        let snapshot =
            newest_candles(&FoldState::lock(&self.state).fold, subscription.snapshot, subscription.closed_only);
        let line = Line::new(subscription.subscriber, subscription.closed_only);
        let rows = Bodies::default().rows(line.subscriber.dialect, &self.publishing, |encoder, body| {
            (encoder.candles)(&snapshot, body);
            count(&snapshot)
        });
        match rows.map(|rows| line.offer(Event::Snapshot(rows))) {
            Some(Offer::Taken) => self.lines.push(line),
            // A subscription without its snapshot would begin with an unnamed hole.
            _ => line.subscriber.cut.now(),
        }
    }

    fn set_retry(&mut self, context: &mut Context<Self>) {
        if self.retry_set || !self.lines.iter().any(Line::is_behind) {
            return;
        }
        self.retry_set = true;
        context.run_later(RETRY, |actor, context| {
            actor.retry_set = false;
            actor.pay_debts();
            actor.set_retry(context);
        });
    }
}

/// The newest `count` candles, ascending, the current one last.
pub(super) fn newest_candles(fold: &LiveFold, count: usize, closed_only: bool) -> Vec<Candle> {
    let open = if closed_only { None } else { fold.open() };
    let candles: Vec<_> = fold.closed().chain(open).collect();
    candles[candles.len().saturating_sub(count)..].to_vec()
}

/// What one turn has to say.
struct Publication {
    closed: Vec<Candle>,
    corrections: Vec<Candle>,
    open: Option<Candle>,
}

impl Publication {
    fn rows(&self) -> u64 {
        (self.closed.len() + self.corrections.len()) as u64
    }

    /// The earliest bucket that must not be lost.
    fn earliest(&self) -> Option<UnixMillis> {
        self.closed.iter().chain(&self.corrections).map(|candle| candle.open_time).min()
    }
}

/// A publication's rows, encoded at most once a dialect.
#[derive(Default)]
struct PublicationBodies {
    closed: Bodies,
    corrections: Bodies,
    open: Bodies,
}

impl PublicationBodies {
    fn offer(&mut self, line: &Line, publication: &Publication, publishing: &Publishing) -> Offer {
        let dialect = line.subscriber.dialect;
        let rows = |bodies: &mut Bodies, candles: &[Candle]| {
            let encode = |encoder: &crate::live::Encoder, body: &mut Vec<u8>| {
                (encoder.candles)(candles, body);
                count(candles)
            };
            if candles.is_empty() { Some(Rows::default()) } else { bodies.rows(dialect, publishing, encode) }
        };
        let Some(corrections) = rows(&mut self.corrections, &publication.corrections) else { return Offer::Gone };
        let Some(closed) = rows(&mut self.closed, &publication.closed) else { return Offer::Gone };
        let open = if line.closed_only { &[] } else { publication.open.as_slice() };
        let Some(open) = rows(&mut self.open, open) else { return Offer::Gone };
        if !corrections.is_empty() {
            let offer = line.offer(Event::Correction(corrections));
            if offer != Offer::Taken {
                return offer;
            }
        }
        if closed.is_empty() && open.is_empty() {
            return Offer::Taken;
        }
        line.offer(Event::Candles { closed, open: (!open.is_empty()).then_some(open.body) })
    }
}

fn count(candles: &[Candle]) -> u32 {
    u32::try_from(candles.len()).unwrap_or(u32::MAX)
}

impl Actor for TimeframeActor {
    type Context = Context<Self>;
}

impl Handler<Wake> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        if self.fold_next() {
            context.notify(Wake);
        }
        self.publish();
        self.set_retry(context);
    }
}

impl Handler<Tick> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, tick: Tick, context: &mut Self::Context) {
        let flowing_to = self.contract.flowing_to();
        self.advance(|fold, events| fold.clock(tick.venue_now, flowing_to, events));
        self.set_retry(context);
    }
}

impl Handler<Repaired> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, repaired: Repaired, context: &mut Self::Context) {
        let trades = repaired.prints.iter().filter_map(Print::as_trade);
        let tape = Arc::clone(&self.contract.tape);
        self.advance(|fold, events| fold.repair(trades, |ids| tape.is_missing(ids), events));
        self.set_retry(context);
    }
}

impl Handler<Barrier> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, barrier: Barrier, _: &mut Self::Context) {
        let event = Event::Barrier {
            timeframe: self.timeframe,
            thread: barrier.thread,
            end: barrier.end,
            incomplete: barrier.incomplete,
        };
        // A barrier waits for nobody: a session that is behind misses it.
        self.lines.retain(|line| line.is_behind() || line.offer(event.clone()) != Offer::Gone);
    }
}

impl Handler<Join> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, join: Join, _: &mut Self::Context) {
        self.join(join.0);
    }
}

impl Handler<Leave> for TimeframeActor {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.lines.retain(|line| !leave.is_of(&line.subscriber));
    }
}
