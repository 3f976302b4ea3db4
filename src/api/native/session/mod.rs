//! How does one client's WebSocket live?
//!
//! actix polls a session only while its socket takes bytes, so a client that does not read freezes its session, timers
//! included. Whether it lags is therefore judged by the publishers, and a stalled socket is cut from outside.

mod announced;
mod rate;
mod replay;
mod requests;
mod upgrade;

pub(in crate::api) use upgrade::open;

use crate::{
    api::{
        Shared,
        native::{
            outbox::Outbox,
            request_error::SNAPSHOT_ROWS_MAX,
            session::{announced::Following, rate::Rate, requests::CHOICES_MAX},
            wish::Wish,
        },
        sessions::Goodbye,
    },
    live::{Backlog, Cut, Delivery, Event, SessionKey, Topic},
    metrics::Labels,
    model::{Timeframe, UnixMillis},
};
use actix::{fut, prelude::*};
use actix_http::ws::{CloseCode, CloseReason, Message as Frame, ProtocolError};
use actix_web_actors::ws;
use bytestring::ByteString;
use serde_json::{Value, json};
use std::{
    cell::Cell,
    collections::BTreeMap,
    io::ErrorKind,
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// The subprotocol that a client may name.
const SUBPROTOCOL: &str = "tapedeck.v1+json";
/// What goes out at once; more waits until that has left.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// Time for a last frame to leave before a socket is cut: what breaks the protocol may go on uploading.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Unanswered pings that end a session.
const PINGS_MISSED_MAX: u32 = 2;

type Context = ws::WebsocketContext<SessionActor>;

/// One client.
#[derive(Debug)]
struct SessionActor {
    shared: Shared,
    key: SessionKey,
    cut: Cut,
    flush_interval: Duration,
    flush_planned: bool,
    /// When data were last written: answers neither delay nor hasten them.
    flushed_at: Instant,
    /// When anything was last said.
    spoke_at: Instant,
    outbox: Outbox,
    subs: BTreeMap<u32, (Topic, Wish)>,
    next_sub: u32,
    following: Option<Following>,
    pings_missed: u32,
    malformed: u32,
    rate: Rate,
    started_at: Instant,
    last_barrier: BTreeMap<(Timeframe, usize), UnixMillis>,
    /// Whether the guard refused a frame for its size; the codec's own error does not say so.
    oversized: Rc<Cell<bool>>,
    closing: bool,
    /// What its publishers have handed over and its mailbox still holds.
    backlog: Backlog,
    /// Rows of the snapshots that are on their way, by subscription; the backlog does not bound them.
    snapshots_due: BTreeMap<u32, usize>,
    /// Whether everything that waits is being written, and nothing new is taken meanwhile.
    writing: bool,
    /// What comes after that.
    ending: Option<Ending>,
}

/// How a session ends that ends in order.
#[derive(Debug)]
struct Ending {
    code: CloseCode,
    reason: String,
    last_word: Option<Value>,
}

/// Writes everything that waits, a piece each time the connection has room, while the mailbox keeps what comes: what a
/// session holds stays small, and its publishers see that it is slow.
struct WriteOut;

impl ActorFuture<SessionActor> for WriteOut {
    type Output = ();

    /// Nobody need be woken: what was just written makes the connection ask again when that is out.
    fn poll(
        self: Pin<&mut Self>,
        actor: &mut SessionActor,
        context: &mut Context,
        _: &mut task::Context<'_>,
    ) -> Poll<()> {
        if actor.write_some(context) {
            return Poll::Pending;
        }
        actor.written_out(context);
        Poll::Ready(())
    }
}

impl SessionActor {
    fn new(shared: Shared, cut: Cut, flush: Option<Duration>, oversized: Rc<Cell<bool>>) -> Self {
        let now = Instant::now();
        let backlog = Backlog::new(shared.options.session.queue_bytes_max);
        Self {
            key: shared.sessions.key(),
            flush_interval: flush.unwrap_or(shared.options.session.flush),
            shared,
            cut,
            flush_planned: false,
            flushed_at: now,
            spoke_at: now,
            outbox: Outbox::default(),
            subs: BTreeMap::new(),
            next_sub: 1,
            following: None,
            pings_missed: 0,
            malformed: 0,
            rate: Rate::default(),
            started_at: now,
            last_barrier: BTreeMap::new(),
            oversized,
            closing: false,
            backlog,
            snapshots_due: BTreeMap::new(),
            writing: false,
            ending: None,
        }
    }

    /// Says something at once that is no data.
    fn say(&mut self, message: &Value, context: &mut Context) {
        self.spoke_at = Instant::now();
        context.text(message.to_string());
    }

    fn hello(&mut self, context: &mut Context) {
        let limits = &self.shared.options.session;
        let hello = json!({
            "type": "hello",
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": SUBPROTOCOL,
            "time": self.shared.clock.wall().get(),
            "flush_ms": u64::try_from(self.flush_interval.as_millis()).unwrap_or(u64::MAX),
            "limits": {
                "subscriptions": limits.subscriptions_max,
                "requests_per_second": limits.requests_per_second_max,
                "message_bytes": limits.message_bytes_max,
                "intervals": CHOICES_MAX,
                "views": CHOICES_MAX,
                "min_notionals": CHOICES_MAX,
                "snapshot_rows": SNAPSHOT_ROWS_MAX,
            },
        });
        self.say(&hello, context);
    }

    /// Writes what is due now, or plans to: once the mailbox is empty, or when the interval is over.
    fn plan_flush(&mut self, context: &mut Context) {
        if self.outbox.is_heavy() {
            return self.flush(context);
        }
        if self.flush_planned {
            return;
        }
        self.flush_planned = true;
        let wait = self.until_flush();
        if wait.is_zero() {
            // A future is polled after the mailbox has been emptied, so everything that waits there goes out together.
            context.spawn(fut::ready(()).map(|(), actor: &mut Self, context| actor.planned_flush(context)));
        } else {
            context.run_later(wait, Self::planned_flush);
        }
    }

    fn planned_flush(&mut self, context: &mut Context) {
        self.flush_planned = false;
        if self.until_flush().is_zero() {
            self.flush(context);
        } else {
            // So much waited meanwhile that it was written early.
            self.plan_flush(context);
        }
    }

    fn until_flush(&self) -> Duration {
        self.flush_interval.saturating_sub(self.flushed_at.elapsed())
    }

    /// Begins to write everything that waits. A flush that was planned stays planned, so that there is never more than one.
    fn flush(&mut self, context: &mut Context) {
        if !self.writing {
            self.writing = true;
            context.wait(WriteOut);
        }
    }

    /// Writes as much as goes out at once; whether more waits.
    fn write_some(&mut self, context: &mut Context) -> bool {
        let (mut frames, now) = (0, self.shared.clock.wall());
        let more = self.outbox.write(now, WRITE_BYTES_MAX, |frame| {
            // Everything in a frame was text before.
            if let Ok(text) = ByteString::try_from(frame) {
                context.text(text);
                frames += 1;
            }
        });
        if frames > 0 {
            self.flushed_at = Instant::now();
            self.spoke_at = self.flushed_at;
        }
        self.shared.metrics.ws_messages_sent.inc_by(frames);
        more
    }

    /// Goes on, or ends, after everything has been written.
    fn written_out(&mut self, context: &mut Context) {
        self.writing = false;
        if let Some(Ending { code, reason, last_word }) = self.ending.take() {
            last_word.into_iter().for_each(|word| self.say(&word, context));
            self.end(code, &reason, context);
        }
    }

    /// Writes everything, then ends; nothing that comes meanwhile counts.
    fn end_after_writing(&mut self, ending: Ending, context: &mut Context) {
        self.closing = true;
        self.ending = Some(ending);
        self.flush(context);
    }

    fn barrier(&mut self, event: &Event, context: &mut Context) {
        let Event::Barrier { timeframe, thread, end, incomplete } = event else { return };
        // Every contract's publisher says it; a session hears it once a live thread.
        if self.last_barrier.insert((*timeframe, *thread), *end) == Some(*end) {
            return;
        }
        let incomplete: Vec<_> = incomplete.iter().map(|symbol| symbol.as_str()).collect();
        let barrier = json!({
            "type": "barrier", "interval": timeframe.to_string(), "end": end.get(), "incomplete": incomplete,
        });
        self.outbox.push_barrier(barrier.to_string());
        self.plan_flush(context);
    }

    /// Everything the client was sent is written first, so that the last id it is told is one that it has.
    fn too_slow(&mut self, last_id: Option<u64>, context: &mut Context) {
        let reason = last_id.map_or("slow consumer".to_owned(), |id| format!("slow consumer; last id {id}"));
        self.end_after_writing(Ending { code: CloseCode::Other(4008), reason, last_word: None }, context);
    }

    /// Says which rule was broken, and ends the socket from outside once that is out.
    fn protocol_broken(&mut self, error: &ProtocolError, context: &mut Context) {
        self.shared.metrics.ws_cut.get_or_create(&Labels::new([("reason", "protocol")])).inc();
        tracing::debug!(%error, "a session broke the protocol");
        let (code, reason) = match error {
            _ if self.oversized.get() => (CloseCode::Size, "the message is too large"),
            ProtocolError::Overflow => (CloseCode::Size, "the message is too large"),
            // actix-http 3.20 says so when a reserved bit is set.
            ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => {
                (CloseCode::Protocol, "protocol error")
            }
            // The stream wraps text that is no UTF-8 into this one; when the connection is gone, nobody reads the code.
            ProtocolError::Io(_) => (CloseCode::Invalid, "text is UTF-8"),
            _ => (CloseCode::Protocol, "protocol error"),
        };
        self.end(code, reason, context);
        let cut = self.cut.clone();
        actix_rt::spawn(async move {
            tokio::time::sleep(LAST_WORD).await;
            cut.now();
        });
    }

    fn end(&mut self, code: CloseCode, description: &str, context: &mut Context) {
        self.closing = true;
        context.close(Some(CloseReason { code, description: Some(description.to_owned()) }));
        context.stop();
    }

    fn keep_alive(&mut self, context: &mut Context) {
        if self.pings_missed >= PINGS_MISSED_MAX {
            self.shared.metrics.ws_cut.get_or_create(&Labels::new([("reason", "no_pong")])).inc();
            context.stop();
            return self.cut.now();
        }
        self.pings_missed += 1;
        context.ping(b"");
        // Anew each time: pings must not pile up while everything waits for a slow socket.
        context.run_later(self.shared.options.session.ping, Self::keep_alive);
    }

    /// Says that we are here if nothing else did, and comes again when the next silence would be too long.
    fn heartbeat(&mut self, context: &mut Context) {
        let silence_max = self.shared.options.session.heartbeat;
        if self.spoke_at.elapsed() >= silence_max {
            let ts = self.shared.clock.wall().get();
            self.say(&json!({"type": "heartbeat", "ts": ts}), context);
        }
        let wait = silence_max.saturating_sub(self.spoke_at.elapsed());
        context.run_later(wait.max(Duration::from_millis(1)), Self::heartbeat);
    }
}

impl Actor for SessionActor {
    type Context = Context;

    fn started(&mut self, context: &mut Context) {
        let options = &self.shared.options.session;
        context.set_mailbox_capacity(options.queue_messages_max);
        context.run_later(options.ping, Self::keep_alive);
        context.run_later(options.heartbeat, Self::heartbeat);
        self.shared.sessions.add(self.key, context.address().recipient());
        self.shared.metrics.ws_connections.inc();
        self.hello(context);
    }

    fn stopped(&mut self, context: &mut Context) {
        for sub in self.subs.keys().copied().collect::<Vec<_>>() {
            self.unsubscribe(sub, context);
        }
        self.shared.sessions.remove(self.key);
        self.shared.metrics.ws_connections.dec();
    }
}

impl Handler<Delivery> for SessionActor {
    type Result = ();

    fn handle(&mut self, delivery: Delivery, context: &mut Context) {
        self.backlog.took(delivery.event.bytes());
        if matches!(delivery.event, Event::Snapshot(_)) {
            self.snapshots_due.remove(&delivery.sub);
        }
        match delivery.event {
            _ if self.closing => {}
            Event::TooSlow(last_id) => self.too_slow(last_id, context),
            event @ Event::Barrier { .. } => self.barrier(&event, context),
            event => {
                if matches!(event, Event::Ended(_)) {
                    self.ended(delivery.sub);
                }
                self.outbox.push(delivery.sub, event);
                self.plan_flush(context);
            }
        }
    }
}

impl Handler<Goodbye> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: Goodbye, context: &mut Context) {
        let last_word = Some(json!({"type": "goodbye", "reason": "restart"}));
        self.end_after_writing(Ending { code: CloseCode::Restart, reason: "shutdown".to_owned(), last_word }, context);
    }
}

impl StreamHandler<Result<Frame, ProtocolError>> for SessionActor {
    fn handle(&mut self, frame: Result<Frame, ProtocolError>, context: &mut Context) {
        match frame {
            _ if self.closing => {}
            Ok(Frame::Text(text)) => self.answer(&text, context),
            Ok(Frame::Ping(payload)) => {
                if !self.is_too_fast(context) {
                    context.pong(&payload);
                }
            }
            Ok(Frame::Pong(_)) => self.pings_missed = 0,
            Ok(Frame::Close(reason)) => {
                context.close(reason);
                context.stop();
            }
            Ok(Frame::Binary(_)) => self.end(CloseCode::Unsupported, "text messages only", context),
            Ok(Frame::Continuation(_)) => self.end(CloseCode::Unsupported, "no fragmented messages", context),
            Ok(Frame::Nop) => {}
            Err(error) => self.protocol_broken(&error, context),
        }
    }

    fn finished(&mut self, context: &mut Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::error::PayloadError;
    use bytes::Bytes;
    use futures_util::{
        FutureExt, Stream, StreamExt,
        stream::{iter, pending},
    };
    use std::sync::Arc;

    pub(super) fn shared() -> Shared {
        let clock = crate::clock::Clock::system();
        let session = crate::api::SessionOptions {
            flush: Duration::ZERO,
            queue_messages_max: 64,
            queue_bytes_max: 1 << 20,
            subscriptions_max: 8,
            requests_per_second_max: 50,
            message_bytes_max: 64 << 10,
            heartbeat: Duration::from_secs(15),
            ping: Duration::from_secs(20),
        };
        Shared {
            contracts: Arc::default(),
            live: crate::live::Handle::new(1),
            roster: crate::market::Roster::new().0,
            announcements: Arc::default(),
            shelving: None,
            clock,
            metrics: Arc::default(),
            budget: crate::history::budget::Budget::new(Default::default(), clock, Arc::default()),
            jobs: None,
            readiness: Arc::default(),
            sessions: Arc::default(),
            options: Arc::new(crate::api::Options {
                listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
                workers: 1,
                connections_max: 1,
                connections_per_ip_max: 1,
                header_timeout: Duration::ZERO,
                body_timeout: Duration::ZERO,
                body_bytes_max: 0,
                allowed_origins: Vec::new(),
                reach_ms: 0,
                followed: crate::api::Followed { open_interest: true, liquidations: true, tickers: true },
                session,
            }),
        }
    }

    /// A session with subscription 1 and this flush interval, and what it writes.
    fn open(
        flush: Duration,
        upload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    ) -> (Addr<SessionActor>, impl Stream<Item = Result<Bytes, actix_web::Error>> + Unpin) {
        let mut session = SessionActor::new(shared(), Cut::new(|| {}), Some(flush), Rc::default());
        session.outbox.open(1, "trades", "BTCUSDT");
        ws::WebsocketContext::create_with_addr(session, upload)
    }

    /// Everything that a session writes when it is told `events`, and then goes silent.
    fn written(events: Vec<Event>) -> String {
        System::new().block_on(async {
            let (address, mut written) = open(Duration::ZERO, pending());
            for event in events {
                address.try_send(Delivery { sub: 1, event }).expect("room");
            }
            let mut bytes = Vec::new();
            while let Ok(Some(chunk)) = tokio::time::timeout(Duration::from_millis(100), written.next()).await {
                bytes.extend_from_slice(&chunk.expect("a frame"));
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// A text frame with an empty mask.
    const PING: &[u8] = b"\x81\x8d\0\0\0\0{\"op\":\"ping\"}";

    /// What a session writes that gathers for 200 ms, each write with its time, in the first second of these events; a
    /// client asks `ping` at each of the times in `pings`.
    fn timed(events: Vec<(u64, Event)>, pings: &'static [u64]) -> Vec<(u128, String)> {
        System::new().block_on(async {
            tokio::time::pause();
            let began = Instant::now();
            let at = move |millis: u64| tokio::time::sleep_until(began + Duration::from_millis(millis));
            let upload =
                iter(pings).then(move |millis| at(*millis).map(|()| Ok(Bytes::from_static(PING)))).chain(pending());
            let (address, mut written) = open(Duration::from_millis(200), Box::pin(upload));
            actix_rt::spawn(async move {
                for (millis, event) in events {
                    at(millis).await;
                    address.try_send(Delivery { sub: 1, event }).expect("room");
                }
                at(1_000).await;
            });
            let mut writes = Vec::new();
            while let Ok(Some(chunk)) = tokio::time::timeout_at(began + Duration::from_secs(1), written.next()).await {
                let text = String::from_utf8_lossy(&chunk.expect("a frame")).into_owned();
                writes.push((began.elapsed().as_millis(), text));
            }
            writes
        })
    }

    fn rows(body: &'static str) -> crate::live::Rows {
        crate::live::Rows { body: Bytes::from_static(body.as_bytes()), count: 1 }
    }

    #[test]
    fn a_client_that_takes_little_leaves_the_rest_in_the_mailbox() {
        System::new().block_on(async {
            let (address, mut written) = open(Duration::ZERO, pending());
            written.next().await.expect("a hello").expect("a frame");
            let body = Bytes::from(vec![b'1'; WRITE_BYTES_MAX]);
            let event = || Event::Rows(crate::live::Rows { body: body.clone(), count: 1 });
            let mut sent = 0;
            while address.try_send(Delivery { sub: 1, event: event() }).is_ok() {
                sent += 1;
            }
            // Each time the connection asks for more, one piece: the mailbox gives up only what makes the outbox heavy.
            let chunk = written.next().await.expect("a piece").expect("a frame");
            assert!(chunk.len() < 2 * WRITE_BYTES_MAX, "{}", chunk.len());
            let room = std::iter::from_fn(|| address.try_send(Delivery { sub: 1, event: event() }).ok()).count();
            assert!(sent > 60 && room < 10, "{room} of {sent} were taken");
            let mut bytes = chunk.len();
            while bytes < (sent + room) * WRITE_BYTES_MAX {
                bytes += written.next().await.expect("the rest").expect("a frame").len();
            }
        });
    }

    #[test]
    fn what_waits_is_written_before_a_slow_session_is_ended() {
        let written = written(vec![Event::Rows(rows("41")), Event::TooSlow(Some(41))]);
        let (update, reason) = (written.find("\"data\":[41]"), written.find("slow consumer; last id 41"));
        assert!(update.is_some() && update < reason, "{written}");
    }

    #[test]
    fn one_drain_of_the_mailbox_is_one_update() {
        let events = ["1", "2,3", "4"].map(|body| Event::Rows(rows(body))).to_vec();
        let written = written(events);
        assert!(written.contains("\"data\":[1,2,3,4]"), "{written}");
    }

    fn barrier() -> Event {
        Event::Barrier { timeframe: Timeframe::MINUTE, thread: 0, end: UnixMillis::new(60_000), incomplete: [].into() }
    }

    #[test]
    fn answers_and_barriers_neither_delay_nor_hasten_data() {
        let trades = |body| Event::Rows(rows(body));
        let events = vec![(10, trades("1")), (391, trades("2")), (490, trades("3")), (500, barrier())];
        let writes = timed(events, &[390]);
        let about = |part: &str| {
            let found: Vec<_> = writes.iter().filter(|(_, text)| text.contains(part)).map(|(at, _)| *at).collect();
            assert_eq!(found.len(), 1, "{part} in {writes:?}");
            found[0]
        };
        let near = |part: &str, expected: u128| assert!((expected..expected + 5).contains(&about(part)), "{writes:?}");
        near("hello", 0);
        near("\"data\":[1]", 200);
        near("pong", 390);
        near("\"data\":[2]", 400);
        near("\"data\":[3]", 600);
        near("barrier", 600);
        let all: String = writes.iter().map(|(_, text)| text.as_str()).collect();
        assert!(all.find("\"data\":[3]") < all.find("barrier"), "a barrier comes after the rows that it speaks for");
    }

    #[test]
    fn what_is_too_heavy_to_wait_is_written_early_and_the_next_data_wait_anew() {
        let heavy = crate::live::Rows { body: vec![b'1'; 300 << 10].into(), count: 1 };
        let events = vec![
            (10, Event::Rows(rows("1"))),
            (100, Event::Rows(heavy)),
            (150, Event::Rows(rows("2"))),
            (250, Event::Rows(rows("3"))),
        ];
        let writes = timed(events, &[]);
        let last = writes.last().expect("writes");
        assert!((300..305).contains(&last.0) && last.1.contains("\"data\":[2,3]"), "{}: {}", last.0, last.1);
        let data: Vec<_> = writes.iter().filter(|(at, _)| *at > 5).map(|(at, _)| *at).collect();
        assert!(data.iter().all(|at| (100..105).contains(at) || (300..305).contains(at)), "{data:?}");
    }
}
