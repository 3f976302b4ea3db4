//! What is done to a client's socket when it connects, and how is it ended from outside?

use crate::{
    api::Options,
    live::Cut,
    metrics::{Counters, Labels, Metrics},
};
use socket2::{SockRef, Socket};
use std::{
    any::Any,
    collections::HashMap,
    io,
    net::{IpAddr, Shutdown},
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Sent data that a client does not take for so long ends its connection.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes that the kernel holds for one slow client; with fewer, one 100 ms away would get less than 20 Mbit/s.
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// A second hold on a client's socket: its session may be frozen by the very client that must go.
#[derive(Clone, Debug)]
pub(in crate::api) struct Grip {
    socket: Arc<Socket>,
    /// Counts the connection for its address as long as any of it lives.
    _place: Arc<Place>,
}

impl Grip {
    /// Ends the connection both ways; again does no harm.
    pub(in crate::api) fn cut(&self) -> Cut {
        // Weak, so that a cut that somebody keeps does not keep the descriptor open.
        let socket = Arc::downgrade(&self.socket);
        Cut::new(move || {
            if let Some(Err(error)) = socket.upgrade().map(|socket| socket.shutdown(Shutdown::Both)) {
                tracing::trace!(%error, "the socket was gone already");
            }
        })
    }
}

/// How many connections there are, and each address has.
#[derive(Clone, Debug)]
pub(in crate::api) struct Places {
    /// Touched when a connection begins or ends.
    taken: Arc<Mutex<Taken>>,
    turned_away: Counters<1>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place.
#[derive(Debug)]
struct Place {
    places: Places,
    address: IpAddr,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The process has as many as it may.
    Full,
    /// The address has.
    AddressFull,
    /// The socket cannot be prepared, most likely for want of descriptors.
    NoDescriptor,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Full => "connection_limit",
            Self::AddressFull => "per_address_limit",
            Self::NoDescriptor => "no_descriptor",
        }
    }

    /// What the client reads: nothing has been read from it yet, so this is said over HTTP's head.
    fn answer(self) -> &'static [u8] {
        match self {
            Self::AddressFull => {
                b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
            }
            Self::Full | Self::NoDescriptor => {
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
            }
        }
    }
}

impl Places {
    /// All places free.
    pub(in crate::api) fn new(metrics: &Metrics) -> Self {
        Self { taken: Arc::default(), turned_away: metrics.ws_cut.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless all are taken, or all that the address may have.
    fn take(&self, address: IpAddr, all_max: usize, of_address_max: usize) -> Result<Place, Refusal> {
        let mut taken = self.lock();
        if taken.all >= all_max {
            return Err(Refusal::Full);
        }
        let count = taken.by_address.entry(address).or_default();
        if *count >= of_address_max {
            return Err(Refusal::AddressFull);
        }
        *count += 1;
        taken.all += 1;
        Ok(Place { places: self.clone(), address })
    }

    /// Says why, as far as the socket takes it at once, and ends the connection.
    fn turn_away(&self, stream: &actix_rt::net::TcpStream, refusal: Refusal) {
        self.turned_away.get_or_create(&Labels::new([("reason", refusal.reason())])).inc();
        let socket = SockRef::from(stream);
        if let Err(error) = socket.send(refusal.answer()).and_then(|_| socket.shutdown(Shutdown::Both)) {
            tracing::trace!(%error, "a refused socket was gone already");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Prepares a socket that has just been accepted: the grip to keep with it, or nothing when it is refused.
pub(in crate::api) fn admit(connection: &dyn Any, places: &Places, options: &Options) -> Option<Grip> {
    let stream = connection.downcast_ref::<actix_rt::net::TcpStream>()?;
    let Ok(peer) = stream.peer_addr() else { return None };
    let address = peer.ip().to_canonical();
    let place = places.take(address, options.connections_max, options.connections_per_ip_max);
    let grip = place.and_then(|place| match tune(stream) {
        Ok(socket) => Ok(Grip { socket: Arc::new(socket), _place: Arc::new(place) }),
        Err(error) => {
            tracing::warn!(%error, "a client's socket cannot be prepared");
            Err(Refusal::NoDescriptor)
        }
    });
    grip.map_err(|refusal| places.turn_away(stream, refusal)).ok()
}

/// No Nagle, a bounded kernel buffer, a deadline for what is sent; and a second descriptor.
fn tune(stream: &actix_rt::net::TcpStream) -> io::Result<Socket> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(WRITE_DEADLINE))?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    Ok(Socket::from(stream.as_fd().try_clone_to_owned()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let (places, address) = (Places::new(&Metrics::default()), IpAddr::from([127, 0, 0, 1]));
        let other = IpAddr::from([127, 0, 0, 2]);
        let taken: Vec<_> = (0..2).map(|_| places.take(address, 3, 2).expect("a place")).collect();
        assert_eq!(places.take(address, 3, 2).err(), Some(Refusal::AddressFull));
        let last = places.take(other, 3, 2).expect("another address");
        assert_eq!(places.take(other, 3, 2).err(), Some(Refusal::Full));
        drop((taken, last));
        let left = places.lock();
        assert_eq!((left.all, left.by_address.len()), (0, 0));
    }
}
