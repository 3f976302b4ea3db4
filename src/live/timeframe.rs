//! Who folds a contract's trades into one timeframe, and publishes the candles?

use crate::{
    candle::{FoldEvent, FoldOptions, Link, LiveFold},
    clock::Clock,
    live::{
        Event, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        minutes::MinuteKeeper,
        publisher::{Post, Publish},
        seed,
    },
    market::{Contract, Repairs, TapeReader},
    metrics::{Labels, Metrics},
    model::{Candle, Timeframe, Trade, UnixMillis},
};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;

/// Trades folded in one turn; more wait for the next, so that one contract cannot hold the thread.
const TRADES_MAX: usize = 4_096;
/// Trades taken off the ring at once: every contract keeps a buffer for them.
const TRADES_AT_ONCE: usize = 256;

/// The publisher of one contract's candles of one timeframe.
pub(super) type TimeframeActor = Post<FoldState>;

/// Folds one contract's tape for everybody who subscribed to its candles of one timeframe. Fold and place on the tape
/// only move together.
#[derive(Debug)]
pub(super) struct FoldState {
    contract: Arc<Contract>,
    clock: Clock,
    publishing: Publishing,
    counters: Counters,
    pub(super) fold: LiveFold,
    reader: TapeReader,
    /// Whether the fold has missed trades or repairs before the next trade.
    broken: bool,
    /// What the fold has said and nobody has been told.
    events: Vec<FoldEvent>,
    lines: Vec<Line>,
    read: Vec<(Trade, bool)>,
    /// Stores the minutes; none for other timeframes, and without a store.
    minutes: Option<MinuteKeeper>,
}

/// What every fold of a live thread is made with.
#[derive(Clone, Debug)]
pub(super) struct Making {
    pub(super) clock: Clock,
    pub(super) publishing: Publishing,
    pub(super) counters: Counters,
}

#[derive(Clone, Debug)]
pub(super) struct Counters {
    lapped: Counter,
    closed: Counter,
    corrections: Counter,
    refused: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            lapped: metrics.ring_lapped.get_or_create_owned(&Labels::new([("reader", "timeframe")])),
            closed: metrics.candles_closed.clone(),
            corrections: metrics.candle_corrections.clone(),
            refused: metrics.mailbox_full.get_or_create_owned(&Labels::new([("queue", "storage")])),
        }
    }
}

impl FoldState {
    /// The fold of a contract's minutes: it goes on where the stored ones end, and folds everything that its tape still
    /// holds.
    pub(super) fn minutes(contract: &Arc<Contract>, options: FoldOptions, making: &Making) -> Self {
        let reader = contract.tape.reader_from_oldest();
        let holding = contract.holding.get();
        let stored = holding.map(|holding| seed::stored(holding, contract.tape.start(), options));
        let (fold, events) = stored.unwrap_or_else(|| (LiveFold::new(Timeframe::MINUTE, options), Vec::new()));
        let mut state = Self::with(contract, fold, reader, false, making);
        state.minutes = holding.map(|holding| MinuteKeeper::new(holding.clone(), making.counters.refused.clone()));
        state.events = events;
        // What closed while nobody was here is kept like any other.
        state.say();
        state
    }

    /// A longer timeframe's fold that stands where this one does, at the same place on the tape.
    pub(super) fn longer(&self, timeframe: Timeframe, making: &Making) -> Self {
        let fold = LiveFold::from_minutes(timeframe, &self.fold);
        Self::with(&self.contract, fold, self.reader.clone(), self.broken, making)
    }

    fn with(contract: &Arc<Contract>, fold: LiveFold, reader: TapeReader, broken: bool, making: &Making) -> Self {
        let Making { clock, publishing, counters } = making.clone();
        Self {
            contract: Arc::clone(contract),
            clock,
            publishing,
            counters,
            fold,
            reader,
            broken,
            events: Vec::new(),
            lines: Vec::new(),
            read: Vec::new(),
            minutes: None,
        }
    }

    /// Folds everything on the tape, and says nothing yet.
    fn catch_up(&mut self) {
        while self.fold_next() {}
    }

    /// Folds one turn's trades, and the late ones; whether there are more.
    fn fold_next(&mut self) -> bool {
        // Taken first, folded last: every trade that was on the tape before a repair is folded before it.
        let repairs = self.reader.repairs();
        let mut doubtful = repairs.is_some();
        for _ in 0..TRADES_MAX / TRADES_AT_ONCE {
            doubtful |= self.fold_some();
            if !self.reader.is_behind() {
                break;
            }
        }
        if let Some(repairs) = repairs {
            self.repair(&repairs);
        }
        if doubtful {
            self.settle();
        }
        self.reader.is_behind()
    }

    /// Folds the next few trades; whether one did not join.
    fn fold_some(&mut self) -> bool {
        self.read.clear();
        let reading = self.reader.read(TRADES_AT_ONCE, &mut self.read);
        let mut doubtful = false;
        self.counters.lapped.inc_by(u64::from(reading.lapped.is_some()));
        self.broken |= reading.lapped.is_some();
        for (trade, joins) in &self.read {
            let link = match (self.broken, *joins) {
                (true, _) => Link::Unseen,
                (false, true) => Link::Joins,
                (false, false) => Link::Missing,
            };
            self.fold.trade(trade, link, &mut self.events);
            self.broken = false;
            doubtful |= link != Link::Joins;
        }
        doubtful
    }

    /// Takes closed candles that were folded anew from everything held while `late_count` late trades had come. `false` when
    /// this fold has taken another number: it may know more, or less.
    pub(super) fn refold(&mut self, candles: &[Candle], late_count: u64) -> bool {
        self.catch_up();
        let agrees = self.reader.late_taken() == late_count;
        if agrees {
            candles.iter().for_each(|candle| self.fold.refold(candle, &mut self.events));
        }
        self.say();
        agrees
    }

    fn repair(&mut self, repairs: &Repairs) {
        while self.reader.is_behind() {
            self.fold_some();
        }
        if repairs.lost.is_some() {
            self.counters.lapped.inc();
            self.fold.give_up();
            self.broken = true;
        }
        self.fold.repair(&repairs.trades, &mut self.events);
    }

    /// Makes the fold forget holes that are none any more; only while no repair is on its way here.
    fn settle(&mut self) {
        loop {
            if let Some(aside) = self.reader.holes() {
                return self.fold.settle(|ids| aside.is_missing(ids), &mut self.events);
            }
            if let Some(repairs) = self.reader.repairs() {
                self.repair(&repairs);
            }
        }
    }

    /// Hands what the fold has said, and the current candle, to every line.
    fn say(&mut self) {
        let (mut closed, mut corrections) = (Vec::<Candle>::new(), Vec::<Candle>::new());
        for event in &self.events {
            match event {
                FoldEvent::Closed(candle) => closed.push(*candle),
                // Corrections go out before closes, so one of a candle that closes in this turn takes its place; of
                // several of one candle only the last counts.
                FoldEvent::Correction(candle) => {
                    let of_candle = |said: &&mut Candle| said.open_time == candle.open_time;
                    match closed.iter_mut().chain(corrections.iter_mut()).find(of_candle) {
                        Some(said) => *said = *candle,
                        None => corrections.push(*candle),
                    }
                }
            }
        }
        self.counters.closed.inc_by(closed.len() as u64);
        self.counters.corrections.inc_by(corrections.len() as u64);
        if let Some(minutes) = &mut self.minutes {
            minutes.keep(&closed, &corrections);
        }
        if !self.lines.is_empty() {
            self.deliver(&Publication { closed, corrections, open: self.fold.open() });
            self.pay_debts();
        }
        self.events.clear();
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
                Offer::Full => line.refused(None, publication.rows(), now_ms, publishing),
                Offer::Gone => false,
            }
        });
    }
}

impl Publish for FoldState {
    const KIND: &'static str = "timeframe";

    fn publish(&mut self) -> bool {
        let more = self.fold_next();
        self.say();
        more
    }

    fn pass_time(&mut self, venue_now: UnixMillis) {
        // Read before the tape is: what flowed by then is on the tape.
        let flowing_to = self.contract.stream.flowing_to();
        self.catch_up();
        // What the fold itself has missed, no flow can vouch for; the next trade shows it.
        let flowing_to = if self.broken { UnixMillis::new(i64::MIN) } else { flowing_to };
        self.fold.clock(venue_now, flowing_to, &mut self.events);
        self.say();
    }

    fn join(&mut self, subscription: Subscription) {
        self.catch_up();
        self.say();
        let snapshot = newest_candles(&self.fold, subscription.snapshot, subscription.closed_only);
        let mut line = Line::new(subscription.subscriber, subscription.closed_only, None);
        line.closed_to(self.fold.closed().next_back().map(|candle| candle.open_time));
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

    /// Gives lines that are behind all closed candles since, and the current one: candles conflate, none that closed is
    /// left out.
    fn pay_debts(&mut self) {
        let (fold, now_ms, publishing) = (&self.fold, self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            if !line.is_behind() {
                return true;
            }
            let from = line.candles_owed_from();
            let owed = fold.closed().filter(|candle| from.is_some_and(|from| candle.open_time >= from));
            let (known, closed): (Vec<_>, _) = owed.partition(|candle| line.has_closed(candle.open_time));
            let corrections = known.into_iter().filter(|candle| candle.revision > 0).collect();
            let publication = Publication { closed, corrections, open: fold.open() };
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

    fn recover(&mut self) {
        // Trades or repairs that had been taken may not have reached the fold.
        self.fold.give_up();
        self.broken = true;
        let now_ms = self.clock.monotonic_ms();
        let said = self.events.drain(..).map(|event| match event {
            FoldEvent::Closed(candle) | FoldEvent::Correction(candle) => candle.open_time,
        });
        if let Some(earliest) = said.min() {
            self.lines.iter_mut().for_each(|line| line.owe_candles(earliest, now_ms));
        }
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
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
    /// Hands a publication over, and notes what of it the line still owes to be told when its mailbox refuses.
    fn offer(&mut self, line: &mut Line, publication: &Publication, publishing: &Publishing) -> Offer {
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
                line.owe_candles_from(publication.earliest());
                return offer;
            }
        }
        line.owe_no_candles();
        if closed.is_empty() && open.is_empty() {
            return Offer::Taken;
        }
        let offer = line.offer(Event::Candles { closed, open: (!open.is_empty()).then_some(open.body) });
        if offer == Offer::Taken {
            line.closed_to(publication.closed.last().map(|candle| candle.open_time));
        } else {
            line.owe_candles_from(publication.closed.first().map(|candle| candle.open_time));
        }
        offer
    }
}

fn count(candles: &[Candle]) -> u32 {
    u32::try_from(candles.len()).unwrap_or(u32::MAX)
}
