//! Who keeps one connection to the venue alive, for ever?

use crate::{
    clock::Clock,
    exchange::binance::control::{self, NAMES_PER_REQUEST_MAX, REQUESTS_PER_SECOND_MAX},
    feed::{Plan, intake::Intake},
    market::{SymbolHandle, VenueClock},
    metrics::{Labels, Metrics},
    net::{Backoff, Dial, Endpoint, Limits, Pace, ReadError, WebSocket, with_causes},
};
use actix::prelude::*;
use std::{sync::Arc, time::Duration};

/// Frames taken off a socket before the contracts' actors get their turn.
const FRAMES_MAX: usize = 256;
/// How soon a batch that was refused is tried again when the socket is quiet.
const RETRY: Duration = Duration::from_millis(5);

/// How connections behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// The venue's stream host.
    pub endpoint: Endpoint,
    /// Sizes and timeouts of a connection.
    pub limits: Limits,
    /// The first and the longest wait before a new attempt.
    pub backoff: (Duration, Duration),
    /// A connection that has lasted so long starts the waits from the first again.
    pub stable_after: Duration,
    /// Seeds the waits, so that a simulation replays.
    pub seed: u64,
}

/// Everything that a connection needs, and its successor too.
#[derive(Clone)]
pub struct Spec {
    /// Path and streams.
    pub plan: Plan,
    /// Where each stream's prints go, in the order of the plan.
    pub handles: Vec<SymbolHandle>,
    /// How to reach the venue.
    pub dialer: Arc<dyn Dial>,
    /// How to behave.
    pub options: Options,
    /// Set by every event.
    pub venue_clock: Arc<VenueClock>,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// One connection, many contracts. Its work is one future inside its context: a panic in it ends the actor, which its
/// supervisor notices.
#[derive(Debug)]
pub struct FeedActor {
    spec: Spec,
}

impl FeedActor {
    /// A connection that begins when the actor starts.
    pub fn new(spec: Spec) -> Self {
        Self { spec }
    }
}

impl Actor for FeedActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.spawn(follow(self.spec.clone()).into_actor(self));
    }
}

/// Connects, follows, and connects again.
async fn follow(spec: Spec) {
    let options = &spec.options;
    let (base, cap) = options.backoff;
    let mut backoff = Backoff::new(base, cap, options.stable_after, options.seed);
    let mut intake =
        Intake::new(&spec.plan, &spec.handles, Arc::clone(&spec.venue_clock), spec.clock, Arc::clone(&spec.metrics));
    loop {
        let started = spec.clock.monotonic();
        let reason = connection(&spec, &mut intake).await;
        intake.disconnected();
        spec.metrics.upstream_reconnects.get_or_create(&Labels::new([("reason", reason)])).inc();
        backoff.stable(spec.clock.monotonic() - started);
        let wait = backoff.delay();
        tracing::warn!(reason, path = spec.plan.path, wait_ms = wait.as_millis(), "connection to the venue ended");
        pause(&mut intake, wait).await;
    }
}

/// Waits; what contracts did not take before is offered again meanwhile.
async fn pause(intake: &mut Intake, wait: Duration) {
    let until = tokio::time::Instant::now() + wait;
    while intake.deliver() && tokio::time::Instant::now() + RETRY < until {
        tokio::time::sleep(RETRY).await;
    }
    tokio::time::sleep_until(until).await;
}

/// One connection's life; the result says why it ended.
async fn connection(spec: &Spec, intake: &mut Intake) -> &'static str {
    let (options, path) = (&spec.options, spec.plan.path);
    let mut socket = match WebSocket::open(&*spec.dialer, &options.endpoint, path, &options.limits).await {
        Ok(socket) => socket,
        Err(error) => return told(&error, error.reason(), path),
    };
    intake.connected();
    let _up = Up::new(&spec.metrics);
    if let Err(error) = subscribe(spec, &mut socket).await {
        return told(&error, error.reason(), path);
    }
    tracing::info!(endpoint = %options.endpoint, path, streams = spec.plan.streams.len(), "connected");
    let error = read(intake, &mut socket).await;
    told(&error, error.reason(), path)
}

/// Reads until the connection is over; silence ends it, too, by the socket's own pings.
async fn read(intake: &mut Intake, socket: &mut WebSocket) -> ReadError {
    let mut held = false;
    loop {
        let reading = socket.read(FRAMES_MAX, |frame| intake.take(frame));
        // A timer costs more than a small batch: only while something is held back.
        let read = if held { tokio::time::timeout(RETRY, reading).await.ok() } else { Some(reading.await) };
        held = intake.deliver();
        match read {
            Some(Ok(_)) => {
                // The contracts' actors share this thread and get their turn before the next frames.
                tokio::task::yield_now().await;
                intake.prove();
            }
            Some(Err(error)) => return error,
            None => {}
        }
    }
}

/// Logs an error with its causes.
fn told(error: &dyn std::error::Error, reason: &'static str, path: &str) -> &'static str {
    tracing::error!(path, reason, "{}", with_causes(error));
    reason
}

/// Asks for every stream of the plan, within the venue's limits of names a request and requests a second.
async fn subscribe(spec: &Spec, socket: &mut WebSocket) -> Result<(), crate::net::WriteError> {
    let mut pace = Pace::per_second(REQUESTS_PER_SECOND_MAX as usize);
    for (id, streams) in (1..).zip(spec.plan.streams.chunks(NAMES_PER_REQUEST_MAX)) {
        let names: Vec<String> = streams.iter().map(|stream| stream.name.clone()).collect();
        pace.ready().await;
        socket.send(control::subscribe(id, &names)).await?;
    }
    Ok(())
}

/// Counts a connection as up for as long as it lives.
struct Up<'a>(&'a Metrics);

impl<'a> Up<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.upstream_connected.inc();
        Self(metrics)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.upstream_connected.dec();
    }
}
