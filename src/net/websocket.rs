//! How does one WebSocket connection to a server live?

use crate::net::{BoxStream, Dial, DialError, Endpoint};
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::{io, time::Duration};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        error::{CapacityError, ProtocolError},
        protocol::WebSocketConfig,
    },
};

/// Sizes and times of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A frame that declares more ends the connection.
    pub frame_bytes_max: usize,
    /// A message of more ends the connection.
    pub message_bytes_max: usize,
    /// Zero-filled before every read, so small is fast: 16 KiB costs 165 ns a read, 128 KiB a microsecond (measured).
    pub read_buffer_bytes: usize,
    /// Unsent bytes of ours beyond which the connection ends.
    pub write_buffer_bytes_max: usize,
    /// Dialling and handshake together must end within it.
    pub handshake_timeout: Duration,
    /// A message of ours must be taken within it.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 4 << 20,
            read_buffer_bytes: 16 << 10,
            write_buffer_bytes_max: 1 << 20,
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No byte stream.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server refused the upgrade.
    #[error("{endpoint}{path}: the server answers HTTP {status} instead of upgrading")]
    Refused {
        /// Which server.
        endpoint: Endpoint,
        /// Which path.
        path: String,
        /// Its status.
        status: u16,
    },
    /// Something that is no handshake.
    #[error("{endpoint}{path}: the handshake failed")]
    Handshake {
        /// Which server.
        endpoint: Endpoint,
        /// Which path.
        path: String,
        /// What was wrong with it.
        source: Box<tungstenite::Error>,
    },
    /// It took too long.
    #[error("{endpoint}: no handshake within {after:?}")]
    TimedOut {
        /// Which server.
        endpoint: Endpoint,
        /// The limit.
        after: Duration,
    },
}

impl OpenError {
    /// A label from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dial(_) => "dial",
            Self::Refused { .. } => "refused",
            Self::Handshake { .. } => "handshake",
            Self::TimedOut { .. } => "handshake_timeout",
        }
    }
}

/// Why reading ended; the connection is over.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server said goodbye.
    #[error("the server closed: {code} {reason}")]
    Closed {
        /// The close code; 1005 when none was given.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The stream ended without a goodbye.
    #[error("the connection broke off")]
    BrokenOff,
    /// A frame or message beyond the limits.
    #[error("a frame of {bytes} bytes is larger than the {bytes_max} allowed")]
    TooLarge {
        /// Declared or gathered.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Bytes that are no WebSocket.
    #[error("the server breaks the WebSocket protocol")]
    Protocol(#[source] Box<tungstenite::Error>),
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl ReadError {
    /// A label from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::BrokenOff => "broken_off",
            Self::TooLarge { .. } => "too_large",
            Self::Protocol(_) => "protocol",
            Self::Io(_) => "io",
        }
    }
}

impl From<tungstenite::Error> for ReadError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::BrokenOff,
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooLarge { bytes: size, bytes_max: max_size }
            }
            tungstenite::Error::Io(source) => Self::Io(source),
            other => Self::Protocol(Box::new(other)),
        }
    }
}

/// Why a message was not sent; the connection is over.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The connection failed.
    #[error("the message cannot be sent")]
    Failed(#[source] Box<tungstenite::Error>),
    /// The server takes nothing.
    #[error("the server took no message within {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
}

impl WriteError {
    /// A label from a closed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Failed(_) => "write",
            Self::TimedOut { .. } => "write_timeout",
        }
    }
}

/// An open connection. Pings are answered while it is read.
#[derive(Debug)]
pub struct WebSocket {
    socket: WebSocketStream<BoxStream>,
    limits: Limits,
}

impl std::fmt::Debug for Box<dyn crate::net::ByteStream> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByteStream")
    }
}

impl WebSocket {
    /// Dials and shakes hands.
    ///
    /// # Errors
    ///
    /// When the host cannot be reached, refuses, or takes too long.
    pub async fn open(dialer: &dyn Dial, endpoint: &Endpoint, path: &str, limits: &Limits) -> Result<Self, OpenError> {
        let opened = tokio::time::timeout(limits.handshake_timeout, shake_hands(dialer, endpoint, path, limits)).await;
        let after = limits.handshake_timeout;
        let socket = opened.unwrap_or_else(|_| Err(OpenError::TimedOut { endpoint: endpoint.clone(), after }))?;
        Ok(Self { socket, limits: *limits })
    }

    /// Waits for a frame, then hands over every text frame that is there already, at most `count_max`; returns how many
    /// frames of any kind it saw. Cancelling it loses nothing.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub async fn read(&mut self, count_max: usize, mut take: impl FnMut(&[u8])) -> Result<usize, ReadError> {
        let mut next = Some(self.socket.next().await);
        let mut count = 0;
        while let Some(message) = next.take() {
            count += 1;
            match message.ok_or(ReadError::BrokenOff)?? {
                Message::Text(text) => take(text.as_bytes()),
                Message::Close(frame) => return Err(closed(frame)),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
            if count < count_max {
                next = self.socket.next().now_or_never();
            }
        }
        Ok(count)
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// When the connection is over or the server takes nothing.
    pub async fn send(&mut self, text: String) -> Result<(), WriteError> {
        let after = self.limits.write_timeout;
        let sent = tokio::time::timeout(after, self.socket.send(Message::text(text))).await;
        sent.map_err(|_| WriteError::TimedOut { after })?.map_err(|error| WriteError::Failed(Box::new(error)))
    }
}

async fn shake_hands(
    dialer: &dyn Dial,
    endpoint: &Endpoint,
    path: &str,
    limits: &Limits,
) -> Result<WebSocketStream<BoxStream>, OpenError> {
    let stream = dialer.dial(endpoint).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer_bytes)
        .max_frame_size(Some(limits.frame_bytes_max))
        .max_message_size(Some(limits.message_bytes_max))
        .write_buffer_size(0)
        .max_write_buffer_size(limits.write_buffer_bytes_max);
    let failed = |error| {
        let (endpoint, path) = (endpoint.clone(), path.to_owned());
        match error {
            tungstenite::Error::Http(response) => {
                OpenError::Refused { endpoint, path, status: response.status().as_u16() }
            }
            other => OpenError::Handshake { endpoint, path, source: Box::new(other) },
        }
    };
    let url = format!("{endpoint}{path}");
    let (socket, _) = client_async_with_config(url, stream, Some(config)).await.map_err(failed)?;
    Ok(socket)
}

fn closed(frame: Option<tungstenite::protocol::CloseFrame>) -> ReadError {
    let (code, reason) = frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
    ReadError::Closed { code, reason }
}
