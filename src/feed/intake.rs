//! What becomes of a frame: decoded, put with its contract's others, handed over?

use crate::{
    clock::Clock,
    exchange::binance::{Decoder, Event, Outcome, Rows, StreamKind},
    feed::{Carried, PlannedStream, Sink, books::Books, continuity::Continuity, kinds::Kinds},
    market::{Batch, Contract, Flow, Print, Side, VenueClock},
    metrics::{Labels, Metrics},
    model::{ContractId, MarkPrice, UnixMillis},
};
use prometheus_client::metrics::counter::Counter;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Prints kept for one contract whose actor takes none; beyond, they are dropped and show as a gap.
const PRINTS_HELD_MAX: usize = 262_144;
/// An aggregate is sent this long after its first fill at the latest, so what a frame proves lies this far before it
/// (measured 150 to 157 ms, 2026-08; the venue's documented window is 100 ms).
const EMISSION_DELAY_MS: i64 = 160;
/// Room that a lane's next batch begins with at most; bursts are about as long as the ones before them.
const BATCH_ROOM_MAX: usize = 256;
/// An event so far ahead of the venue's clock is not believed before the next event agrees.
const AHEAD_MS_MAX: i64 = 60_000;

/// Turns one connection's frames into batches.
#[derive(Debug)]
pub(super) struct Intake {
    side: Side,
    decoder: Decoder,
    sink: Arc<Sink>,
    books: Books,
    lanes: Vec<Lane>,
    lane_of: HashMap<Box<str>, usize>,
    /// How often each stream was to be asked for anew when it was, on this connection.
    asks: HashMap<ContractId, u32>,
    /// Lanes with prints that wait to be handed over.
    dirty: Vec<usize>,
    /// Whether a lane has been handed over whose stream is not proven yet.
    proof_due: bool,
    /// Whether the connection's canary has sung.
    knows_canary: bool,
    continuity: Continuity,
    kinds_of_all: Kinds,
    has_heard: bool,
    /// The lane of the last frame: streams come in bursts.
    recent: usize,
    flow: Arc<Flow>,
    venue_clock: Arc<VenueClock>,
    clock: Clock,
    newest_event: Option<UnixMillis>,
    /// Everything up to it has been handed over, and stands on the tapes once the contracts' actors have had their turn.
    handed_to: Option<UnixMillis>,
    /// Events up to it are believed.
    credible_to: UnixMillis,
    /// The time of an event that was not believed.
    suspect: Option<UnixMillis>,
    kinds: [(Counter, u64); Event::KINDS.len()],
    slow: u64,
    /// Frames that were not understood.
    refused: u64,
    full: Counter,
    metrics: Arc<Metrics>,
}

/// One contract's prints that wait to be handed over.
#[derive(Debug)]
struct Lane {
    contract: Arc<Contract>,
    prints: Vec<Print>,
    /// Whether its stream has delivered on this connection: prints of the last one may still be held.
    heard: bool,
    /// The newest id since it was asked for on this connection.
    newest: Option<u64>,
}

impl Intake {
    pub(super) fn new(
        side: Side,
        sink: Arc<Sink>,
        venue_clock: Arc<VenueClock>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let counter = |kind| metrics.upstream_messages.get_or_create_owned(&Labels::new([("kind", kind)]));
        Self {
            side,
            decoder: Decoder::default(),
            sink,
            books: Books::default(),
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            asks: HashMap::new(),
            dirty: Vec::new(),
            proof_due: false,
            knows_canary: false,
            continuity: Continuity::default(),
            kinds_of_all: Kinds::default(),
            has_heard: false,
            recent: 0,
            flow: Arc::default(),
            venue_clock,
            clock,
            newest_event: None,
            handed_to: None,
            credible_to: UnixMillis::new(i64::MAX),
            suspect: None,
            kinds: Event::KINDS.map(|kind| (counter(kind), 0)),
            slow: 0,
            refused: 0,
            full: metrics.mailbox_full.get_or_create_owned(&Labels::new([("queue", "symbol")])),
            metrics,
        }
    }

    /// Says what the connection carries now; what else is held is dropped with its contract.
    pub(super) fn carry(&mut self, streams: &[PlannedStream]) {
        let mut known: HashMap<ContractId, Lane> = self.lanes.drain(..).map(|lane| (lane.contract.id, lane)).collect();
        let now_ms = self.clock.monotonic_ms();
        let lane = |stream: &PlannedStream| {
            let Carried::Trades(contract) = &stream.carried else { return None };
            let new = || Lane { contract: Arc::clone(contract), prints: Vec::new(), heard: false, newest: None };
            let mut lane = known.remove(&contract.id).unwrap_or_else(new);
            let asked = self.asks.insert(contract.id, stream.asks);
            if asked != Some(stream.asks) {
                lane.newest = None;
                // Where another connection carries it already, it goes on to answer for what was traded.
                if asked.is_some() || !contract.stream.is_proven_beside(self.side) {
                    contract.stream.note_asked(now_ms);
                }
            }
            contract.stream.carry(self.side);
            Some(lane)
        };
        self.lanes = streams.iter().filter_map(lane).collect();
        self.books.carry(streams);
        self.kinds_of_all.carry(streams);
        let named = |(lane, at): (&Lane, usize)| (lane.contract.symbol.as_str().into(), at);
        self.lane_of = self.lanes.iter().zip(0..).map(named).collect();
        self.dirty = (0..self.lanes.len()).filter(|at| !self.lanes[*at].prints.is_empty()).collect();
        known.values().for_each(|lane| lane.contract.stream.disprove(self.side));
    }

    /// Begins a connection: nothing on it is proven to flow yet.
    pub(super) fn connected(&mut self) {
        (self.flow, self.asks) = (Arc::default(), HashMap::new());
    }

    /// Ends a connection: no stream is proven to flow.
    pub(super) fn disconnected(&mut self) {
        self.proof_due = false;
        self.books.doubt_all();
        for lane in &mut self.lanes {
            lane.heard = false;
            lane.contract.stream.disprove(self.side);
        }
    }

    /// Ends without what is still held: no book is believed without it.
    pub(super) fn give_up(&self) {
        if self.books.are_held() {
            self.books.doubt_now();
        }
    }

    /// Whether silence of the whole connection would be its death.
    pub(super) fn knows_canary(&self) -> bool {
        self.knows_canary
    }

    /// Whether it has brought anything but replies.
    pub(super) fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// A stream of all contracts that is silent though others speak.
    pub(super) fn lacking(&self) -> Option<StreamKind> {
        self.kinds_of_all.lacking()
    }

    /// See [`Continuity`].
    pub(super) fn is_thin(&self) -> bool {
        self.continuity.is_thin()
    }

    /// Whether what the connection is for has brought something.
    pub(super) fn has_flowed(&self) -> bool {
        let is_beside = self.lanes.is_empty() && self.knows_canary && self.kinds_of_all.have_spoken();
        self.lanes.iter().any(|lane| lane.heard) || is_beside && self.books.have_flowed()
    }

    /// Takes one frame.
    pub(super) fn take(&mut self, frame: &[u8]) {
        let decoded = match self.decoder.decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => return self.refuse(frame, &error),
        };
        self.slow += u64::from(decoded.slow);
        if let Some(kind) = Event::KINDS.iter().position(|kind| *kind == decoded.event.kind()) {
            self.kinds[kind].1 += 1;
        }
        let event_time = decoded.event.event_time();
        let newest = event_time.max(trade_time(&decoded.event));
        if newest > Some(self.credible_to) && !self.is_confirmed(newest) {
            return self.doubt(frame);
        }
        self.newest_event = self.newest_event.max(event_time);
        if let Some(sent) = event_time {
            self.has_heard = true;
            self.continuity.note_sent(sent);
            self.kinds_of_all.note_sent(sent);
        }
        let (symbol, print) = match &decoded.event {
            Event::AggTrade { symbol, trade, .. } | Event::Trade { symbol, trade, .. } => {
                (symbol, Print::Trade(*trade))
            }
            Event::Burnt { symbol, id, .. } => (symbol, Print::Burnt(*id)),
            Event::Reply(reply) => {
                if let Outcome::Refused(refusal) = &reply.outcome {
                    self.metrics.upstream_refused.inc();
                    tracing::error!(?refusal, "the venue refused a request");
                }
                return;
            }
            Event::Foreign => {
                self.metrics.decode_foreign_rows.inc();
                return;
            }
            other => {
                self.knows_canary |= self.sort(other);
                return;
            }
        };
        match self.lane(symbol) {
            Some(at) => self.put(at, print),
            None => {
                self.metrics.decode_unasked.inc();
            }
        }
    }

    /// Gives what is no trade to whom it concerns; whether it is something that is sent all the time.
    fn sort(&mut self, event: &Event<'_>) -> bool {
        let (sink, decoder, continuity) = (&self.sink, &self.decoder, &mut self.continuity);
        let kind = match event {
            Event::MarkPrices { .. } if is_of_all(decoder.mark_prices()) => Some(StreamKind::MarkPrice),
            Event::Tickers { .. } => Some(StreamKind::Ticker),
            Event::BookTicker { .. } => Some(StreamKind::BookTicker),
            _ => None,
        };
        kind.zip(event.event_time()).into_iter().for_each(|(kind, sent)| self.kinds_of_all.note(kind, sent));
        match event {
            Event::MarkPrices { event_time } => {
                continuity.note_marks(*event_time);
                sink.marks(decoder.mark_prices());
            }
            Event::BookTicker { symbol, ticker, .. } => sink.top(symbol, *ticker),
            Event::Depth { symbol, update, .. } => {
                // What is no book of this connection is its canary.
                let levels = (decoder.bids(), decoder.asks());
                return !self.books.take(symbol, *update, levels, continuity, &self.metrics);
            }
            Event::Tickers { .. } => sink.tickers(decoder.tickers()),
            Event::Liquidation { symbol, liquidation, .. } => sink.liquidation(symbol, *liquidation),
            Event::Contract { .. } => sink.listing(),
            _ => {}
        }
        matches!(event, Event::MarkPrices { .. } | Event::BookTicker { .. })
    }

    /// Whether an event far ahead agrees with the one before it, as after a long pause of this machine. Both were real
    /// then; one alone would set the venue's clock, and so close candles, at will.
    #[cold]
    fn is_confirmed(&mut self, newest: Option<UnixMillis>) -> bool {
        // The bound is as old as the last batch.
        self.note_credible();
        if newest <= Some(self.credible_to) {
            return true;
        }
        let before = std::mem::replace(&mut self.suspect, newest);
        let agreed = newest.zip(before).filter(|(now, before)| now.since(*before).abs() <= AHEAD_MS_MAX);
        if let Some((newest, _)) = agreed {
            self.credible_to = newest.plus(AHEAD_MS_MAX);
        }
        agreed.is_some()
    }

    fn note_credible(&mut self) {
        if let Some(now) = self.venue_clock.now() {
            self.credible_to = now.plus(AHEAD_MS_MAX);
        }
    }

    #[cold]
    fn doubt(&self, frame: &[u8]) {
        self.metrics.decode_errors.get_or_create(&Labels::new([("reason", "time")])).inc();
        let shown = String::from_utf8_lossy(&frame[..frame.len().min(200)]);
        tracing::warn!(frame = %shown, "an event from the future is not believed");
    }

    fn lane(&mut self, symbol: &str) -> Option<usize> {
        if self.lanes.get(self.recent).is_none_or(|lane| lane.contract.symbol.as_str() != symbol) {
            self.recent = *self.lane_of.get(symbol)?;
        }
        Some(self.recent)
    }

    fn put(&mut self, at: usize, print: Print) {
        let lane = &mut self.lanes[at];
        lane.heard = true;
        self.continuity.note_id(lane.newest, print.id());
        lane.newest = lane.newest.max(Some(print.id()));
        if lane.prints.is_empty() {
            self.dirty.push(at);
        }
        if lane.prints.len() < PRINTS_HELD_MAX {
            lane.prints.push(print);
        } else {
            self.metrics.ingest_dropped.inc();
        }
    }

    #[cold]
    fn refuse(&mut self, frame: &[u8], error: &crate::exchange::binance::DecodeError) {
        self.metrics.decode_errors.get_or_create(&Labels::new([("reason", error.reason())])).inc();
        self.refused += 1;
        // All are counted; of thousands a few are shown.
        if self.refused.is_power_of_two() {
            let (shown, bytes) = (String::from_utf8_lossy(&frame[..frame.len().min(200)]), frame.len());
            tracing::warn!(%error, frame = %shown, bytes, of_connection = self.refused, "a frame is not understood");
        }
    }

    /// Hands the batches over; whether some are still held.
    pub(super) fn deliver(&mut self) -> bool {
        let (lanes, proof_due, full, side) = (&mut self.lanes, &mut self.proof_due, &self.full, &self.side);
        self.dirty.retain(|at| {
            let lane = &mut lanes[*at];
            let next = Vec::with_capacity(lane.prints.len().min(BATCH_ROOM_MAX));
            let Err(refused) = lane.contract.actor.send(Batch(std::mem::replace(&mut lane.prints, next))) else {
                // The first on this connection, or since the contract's actor died with what it had been given.
                *proof_due |= lane.heard && !lane.contract.stream.is_proven(*side);
                return false;
            };
            lane.prints = refused.batch.0;
            full.inc();
            true
        });
        let held = !self.dirty.is_empty();
        let books_held = self.books.deliver();
        self.note_time(held);
        self.count();
        held || books_held
    }

    /// Sets the venue's clock, and remembers how far everything has been handed over once nothing is held back.
    fn note_time(&mut self, held: bool) {
        let Some(newest) = self.newest_event else { return };
        self.venue_clock.note(newest);
        self.note_credible();
        if !held {
            self.handed_to = self.newest_event.take();
        }
        let lag_ms = u64::try_from(self.clock.wall().since(newest)).unwrap_or(0);
        self.metrics.upstream_event_lag_seconds.observe(Duration::from_millis(lag_ms).as_secs_f64());
    }

    /// Says how far the connection has proven to flow. Call it when the contracts' actors have had a turn since the last
    /// [`Intake::deliver`]: a proof must not come before the trades that it vouches for.
    pub(super) fn prove(&mut self) {
        if let Some(handed_to) = self.handed_to.take() {
            self.flow.advance(handed_to.plus(-EMISSION_DELAY_MS));
            if std::mem::take(&mut self.proof_due) {
                let side = self.side;
                let proven = self.lanes.iter().filter(|lane| lane.heard && !lane.contract.stream.is_proven(side));
                proven.for_each(|lane| lane.contract.stream.prove(side, Arc::clone(&self.flow)));
            }
        }
    }

    fn count(&mut self) {
        for (counter, count) in self.kinds.iter_mut().filter(|(_, count)| *count > 0) {
            counter.inc_by(std::mem::take(count));
        }
        self.metrics.decode_fallbacks.inc_by(std::mem::take(&mut self.slow));
    }
}

/// A connection that is let go proves nothing any more, however it ends.
impl Drop for Intake {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.books.doubt_now();
        }
        self.disconnected();
    }
}

/// Whether mark prices are those of all contracts, and not of the one that is a canary.
fn is_of_all(rows: &Rows<MarkPrice>) -> bool {
    let mut symbols = rows.iter().map(|(symbol, _)| symbol);
    rows.foreign() > 0 || symbols.next().is_some_and(|first| first != "BTCUSDT") || symbols.next().is_some()
}

/// When an event's trade happened.
fn trade_time(event: &Event<'_>) -> Option<UnixMillis> {
    match event {
        Event::AggTrade { trade, .. } | Event::Trade { trade, .. } => Some(trade.time),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exchange::binance::{DepthSpeed, Routes},
        feed::{Layout, Plan},
        market::{Bell, Bells, Contracts, TapeKind},
        model::Symbol,
    };

    const NOW: i64 = 1_791_382_992_488;

    fn intake() -> Intake {
        let symbol = Symbol::new("BTCUSDT").expect("a symbol");
        let contracts = Arc::new(Contracts::new([(symbol, TapeKind::Aggregate, 64)]));
        let (routes, depth) = (Routes::default(), DepthSpeed::Every100Ms);
        let mut plan = Plan::new(Layout { routes, streams_max: 1, shards: 1, depth });
        contracts.iter().for_each(|contract| {
            plan.assign(Carried::Trades(contract));
        });
        let clock = Clock::starting_at(UnixMillis::new(NOW));
        let bells = Bells::new([Bell::new()]);
        let sink = Arc::new(Sink::new(contracts, bells, Arc::default(), 0, &Metrics::default()));
        let venue_clock = Arc::new(VenueClock::new(clock));
        let mut intake = Intake::new(Side::default(), sink, venue_clock, clock, Arc::default());
        intake.carry(&plan.streams(0).list);
        intake
    }

    fn take(intake: &mut Intake, id: u64, event_time: i64, trade_time: i64) {
        let frame = format!(
            r#"{{"e":"aggTrade","E":{event_time},"a":{id},"s":"BTCUSDT","p":"1","q":"1","f":1,"l":1,"T":{trade_time},"m":true}}"#
        );
        intake.take(frame.as_bytes());
        intake.deliver();
    }

    fn doubted(intake: &Intake) -> u64 {
        intake.metrics.decode_errors.get_or_create(&Labels::new([("reason", "time")])).get()
    }

    #[test]
    fn one_event_from_the_future_sets_no_clock_and_two_do() {
        let mut intake = intake();
        let ids = |intake: &Intake| intake.lanes[0].prints.iter().map(Print::id).collect::<Vec<_>>();
        let hour_ms = 3_600_000;
        take(&mut intake, 1, NOW, NOW - 150);
        take(&mut intake, 2, NOW + hour_ms, NOW);
        take(&mut intake, 3, NOW + 100, NOW + hour_ms * 24);
        take(&mut intake, 4, NOW + 200, NOW + 50);
        assert_eq!((ids(&intake), doubted(&intake)), (vec![1, 4], 2));
        let venue_now = intake.venue_clock.now().expect("set");
        assert!(venue_now.since(UnixMillis::new(NOW + 200)) < 10_000, "{venue_now}");
        take(&mut intake, 5, NOW + hour_ms, NOW + hour_ms);
        take(&mut intake, 6, NOW + hour_ms + 10, NOW + hour_ms);
        take(&mut intake, 7, NOW + hour_ms + 20, NOW + hour_ms);
        assert_eq!((ids(&intake), doubted(&intake)), (vec![1, 4, 6, 7], 3), "two that agree are a pause of ours");
    }
}
