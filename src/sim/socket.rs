//! How does the venue treat one WebSocket connection?

use crate::{
    model::Symbol,
    sim::{
        control::{Reply, answer},
        exchange::{Exchange, Timers},
        faults::{Cut, Ending, Verdict, is_kept},
        feed::Feed,
        malformed::jumped,
        rest::percent_decoded,
        stream::Route,
    },
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        handshake::server::{ErrorResponse, Request, Response},
        http::StatusCode,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// Messages that a client may send in a second (measured: 15 of 40 are answered, then 1008).
const MESSAGES_MAX: usize = 15;
/// Frames written before the connection looks for requests again.
const BATCH_MAX: usize = 1_024;
/// The handshake takes at most this long.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why a connection ended other than by its client.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The socket or the protocol.
    #[error("a WebSocket connection failed")]
    WebSocket(#[from] Box<tungstenite::Error>),
    /// The client took or said nothing for too long.
    #[error("a client was too slow")]
    TooSlow,
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// What a URL asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    route: Route,
    is_combined: bool,
    streams: Vec<String>,
}

/// Reads `/[public|market|private/]ws[/a/b]` and `/[..]stream[?streams=a/b]`; a comma for a slash fails the handshake.
fn asked(path: &str, query: Option<&str>) -> Option<Asked> {
    let (route, rest) = match path.strip_prefix('/')?.split_once('/') {
        Some(("public", rest)) => (Route::Public, rest),
        Some(("market", rest)) => (Route::Market, rest),
        Some(("private", rest)) => (Route::Private, rest),
        _ => (Route::Legacy, path.strip_prefix('/')?),
    };
    let (is_combined, names) = match (rest, rest.strip_prefix("ws/")) {
        ("ws", _) => (false, ""),
        (_, Some(names)) => (false, names),
        ("stream", _) => {
            (true, query.unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("streams=")).unwrap_or(""))
        }
        _ => return None,
    };
    let names = percent_decoded(names);
    if names.contains(',') {
        return None;
    }
    let streams = names.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Asked { route, is_combined, streams })
}

/// Serves one connection, from its handshake to its end.
///
/// # Errors
///
/// When the handshake or the socket fails, or the client is too slow.
pub(super) async fn serve<S>(exchange: Arc<Exchange>, stream: S) -> Result<(), SocketError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if exchange.faults().is_refusing() {
        return Ok(());
    }
    let heard = Mutex::new(None);
    let config = WebSocketConfig::default().read_buffer_size(8 << 10).max_message_size(Some(1 << 20));
    // The error's size is tungstenite's choice.
    #[expect(clippy::result_large_err, reason = "the callback's signature is tungstenite's")]
    let callback = |request: &Request, response: Response| match asked(request.uri().path(), request.uri().query()) {
        Some(found) => {
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(response)
        }
        None => {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            Err(refusal)
        }
    };
    let accepted = timeout(HANDSHAKE, accept_hdr_async_with_config(stream, callback, Some(config)));
    let socket = accepted.await.map_err(|_| SocketError::TooSlow)??;
    let Some(asked) = heard.into_inner().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
    Connection::new(exchange, socket, &asked).run(&asked.streams).await
}

/// One open connection.
struct Connection<S> {
    exchange: Arc<Exchange>,
    socket: WebSocketStream<S>,
    feed: Feed,
    timers: Timers,
    opened: Instant,
    next_ping: Instant,
    /// Pings not answered yet: payload and time; at most one a [`Timers::ping`], so bounded by [`Timers::pong`].
    pings: VecDeque<(String, Instant)>,
    /// When the newest messages came, at most [`MESSAGES_MAX`].
    heard_at: VecDeque<Instant>,
    cuts: watch::Receiver<Cut>,
    /// Frames that follow their successors, the last one first; bounded by the faults that wait.
    late: Vec<Utf8Bytes>,
    /// The first `aggTrade` frame of each symbol.
    oldest: HashMap<Symbol, Utf8Bytes>,
    /// Frames that were due.
    frames: u64,
    /// Whether it delivers nothing.
    is_deaf: bool,
    /// Of a thousand frames it keeps so many.
    kept_per_mille: u32,
    /// What had been ordered of [`crate::sim::StreamFaults`] when it last looked.
    obeyed: u64,
}

/// What happened.
enum Event {
    Cut(Cut),
    Heard(Message),
    Gone,
    FramesDue,
    PingDue,
    Silent,
    Old,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(exchange: Arc<Exchange>, socket: WebSocketStream<S>, asked: &Asked) -> Self {
        let (now, timers) = (Instant::now(), exchange.timers());
        Self {
            feed: Feed::new(exchange.clone(), asked.route, asked.is_combined),
            cuts: exchange.faults().cuts(),
            is_deaf: exchange.faults().is_deafening(),
            kept_per_mille: 1_000,
            obeyed: exchange.faults().streams().count(),
            exchange,
            socket,
            timers,
            opened: now,
            next_ping: now + timers.first_ping,
            pings: VecDeque::new(),
            heard_at: VecDeque::new(),
            late: Vec::new(),
            oldest: HashMap::new(),
            frames: 0,
        }
    }

    async fn run(mut self, streams: &[String]) -> Result<(), SocketError> {
        for name in streams {
            if self.feed.subscribe(name).is_err() {
                let text = r#"{"error":{"code":4,"msg":"Too many subscriptions"}}"#.to_owned();
                return self.reply(Reply { text, close: Some("Invalid request") }).await.map(drop);
            }
        }
        loop {
            let event = self.next_event().await?;
            self.obey();
            if self.handle(event).await? == Next::End {
                return Ok(());
            }
        }
    }

    /// Does what was ordered of carriers since it last looked.
    fn obey(&mut self) {
        let streams = self.exchange.faults().streams();
        let count = streams.count();
        if self.obeyed == count {
            return;
        }
        for order in streams.orders_since(self.obeyed) {
            if order.symbol.as_ref().is_none_or(|symbol| self.feed.carries(symbol)) {
                self.kept_per_mille = order.kept_per_mille;
            }
        }
        self.obeyed = count;
    }

    async fn next_event(&mut self) -> Result<Event, SocketError> {
        let due = self.feed.next_due().map(|due| self.exchange.until(due));
        let unanswered =
            self.pings.front().map_or(self.opened + self.timers.lifetime, |(_, at)| *at + self.timers.pong);
        tokio::select! {
            biased;
            Ok(()) = self.cuts.changed() => Ok(Event::Cut(*self.cuts.borrow_and_update())),
            () = sleep_until(self.opened + self.timers.lifetime) => Ok(Event::Old),
            () = sleep_until(unanswered) => Ok(Event::Silent),
            () = sleep_until(self.next_ping) => Ok(Event::PingDue),
            message = self.socket.next() => match message {
                Some(message) => Ok(Event::Heard(message?)),
                None => Ok(Event::Gone),
            },
            () = sleep(due.unwrap_or(self.timers.lifetime)), if due.is_some() => Ok(Event::FramesDue),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<Next, SocketError> {
        match event {
            Event::Cut(cut) => self.cut(cut).await,
            Event::Heard(message) => self.hear(message).await,
            Event::Gone | Event::Silent => Ok(Next::End),
            Event::FramesDue => self.send_due().await,
            Event::PingDue => self.ping().await,
            Event::Old => self.close(CloseCode::Normal, "").await,
        }
    }

    async fn cut(&mut self, cut: Cut) -> Result<Next, SocketError> {
        if let Ending::Closed(code) = cut.ending {
            return self.close(CloseCode::from(code), "").await;
        }
        if cut.ending == Ending::Torn {
            // The head of a text frame of 300 bytes, and the first few of them.
            let torn = self.socket.get_mut().write_all(b"\x81\x7e\x01\x2c{\"stream\":\"btc");
            torn.await.map_err(tungstenite::Error::Io)?;
            self.socket.get_mut().flush().await.map_err(tungstenite::Error::Io)?;
        }
        Ok(Next::End)
    }

    async fn hear(&mut self, message: Message) -> Result<Next, SocketError> {
        if let Message::Pong(payload) = &message {
            if let Some(at) = self.pings.iter().position(|(sent, _)| sent.as_bytes() == payload.as_ref()) {
                self.pings.drain(..=at);
            }
            return Ok(Next::Continue);
        }
        if matches!(message, Message::Close(_)) {
            return Ok(Next::Continue);
        }
        if self.is_flooded() {
            return self.close(CloseCode::Policy, "Too many requests").await;
        }
        match message {
            Message::Text(text) => {
                let reply = answer(&mut self.feed, &text);
                self.reply(reply).await
            }
            // Pings are answered by tungstenite; binary frames are no requests.
            _ => self.flush().await,
        }
    }

    /// Notes a message; whether it is one too many within a second.
    fn is_flooded(&mut self) -> bool {
        let now = Instant::now();
        while self.heard_at.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            self.heard_at.pop_front();
        }
        let is_flooded = self.heard_at.len() >= MESSAGES_MAX;
        if !is_flooded {
            self.heard_at.push_back(now);
        }
        is_flooded
    }

    async fn reply(&mut self, reply: Reply) -> Result<Next, SocketError> {
        self.feed_text(reply.text.into()).await?;
        match reply.close {
            Some(reason) => self.close(CloseCode::Policy, reason).await,
            None => self.flush().await,
        }
    }

    /// Sends everything due by now in one flush.
    async fn send_due(&mut self) -> Result<Next, SocketError> {
        let now = self.exchange.now().get();
        for _ in 0..BATCH_MAX {
            let mut text = String::with_capacity(256);
            let Some(symbol) = self.feed.write_due(now, &mut text) else { break };
            if text.is_empty() {
                continue;
            }
            let faults = self.exchange.faults();
            self.frames += 1;
            let is_kept = is_kept(self.frames, self.kept_per_mille) && !faults.is_thinned(self.frames);
            if faults.is_stalled() || self.is_deaf || self.feed.is_dead() || !is_kept {
                continue;
            }
            let verdict = symbol.as_ref().map_or(Verdict::Send, |symbol| faults.verdict(symbol));
            if let Some(symbol) = symbol.filter(|symbol| !self.oldest.contains_key(symbol)) {
                self.oldest.insert(symbol, text.as_str().into());
            }
            self.send(text.into(), verdict).await?;
        }
        self.flush().await
    }

    async fn send(&mut self, text: Utf8Bytes, verdict: Verdict) -> Result<(), SocketError> {
        match verdict {
            Verdict::Drop => return Ok(()),
            Verdict::After => {
                self.late.push(text);
                return Ok(());
            }
            Verdict::Malformed(malformed) => self.within(malformed.frame(&text)).await?,
            Verdict::Twice => self.feed_text(text.clone()).await?,
            Verdict::Jump => self.feed_text(jumped(&text).into()).await?,
            Verdict::Send | Verdict::Old => {}
        }
        self.feed_text(text).await?;
        if verdict == Verdict::Old {
            // Of whichever symbol: each is old by now.
            for old in self.oldest.values().cloned().collect::<Vec<_>>() {
                self.feed_text(old).await?;
            }
        }
        while let Some(late) = self.late.pop() {
            self.feed_text(late).await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<Next, SocketError> {
        let payload = self.exchange.now().to_string();
        self.next_ping = Instant::now() + self.timers.ping;
        self.pings.push_back((payload.clone(), Instant::now()));
        self.within(Message::Ping(payload.into_bytes().into())).await?;
        self.flush().await
    }

    async fn close(&mut self, code: CloseCode, reason: &'static str) -> Result<Next, SocketError> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        timeout(self.timers.write, self.socket.close(Some(frame))).await.map_err(|_| SocketError::TooSlow)??;
        // Until the client has answered, dropping the socket could reset the connection before the frame is read.
        let drained = timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = self.socket.next().await {} });
        drained.await.unwrap_or_default();
        Ok(Next::End)
    }

    async fn feed_text(&mut self, text: Utf8Bytes) -> Result<(), SocketError> {
        self.within(Message::Text(text)).await
    }

    async fn within(&mut self, message: Message) -> Result<(), SocketError> {
        let fed = timeout(self.timers.write, self.socket.feed(message));
        Ok(fed.await.map_err(|_| SocketError::TooSlow)??)
    }

    async fn flush(&mut self) -> Result<Next, SocketError> {
        let flushed = timeout(self.timers.write, self.socket.flush());
        flushed.await.map_err(|_| SocketError::TooSlow)??;
        Ok(Next::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_route_envelope_and_streams() {
        let check = |path: &str, query: Option<&str>, expected: Option<(Route, bool, &[&str])>| {
            let found = asked(path, query);
            let found = found.as_ref().map(|asked| (asked.route, asked.is_combined, asked.streams.clone()));
            let expected = expected.map(|(route, combined, names)| {
                (route, combined, names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
            });
            assert_eq!(found, expected, "{path} {query:?}");
        };
        check("/ws", None, Some((Route::Legacy, false, &[])));
        check("/market/ws/a@aggTrade/b@trade", None, Some((Route::Market, false, &["a@aggTrade", "b@trade"])));
        check("/public/stream", Some("streams=a/b"), Some((Route::Public, true, &["a", "b"])));
        check("/stream", None, Some((Route::Legacy, true, &[])));
        check("/market/ws/%E5%B8%81usdt@aggTrade", None, Some((Route::Market, false, &["币usdt@aggTrade"])));
        check("/market/stream", Some("streams=a,b"), None);
        check("/nowhere", None, None);
        check("/market", None, None);
    }
}
