//! What is done to a client's socket when it connects, and how is it ended from outside?

use crate::{api::Options, live::Cut, metrics::Metrics};
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
/// Bytes that the kernel holds for one slow client.
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

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Places {
    /// Touched when a connection begins or ends.
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place.
#[derive(Debug)]
struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless the address has `max` already.
    fn take(&self, address: IpAddr, max: usize) -> Option<Place> {
        let mut by_address = self.lock();
        let count = by_address.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.places.lock();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Prepares a socket that has just been accepted: the grip to keep with it, or nothing when it is refused.
pub(in crate::api) fn admit(
    connection: &dyn Any,
    places: &Places,
    options: &Options,
    metrics: &Metrics,
) -> Option<Grip> {
    let stream = connection.downcast_ref::<actix_rt::net::TcpStream>()?;
    let refuse = |reason: &str| {
        metrics.ws_cut.get_or_create(&crate::metrics::Labels::new([("reason", reason)])).inc();
        if let Err(error) = SockRef::from(stream).shutdown(Shutdown::Both) {
            tracing::trace!(%error, "a refused socket was gone already");
        }
    };
    let Ok(peer) = stream.peer_addr() else { return None };
    let Some(place) = places.take(peer.ip(), options.connections_per_ip_max) else {
        refuse("per_address_limit");
        return None;
    };
    match tune(stream) {
        Ok(socket) => Some(Grip { socket: Arc::new(socket), _place: Arc::new(place) }),
        Err(error) => {
            tracing::warn!(%error, "a client's socket cannot be prepared");
            refuse("no_descriptor");
            None
        }
    }
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
        let (places, address) = (Places::default(), IpAddr::from([127, 0, 0, 1]));
        let taken: Vec<_> = (0..2).map(|_| places.take(address, 2)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take(address, 2).is_none());
        assert!(places.take(IpAddr::from([127, 0, 0, 2]), 2).is_some());
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
