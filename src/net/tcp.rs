//! How does a connection over TCP come about, and how is a dead one noticed?

use super::{BoxStream, Dial, DialError, DialFuture, Endpoint};
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct DialLimits {
    /// To resolve a name.
    pub resolve_timeout: Duration,
    /// To connect, all addresses of the name together.
    pub connect_timeout: Duration,
    /// Silence before the kernel probes the peer.
    pub keepalive: Duration,
    /// How long sent bytes or probes may stay unacknowledged before the kernel gives the connection up.
    pub unacknowledged: Duration,
}

impl Default for DialLimits {
    fn default() -> Self {
        Self {
            resolve_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            keepalive: Duration::from_secs(30),
            unacknowledged: Duration::from_secs(30),
        }
    }
}

/// Dials over TCP without Nagle's delay, for endpoints inside TLS or not.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    tls: Arc<ClientConfig>,
    limits: DialLimits,
}

impl TcpDialer {
    /// A dialer that shares `tls`, and with it the resumption of sessions.
    pub fn new(tls: Arc<ClientConfig>, limits: DialLimits) -> Self {
        Self { tls, limits }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<BoxStream, DialError> {
        let addresses = self.resolve(endpoint).await?;
        let stream = self.connect_any(endpoint, &addresses).await?;
        self.configure(&stream).map_err(|source| DialError::Connect { address: endpoint.address(), source })?;
        Ok(Box::new(stream))
    }

    async fn resolve(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, DialError> {
        let address = || endpoint.address();
        let after = self.limits.resolve_timeout;
        let found = match timeout(after, lookup_host((endpoint.host(), endpoint.port()))).await {
            Ok(found) => found.map_err(|source| DialError::Resolve { address: address(), source })?,
            Err(_) => return Err(DialError::Timeout { address: address(), after }),
        };
        Ok(found.collect())
    }

    /// Tries one address after the other; each gets its share of the time left, so that one dead address (an IPv6 route
    /// that leads nowhere) does not use up all of it.
    async fn connect_any(&self, endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
        let after = self.limits.connect_timeout;
        let started = Instant::now();
        let mut failure =
            DialError::Resolve { address: endpoint.address(), source: io::ErrorKind::AddrNotAvailable.into() };
        for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let share = after.saturating_sub(started.elapsed()) / u32::try_from(left).unwrap_or(u32::MAX);
            failure = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => DialError::Connect { address: endpoint.address(), source },
                Err(_) => DialError::Timeout { address: endpoint.address(), after: started.elapsed() },
            };
        }
        Err(failure)
    }

    fn configure(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        let probes = TcpKeepalive::new().with_time(self.limits.keepalive).with_interval(self.limits.keepalive / 3);
        socket.set_tcp_keepalive(&probes)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(self.limits.unacknowledged))?;
        Ok(())
    }
}

impl Dial for TcpDialer {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> DialFuture<'a> {
        Box::pin(self.connect(endpoint))
    }

    fn tls(&self) -> Option<Arc<ClientConfig>> {
        Some(Arc::clone(&self.tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn sockets_have_no_nagle_and_give_dead_peers_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let dialer = TcpDialer::new(tls::client_config(None).unwrap(), DialLimits::default());
        dialer.configure(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    }

    #[tokio::test]
    async fn the_second_address_is_tried_when_the_first_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = gone.local_addr().unwrap();
        drop(gone);
        let dialer = TcpDialer::new(tls::client_config(None).unwrap(), DialLimits::default());
        let endpoint = Endpoint::parse("ws://localhost").unwrap();
        let stream = dialer.connect_any(&endpoint, &[dead, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        let refused = dialer.connect_any(&endpoint, &[dead]).await.unwrap_err();
        assert!(matches!(refused, DialError::Connect { .. }), "{refused}");
    }
}
