//! How is a byte stream to a host opened, for real and in memory?

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{fmt, future::Future, io, pin::Pin, str::FromStr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::MaybeTlsStream;

/// Bytes that an in-memory stream holds each way.
const MEMORY_STREAM_BYTES: usize = 256 << 10;
/// In-memory connections that wait to be accepted.
const MEMORY_BACKLOG: usize = 128;
/// Sent data that stays unacknowledged for so long ends a connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream of bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Any byte stream.
pub type BoxStream = Box<dyn ByteStream>;
/// A dial under way.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<BoxStream, DialError>> + Send + 'a>>;

/// A host to open WebSockets at, as configuration writes it: `wss://fstream.binance.com`, `ws://127.0.0.1:9443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the stream is encrypted.
    pub secure: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `ws://` nor `wss://`.
    #[error("`{0}` does not begin with ws:// or wss://")]
    Scheme(String),
    /// No host, a bad port, or a path.
    #[error("`{0}` is not scheme://host[:port]")]
    Malformed(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (secure, rest) = match text.split_once("://") {
            Some(("wss", rest)) => (true, rest),
            Some(("ws", rest)) => (false, rest),
            _ => return Err(EndpointError::Scheme(text.to_owned())),
        };
        let malformed = || EndpointError::Malformed(text.to_owned());
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| malformed())?),
            _ => (rest, if secure { 443 } else { 80 }),
        };
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err(malformed());
        }
        Ok(Self { secure, host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.secure { "wss" } else { "ws" }, self.host, self.port)
    }
}

/// Why no stream was opened.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Name look-up, connection, or TLS handshake.
    #[error("{host}:{port}: cannot connect")]
    Io {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What went wrong.
        source: io::Error,
    },
    /// It took too long.
    #[error("{host}:{port}: no connection within {after:?}")]
    TimedOut {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The limit.
        after: Duration,
    },
    /// Not a name that a certificate could bear.
    #[error("{0}: not a host name")]
    HostName(String),
    /// Nobody listens at the other end of the memory.
    #[error("nobody listens")]
    NobodyListens,
}

/// Opens byte streams.
pub trait Dial: Send + Sync {
    /// Opens one to `endpoint`.
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> Dialing<'a>;
}

/// Opens TCP connections, encrypted where the endpoint says so.
#[derive(Clone)]
pub struct TcpDialer {
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

impl fmt::Debug for TcpDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpDialer").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl TcpDialer {
    /// A dialer that gives up after `timeout` and trusts as `tls` says.
    pub fn new(tls: Arc<ClientConfig>, timeout: Duration) -> Self {
        Self { tls, timeout }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<BoxStream, DialError> {
        let failed = |source| DialError::Io { host: endpoint.host.clone(), port: endpoint.port, source };
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
        let socket = TcpStream::connect((host, endpoint.port)).await.map_err(failed)?;
        tune(&socket).map_err(failed)?;
        if !endpoint.secure {
            return Ok(Box::new(socket));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::HostName(host.to_owned()))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, socket).await.map_err(failed)?;
        Ok(Box::new(MaybeTlsStream::Rustls(stream)))
    }
}

/// No Nagle; a peer that is gone is noticed.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(USER_TIMEOUT))?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

impl Dial for TcpDialer {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> Dialing<'a> {
        Box::pin(async move {
            let (host, port, after) = (endpoint.host.clone(), endpoint.port, self.timeout);
            let dialed = tokio::time::timeout(self.timeout, self.connect(endpoint)).await;
            dialed.unwrap_or(Err(DialError::TimedOut { host, port, after }))
        })
    }
}

/// Opens streams to a [`MemoryListener`] of the same process, whatever the endpoint.
#[derive(Clone, Debug)]
pub struct MemoryDialer {
    backlog: mpsc::Sender<DuplexStream>,
}

/// The other end of a [`MemoryDialer`].
#[derive(Debug)]
pub struct MemoryListener {
    backlog: mpsc::Receiver<DuplexStream>,
}

impl MemoryDialer {
    /// A dialer and its listener.
    pub fn pair() -> (Self, MemoryListener) {
        let (sender, receiver) = mpsc::channel(MEMORY_BACKLOG);
        (Self { backlog: sender }, MemoryListener { backlog: receiver })
    }
}

impl MemoryListener {
    /// The next stream; nothing when every dialer is gone.
    pub async fn accept(&mut self) -> Option<DuplexStream> {
        self.backlog.recv().await
    }
}

impl Dial for MemoryDialer {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialing<'a> {
        Box::pin(async {
            let (ours, theirs) = duplex(MEMORY_STREAM_BYTES);
            self.backlog.send(theirs).await.map_err(|_| DialError::NobodyListens)?;
            Ok(Box::new(ours) as BoxStream)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).as_deref(), Ok(expected));
        };
        check("wss://fstream.binance.com", "wss://fstream.binance.com:443");
        check("ws://127.0.0.1:9443/", "ws://127.0.0.1:9443");
        check("ws://[::1]:80", "ws://[::1]:80");
        for text in ["https://a", "fstream.binance.com", "wss://", "wss://a:99999", "wss://a/b", "wss://u@a"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
