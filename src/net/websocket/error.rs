//! Why did a connection not open, or end?

use crate::net::DialError;
use std::{io, time::Duration};
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    http::header::RETRY_AFTER,
};

/// Why a connection did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no byte stream.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// Path or query cannot stand in a URL.
    #[error("`{url}` is not a URL")]
    Url {
        /// The URL in question.
        url: String,
    },
    /// The peer's certificate or TLS is not acceptable, or it finds ours so.
    #[error("TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// The peer answers, but will not speak WebSocket.
    #[error("the upgrade was refused with HTTP {status}")]
    Refused {
        /// HTTP status: 429 is a warning, 418 a ban, 403 the firewall (Binance USD-M docs).
        status: u16,
        /// `Retry-After`, when it was given in seconds.
        retry_after: Option<Duration>,
    },
    /// TLS and upgrade took too long.
    #[error("no handshake within {after:?}")]
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// The answer is not one of a WebSocket server.
    #[error("not a WebSocket handshake: {0}")]
    Handshake(#[source] Error),
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
}

impl OpenError {
    /// A label for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dial(error) => error.reason(),
            Self::Url { .. } => "url",
            Self::Tls(_) => "tls",
            Self::Refused { .. } => "refused",
            Self::Timeout { .. } => "handshake_timeout",
            Self::Handshake(_) => "handshake",
            Self::Io(_) => "io",
        }
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls) => Self::Tls(tls.clone()),
                None => Self::Io(error),
            },
            Error::Http(answer) => {
                let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Self::Refused { status: answer.status().as_u16(), retry_after: seconds.map(Duration::from_secs) }
            }
            other => Self::Handshake(other),
        }
    }
}

/// Why nothing more can be read; the connection is over.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The peer said goodbye.
    #[error("closed by the peer, code {code:?}: {reason}")]
    Closed {
        /// RFC 6455, section 7.4; `None` when it gave none.
        code: Option<u16>,
        /// The peer's words, at most 123 bytes.
        reason: String,
    },
    /// The stream ended without a goodbye, perhaps inside a frame, or had ended before.
    #[error("cut without a close frame")]
    Cut,
    /// A frame or message beyond the limits.
    #[error("{bytes} bytes where {bytes_max} are allowed")]
    TooLarge {
        /// What was announced.
        bytes: usize,
        /// The limit that it broke.
        bytes_max: usize,
    },
    /// Nothing came for this long, not even the answer to a ping.
    #[error("silent for {silence:?}")]
    Silent {
        /// Since the last frame of any kind.
        silence: Duration,
    },
    /// What came is not WebSocket.
    #[error("not WebSocket: {0}")]
    Protocol(#[from] ProtocolError),
    /// A text that is not UTF-8.
    #[error("a text frame is not UTF-8")]
    Encoding,
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
}

impl ReadError {
    /// A label for metrics. Of the codes of a close only those that a venue is known to send have a label of their own.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed { code: Some(1000), .. } => "closed_1000",
            Self::Closed { code: Some(1001), .. } => "closed_1001",
            Self::Closed { code: Some(1008), .. } => "closed_1008",
            Self::Closed { .. } => "closed",
            Self::Cut => "cut",
            Self::TooLarge { .. } => "too_large",
            Self::Silent { .. } => "silent",
            Self::Protocol(_) => "protocol",
            Self::Encoding => "encoding",
            Self::Io(_) => "io",
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Cut,
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooLarge { bytes: size, bytes_max: max_size }
            }
            Error::Protocol(error) => Self::Protocol(error),
            Error::Utf8(_) => Self::Encoding,
            // TLS that ends without its own goodbye.
            Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Cut,
            Error::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

/// Why a request was not sent. Reading tells why the connection is over, if it is.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The peer takes nothing.
    #[error("the peer did not take it within {after:?}")]
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// More waits to be written than is allowed.
    #[error("the write buffer is full")]
    Full,
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
}

impl WriteError {
    /// A label for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timeout { .. } => "write_timeout",
            Self::Full => "full",
            Self::Io(_) => "io",
        }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing) => {
                Self::Closed
            }
            Error::WriteBufferFull(_) => Self::Full,
            Error::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}
