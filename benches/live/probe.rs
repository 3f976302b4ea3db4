//! What does the timed subscriber see? Every id once, or named in a `gap`, and how long each took.

use crate::rig::{
    client::Client,
    now_ns,
    text::{digits, number},
    trades::SendTimes,
    wire::{CLOSE, TEXT},
};
use anyhow::ensure;
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use std::{
    io::{ErrorKind, Read as _},
    sync::Arc,
    time::Duration,
};

/// How often the probe looks up when nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Silence after the exchange's last trade that ends the reading.
const SILENCE_NS: u64 = 15_000_000_000;
/// The longest latency that is told from longer ones.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Whose messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// One trade a message.
    Venue,
    /// Several, and `seq` counts the messages.
    Tapedeck,
}

/// What happened to one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Awaited,
    Came,
    Lost,
}

/// What was seen so far.
#[derive(Debug)]
pub(crate) struct Probe {
    dialect: Dialect,
    times: Arc<SendTimes>,
    fates: Vec<Fate>,
    /// Trades before this one are not timed.
    warm: usize,
    /// One past the newest trade seen or named.
    reached: usize,
    next_seq: u64,
    repeated: u64,
    /// Of timed trades, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Messages with trades.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// When the first timed trade and the last of all came.
    pub(crate) span_ns: (u64, u64),
    /// The other side ended it.
    pub(crate) ended: bool,
}

/// How many trades of all had which fate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) came: u64,
    pub(crate) lost: u64,
}

impl Probe {
    /// Awaits `count` trades.
    pub(crate) fn new(dialect: Dialect, times: Arc<SendTimes>, count: usize, warm: usize) -> anyhow::Result<Self> {
        Ok(Self {
            dialect,
            times,
            fates: vec![Fate::Awaited; count],
            warm,
            reached: 0,
            next_seq: 0,
            repeated: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)?,
            frames: 0,
            bytes: 0,
            span_ns: (0, 0),
            ended: false,
        })
    }

    /// Reads until the last trade has come or been named, the session ends, or `sent` and then silence.
    pub(crate) fn read(&mut self, client: &mut Client, sent: impl Fn() -> bool) -> anyhow::Result<()> {
        client.stream.set_read_timeout(Some(LOOK_EVERY))?;
        let (mut heard_ns, mut sent_before) = (now_ns(), false);
        self.take(client, heard_ns)?;
        while self.reached < self.fates.len() && !self.ended {
            match client.stream.read(client.frames.space()) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    heard_ns = now_ns();
                    self.bytes += count as u64;
                    client.frames.filled(count);
                    self.take(client, heard_ns)?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    // While the exchange cannot write, silence is no end.
                    if !sent_before {
                        (sent_before, heard_ns) = (sent(), now_ns());
                    } else if now_ns() - heard_ns > SILENCE_NS {
                        break;
                    }
                }
                Err(_) => self.ended = true,
            }
        }
        Ok(())
    }

    /// Judges every whole frame that was read at `now_ns`.
    fn take(&mut self, client: &mut Client, now_ns: u64) -> anyhow::Result<()> {
        while let Some((opcode, payload)) = client.frames.next() {
            match (opcode, self.dialect) {
                (TEXT, Dialect::Venue) => {
                    if let Some(id) = number(payload, b"\"a\":") {
                        self.came(id, now_ns)?;
                        self.frames += 1;
                    }
                }
                (TEXT, Dialect::Tapedeck) => self.message(payload, now_ns)?,
                (CLOSE, _) => self.ended = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// One of tapedeck's messages.
    fn message(&mut self, payload: &[u8], now_ns: u64) -> anyhow::Result<()> {
        let head = &payload[..payload.len().min(160)];
        // What belongs to no subscription is not counted.
        let Some(seq) = number(head, b"\"seq\":") else { return Ok(()) };
        ensure!(seq == self.next_seq, "message {seq} came instead of {}", self.next_seq);
        self.next_seq += 1;
        if head.starts_with(b"{\"type\":\"gap\"") {
            let ends = (number(head, b"\"from_id\":"), number(head, b"\"to_id\":"));
            let (Some(from), Some(to)) = ends else { anyhow::bail!("a gap without ids") };
            return (from..=to).try_for_each(|id| self.lost(id));
        }
        let key = Finder::new(b"{\"id\":");
        let mut rows = 0;
        for at in key.find_iter(payload) {
            self.came(digits(&payload[at + key.needle().len()..]), now_ns)?;
            rows += 1;
        }
        self.frames += u64::from(rows > 0);
        Ok(())
    }

    fn index(&self, id: u64) -> anyhow::Result<usize> {
        let index = self.times.index(id);
        index.ok_or_else(|| anyhow::anyhow!("id {id} came, which the exchange never sends"))
    }

    fn came(&mut self, id: u64, now_ns: u64) -> anyhow::Result<()> {
        let index = self.index(id)?;
        self.repeated += u64::from(self.fates[index] == Fate::Came);
        self.fates[index] = Fate::Came;
        self.reached = self.reached.max(index + 1);
        if index >= self.warm {
            let latency_ns = now_ns.saturating_sub(self.times.at_ns(index));
            self.latency.saturating_record(latency_ns.max(1));
            self.span_ns.0 = if self.span_ns.0 == 0 { now_ns } else { self.span_ns.0 };
            self.span_ns.1 = now_ns;
        }
        Ok(())
    }

    fn lost(&mut self, id: u64) -> anyhow::Result<()> {
        let index = self.index(id)?;
        self.reached = self.reached.max(index + 1);
        if self.fates[index] == Fate::Awaited {
            self.fates[index] = Fate::Lost;
        }
        Ok(())
    }

    /// The counts, unless a trade came twice or vanished from a session that goes on.
    pub(crate) fn tally(&self) -> anyhow::Result<Tally> {
        let count = |fate| self.fates.iter().filter(|other| **other == fate).count() as u64;
        let (came, lost, vanished) = (count(Fate::Came), count(Fate::Lost), count(Fate::Awaited));
        ensure!(self.repeated == 0, "{} trades came twice", self.repeated);
        ensure!(vanished == 0 || self.ended, "{vanished} of {} trades vanished without a gap", self.fates.len());
        Ok(Tally { came, lost: lost + vanished })
    }
}
