//! How do two ends of one process talk as if over a network?

use super::{BoxStream, Dial, DialError, DialFuture, Endpoint};
use std::{future, io};
use tokio::{io::DuplexStream, sync::mpsc};

/// Bytes one side may be ahead of the other, as a socket's buffers would allow.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections dialled and not yet accepted; more are refused.
const BACKLOG: usize = 128;

/// Dials the [`MemoryListener`] it was made with, whatever the endpoint.
#[derive(Clone, Debug)]
pub struct MemoryDialer {
    backlog: mpsc::Sender<DuplexStream>,
}

/// The accepting side.
#[derive(Debug)]
pub struct MemoryListener {
    backlog: mpsc::Receiver<DuplexStream>,
}

impl MemoryDialer {
    /// A dialer and the listener that its streams come out of.
    pub fn pair() -> (Self, MemoryListener) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self { backlog: sender }, MemoryListener { backlog: receiver })
    }

    fn connect(&self, endpoint: &Endpoint) -> Result<BoxStream, DialError> {
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        match self.backlog.try_send(far) {
            Ok(()) => Ok(Box::new(near)),
            Err(_) => {
                Err(DialError::Connect { address: endpoint.address(), source: io::ErrorKind::ConnectionRefused.into() })
            }
        }
    }
}

impl Dial for MemoryDialer {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> DialFuture<'a> {
        Box::pin(future::ready(self.connect(endpoint)))
    }
}

impl MemoryListener {
    /// The next connection; waits for ever once every dialer is gone. Cancel-safe.
    pub async fn accept(&mut self) -> BoxStream {
        match self.backlog.recv().await {
            Some(stream) => Box::new(stream),
            None => future::pending().await,
        }
    }
}
