//! What do the subscribers that read see? One thread reads for all of them, and takes the time before it looks inside.

use crate::rig::{
    client::Client,
    now_ns,
    text::{digits, number},
    trades::SendTimes,
    wire::{Frames, TEXT},
};
use anyhow::{Context as _, ensure};
use futures_util::future::{join, join_all};
use hdrhistogram::Histogram;
use std::{cell::RefCell, io::ErrorKind, net, sync::Arc, thread::JoinHandle};
use tokio::net::TcpStream;

/// What is read from an idle subscriber at once.
const CHUNK_BYTES: usize = 4 << 10;
/// The longest latency that is told from longer ones.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const KEY: &[u8] = b"{\"id\":";

/// What all of the active ones saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Of the first trade of each message, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Ids that gaps named.
    pub(crate) lost: u64,
    /// Messages with trades.
    pub(crate) frames: u64,
    /// Bytes that the idle ones were sent all the same.
    pub(crate) idle_bytes: u64,
    /// The newest trade of the active one that got least.
    pub(crate) newest: Option<usize>,
}

/// Reads every client until its connection ends. Trades before `timed_from` are not timed.
pub(crate) fn read(
    idle: Vec<Client>,
    active: Vec<Client>,
    times: Arc<SendTimes>,
    timed_from: usize,
) -> JoinHandle<anyhow::Result<Seen>> {
    std::thread::spawn(move || {
        let latency = RefCell::new(Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (readers, idle) = runtime.block_on(join(
            join_all(active.into_iter().map(|client| Reader::new(&times, timed_from, &latency).follow(client))),
            join_all(idle.into_iter().map(|client| drain(client.stream))),
        ));
        let readers: Vec<_> = readers.into_iter().collect::<anyhow::Result<_>>()?;
        let idle: Vec<u64> = idle.into_iter().collect::<anyhow::Result<_>>()?;
        let (lost, frames) = (readers.iter().map(|read| read.lost).sum(), readers.iter().map(|read| read.frames).sum());
        let newest = readers.iter().map(|read| read.next_id.and_then(|id| times.index(id - 1))).min().flatten();
        drop(readers);
        Ok(Seen { latency: latency.into_inner(), lost, frames, idle_bytes: idle.iter().sum(), newest })
    })
}

/// Reads and forgets.
async fn drain(stream: net::TcpStream) -> anyhow::Result<u64> {
    let (stream, mut chunk, mut bytes) = (nonblocking(stream)?, vec![0; CHUNK_BYTES], 0);
    while let Some(count) = read_some(&stream, &mut chunk).await {
        bytes += count as u64;
    }
    Ok(bytes)
}

fn nonblocking(stream: net::TcpStream) -> anyhow::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream)?)
}

/// How many bytes came; nothing at the end.
async fn read_some(stream: &TcpStream, space: &mut [u8]) -> Option<usize> {
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(space) {
            Ok(count) => return (count > 0).then_some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// One active subscriber.
struct Reader<'a> {
    times: &'a SendTimes,
    timed_from: usize,
    latency: &'a RefCell<Histogram<u64>>,
    next_seq: u64,
    /// Known from the first trade on.
    next_id: Option<u64>,
    lost: u64,
    frames: u64,
}

impl<'a> Reader<'a> {
    fn new(times: &'a SendTimes, timed_from: usize, latency: &'a RefCell<Histogram<u64>>) -> Self {
        Self { times, timed_from, latency, next_seq: 0, next_id: None, lost: 0, frames: 0 }
    }

    async fn follow(mut self, client: Client) -> anyhow::Result<Self> {
        let Client { stream, mut frames } = client;
        let stream = nonblocking(stream)?;
        self.take(&mut frames, now_ns())?;
        while let Some(count) = read_some(&stream, frames.space()).await {
            let read_ns = now_ns();
            frames.filled(count);
            self.take(&mut frames, read_ns)?;
        }
        Ok(self)
    }

    fn take(&mut self, frames: &mut Frames, read_ns: u64) -> anyhow::Result<()> {
        while let Some((opcode, payload)) = frames.next() {
            if opcode == TEXT {
                self.message(payload, read_ns)?;
            }
        }
        Ok(())
    }

    /// Messages follow each other, and so do their trades; what does not is named in a gap.
    fn message(&mut self, payload: &[u8], read_ns: u64) -> anyhow::Result<()> {
        let head = &payload[..payload.len().min(160)];
        // What belongs to no subscription is not counted.
        let Some(seq) = number(head, b"\"seq\":") else { return Ok(()) };
        ensure!(seq == self.next_seq, "message {seq} came instead of {}", self.next_seq);
        self.next_seq += 1;
        let ids = if head.starts_with(b"{\"type\":\"gap\"") {
            let (from, to) = (number(head, b"\"from_id\":"), number(head, b"\"to_id\":"));
            let (from, to) = from.zip(to).context("a gap without ids")?;
            self.lost += (to + 1).saturating_sub(from);
            Some((from, to))
        } else {
            let last = memchr::memmem::rfind(payload, KEY).map(|at| digits(&payload[at + KEY.len()..]));
            number(payload, KEY).zip(last)
        };
        let Some((first, last)) = ids else { return Ok(()) };
        ensure!(self.next_id.is_none_or(|next| next == first), "trade {first} came instead of {:?}", self.next_id);
        self.next_id = Some(last + 1);
        self.frames += 1;
        self.time(first, read_ns)
    }

    fn time(&self, id: u64, read_ns: u64) -> anyhow::Result<()> {
        let index = self.times.index(id).with_context(|| format!("trade {id} came, which was never sent"))?;
        if index >= self.timed_from {
            let latency_ns = read_ns.saturating_sub(self.times.at_ns(index));
            self.latency.borrow_mut().saturating_record(latency_ns.max(1));
        }
        Ok(())
    }
}
