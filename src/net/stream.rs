//! Where do the bytes of a connection come from? The seam between sockets and memory.

use super::Endpoint;
use rustls::ClientConfig;
use std::{io, pin::Pin, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};

/// Anything that carries bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A byte stream whose kind was decided at run time.
pub type BoxStream = Box<dyn ByteStream>;

/// What [`Dial::dial`] returns.
pub type DialFuture<'a> = Pin<Box<dyn Future<Output = Result<BoxStream, DialError>> + Send + 'a>>;

/// Makes byte streams to endpoints.
pub trait Dial: Send + Sync {
    /// A new stream to `endpoint`, before any TLS.
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> DialFuture<'a>;

    /// What the streams to a `wss` endpoint are to be wrapped in. `None` when they never leave the process: those stay
    /// plain whatever the scheme.
    fn tls(&self) -> Option<Arc<ClientConfig>> {
        None
    }
}

/// Why there is no stream. `address` is `host:port`.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or nobody could say.
    #[error("cannot resolve {address}: {source}")]
    Resolve {
        /// Whom we wanted.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Refused, unreachable, or a queue that is full.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Whom we wanted.
        address: String,
        /// What the last address tried said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{address} did not answer within {after:?}")]
    Timeout {
        /// Whom we wanted.
        address: String,
        /// How long we waited.
        after: Duration,
    },
}

impl DialError {
    /// A label for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "dial_timeout",
        }
    }
}
