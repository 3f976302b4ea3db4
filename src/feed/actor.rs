//! Who keeps one connection to the venue alive, for ever?

use crate::{
    clock::Clock,
    exchange::binance::control::REQUESTS_PER_SECOND_MAX,
    feed::{Sink, Streams, intake::Intake, requests::Requests},
    market::{Side, VenueClock},
    metrics::{Labels, Metrics},
    net::{Backoff, Dial, Endpoint, Limits, Pace, ReadError, WebSocket, WriteError, with_causes},
};
use actix::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, MissedTickBehavior, interval},
};

/// Frames taken off a socket before the contracts' actors get their turn.
const FRAMES_MAX: usize = 256;
/// How soon a batch that was refused is tried again when the socket is quiet.
const RETRY: Duration = Duration::from_millis(5);
/// Why a connection ends that carries nothing any more.
const IDLE: &str = "idle";
/// Why one ends that is to be opened anew.
const RENEWED: &str = "renewed";
/// Why one ends whose canary does not sing any more.
const SILENT: &str = "silent";
/// Why one ends that delivers a part of what it carries.
const THIN: &str = "thin";
/// After one that was thin no other counts as thin for so long: when the venue itself loses frames, opening more loses more.
const THIN_AGAIN: Duration = Duration::from_mins(10);
/// Why one ends of which a stream says nothing that always has something to say.
const PARTIAL: &str = "partial";
/// Why one ends that has brought nothing but replies.
const MUTE: &str = "mute";
/// How many looks in a row may find that; whatever a connection is for, its canary sings once or twice a second.
const MUTE_LOOKS_MAX: u32 = 30;
/// How often it is looked whether the canary sings, and how many looks in a row may find that it does not. The canary sings once or twice a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const QUIET_LOOKS_MAX: u32 = 10;
/// An old connection is read on for so long after its successor has brought something.
const OVERLAP: Duration = Duration::from_secs(10);
/// A successor that failed is tried again after this time.
const RETRY_ROTATION: Duration = Duration::from_mins(1);
/// What a connection brought is offered for so long after its end.
const LAST_OFFERS: Duration = Duration::from_secs(1);

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
    /// When connections are opened anew, before the venue ends them.
    pub rotation: Rotation,
    /// Seeds the waits, so that a simulation replays.
    pub seed: u64,
}

/// When a connection is opened anew, the old one ending only when the new one has brought something.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// After the start.
    pub first: Duration,
    /// After that.
    pub every: Duration,
}

impl Rotation {
    /// Every so often, the first time some way before, so that `at` of `count` connections do not change together.
    pub fn staggered(every: Duration, (at, count): (usize, usize)) -> Self {
        let share = u32::try_from(at % count.max(1)).unwrap_or_default();
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self { first: every - every / 2 * share / count, every }
    }
}

/// Everything that a connection needs, and its successor too.
#[derive(Clone)]
pub struct Spec {
    /// What it carries, and where. A change of streams is asked for on the open connection; it ends when nobody can change it any more.
    pub streams: watch::Receiver<Arc<Streams>>,
    /// Which proofs are its own.
    pub side: Side,
    /// How many connections in a row have brought nothing.
    pub mutes: Arc<AtomicU32>,
    /// Before it begins, after one that panicked.
    pub rest: Duration,
    /// Where what concerns all contracts goes.
    pub sink: Arc<Sink>,
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
    let mut backoff = Backoff::new(options.backoff.0, options.backoff.1, options.stable_after, options.seed);
    let (mut side, mut heeds_from) = (spec.side, Instant::now());
    tokio::time::sleep(spec.rest).await;
    while spec.streams.wait_for(|streams| !streams.list.is_empty()).await.is_ok() {
        let started = spec.clock.monotonic();
        let reason;
        (reason, side) = succession(&spec, side, heeds_from).await;
        match reason {
            IDLE => continue,
            THIN | PARTIAL => heeds_from = Instant::now() + THIN_AGAIN,
            MUTE => {
                spec.mutes.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        spec.metrics.upstream_reconnects.get_or_create(&Labels::new([("reason", reason)])).inc();
        backoff.stable(spec.clock.monotonic() - started);
        let (wait, path) = (backoff.delay(), spec.streams.borrow().path);
        tracing::warn!(reason, path, wait_ms = wait.as_millis(), "connection to the venue ended");
        tokio::time::sleep(wait).await;
    }
}

/// One connection after the other, each opened before the last one is let go, until one ends before its time: why, and which
/// side it was.
async fn succession(spec: &Spec, mut side: Side, heeds_from: Instant) -> (&'static str, Side) {
    let mut current = Box::pin(link(spec.clone(), side, None, heeds_from));
    let mut age = spec.options.rotation.first;
    loop {
        tokio::select! {
            reason = &mut current => return (reason, side),
            () = tokio::time::sleep(age) => {}
        }
        let (flows, has_flowed) = oneshot::channel();
        let mut next = Box::pin(link(spec.clone(), side.other(), Some(flows), heeds_from));
        let both_flow = async {
            // Without a word, when the successor ends: that is seen first, below.
            has_flowed.await.unwrap_or_default();
            tokio::time::sleep(OVERLAP).await;
        };
        let failed = tokio::select! {
            biased;
            // The successor's own end says so before its silence does.
            reason = &mut next => Some(reason),
            _ = &mut current => None,
            () = both_flow => None,
        };
        if let Some(reason) = failed {
            note_failed_rotation(reason);
            age = RETRY_ROTATION;
            continue;
        }
        spec.metrics.upstream_rotations.inc();
        (current, side, age) = (next, side.other(), spec.options.rotation.every);
    }
}

fn note_failed_rotation(reason: &str) {
    tracing::warn!(reason, "the connection that was to take over ended: the old one goes on");
}

/// One connection's life, with what it hands over; the result says why it ended. `flows` is told of its first data; before
/// `heeds_from` it may be thin.
async fn link(mut spec: Spec, side: Side, flows: Option<oneshot::Sender<()>>, heeds_from: Instant) -> &'static str {
    let (venue_clock, metrics) = (Arc::clone(&spec.venue_clock), Arc::clone(&spec.metrics));
    let mut intake = Intake::new(side, Arc::clone(&spec.sink), venue_clock, spec.clock, metrics);
    let reason = connection(&mut spec, &mut intake, flows, heeds_from).await;
    intake.disconnected();
    // What contracts did not take before is offered again.
    let until = Instant::now() + LAST_OFFERS;
    while intake.deliver() && Instant::now() < until {
        tokio::time::sleep(RETRY).await;
    }
    intake.give_up();
    reason
}

async fn connection(
    spec: &mut Spec,
    intake: &mut Intake,
    flows: Option<oneshot::Sender<()>>,
    heeds_from: Instant,
) -> &'static str {
    let (options, path) = (&spec.options, spec.streams.borrow().path);
    let mut socket = match WebSocket::open(&*spec.dialer, &options.endpoint, path, &options.limits).await {
        Ok(socket) => socket,
        Err(error) => return told(&error, error.reason(), path),
    };
    intake.connected();
    let metrics = Arc::clone(&spec.metrics);
    let _up = Up::new(&metrics);
    tracing::info!(endpoint = %options.endpoint, path, streams = spec.streams.borrow().list.len(), "connected");
    match read(spec, intake, &mut socket, (flows, heeds_from)).await {
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

/// Reads until the connection is over, or is not wanted like this any more, and why. Silence ends it, too: that of a socket
/// that answers no ping, and that of one whose canary has sung and does not any more; and so does a loss of much of what it carries. Streams that come or go meanwhile are
/// asked for, while reading goes on.
async fn read(
    spec: &mut Spec,
    intake: &mut Intake,
    socket: &mut WebSocket,
    (mut flows, heeds_from): (Option<oneshot::Sender<()>>, Instant),
) -> Result<&'static str, Ended> {
    let (streams, mutes) = (&mut spec.streams, &spec.mutes);
    let (path, renewals) = (streams.borrow().path, streams.borrow().renewals);
    let (mut held, mut requests) = (false, Requests::new(Some(streams.borrow().canary())));
    let mut pace = Pace::per_second(REQUESTS_PER_SECOND_MAX as usize);
    let (mut looks, mut quiet_looks) = (interval(LOOK_EVERY), 0);
    // While frames come nobody looks; what was missed then is not made up for.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
            _ = looks.tick() => {
                quiet_looks += 1;
                if intake.knows_canary() && quiet_looks > QUIET_LOOKS_MAX {
                    return Ok(SILENT);
                }
                // Where trades are carried once the watch over streams is faster; where they are carried twice, it sees nothing.
                if !intake.has_heard() && quiet_looks > MUTE_LOOKS_MAX {
                    return Ok(MUTE);
                }
                None
            }
            // A timer costs more than a small batch: only while something is held back.
            () = async { tokio::time::sleep(RETRY).await }, if held => None,
        };
        held = intake.deliver();
        match read {
            Some(Ok(_)) if intake.is_thin() && Instant::now() >= heeds_from => return Ok(THIN),
            Some(Ok(_)) if intake.lacking().is_some() && Instant::now() >= heeds_from => return Ok(PARTIAL),
            Some(Ok(_)) => {
                quiet_looks = 0;
                if intake.has_heard() {
                    mutes.store(0, Ordering::Relaxed);
                }
                // The contracts' actors share this thread and get their turn before the next frames.
                tokio::task::yield_now().await;
                intake.prove();
                if let Some(flows) = flows.take_if(|_| intake.has_flowed()) {
                    // Who waits no more has no use for it.
                    flows.send(()).unwrap_or_default();
                }
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
