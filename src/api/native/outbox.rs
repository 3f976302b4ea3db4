//! What does a session still have to write, and how does a frame look?
//!
//! Bodies come encoded and shared; a frame is its own head around them. `seq` counts a subscription's frames from 0
//! without a gap, and one `update` carries every row that is due.

use crate::{
    api::native::encode::integer,
    live::{Event, Rows},
    model::{IdRange, UnixMillis},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes that wait at most, however long a flush interval is; beyond, they are written early.
const PENDING_BYTES_MAX: usize = 256 << 10;

/// What a current candle counts for, roughly.
const OPEN_CANDLE_BYTES: usize = 400;

/// Everything that waits to be written to one session.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: BTreeMap<u32, Line>,
    /// Frames of no subscription, written after everything that waits: a barrier speaks for candles that came before.
    barriers: Vec<String>,
    /// About what was pushed since the last flush.
    pending_bytes: usize,
}

#[derive(Debug)]
struct Line {
    /// `,"sub":17,"ch":"candles","sym":"BTCUSDT","seq":`
    head: Vec<u8>,
    seq: u64,
    pending: Vec<Pending>,
}

/// A frame in the making.
#[derive(Debug)]
enum Pending {
    Rows(&'static str, Vec<Bytes>),
    /// An `update`: rows that stay, and one that a later one replaces.
    Update(Vec<Bytes>, Option<Bytes>),
    Gap(IdRange),
}

impl Outbox {
    /// Begins a subscription.
    pub(super) fn open(&mut self, sub: u32, channel: &str, symbol: &str) {
        // Symbols hold no character that JSON escapes; see `model::Symbol`.
        let head = format!(",\"sub\":{sub},\"ch\":\"{channel}\",\"sym\":\"{symbol}\",\"seq\":").into_bytes();
        self.lines.insert(sub, Line { head, seq: 0, pending: Vec::new() });
    }

    /// Ends a subscription; what waits of it is not written.
    pub(super) fn close(&mut self, sub: u32) {
        self.lines.remove(&sub);
    }

    /// Takes what a publisher says; for a subscription that has ended, nothing.
    pub(super) fn push(&mut self, sub: u32, event: Event) {
        let Some(line) = self.lines.get_mut(&sub) else { return };
        self.pending_bytes += match event {
            Event::Snapshot(rows) => {
                line.pending.clear();
                line.add("snapshot", rows)
            }
            Event::Trades(rows) => line.update(rows, None),
            Event::Candles { closed, open } => line.update(closed, open),
            Event::Repair(rows) => line.add("repair", rows),
            Event::Correction(rows) => line.add("correction", rows),
            Event::Gap(ids) => {
                line.pending.push(Pending::Gap(ids));
                0
            }
            Event::Barrier { .. } | Event::TooSlow(_) => 0,
        };
    }

    /// Takes a barrier, written out.
    pub(super) fn push_barrier(&mut self, barrier: String) {
        self.pending_bytes += barrier.len();
        self.barriers.push(barrier);
    }

    /// Whether so much waits that it should be written before its time.
    pub(super) fn is_heavy(&self) -> bool {
        self.pending_bytes > PENDING_BYTES_MAX
    }

    /// Hands every frame that waits to `write`, in order for each subscription, then the barriers.
    pub(super) fn flush(&mut self, now: UnixMillis, mut write: impl FnMut(Vec<u8>)) {
        self.pending_bytes = 0;
        for line in self.lines.values_mut() {
            for pending in std::mem::take(&mut line.pending) {
                write(line.frame(&pending, now));
            }
        }
        self.barriers.drain(..).for_each(|barrier| write(barrier.into_bytes()));
    }
}

impl Line {
    /// Adds a frame of its own; returns its bytes.
    fn add(&mut self, kind: &'static str, rows: Rows) -> usize {
        let bytes = rows.body.len();
        self.pending.push(Pending::Rows(kind, bodies(rows)));
        bytes
    }

    /// Adds to the update in the making, or begins one; returns the bytes added, a replaced candle counted once.
    fn update(&mut self, rows: Rows, open: Option<Bytes>) -> usize {
        if !matches!(self.pending.last(), Some(Pending::Update(..))) {
            self.pending.push(Pending::Update(Vec::new(), None));
        }
        let Some(Pending::Update(settled, current)) = self.pending.last_mut() else { return 0 };
        let mut bytes = rows.body.len();
        if !rows.is_empty() {
            settled.push(rows.body);
            *current = None;
        }
        if let Some(open) = open
            && current.replace(open).is_none()
        {
            bytes += OPEN_CANDLE_BYTES;
        }
        bytes
    }

    fn frame(&mut self, pending: &Pending, now: UnixMillis) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + pending.bytes());
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(pending.kind().as_bytes());
        out.push(b'"');
        out.extend_from_slice(&self.head);
        integer(&mut out, b"", self.seq);
        integer(&mut out, b",\"ts\":", now.get());
        pending.write(&mut out);
        out.push(b'}');
        self.seq += 1;
        out
    }
}

impl Pending {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rows(kind, _) => kind,
            Self::Update(..) => "update",
            Self::Gap(_) => "gap",
        }
    }

    fn bodies(&self) -> impl Iterator<Item = &Bytes> {
        let (settled, current) = match self {
            Self::Rows(_, bodies) => (bodies.as_slice(), None),
            Self::Update(settled, current) => (settled.as_slice(), current.as_ref()),
            Self::Gap(_) => (&[][..], None),
        };
        settled.iter().chain(current)
    }

    fn bytes(&self) -> usize {
        self.bodies().map(|body| body.len() + 1).sum()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Self::Gap(ids) = self {
            integer(out, b",\"from_id\":", ids.first);
            return integer(out, b",\"to_id\":", ids.last);
        }
        out.extend_from_slice(b",\"data\":[");
        for (at, body) in self.bodies().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(body);
        }
        out.push(b']');
    }
}

fn bodies(rows: Rows) -> Vec<Bytes> {
    if rows.is_empty() { Vec::new() } else { vec![rows.body] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(body: &'static str) -> Rows {
        Rows { body: Bytes::from_static(body.as_bytes()), count: u32::from(!body.is_empty()) }
    }

    fn candles(closed: &'static str, open: &'static str) -> Event {
        Event::Candles { closed: rows(closed), open: (!open.is_empty()).then(|| Bytes::from_static(open.as_bytes())) }
    }

    fn flushed(outbox: &mut Outbox) -> Vec<String> {
        let mut frames = Vec::new();
        outbox.flush(UnixMillis::new(9), |frame| frames.push(String::from_utf8(frame).expect("UTF-8")));
        frames
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.open(7, "candles", "币安人生USDT");
        outbox
    }

    #[test]
    fn one_update_carries_every_row_due_and_only_the_newest_open_candle() {
        let mut outbox = outbox();
        outbox.push(7, Event::Snapshot(rows("")));
        for (closed, open) in [("", "1"), ("", "2"), ("3", "4"), ("5", ""), ("", "6"), ("", "7")] {
            outbox.push(7, candles(closed, open));
        }
        let head = r#""sub":7,"ch":"candles","sym":"币安人生USDT","seq""#;
        let expected = [
            format!(r#"{{"type":"snapshot",{head}:0,"ts":9,"data":[]}}"#),
            format!(r#"{{"type":"update",{head}:1,"ts":9,"data":[3,5,7]}}"#),
        ];
        assert_eq!(flushed(&mut outbox), expected);
        assert!(flushed(&mut outbox).is_empty());
    }

    #[test]
    fn a_closed_row_takes_the_open_one_before_it_away() {
        let mut outbox = outbox();
        outbox.push(7, candles("", "1"));
        outbox.push(7, candles("2", ""));
        assert!(flushed(&mut outbox)[0].ends_with("\"data\":[2]}"));
    }

    #[test]
    fn every_kind_of_frame_counts_and_keeps_its_place() {
        let mut outbox = outbox();
        outbox.push(7, Event::Trades(rows("1")));
        outbox.push(7, Event::Gap(IdRange { first: 2, last: 4 }));
        outbox.push(7, Event::Trades(rows("5")));
        outbox.push(7, Event::Trades(rows("6,7")));
        outbox.push(7, Event::Repair(rows("3")));
        outbox.push(8, Event::Trades(rows("9")));
        let frames: Vec<serde_json::Value> =
            flushed(&mut outbox).iter().map(|frame| serde_json::from_str(frame).expect("JSON")).collect();
        let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().expect("a type")).collect();
        assert_eq!(kinds, ["update", "gap", "update", "repair"]);
        assert!(frames.iter().zip(0..).all(|(frame, seq)| frame["seq"] == seq));
        assert_eq!((&frames[1]["from_id"], &frames[1]["to_id"]), (&2.into(), &4.into()));
        assert_eq!(frames[2]["data"], serde_json::json!([5, 6, 7]));
    }

    #[test]
    fn a_new_snapshot_replaces_what_waits_and_weight_is_known() {
        let mut outbox = outbox();
        (0..PENDING_BYTES_MAX).for_each(|_| outbox.push(7, candles("", "1")));
        assert!(!outbox.is_heavy());
        outbox.push(7, Event::Trades(Rows { body: vec![b'1'; PENDING_BYTES_MAX + 1].into(), count: 1 }));
        assert!(outbox.is_heavy());
        outbox.push(7, Event::Snapshot(rows("1")));
        assert_eq!(flushed(&mut outbox).len(), 1);
        assert!(!outbox.is_heavy());
    }
}
