//! Who keeps one connection to the venue alive, for ever?

use crate::{
    clock::Clock,
    exchange::binance::control::REQUESTS_PER_SECOND_MAX,
    feed::{Streams, intake::Intake, requests::Requests},
    market::VenueClock,
    metrics::{Labels, Metrics},
    net::{Backoff, Dial, Endpoint, Limits, Pace, ReadError, WebSocket, WriteError, with_causes},
};
use actix::prelude::*;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Frames taken off a socket before the contracts' actors get their turn.
const FRAMES_MAX: usize = 256;
/// How soon a batch that was refused is tried again when the socket is quiet.
const RETRY: Duration = Duration::from_millis(5);
/// Why a connection ends that carries nothing any more.
const IDLE: &str = "idle";
/// Why one ends that is to be opened anew.
const RENEWED: &str = "renewed";

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
    /// What it carries, and where. A change of streams is asked for on the open connection; it ends when nobody can change it any more.
    pub streams: watch::Receiver<Arc<Streams>>,
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
        f.debug_struct("Spec").field("streams", &self.streams.borrow()).finish_non_exhaustive()
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

/// Connects, follows, and connects again, while there is something to follow.
async fn follow(mut spec: Spec) {
    let options = spec.options.clone();
    let (base, cap) = options.backoff;
    let mut backoff = Backoff::new(base, cap, options.stable_after, options.seed);
    let mut intake = Intake::new(Arc::clone(&spec.venue_clock), spec.clock, Arc::clone(&spec.metrics));
    while spec.streams.wait_for(|streams| !streams.list.is_empty()).await.is_ok() {
        let started = spec.clock.monotonic();
        let reason = connection(&mut spec, &mut intake).await;
        intake.disconnected();
        if reason == IDLE {
            continue;
        }
        spec.metrics.upstream_reconnects.get_or_create(&Labels::new([("reason", reason)])).inc();
        backoff.stable(spec.clock.monotonic() - started);
        let wait = backoff.delay();
        tracing::warn!(
            reason,
            path = spec.streams.borrow().path,
            wait_ms = wait.as_millis(),
            "connection to the venue ended"
        );
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
async fn connection(spec: &mut Spec, intake: &mut Intake) -> &'static str {
    let (options, path) = (&spec.options, spec.streams.borrow().path);
    let mut socket = match WebSocket::open(&*spec.dialer, &options.endpoint, path, &options.limits).await {
        Ok(socket) => socket,
        Err(error) => return told(&error, error.reason(), path),
    };
    intake.connected();
    let metrics = Arc::clone(&spec.metrics);
    let _up = Up::new(&metrics);
    tracing::info!(endpoint = %options.endpoint, path, streams = spec.streams.borrow().list.len(), "connected");
    match read(&mut spec.streams, intake, &mut socket).await {
        Ok(reason) => {
            socket.close().await;
            reason
        }
        Err(Ended::Read(error)) => told(&error, error.reason(), path),
        Err(Ended::Write(error)) => told(&error, error.reason(), path),
    }
}

/// Why a connection is over.
enum Ended {
    Read(ReadError),
    Write(WriteError),
}

/// Reads until the connection is over, or it is not wanted like this any more, and why; silence ends it, too, by the socket's own pings. Streams
/// that come or go meanwhile are asked for, while reading goes on.
async fn read(
    streams: &mut watch::Receiver<Arc<Streams>>,
    intake: &mut Intake,
    socket: &mut WebSocket,
) -> Result<&'static str, Ended> {
    let (path, renewals) = (streams.borrow().path, streams.borrow().renewals);
    let (mut held, mut requests) = (false, Requests::default());
    let mut pace = Pace::per_second(REQUESTS_PER_SECOND_MAX as usize);
    streams.mark_changed();
    loop {
        if streams.has_changed().unwrap_or(true) {
            let wanted = Arc::clone(&streams.borrow_and_update());
            if wanted.list.is_empty() || streams.has_changed().is_err() {
                return Ok(IDLE);
            }
            if (wanted.path, wanted.renewals) != (path, renewals) {
                return Ok(RENEWED);
            }
            requests.want(&wanted.list);
            intake.carry(&wanted.list);
        }
        let read = tokio::select! {
            biased;
            () = pace.ready(), if requests.are_due() => {
                if let Some(request) = requests.next() {
                    socket.send(request).await.map_err(Ended::Write)?;
                }
                continue;
            }
            // Before what comes rarely: while frames come, nothing else is polled.
            read = socket.read(FRAMES_MAX, |frame| intake.take(frame)) => Some(read),
            _ = streams.changed() => {
                streams.mark_changed();
                continue;
            }
            // A timer costs more than a small batch: only while something is held back.
            () = async { tokio::time::sleep(RETRY).await }, if held => None,
        };
        held = intake.deliver();
        match read {
            Some(Ok(_)) => {
                // The contracts' actors share this thread and get their turn before the next frames.
                tokio::task::yield_now().await;
                intake.prove();
            }
            Some(Err(error)) => return Err(Ended::Read(error)),
            None => {}
        }
    }
}

/// Logs an error with its causes.
fn told(error: &dyn std::error::Error, reason: &'static str, path: &str) -> &'static str {
    tracing::error!(path, reason, "{}", with_causes(error));
    reason
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
