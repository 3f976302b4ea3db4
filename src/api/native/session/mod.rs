//! How does one client's WebSocket live?
//!
//! actix polls a session only while its socket takes bytes, so a client that does not read freezes its session, timers
//! included. Whether it lags is therefore judged by the publishers, and a stalled socket is cut from outside.

mod rate;
mod requests;
mod upgrade;

pub(in crate::api) use upgrade::open;

use crate::{
    api::{
        Shared,
        native::{outbox::Outbox, protocol::Wish, session::rate::Rate},
        sessions::Goodbye,
    },
    live::{Cut, Delivery, Event, SessionKey, Topic},
    metrics::Labels,
    model::{Timeframe, UnixMillis},
};
use actix::{fut, prelude::*};
use actix_http::ws::{CloseCode, CloseReason, Message as Frame, ProtocolError};
use actix_web_actors::ws;
use bytestring::ByteString;
use serde_json::{Value, json};
use std::{cell::Cell, collections::BTreeMap, io::ErrorKind, rc::Rc, time::Duration};
use tokio::time::Instant;

/// The subprotocol that a client may name.
const SUBPROTOCOL: &str = "tapedeck.v1+json";
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
    flushed_at: Instant,
    outbox: Outbox,
    subs: BTreeMap<u32, (Topic, Wish)>,
    next_sub: u32,
    pings_missed: u32,
    malformed: u32,
    rate: Rate,
    started_at: Instant,
    last_barrier: BTreeMap<(Timeframe, usize), UnixMillis>,
    /// Whether the guard refused a frame for its size; the codec's own error does not say so.
    oversized: Rc<Cell<bool>>,
    closing: bool,
}

impl SessionActor {
    fn new(shared: Shared, cut: Cut, flush: Option<Duration>, oversized: Rc<Cell<bool>>) -> Self {
        let now = Instant::now();
        Self {
            key: shared.sessions.key(),
            flush_interval: flush.unwrap_or(shared.options.session.flush),
            shared,
            cut,
            flush_planned: false,
            flushed_at: now,
            outbox: Outbox::default(),
            subs: BTreeMap::new(),
            next_sub: 1,
            pings_missed: 0,
            malformed: 0,
            rate: Rate::default(),
            started_at: now,
            last_barrier: BTreeMap::new(),
            oversized,
            closing: false,
        }
    }

    fn say(&mut self, message: &Value, context: &mut Context) {
        self.flushed_at = Instant::now();
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
        let wait = self.flush_interval.saturating_sub(self.flushed_at.elapsed());
        if wait.is_zero() {
            // A future is polled after the mailbox has been emptied, so everything that waits there goes out together.
            context.spawn(fut::ready(()).map(|(), actor: &mut Self, context| actor.planned_flush(context)));
        } else {
            context.run_later(wait, Self::planned_flush);
        }
    }

    fn planned_flush(&mut self, context: &mut Context) {
        self.flush_planned = false;
        self.flush(context);
    }

    /// Writes everything. A flush that was planned stays planned, so that there is never more than one.
    fn flush(&mut self, context: &mut Context) {
        let (mut frames, now) = (0, self.shared.clock.wall());
        self.outbox.flush(now, |frame| {
            // Everything in a frame was text before.
            if let Ok(text) = ByteString::try_from(frame) {
                context.text(text);
                frames += 1;
            }
        });
        if frames > 0 {
            self.flushed_at = Instant::now();
        }
        self.shared.metrics.ws_messages_sent.inc_by(frames);
    }

    fn barrier(&mut self, event: &Event, context: &mut Context) {
        let Event::Barrier { timeframe, thread, end, incomplete } = event else { return };
        // Every contract's publisher says it; a session hears it once a live thread.
        if self.last_barrier.insert((*timeframe, *thread), *end) == Some(*end) {
            return;
        }
        self.flush(context);
        let incomplete: Vec<_> = incomplete.iter().map(|symbol| symbol.as_str()).collect();
        let barrier = json!({
            "type": "barrier", "interval": timeframe.to_string(), "end": end.get(), "incomplete": incomplete,
        });
        self.say(&barrier, context);
    }

    /// Everything the client was sent is written first, so that the last id it is told is one that it has.
    fn too_slow(&mut self, last_id: Option<u64>, context: &mut Context) {
        self.flush(context);
        let reason = last_id.map_or("slow consumer".to_owned(), |id| format!("slow consumer; last id {id}"));
        self.end(CloseCode::Other(4008), &reason, context);
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
    }

    /// Says that we are here if nothing else did, and comes again when the next silence would be too long.
    fn heartbeat(&mut self, context: &mut Context) {
        let silence_max = self.shared.options.session.heartbeat;
        if self.flushed_at.elapsed() >= silence_max {
            let ts = self.shared.clock.wall().get();
            self.say(&json!({"type": "heartbeat", "ts": ts}), context);
        }
        let wait = silence_max.saturating_sub(self.flushed_at.elapsed());
        context.run_later(wait.max(Duration::from_millis(1)), Self::heartbeat);
    }
}

impl Actor for SessionActor {
    type Context = Context;

    fn started(&mut self, context: &mut Context) {
        let options = &self.shared.options.session;
        context.set_mailbox_capacity(options.queue_messages_max);
        context.run_interval(options.ping, Self::keep_alive);
        context.run_later(options.heartbeat, Self::heartbeat);
        self.shared.sessions.add(self.key, context.address().recipient());
        self.shared.metrics.ws_connections.inc();
        self.hello(context);
    }

    fn stopped(&mut self, _: &mut Context) {
        for sub in self.subs.keys().copied().collect::<Vec<_>>() {
            self.unsubscribe(sub);
        }
        self.shared.sessions.remove(self.key);
        self.shared.metrics.ws_connections.dec();
    }
}

impl Handler<Delivery> for SessionActor {
    type Result = ();

    fn handle(&mut self, delivery: Delivery, context: &mut Context) {
        match delivery.event {
            _ if self.closing => {}
            Event::TooSlow(last_id) => self.too_slow(last_id, context),
            event @ Event::Barrier { .. } => self.barrier(&event, context),
            event => {
                self.outbox.push(delivery.sub, event);
                self.plan_flush(context);
            }
        }
    }
}

impl Handler<Goodbye> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: Goodbye, context: &mut Context) {
        self.flush(context);
        self.say(&json!({"type": "goodbye", "reason": "shutdown"}), context);
        self.end(CloseCode::Restart, "shutdown", context);
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
    use futures_util::StreamExt;
    use std::sync::Arc;

    fn shared() -> Shared {
        let clock = crate::clock::Clock::system();
        let session = crate::api::SessionOptions {
            flush: Duration::ZERO,
            queue_messages_max: 64,
            subscriptions_max: 8,
            requests_per_second_max: 50,
            message_bytes_max: 64 << 10,
            heartbeat: Duration::from_secs(15),
            ping: Duration::from_secs(20),
        };
        Shared {
            contracts: Arc::default(),
            live: crate::live::Handle::new(1),
            clock,
            venue_clock: Arc::new(crate::market::VenueClock::new(clock)),
            metrics: Arc::default(),
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
                session,
            }),
        }
    }

    /// Everything that a session with subscription 1 writes when it is told `events`, and then goes silent.
    fn written(events: Vec<Event>) -> String {
        System::new().block_on(async {
            let mut session = SessionActor::new(shared(), Cut::new(|| {}), None, Rc::default());
            session.outbox.open(1, "trades", "BTCUSDT");
            let upload = futures_util::stream::pending();
            let (address, mut written) = ws::WebsocketContext::create_with_addr(session, upload);
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

    fn rows(body: &'static str) -> crate::live::Rows {
        crate::live::Rows { body: bytes::Bytes::from_static(body.as_bytes()), count: 1 }
    }

    #[test]
    fn what_waits_is_written_before_a_slow_session_is_ended() {
        let written = written(vec![Event::Trades(rows("41")), Event::TooSlow(Some(41))]);
        let (update, reason) = (written.find("\"data\":[41]"), written.find("slow consumer; last id 41"));
        assert!(update.is_some() && update < reason, "{written}");
    }

    #[test]
    fn one_drain_of_the_mailbox_is_one_update() {
        let events = ["1", "2,3", "4"].map(|body| Event::Trades(rows(body))).to_vec();
        let written = written(events);
        assert!(written.contains("\"data\":[1,2,3,4]"), "{written}");
    }
}
