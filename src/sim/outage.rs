//! What keeps clients from reaching the exchange: names, certificates, a network that says nothing?
//!
//! Nothing of it is sent over the in-memory streams: clients get the errors that `net` would give.

use crate::{
    net::{Dial, DialError, DialFuture, Endpoint, FetchError},
    sim::exchange::Exchange,
};
use rustls::{CertificateError, Error as TlsError};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// A connection that is never answered is given up after this time.
const HANGS_FOR: Duration = Duration::from_secs(30);

/// Why no new connection comes about. Those that are open go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outage {
    /// The name has no address (NXDOMAIN).
    NoSuchName,
    /// Nobody can say what the address is (SERVFAIL).
    NameServerFails,
    /// No answer, for 30 s.
    Hangs,
    /// The certificate is over.
    CertificateExpired,
    /// It is another host's.
    CertificateOfAnother,
}

impl Outage {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NoSuchName, Self::NameServerFails, Self::Hangs, Self::CertificateExpired, Self::CertificateOfAnother];

    /// What the resolver or the TLS library says; nothing when nobody says anything.
    fn error(self) -> Option<io::Error> {
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, TlsError::InvalidCertificate(error));
        match self {
            Self::NoSuchName => {
                Some(io::Error::other("failed to lookup address information: Name or service not known"))
            }
            Self::NameServerFails => {
                Some(io::Error::other("failed to lookup address information: Temporary failure in name resolution"))
            }
            Self::Hangs => None,
            Self::CertificateExpired => Some(tls(CertificateError::Expired)),
            Self::CertificateOfAnother => Some(tls(CertificateError::NotValidForName)),
        }
    }

    async fn dialled(self, endpoint: &Endpoint) -> DialError {
        let address = endpoint.address();
        match (self, self.error()) {
            (Self::NoSuchName | Self::NameServerFails, Some(source)) => DialError::Resolve { address, source },
            (_, Some(source)) => DialError::Connect { address, source },
            (_, None) => {
                sleep(HANGS_FOR).await;
                DialError::Timeout { address, after: HANGS_FOR }
            }
        }
    }

    pub(super) async fn fetched(self, connect_timeout: Duration) -> FetchError {
        match self.error() {
            Some(error) => FetchError::Connect(error.into()),
            None => {
                sleep(connect_timeout.min(HANGS_FOR)).await;
                FetchError::Timeout
            }
        }
    }
}

/// Whether something keeps clients away, and how many it has kept away.
#[derive(Debug, Default)]
pub struct Outages {
    now: Mutex<Option<Outage>>,
    met: AtomicU64,
}

impl Outages {
    /// From now on nobody gets through, in place of what was before.
    pub fn begin(&self, outage: Outage) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(outage);
    }

    /// Everybody gets through again.
    pub fn end(&self) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many attempts have met one.
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// What one more attempt meets.
    pub(super) fn meet(&self) -> Option<Outage> {
        let outage = *self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.met.fetch_add(u64::from(outage.is_some()), Ordering::Relaxed);
        outage
    }
}

/// Dials as `dialer` does, while the exchange can be reached.
#[derive(Clone, Debug)]
pub struct ExchangeDialer<D> {
    exchange: Arc<Exchange>,
    dialer: D,
}

impl<D> ExchangeDialer<D> {
    /// A dialler of `exchange`, whose connections `dialer` makes.
    pub fn new(exchange: Arc<Exchange>, dialer: D) -> Self {
        Self { exchange, dialer }
    }
}

impl<D: Dial> Dial for ExchangeDialer<D> {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> DialFuture<'a> {
        Box::pin(async move {
            match self.exchange.faults().outages().meet() {
                Some(outage) => Err(outage.dialled(endpoint).await),
                None => self.dialer.dial(endpoint).await,
            }
        })
    }
}
