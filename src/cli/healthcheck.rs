//! `tapedeck healthcheck`: is the server on this machine alive?

use crate::{
    cli::{
        args::{Common, flag},
        failure::Failure,
    },
    clock::Clock,
};
use anyhow::anyhow;
use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// For the whole check.
const TIMEOUT: Duration = Duration::from_secs(3);
/// As much of the answer as is read: the status line stands in it.
const ANSWER_BYTES: usize = 64;

/// `tapedeck healthcheck`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port of the server [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Why the server does not count as alive.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    /// Nobody listens, or nothing came in time.
    #[error("{address} does not answer")]
    Unreachable { address: SocketAddr, source: io::Error },
    /// An answer that is not HTTP.
    #[error("{address} does not speak HTTP")]
    NotHttp { address: SocketAddr },
    /// An answer that is not 200.
    #[error("{address} answers /livez with {status}")]
    Status { address: SocketAddr, status: u16 },
}

/// Fails with 1 whatever is wrong, since Docker gives 2 another meaning.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let listen = flag("--listen", "server.listen", args.listen.as_deref());
    let config = args.common.load(listen.into_iter().collect()).map_err(|failure| anyhow!("{failure}"))?;
    let address = reachable(config.server.listen);
    check(address, TIMEOUT).map_err(anyhow::Error::from)?;
    writeln!(io::stdout(), "{address} is alive")?;
    Ok(())
}

/// Where a server that listens on `listen` is reached from this machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn check(address: SocketAddr, timeout: Duration) -> Result<(), Unhealthy> {
    let answer = ask(address, timeout).map_err(|source| Unhealthy::Unreachable { address, source })?;
    match status(&answer) {
        Some(200) => Ok(()),
        Some(status) => Err(Unhealthy::Status { address, status }),
        None => Err(Unhealthy::NotHttp { address }),
    }
}

/// The first bytes of the answer to `GET /livez`.
fn ask(address: SocketAddr, timeout: Duration) -> io::Result<Vec<u8>> {
    let clock = Clock::system();
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; ANSWER_BYTES];
    while answer.len() < ANSWER_BYTES && !answer.contains(&b'\n') {
        let left = timeout.checked_sub(clock.monotonic()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(answer)
}

/// The status code of an HTTP/1 answer.
fn status(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|byte| *byte == b'\r').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    /// A server that answers once with `answer`, and keeps the connection open after.
    fn answering(answer: &'static [u8]) -> (SocketAddr, thread::JoinHandle<(Vec<u8>, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = vec![0; 512];
            let count = stream.read(&mut request).expect("a request");
            request.truncate(count);
            stream.write_all(answer).expect("the client reads");
            (request, stream)
        });
        (address, server)
    }

    #[test]
    fn only_200_is_alive() {
        let (address, server) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        check(address, TIMEOUT).expect("alive");
        let (request, _) = server.join().expect("served");
        assert!(request.starts_with(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:"));

        let (address, server) = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert!(matches!(check(address, TIMEOUT), Err(Unhealthy::Status { status: 503, .. })));
        drop(server.join().expect("served"));

        let (address, server) = answering(b"SSH-2.0-OpenSSH_9.2\r\n");
        assert!(matches!(check(address, TIMEOUT), Err(Unhealthy::NotHttp { .. })));
        drop(server.join().expect("served"));
    }

    #[test]
    fn silence_ends_at_the_time_limit() {
        let (address, server) = answering(b"HTTP/1.1");
        let outcome = check(address, Duration::from_millis(50));
        assert!(matches!(outcome, Err(Unhealthy::Unreachable { .. })), "{outcome:?}");
        drop(server.join().expect("served"));
    }

    #[test]
    fn nobody_listening_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        assert!(matches!(check(address, TIMEOUT), Err(Unhealthy::Unreachable { .. })));
    }

    #[test]
    fn every_interface_is_reached_by_loopback() {
        for (listen, expected) in
            [("0.0.0.0:8600", "127.0.0.1:8600"), ("[::]:8600", "[::1]:8600"), ("192.0.2.7:80", "192.0.2.7:80")]
        {
            assert_eq!(reachable(listen.parse().expect(listen)), expected.parse::<SocketAddr>().expect(expected));
        }
    }
}
