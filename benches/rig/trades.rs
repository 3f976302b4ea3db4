//! Which trades does the mock exchange send, when, and at what moment did each one leave?
//!
//! Frames are built beforehand; only their times are written when they go, and all that are due go out in one write.

use super::{now_ns, wire::push_text};
use std::{
    io::{self, Write as _},
    net::TcpStream,
    num::NonZeroU64,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tapedeck::clock::Clock;

/// Where the ids begin; all have as many digits.
pub(crate) const FIRST_ID: u64 = 3_477_868_433;
/// Time from the trade to the event, as the venue has it.
const EVENT_DELAY_MS: i64 = 150;
/// Digits of a time in milliseconds.
const TIME_DIGITS: usize = 13;
/// Trades in one write when nothing paces them.
const FLAT_OUT: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;

/// When each trade was handed to the kernel; written by the exchange's thread, read by the clients'.
#[derive(Debug)]
pub(crate) struct SendTimes(Vec<AtomicU64>);

impl SendTimes {
    /// The place of an id among all that are sent.
    pub(crate) fn index(&self, id: u64) -> Option<usize> {
        let index = usize::try_from(id.checked_sub(FIRST_ID)?).ok()?;
        (index < self.0.len()).then_some(index)
    }

    /// When the trade at `index` left.
    pub(crate) fn at_ns(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Acquire)
    }
}

/// Frames ready to go, and which of them have gone.
#[derive(Debug)]
pub(crate) struct Trades {
    bytes: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
    /// Where the times stand in each frame, from its start.
    times_at: [usize; 2],
    sent: usize,
    pub(crate) times: Arc<SendTimes>,
}

impl Trades {
    /// `count` trades of `symbol` with dense ids.
    pub(crate) fn build(symbol: &str, count: usize) -> Self {
        let (mut bytes, mut ends) = (Vec::with_capacity(count * 260), Vec::with_capacity(count));
        for index in 0..count as u64 {
            push_text(&mut bytes, frame(symbol, index).as_bytes(), false);
            ends.push(bytes.len());
        }
        let place = |key: &[u8]| memchr::memmem::find(&bytes, key).map_or(0, |at| at + key.len());
        let times_at = [place(b"\"E\":"), place(b"\"T\":")];
        let times = Arc::new(SendTimes((0..count).map(|_| AtomicU64::new(0)).collect()));
        Self { bytes, ends, times_at, sent: 0, times }
    }

    /// Sends `count` more as fast as the socket takes them.
    pub(crate) fn send_flat_out(&mut self, stream: &mut TcpStream, count: usize) -> io::Result<()> {
        let end = self.ends.len().min(self.sent + count);
        while self.sent < end {
            self.send(stream, self.sent..end.min(self.sent + FLAT_OUT))?;
        }
        Ok(())
    }

    /// Sends the rest at `per_second`, one write every `tick_ns`; what falls behind goes with the next write.
    pub(crate) fn send_paced(&mut self, stream: &mut TcpStream, per_second: u64, tick_ns: u64) -> io::Result<()> {
        // By default the kernel may wake a thread 50 us late.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        let (begun_ns, before) = (now_ns(), self.sent);
        let mut ticks = 1;
        while self.sent < self.ends.len() {
            let due = usize::try_from(ticks * tick_ns * per_second / SECOND_NS).map_err(io::Error::other)?;
            let due = self.ends.len().min(before + due);
            if due > self.sent {
                self.send(stream, self.sent..due)?;
            }
            let next_ns = begun_ns + ticks * tick_ns;
            std::thread::sleep(Duration::from_nanos(next_ns.saturating_sub(now_ns())));
            ticks = (now_ns() - begun_ns) / tick_ns + 1;
        }
        Ok(())
    }

    /// One write.
    fn send(&mut self, stream: &mut TcpStream, which: Range<usize>) -> io::Result<()> {
        let start = |index: usize| index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let wall_ms = Clock::system().wall().get();
        let digits = [wall_ms, wall_ms - EVENT_DELAY_MS].map(|ms| ms.to_string());
        for frame in which.clone().map(start) {
            for (at, digits) in self.times_at.iter().zip(&digits) {
                self.bytes[frame + at..frame + at + TIME_DIGITS].copy_from_slice(digits.as_bytes());
            }
        }
        let sent_ns = now_ns();
        for time in &self.times.0[which.clone()] {
            time.store(sent_ns, Ordering::Release);
        }
        let from = which.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        stream.write_all(&self.bytes[from..self.ends[which.end - 1]])?;
        self.sent = which.end;
        Ok(())
    }
}

/// A frame of the venue in 2026; every field has the same width in all of them, but for the flag near the end.
fn frame(symbol: &str, index: u64) -> String {
    let (id, tenths, thousandths) = (FIRST_ID + index, 830_000 + index * 7_919 % 1_000, 1 + index * 31 % 5_000);
    let quantity = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let (price, first, maker) =
        (format!("{}.{}0", tenths / 10, tenths % 10), 8_153_634_393 + 2 * index, index.is_multiple_of(3));
    format!(
        "{{\"stream\":\"{}@aggTrade\",\"data\":{{\"e\":\"aggTrade\",\"E\":{:013},\"a\":{id},\"s\":\"{symbol}\",\"p\":\"{price}\",\
         \"q\":\"{quantity}\",\"nq\":\"{quantity}\",\"f\":{first},\"l\":{},\"T\":{:013},\"m\":{maker},\"st\":1}}}}",
        symbol.to_ascii_lowercase(),
        0,
        first + 1,
        0,
    )
}
