//! How are frames read in batches and pings answered, without a task or a queue in between?

use super::{Limits, OpenError, ReadError, WriteError};
use crate::net::{BoxStream, Dial, Endpoint, Scheme};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        Bytes, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One open connection. Used by one task; it never reconnects.
pub struct WebSocket {
    stream: WebSocketStream<MaybeTlsStream<BoxStream>>,
    limits: Limits,
    /// When the last frame of any kind was read.
    heard: Instant,
    /// Whether a ping of ours has been unanswered since then.
    pinged: bool,
    /// Rings no later than silence has to be acted upon. While frames flow it is not touched, only set anew when it
    /// rings: a timer's reset for each batch would cost more than the batch.
    alarm: Pin<Box<Sleep>>,
    /// Something was written and may not be flushed.
    unflushed: bool,
    /// An error that came behind frames already handed over.
    failure: Option<ReadError>,
    ended: bool,
}

impl WebSocket {
    /// Dials, wraps in TLS if the endpoint wants it, and upgrades. `path_and_query` as in `/market/stream?streams=...`.
    ///
    /// # Errors
    ///
    /// When any of the three fails or takes too long, or the path cannot stand in a URL.
    pub async fn open(
        dialer: &dyn Dial,
        endpoint: &Endpoint,
        path_and_query: &str,
        limits: &Limits,
    ) -> Result<Self, OpenError> {
        let (scheme, connector) = match (endpoint.scheme(), dialer.tls()) {
            (Scheme::Wss, Some(config)) => (Scheme::Wss, Connector::Rustls(config)),
            _ => (Scheme::Ws, Connector::Plain),
        };
        let url = endpoint.url(scheme, path_and_query);
        let request = url.as_str().into_client_request().map_err(|_| OpenError::Url { url })?;
        let bytes = dialer.dial(endpoint).await?;
        let upgrade = client_async_tls_with_config(request, bytes, Some(limits.tungstenite()), Some(connector));
        let after = limits.handshake_timeout;
        let (stream, _) = timeout(after, upgrade).await.map_err(|_| OpenError::Timeout { after })??;
        Ok(Self {
            stream,
            limits: *limits,
            heard: Instant::now(),
            pinged: false,
            alarm: Box::pin(sleep(limits.idle_timeout)),
            unflushed: false,
            failure: None,
            ended: false,
        })
    }

    /// Waits for at least one data frame, then hands over every one that is ready without waiting, at most `count_max`
    /// (0 counts as 1); returns how many. Text is UTF-8; the venue sends no binary frames, and one that comes all the
    /// same is handed over too, for the decoder to count. Pings are answered on the way, and a silent peer is pinged.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has handed nothing over and lost nothing.
    ///
    /// # Errors
    ///
    /// When the connection is over. Frames read before the end are handed over by a call of their own first.
    pub async fn read(&mut self, count_max: usize, mut take: impl FnMut(&[u8])) -> Result<usize, ReadError> {
        poll_fn(|cx| self.poll_read(cx, count_max.max(1), &mut take)).await
    }

    /// Sends one text frame. Cancelled, it may or may not have sent it whole later; the connection stays usable.
    ///
    /// # Errors
    ///
    /// When the connection is over or the peer takes nothing.
    pub async fn send(&mut self, text: String) -> Result<(), WriteError> {
        if self.ended {
            return Err(WriteError::Closed);
        }
        self.unflushed = true;
        let after = self.limits.write_timeout;
        timeout(after, self.stream.send(Message::text(text))).await.map_err(|_| WriteError::Timeout { after })??;
        self.unflushed = false;
        Ok(())
    }

    /// Says goodbye and waits a second at most for the peer to do the same; what it sends meanwhile is dropped.
    pub async fn close(mut self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let farewell = async {
            if !self.ended && self.stream.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        if timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
            tracing::debug!("the peer did not answer the close frame");
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        count_max: usize,
        take: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<usize, ReadError>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        self.flush_rest(cx);
        let mut taken = 0;
        for seen in 0..count_max {
            match self.poll_frame(cx) {
                Poll::Ready(Ok(frame)) => taken += usize::from(hand_over(&frame, take)),
                Poll::Ready(Err(error)) if taken == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Err(error)) => {
                    self.failure = Some(error);
                    return Poll::Ready(Ok(taken));
                }
                Poll::Pending => {
                    if seen > 0 {
                        self.hear();
                    }
                    return if taken > 0 { Poll::Ready(Ok(taken)) } else { self.poll_silence(cx).map(Err) };
                }
            }
        }
        self.hear();
        if taken == 0 {
            // Nothing but pings so far, and more is ready: let other tasks run before going on.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    /// The next frame; tungstenite answers pings inside of this call or the next.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, ReadError>> {
        if self.ended {
            return Poll::Ready(Err(ReadError::Cut));
        }
        let error = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            Some(Ok(Message::Close(frame))) => {
                self.unflushed = true;
                self.flush_rest(cx); // our side of the goodbye
                closed(frame)
            }
            Some(Ok(frame)) => return Poll::Ready(Ok(frame)),
            Some(Err(error)) => error.into(),
            None => ReadError::Cut,
        };
        self.ended = true;
        Poll::Ready(Err(error))
    }

    fn hear(&mut self) {
        self.heard = Instant::now();
        if self.pinged {
            self.pinged = false;
            self.alarm.as_mut().reset(later(self.heard, self.limits.idle_timeout));
        }
    }

    /// Pings after some silence; ready when the silence has lasted too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<ReadError> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let now = Instant::now();
            if self.pinged {
                self.ended = true;
                return Poll::Ready(ReadError::Silent { silence: now - self.heard });
            }
            let quiet_at = later(self.heard, self.limits.idle_timeout);
            let next = if now < quiet_at {
                quiet_at
            } else {
                self.ping(cx);
                later(now, self.limits.ping_timeout)
            };
            self.alarm.as_mut().reset(next);
        }
    }

    /// Puts a ping on its way. Should that fail, silence goes on and ends the connection.
    fn ping(&mut self, cx: &mut Context<'_>) {
        self.pinged = true;
        self.unflushed |= Pin::new(&mut self.stream).start_send(Message::Ping(Bytes::new())).is_ok();
        self.flush_rest(cx);
    }

    /// Goes on with writing what an earlier call began. A failure is left for reading to report.
    fn flush_rest(&mut self, cx: &mut Context<'_>) {
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("heard", &self.heard).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Whether the frame carries data, which `take` has then seen.
fn hand_over(frame: &Message, take: &mut impl FnMut(&[u8])) -> bool {
    match frame {
        Message::Text(text) => take(text.as_bytes()),
        Message::Binary(bytes) => take(bytes),
        _ => return false,
    }
    true
}

fn closed(frame: Option<CloseFrame>) -> ReadError {
    match frame {
        Some(CloseFrame { code, reason }) => {
            ReadError::Closed { code: Some(code.into()), reason: reason.as_str().to_owned() }
        }
        None => ReadError::Closed { code: None, reason: String::new() },
    }
}

/// `from` plus `wait`, or so late that it never comes.
fn later(from: Instant, wait: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(365 * 86_400);
    from + wait.min(NEVER)
}
