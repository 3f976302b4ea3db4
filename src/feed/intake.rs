//! What becomes of a frame: decoded, put with its contract's others, handed over?

use crate::{
    clock::Clock,
    exchange::binance::{Event, Outcome, decode},
    feed::Plan,
    market::{Batch, Contract, Flow, Print, SymbolHandle, VenueClock},
    metrics::{Labels, Metrics},
    model::UnixMillis,
};
use prometheus_client::metrics::counter::Counter;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Prints kept for one contract whose actor takes none; beyond, they are dropped and show as a gap.
const PRINTS_HELD_MAX: usize = 262_144;
/// An aggregate is sent this long after its first fill at the latest, so what a frame proves lies this far before it
/// (measured 150 to 157 ms, 2026-08; the venue's documented window is 100 ms).
const EMISSION_DELAY_MS: i64 = 160;
/// Kinds that are counted one by one; see `Event::kind`.
const KINDS: [&str; 7] = ["aggTrade", "trade", "kline", "bookTicker", "reply", "foreign", "unknown"];

/// Turns one connection's frames into batches.
#[derive(Debug)]
pub(super) struct Intake {
    lanes: Vec<Lane>,
    lane_of: HashMap<Box<str>, usize>,
    /// The lane of the last frame: streams come in bursts.
    recent: usize,
    flow: Arc<Flow>,
    venue_clock: Arc<VenueClock>,
    clock: Clock,
    newest_event: Option<UnixMillis>,
    kinds: [(Counter, u64); KINDS.len()],
    slow: u64,
    metrics: Arc<Metrics>,
}

/// One contract's prints that wait to be handed over.
#[derive(Debug)]
struct Lane {
    contract: Arc<Contract>,
    handle: SymbolHandle,
    prints: Vec<Print>,
    /// Whether its stream has delivered on this connection.
    proven: bool,
}

impl Intake {
    pub(super) fn new(
        plan: &Plan,
        handles: &[SymbolHandle],
        venue_clock: Arc<VenueClock>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let lane = |(stream, handle): (&crate::feed::PlannedStream, &SymbolHandle)| Lane {
            contract: Arc::clone(&stream.contract),
            handle: handle.clone(),
            prints: Vec::new(),
            proven: false,
        };
        let lanes: Vec<_> = plan.streams.iter().zip(handles).map(lane).collect();
        let lane_of = lanes.iter().zip(0..).map(|(lane, at)| (lane.contract.symbol.as_str().into(), at)).collect();
        let counter = |kind| metrics.upstream_messages.get_or_create_owned(&Labels::new([("kind", kind)]));
        Self {
            lanes,
            lane_of,
            recent: 0,
            flow: Arc::default(),
            venue_clock,
            clock,
            newest_event: None,
            kinds: KINDS.map(|kind| (counter(kind), 0)),
            slow: 0,
            metrics,
        }
    }

    /// Begins a connection: nothing on it is proven to flow yet.
    pub(super) fn connected(&mut self) {
        self.flow = Arc::default();
    }

    /// Ends a connection: no stream is proven to flow.
    pub(super) fn disconnected(&mut self) {
        for lane in &mut self.lanes {
            lane.proven = false;
            lane.contract.flow.store(None);
        }
    }

    /// Takes one frame.
    pub(super) fn take(&mut self, frame: &[u8]) {
        let decoded = match decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => return self.refuse(frame, &error),
        };
        self.slow += u64::from(decoded.slow);
        if let Some(kind) = KINDS.iter().position(|kind| *kind == decoded.event.kind()) {
            self.kinds[kind].1 += 1;
        }
        self.newest_event = self.newest_event.max(decoded.event.event_time());
        let (symbol, print) = match &decoded.event {
            Event::AggTrade { symbol, trade, .. } | Event::Trade { symbol, trade, .. } => {
                (symbol, Print::Trade(*trade))
            }
            Event::Burnt { symbol, id, .. } => (symbol, Print::Burnt(*id)),
            Event::Reply(reply) => {
                if let Outcome::Refused(refusal) = &reply.outcome {
                    tracing::error!(?refusal, "the venue refused a request");
                }
                return;
            }
            Event::Foreign => {
                self.metrics.decode_foreign_rows.inc();
                return;
            }
            Event::Kline { .. } | Event::BookTicker { .. } | Event::Unknown { .. } => return,
        };
        match self.lane(symbol) {
            Some(at) => self.put(at, print),
            None => {
                self.metrics.decode_unasked.inc();
            }
        }
    }

    fn lane(&mut self, symbol: &str) -> Option<usize> {
        if self.lanes.get(self.recent).is_none_or(|lane| lane.contract.symbol.as_str() != symbol) {
            self.recent = *self.lane_of.get(symbol)?;
        }
        Some(self.recent)
    }

    fn put(&mut self, at: usize, print: Print) {
        let lane = &mut self.lanes[at];
        if !lane.proven {
            lane.proven = true;
            lane.contract.flow.store(Some(Arc::clone(&self.flow)));
        }
        if lane.prints.len() < PRINTS_HELD_MAX {
            lane.prints.push(print);
        } else {
            self.metrics.ingest_dropped.inc();
        }
    }

    #[cold]
    fn refuse(&self, frame: &[u8], error: &crate::exchange::binance::DecodeError) {
        self.metrics.decode_errors.get_or_create(&Labels::new([("reason", error.reason())])).inc();
        let shown = String::from_utf8_lossy(&frame[..frame.len().min(200)]);
        tracing::warn!(%error, frame = %shown, bytes = frame.len(), "a frame is not understood");
    }

    /// Hands the batches over; whether some are still held.
    pub(super) fn deliver(&mut self) -> bool {
        let mut held = false;
        for lane in self.lanes.iter_mut().filter(|lane| !lane.prints.is_empty()) {
            if let Err(refused) = lane.handle.send(Batch(std::mem::take(&mut lane.prints))) {
                lane.prints = refused.batch.0;
                held = true;
            }
        }
        self.note_time(held);
        self.count();
        held
    }

    /// Sets the venue's clock, and says how far the connection has proven to flow once nothing is held back.
    fn note_time(&mut self, held: bool) {
        let Some(newest) = self.newest_event else { return };
        self.venue_clock.note(newest);
        if !held {
            self.flow.advance(newest.plus(-EMISSION_DELAY_MS));
            self.newest_event = None;
        }
        let lag_ms = u64::try_from(self.clock.wall().since(newest)).unwrap_or(0);
        self.metrics.upstream_event_lag_seconds.observe(Duration::from_millis(lag_ms).as_secs_f64());
    }

    fn count(&mut self) {
        for (counter, count) in &mut self.kinds {
            counter.inc_by(std::mem::take(count));
        }
        self.metrics.decode_fallbacks.inc_by(std::mem::take(&mut self.slow));
    }
}
