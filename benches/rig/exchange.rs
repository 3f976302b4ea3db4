//! What does the mock exchange say? Its listing over HTTP, and an answer to SUBSCRIBE; then the socket is the bench's to write to.

use super::wire::{bounds, push_text, read_head};
use anyhow::Context as _;
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};
use tapedeck::clock::Clock;

/// How long a follower may take for its handshake and its SUBSCRIBE.
const PATIENCE: Duration = Duration::from_secs(20);

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) address: SocketAddr,
    streams: Receiver<TcpStream>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exchange {
    /// Lists `symbols`.
    pub(crate) fn start(symbols: &[&str]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the mock exchange cannot listen")?;
        let (address, listing) = (listener.local_addr()?, listing(symbols));
        let (stop, (sender, streams)) = (Arc::new(AtomicBool::new(false)), channel());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                if let Err(error) = stream.and_then(|stream| serve(stream, &listing, &sender)) {
                    eprintln!("the mock exchange lost a connection: {error}");
                }
            }
        });
        Ok(Self { address, streams, stop, thread: Some(thread) })
    }

    /// The next stream that was subscribed to.
    pub(crate) fn stream(&self) -> anyhow::Result<TcpStream> {
        self.streams.recv_timeout(PATIENCE).context("nobody subscribed to the mock exchange's stream")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // A connection wakes the thread out of its wait for one.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            thread.join().expect("the mock exchange does not panic");
        }
    }
}

/// One connection up to where its stream begins.
fn serve(mut stream: TcpStream, listing: &str, streams: &Sender<TcpStream>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (head, rest) = read_head(&mut stream)?;
    let Some(key) = header(&head, "sec-websocket-key") else {
        let (status, body) = if head.starts_with("GET /fapi/v1/exchangeInfo ") {
            ("200 OK", listing)
        } else {
            ("404 Not Found", "{\"code\":-5000,\"msg\":\"Path is invalid\"}")
        };
        let length = body.len();
        return write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    };
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    // Who names streams in the path sends no SUBSCRIBE.
    if !head.lines().next().is_some_and(|line| line.contains("streams=")) {
        let id = subscribe_id(&mut stream, rest)?;
        let mut answer = Vec::new();
        push_text(&mut answer, format!("{{\"result\":null,\"id\":{id}}}").as_bytes(), false);
        stream.write_all(&answer)?;
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    streams.send(stream).map_err(io::Error::other)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The `id` of the SUBSCRIBE that comes next.
fn subscribe_id(stream: &mut TcpStream, mut bytes: Vec<u8>) -> io::Result<u64> {
    let mut chunk = [0; 4096];
    let (start, end) = loop {
        if let Some(bounds) = bounds(&bytes) {
            break bounds;
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::Error::other("it ended instead of subscribing"));
        }
        bytes.extend_from_slice(&chunk[..count]);
    };
    let mask = bytes[start - 4..start].iter().cycle();
    let text: Vec<u8> = bytes[start..end].iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let request: serde_json::Value = serde_json::from_slice(&text).map_err(io::Error::other)?;
    let id = request["id"].as_u64().filter(|_| request["method"] == "SUBSCRIBE");
    id.ok_or_else(|| io::Error::other(format!("it asked for {request} instead of subscribing")))
}

/// The body of `/fapi/v1/exchangeInfo`.
fn listing(symbols: &[&str]) -> String {
    let contract = |symbol: &&str| {
        serde_json::json!({
            "symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "status": "TRADING",
            "onboardDate": 1_569_398_400_000_u64, "deliveryDate": 4_133_404_800_000_u64,
            "baseAsset": symbol.trim_end_matches("USDT"), "quoteAsset": "USDT", "marginAsset": "USDT",
            "underlyingType": "COIN",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "stepSize": "0.001"},
            ],
        })
    };
    let contracts: Vec<_> = symbols.iter().map(contract).collect();
    serde_json::json!({"serverTime": Clock::system().wall().get(), "rateLimits": [], "symbols": contracts}).to_string()
}
