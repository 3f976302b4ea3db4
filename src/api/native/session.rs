//! How does one client's WebSocket live?
//!
//! actix polls a session only while its socket takes bytes, so a client that does not read freezes its session, timers
//! included. Whether it lags is therefore judged by the publishers, and a stalled socket is cut from outside.

use crate::{
    api::{
        Shared,
        connection::Grip,
        error::ApiError,
        guard::Guard,
        http::origin_allowed,
        native::{
            outbox::Outbox,
            protocol::{Op, Request, RequestError, Wish, parse},
        },
        params::Params,
        sessions::Goodbye,
    },
    live::{Channel, Cut, Delivery, DialectId, Event, SessionKey, Subscriber, Subscription, Topic},
    metrics::Labels,
    model::{Timeframe, UnixMillis},
};
use actix::{fut, prelude::*};
use actix_http::ws::{CloseCode, CloseReason, Message as Frame, ProtocolError};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actix_web_actors::ws;
use bytestring::ByteString;
use serde_json::{Value, json};
use std::{cell::Cell, collections::BTreeMap, io::ErrorKind, rc::Rc, time::Duration};
use tokio::time::Instant;

/// The dialect's place among the encoders.
const DIALECT: DialectId = DialectId(0);
/// The subprotocol that a client may name.
const SUBPROTOCOL: &str = "tapedeck.v1+json";
/// Messages that are no JSON, after which a session is closed.
const MALFORMED_MAX: u32 = 10;
/// Seconds in a row with too many requests, after which a session is closed.
const TOO_FAST_MAX: u32 = 3;
/// Times the allowed requests in one second, after which a session is closed at once.
const FLOOD_FACTOR: u32 = 4;
/// Time for a last frame to leave before a socket is cut: what breaks the protocol may go on uploading.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Unanswered pings that end a session.
const PINGS_MISSED_MAX: u32 = 2;
/// The longest flush interval that a connection may ask for.
const FLUSH_MS_MAX: u64 = 1_000;

/// Upgrades a request to a session.
pub(in crate::api) async fn open(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, actix_web::Error> {
    if !origin_allowed(&request, &shared.options) {
        return Err(ApiError::Origin.into());
    }
    let flush = flush_interval(request.query_string())?;
    let cut = request.conn_data::<Grip>().map_or_else(|| Cut::new(|| {}), Grip::cut);
    let bytes_max = shared.options.session.message_bytes_max;
    check_handshake(&request)?;
    let oversized = Rc::new(Cell::new(false));
    let session = SessionActor::new(shared.get_ref().clone(), cut, flush, Rc::clone(&oversized));
    let payload = Guard::new(payload, bytes_max as u64, oversized);
    ws::WsResponseBuilder::new(session, &request, payload).frame_size(bytes_max).protocols(&[SUBPROTOCOL]).start()
}

/// A proper handshake that offers no subprotocol, or ours among others.
fn check_handshake(request: &HttpRequest) -> Result<(), ApiError> {
    ws::handshake(request).map_err(ApiError::Handshake)?;
    let mut offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).peekable();
    let ours = |offer: &header::HeaderValue| {
        offer.to_str().is_ok_and(|names| names.split(',').any(|name| name.trim() == SUBPROTOCOL))
    };
    if offers.peek().is_none() || offers.any(ours) { Ok(()) } else { Err(ApiError::Subprotocol(SUBPROTOCOL)) }
}

/// The one parameter of the upgrade's address: `flush_ms`.
fn flush_interval(query: &str) -> Result<Option<Duration>, ApiError> {
    let params = Params::read(query, "flush_ms")?;
    let millis = params.text("flush_ms").map(str::parse).transpose();
    let millis = millis.ok().filter(|millis| millis.is_none_or(|millis| millis <= FLUSH_MS_MAX));
    let wrong = ApiError::Invalid { param: "flush_ms", expected: "a whole number from 0 to 1000" };
    Ok(millis.ok_or(wrong)?.map(Duration::from_millis))
}

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

/// How fast requests come.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    second: u64,
    /// In that second.
    requests: u32,
    /// Seconds in a row with too many, that one included.
    fast_seconds: u32,
}

impl Rate {
    /// Counts one request or ping; whether it is one too many.
    fn note(&mut self, second: u64, max: u32) -> bool {
        if self.second != second {
            if self.requests <= max || self.second + 1 != second {
                self.fast_seconds = 0;
            }
            (self.second, self.requests) = (second, 0);
        }
        self.requests = self.requests.saturating_add(1);
        self.fast_seconds += u32::from(self.requests == max.saturating_add(1));
        self.requests > max
    }

    /// Whether it is no mistake any more.
    fn is_abuse(&self, max: u32) -> bool {
        self.fast_seconds > TOO_FAST_MAX || self.requests > max.saturating_mul(FLOOD_FACTOR)
    }
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

    fn refuse(&mut self, id: &Value, error: &RequestError, context: &mut Context) {
        self.count_refused(error);
        self.say(&json!({"type": "error", "id": id, "problem": error.problem()}), context);
    }

    fn count_refused(&self, error: &RequestError) {
        self.shared.metrics.ws_refused.get_or_create(&Labels::new([("code", error.code().0)])).inc();
    }

    /// Answers one text message, always with one message.
    fn answer(&mut self, text: &str, context: &mut Context) {
        if self.is_too_fast(context) {
            let max = self.shared.options.session.requests_per_second_max;
            if !self.closing {
                self.refuse(&Value::Null, &RequestError::TooFast(max), context);
            }
            return;
        }
        match parse(text) {
            Ok(request) => self.serve(request, context),
            Err((id, error)) => {
                self.malformed += u32::from(matches!(error, RequestError::NotJson(_)));
                self.refuse(&id, &error, context);
                if self.malformed >= MALFORMED_MAX {
                    self.end(CloseCode::Policy, "too many messages that are not JSON", context);
                }
            }
        }
    }

    /// Counts a request or ping; whether it is one too many. Ends the session when that goes on.
    fn is_too_fast(&mut self, context: &mut Context) -> bool {
        let max = self.shared.options.session.requests_per_second_max;
        let too_fast = self.rate.note(self.started_at.elapsed().as_secs(), max);
        if self.rate.is_abuse(max) {
            self.end(CloseCode::Policy, "too many requests", context);
        }
        too_fast
    }

    fn serve(&mut self, request: Request, context: &mut Context) {
        let Request { id, op } = request;
        match op {
            Op::Subscribe { wishes, batch } => self.subscribe_all(&id, wishes, batch, context),
            Op::Unsubscribe(subs) => match self.unsubscribe_all(&subs) {
                Ok(()) => self.say(&json!({"type": "ack", "id": id, "unsubscribed": subs}), context),
                Err(error) => self.refuse(&id, &error, context),
            },
            Op::List => {
                let subs: Vec<_> = self.subs.iter().map(|(sub, (_, wish))| self.described(*sub, wish)).collect();
                self.say(&json!({"type": "ack", "id": id, "subs": subs}), context);
            }
            Op::Ping => {
                let time = self.shared.clock.wall().get();
                self.say(&json!({"type": "pong", "id": id, "ts": time}), context);
            }
        }
    }

    fn subscribe_all(
        &mut self,
        id: &Value,
        wishes: Vec<Result<Wish, RequestError>>,
        batch: bool,
        context: &mut Context,
    ) {
        let outcomes: Vec<_> = wishes.into_iter().map(|wish| self.subscribe(wish?, context)).collect();
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.count_refused(error);
        }
        let described = |outcome: &Result<u32, RequestError>| match outcome {
            Ok(sub) => self.subs.get(sub).map_or(Value::Null, |(_, wish)| self.described(*sub, wish)),
            Err(error) => json!({"problem": error.problem()}),
        };
        let answer = match (&outcomes[..], batch) {
            ([Err(error)], false) => json!({"type": "error", "id": id, "problem": error.problem()}),
            ([outcome], false) => {
                let mut ack = described(outcome);
                ack["type"] = "ack".into();
                ack["id"] = id.clone();
                ack
            }
            _ => json!({"type": "ack", "id": id, "subs": outcomes.iter().map(described).collect::<Vec<_>>()}),
        };
        self.say(&answer, context);
    }

    /// How a subscription is named in answers.
    fn described(&self, sub: u32, wish: &Wish) -> Value {
        let symbol = self.shared.contracts.find(&wish.symbol).map(|contract| contract.symbol.as_str());
        let mut canonical = json!({"symbol": symbol, "snapshot": wish.snapshot});
        if let Channel::Candles(timeframe) = wish.channel {
            canonical["interval"] = timeframe.to_string().into();
            canonical["closed_only"] = wish.closed_only.into();
        }
        json!({"sub": sub, "channel": wish.channel_name(), "canonical": canonical})
    }

    fn subscribe(&mut self, wish: Wish, context: &mut Context) -> Result<u32, RequestError> {
        let contract = self.shared.contracts.find(&wish.symbol);
        let contract = contract.ok_or_else(|| RequestError::UnknownSymbol(wish.symbol.chars().take(64).collect()))?;
        let max = self.shared.options.session.subscriptions_max;
        if self.subs.len() >= max {
            return Err(RequestError::TooMany(max));
        }
        let (sub, topic) = (self.next_sub, Topic { contract: contract.id, channel: wish.channel });
        let subscriber = Subscriber {
            session: self.key,
            sub,
            dialect: DIALECT,
            mailbox: context.address().recipient(),
            on_slow: wish.on_slow,
            cut: self.cut.clone(),
        };
        let (snapshot, closed_only) = (wish.snapshot, wish.closed_only);
        self.shared.live.subscribe(Subscription { topic, snapshot, closed_only, subscriber })?;
        self.outbox.open(sub, wish.channel_name(), contract.symbol.as_str());
        self.gauge(&wish, 1);
        self.subs.insert(sub, (topic, wish));
        self.next_sub += 1;
        Ok(sub)
    }

    fn unsubscribe_all(&mut self, subs: &[u32]) -> Result<(), RequestError> {
        if let Some(sub) = subs.iter().find(|sub| !self.subs.contains_key(sub)) {
            return Err(RequestError::UnknownSub(*sub));
        }
        for sub in subs {
            self.unsubscribe(*sub);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, sub: u32) {
        let Some((topic, wish)) = self.subs.remove(&sub) else { return };
        self.outbox.close(sub);
        self.gauge(&wish, -1);
        if let Err(error) = self.shared.live.unsubscribe(topic, self.key, sub) {
            // The publisher drops the line when it finds the mailbox gone, or sweeps it within a minute.
            tracing::debug!(%error, "an unsubscription was not taken");
        }
    }

    fn gauge(&self, wish: &Wish, by: i64) {
        self.shared.metrics.ws_subscriptions.get_or_create(&Labels::new([("channel", wish.channel_name())])).inc_by(by);
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

    /// Notes so many requests in a second; how many were too many, and whether that is abuse.
    fn note(rate: &mut Rate, second: u64, requests: u32) -> (usize, bool) {
        let refused = (0..requests).filter(|_| rate.note(second, 50)).count();
        (refused, rate.is_abuse(50))
    }

    #[test]
    fn seconds_with_too_many_requests_end_a_session_only_in_a_row_or_in_a_flood() {
        let mut rate = Rate::default();
        for second in [0, 1, 2, 10, 11, 12, 20] {
            assert_eq!(note(&mut rate, second, 51), (1, false), "{second}");
        }
        assert_eq!(note(&mut rate, 21, 50), (0, false));
        let seconds: Vec<_> = (22..26).map(|second| note(&mut rate, second, 60).1).collect();
        assert_eq!(seconds, [false, false, false, true]);
        assert_eq!(note(&mut Rate::default(), 0, 201), (151, true));
    }
}
