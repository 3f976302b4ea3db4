//! Who follows every trade, and what do they remember?

use super::rig::{
    client::{Client, connect},
    now_ns,
    text::{digits, number},
    wire::{CLOSE, TEXT, push_text},
};
use anyhow::{bail, ensure};
use std::{
    collections::{HashMap, HashSet},
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A ping, and its answer.
const PING: u8 = 9;
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];
/// Subscriptions of one request.
const BATCH: usize = 100;
/// How often a client that hears nothing looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);

/// When something came, by the bench's clock, and what the venue or the server says of the time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub(crate) at_ns: u64,
    pub(crate) said_ms: u64,
}

/// By symbol and id.
pub(crate) type Arrivals = HashMap<(Box<str>, u64), Came>;

/// What the subscriber has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) arrivals: Arrivals,
    /// Ids between those that came that did not, and were not named.
    pub(crate) unnamed: u64,
    /// Ids that gaps named, by symbol.
    pub(crate) gaps: Vec<(Box<str>, RangeInclusive<u64>)>,
    /// Trades that came as repairs.
    pub(crate) repairs: u64,
    newest: HashMap<Box<str>, u64>,
    sample: HashSet<Box<str>>,
}

/// A client that runs until it is told to end.
pub(crate) struct Running<T> {
    handle: JoinHandle<anyhow::Result<T>>,
    ends: Arc<AtomicBool>,
    trades: Arc<AtomicU64>,
}

/// Follows the trades of all contracts.
pub(crate) type Follower = Running<Seen>;

/// Reads the exchange's own streams.
pub(crate) type Direct = Running<Arrivals>;

impl Follower {
    /// Subscribes to the trades of `symbols` over one socket, and remembers when those of `sample` came.
    pub(crate) fn start(deck: SocketAddr, symbols: &[String], sample: &[String]) -> anyhow::Result<Self> {
        let mut client = Client::open(connect(deck)?, "/api/v1/ws?flush_ms=0")?;
        for symbols in symbols.chunks(BATCH) {
            let sub = |symbol: &String| {
                format!("{{\"channel\":\"trades\",\"symbol\":\"{symbol}\",\"on_slow\":\"conflate\"}}")
            };
            let subs = symbols.iter().map(sub).collect::<Vec<_>>().join(",");
            let mut message = Vec::new();
            push_text(&mut message, format!("{{\"op\":\"subscribe\",\"id\":1,\"subs\":[{subs}]}}").as_bytes(), true);
            client.stream.write_all(&message)?;
        }
        let sample = sample.iter().map(|symbol| symbol.as_str().into()).collect();
        Self::run(client, Seen { sample, ..Seen::default() }, |seen, frame, at_ns| seen.take(frame, at_ns))
    }
}

impl Direct {
    /// Asks for the trades of `symbols` on the exchange's own path.
    pub(crate) fn start(venue: SocketAddr, symbols: &[String]) -> anyhow::Result<Self> {
        let names: Vec<_> = symbols.iter().map(|symbol| format!("{}@aggTrade", symbol.to_ascii_lowercase())).collect();
        let client = Client::open(connect(venue)?, &format!("/market/stream?streams={}", names.join("/")))?;
        Self::run(client, Arrivals::default(), |arrivals, frame, at_ns| {
            let (Some(said_ms), Some(id)) = (number(frame, b"\"E\":"), number(frame, b"\"a\":")) else { return 0 };
            let Some(symbol) = word(frame, b"\"s\":\"") else { return 0 };
            arrivals.insert((symbol.into(), id), Came { at_ns, said_ms });
            1
        })
    }
}

impl<T: Send + 'static> Running<T> {
    /// Reads on a thread of its own; `take` returns how many trades a frame held.
    fn run(client: Client, all: T, take: impl Fn(&mut T, &[u8], u64) -> u64 + Send + 'static) -> anyhow::Result<Self> {
        client.stream.set_read_timeout(Some(LOOK))?;
        let (ends, trades) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, counted) = (Arc::clone(&ends), Arc::clone(&trades));
        let handle = std::thread::spawn(move || read(client, all, (&told, &counted), take));
        Ok(Self { handle, ends, trades })
    }

    /// Trades that came so far.
    pub(crate) fn trades(&self) -> u64 {
        self.trades.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn stop(self) -> anyhow::Result<T> {
        self.ends.store(true, Ordering::Relaxed);
        self.handle.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
    }
}

fn read<T>(
    mut client: Client,
    mut all: T,
    (ends, trades): (&AtomicBool, &AtomicU64),
    take: impl Fn(&mut T, &[u8], u64) -> u64,
) -> anyhow::Result<T> {
    while !ends.load(Ordering::Relaxed) {
        match client.stream.read(client.frames.space()) {
            Ok(count) => {
                ensure!(count > 0, "a connection ended");
                client.frames.filled(count);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error.into()),
        }
        let at_ns = now_ns();
        while let Some((opcode, payload)) = client.frames.next() {
            match opcode {
                TEXT => {
                    trades.fetch_add(take(&mut all, payload, at_ns), Ordering::Relaxed);
                }
                CLOSE => {
                    bail!("a connection was closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))
                }
                // An empty answer serves, with a mask that changes nothing.
                PING => client.stream.write_all(&PONG)?,
                _ => {}
            }
        }
    }
    Ok(all)
}

impl Seen {
    /// Whether a gap named the id.
    pub(crate) fn names(&self, (symbol, id): &(Box<str>, u64)) -> bool {
        self.gaps.iter().any(|(of, ids)| of == symbol && ids.contains(id))
    }

    /// Takes one frame; how many trades it held.
    fn take(&mut self, frame: &[u8], at_ns: u64) -> u64 {
        let kind = word(frame, b"{\"type\":\"").unwrap_or_default();
        let Some(symbol) = word(frame, b"\"sym\":\"") else { return 0 };
        let said_ms = number(frame, b"\"ts\":").unwrap_or_default();
        let ids = memchr::memmem::find_iter(frame, b"{\"id\":").map(|at| digits(&frame[at + 6..]));
        match kind {
            "update" => {
                let mut count = 0;
                for id in ids {
                    let newest = self.newest.insert(symbol.into(), id).unwrap_or(id - 1);
                    self.unnamed += (id - 1).saturating_sub(newest);
                    if self.sample.contains(symbol) {
                        self.arrivals.insert((symbol.into(), id), Came { at_ns, said_ms });
                    }
                    count += 1;
                }
                count
            }
            "gap" => {
                let ends = number(frame, b"\"from_id\":").zip(number(frame, b"\"to_id\":"));
                self.gaps.extend(ends.map(|(from, to)| (symbol.into(), from..=to)));
                self.newest.remove(symbol);
                0
            }
            "repair" => {
                self.repairs += ids.count() as u64;
                0
            }
            _ => 0,
        }
    }
}

/// The text after the first `key`, up to a quotation mark.
fn word<'a>(frame: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let from = memchr::memmem::find(frame, key)? + key.len();
    let length = memchr::memchr(b'"', &frame[from..])?;
    std::str::from_utf8(&frame[from..from + length]).ok()
}
