//! What does a session still have to write, and how does a frame look?
//!
//! Bodies come encoded and shared; a frame is its own head around them. `seq` counts a subscription's frames from 0
//! without a gap, and one `update` carries every row that is due.

use crate::{
    api::native::encode::integer,
    live::{Event, Rows},
    market::Ending,
    model::{IdRange, UnixMillis},
};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Bytes that wait at most, however long a flush interval is; beyond, they are written early.
const PENDING_BYTES_MAX: usize = 256 << 10;

/// Everything that waits to be written to one session.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: BTreeMap<u32, Line>,
    /// Subscriptions for which something waits, in the order in which it came.
    due: VecDeque<u32>,
    /// Frames of no subscription, written after everything that waits: a barrier speaks for candles that came before.
    barriers: Vec<String>,
    /// About what waits.
    pending_bytes: usize,
}

#[derive(Debug)]
struct Line {
    /// `,"sub":17,"ch":"candles","sym":"BTCUSDT","seq":`
    head: Vec<u8>,
    seq: u64,
    pending: VecDeque<Pending>,
    /// Whether its last frame was taken.
    ended: bool,
}

/// A frame in the making.
#[derive(Debug)]
enum Pending {
    Rows(&'static str, Rows),
    /// An `update`: rows that stay, and one that a later one replaces.
    Update(VecDeque<Bytes>, Option<Bytes>),
    Gap(IdRange),
    Missing(u64),
    Ended(Ending),
}

impl Outbox {
    /// Begins a subscription.
    pub(super) fn open(&mut self, sub: u32, channel: &str, symbol: &str) {
        // Symbols hold no character that JSON escapes; see `model::Symbol`.
        let head = format!(",\"sub\":{sub},\"ch\":\"{channel}\",\"sym\":\"{symbol}\",\"seq\":").into_bytes();
        self.lines.insert(sub, Line { head, seq: 0, pending: VecDeque::new(), ended: false });
    }

    /// Ends a subscription; what waits of it is not written.
    pub(super) fn close(&mut self, sub: u32) {
        self.lines.remove(&sub);
    }

    /// Takes what a publisher says; for a subscription that has ended, nothing.
    pub(super) fn push(&mut self, sub: u32, event: Event) {
        let Some(line) = self.lines.get_mut(&sub) else { return };
        if line.pending.is_empty() {
            self.due.push_back(sub);
        }
        let mut replaced = 0;
        let added = match event {
            Event::Snapshot(rows) | Event::Resync(rows) => {
                replaced = line.pending.drain(..).map(|pending| pending.bytes()).sum();
                line.add(Pending::Rows("snapshot", rows))
            }
            Event::Rows(rows) => line.update(rows, None, &mut replaced),
            Event::Newest(body) => line.update(Rows::default(), Some(body), &mut replaced),
            Event::Candles { closed, open } => line.update(closed, open, &mut replaced),
            Event::Repair(rows) => line.add(Pending::Rows("repair", rows)),
            Event::Correction(rows) => line.add(Pending::Rows("correction", rows)),
            Event::Gap(ids) => line.add(Pending::Gap(ids)),
            Event::Missing(missing) => line.add(Pending::Missing(missing)),
            Event::Ended(ending) => line.add(Pending::Ended(ending)),
            Event::Barrier { .. } | Event::TooSlow(_) => 0,
        };
        self.pending_bytes = (self.pending_bytes + added).saturating_sub(replaced);
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

    /// Hands frames that wait to `write`, in order for each subscription and the barriers last, until `bytes_max` have been
    /// written or passed; whether more waits.
    pub(super) fn write(&mut self, now: UnixMillis, bytes_max: usize, mut write: impl FnMut(Vec<u8>)) -> bool {
        let mut bytes = 0;
        while let Some(sub) = self.due.front() {
            if bytes >= bytes_max {
                return true;
            }
            let Some(frame) = self.lines.get_mut(sub).and_then(|line| line.next_frame(now, bytes_max)) else {
                self.due.pop_front();
                continue;
            };
            if self.lines.get(sub).is_some_and(|line| line.ended) {
                self.lines.remove(sub);
            }
            bytes += frame.len();
            self.pending_bytes = self.pending_bytes.saturating_sub(frame.len());
            write(frame);
        }
        self.pending_bytes = 0;
        self.barriers.drain(..).for_each(|barrier| write(barrier.into_bytes()));
        false
    }
}

impl Line {
    /// Adds a frame of its own; returns its bytes.
    fn add(&mut self, frame: Pending) -> usize {
        let bytes = frame.bytes();
        self.pending.push_back(frame);
        bytes
    }

    /// Adds to the update in the making, or begins one; returns the bytes added, and says how many went for them.
    fn update(&mut self, rows: Rows, open: Option<Bytes>, replaced: &mut usize) -> usize {
        if !matches!(self.pending.back(), Some(Pending::Update(..))) {
            self.pending.push_back(Pending::Update(VecDeque::new(), None));
        }
        let Some(Pending::Update(settled, current)) = self.pending.back_mut() else { return 0 };
        let added = rows.body.len() + open.as_ref().map_or(0, Bytes::len);
        if !rows.is_empty() || open.is_some() {
            *replaced = current.take().map_or(0, |body| body.len());
            *current = open;
        }
        if !rows.is_empty() {
            settled.push_back(rows.body);
        }
        added
    }

    /// The next frame that waits. An update of more than `bytes_max` goes out in several.
    fn next_frame(&mut self, now: UnixMillis, bytes_max: usize) -> Option<Vec<u8>> {
        let pending = self.pending.front_mut()?;
        let (part, is_whole) = pending.take(bytes_max);
        if is_whole {
            self.pending.pop_front();
        }
        self.ended = matches!(part, Part::Ended(_));
        Some(self.frame(&part, now))
    }

    fn frame(&mut self, part: &Part, now: UnixMillis) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + part.bytes());
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(part.kind().as_bytes());
        out.push(b'"');
        out.extend_from_slice(&self.head);
        integer(&mut out, b"", self.seq);
        integer(&mut out, b",\"ts\":", now.get());
        part.write(&mut out);
        out.push(b'}');
        self.seq += 1;
        out
    }
}

impl Pending {
    /// Of its rows.
    fn bytes(&self) -> usize {
        match self {
            Self::Rows(_, rows) => rows.body.len(),
            Self::Update(settled, current) => settled.iter().chain(current).map(Bytes::len).sum(),
            Self::Gap(_) | Self::Missing(_) | Self::Ended(_) => 0,
        }
    }

    /// Takes what fits into one frame, at least one body; whether nothing is left.
    fn take(&mut self, bytes_max: usize) -> (Part, bool) {
        match self {
            Self::Rows(kind, rows) => (Part::Rows(kind, vec![std::mem::take(rows).body]), true),
            Self::Gap(ids) => (Part::Gap(*ids), true),
            Self::Missing(missing) => (Part::Missing(*missing), true),
            Self::Ended(ending) => (Part::Ended(*ending), true),
            Self::Update(settled, current) => {
                let (mut bodies, mut bytes) = (Vec::new(), 0);
                while bytes < bytes_max
                    && let Some(body) = settled.pop_front().or_else(|| current.take())
                {
                    bytes += body.len();
                    bodies.push(body);
                }
                let is_whole = settled.is_empty() && current.is_none();
                (Part::Rows("update", bodies), is_whole)
            }
        }
    }
}

/// What one frame says.
enum Part {
    Rows(&'static str, Vec<Bytes>),
    Gap(IdRange),
    Missing(u64),
    Ended(Ending),
}

impl Part {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rows(kind, _) => kind,
            Self::Gap(_) => "gap",
            Self::Missing(_) => "status",
            Self::Ended(_) => "ended",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Rows(_, bodies) => bodies.iter().map(|body| body.len() + 1).sum(),
            Self::Gap(_) | Self::Missing(_) | Self::Ended(_) => 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Gap(ids) => {
                integer(out, b",\"from_id\":", ids.first);
                integer(out, b",\"to_id\":", ids.last);
            }
            Self::Missing(missing) => {
                let complete: &[u8] = if *missing == 0 { b",\"complete\":true" } else { b",\"complete\":false" };
                out.extend_from_slice(complete);
                integer(out, b",\"missing\":", *missing);
            }
            Self::Ended(ending) => {
                out.extend_from_slice(b",\"reason\":\"");
                out.extend_from_slice(ending.name().as_bytes());
                out.push(b'"');
            }
            Self::Rows(_, bodies) => {
                out.extend_from_slice(b",\"data\":[");
                for (at, body) in bodies.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(body);
                }
                out.push(b']');
            }
        }
    }
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
        let more =
            outbox.write(UnixMillis::new(9), usize::MAX, |frame| frames.push(String::from_utf8(frame).expect("UTF-8")));
        assert!(!more);
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
        outbox.push(7, Event::Rows(rows("1")));
        outbox.push(7, Event::Gap(IdRange { first: 2, last: 4 }));
        outbox.push(7, Event::Rows(rows("5")));
        outbox.push(7, Event::Rows(rows("6,7")));
        outbox.push(7, Event::Missing(2));
        outbox.push(7, Event::Repair(rows("3")));
        outbox.push(8, Event::Rows(rows("9")));
        let frames: Vec<serde_json::Value> =
            flushed(&mut outbox).iter().map(|frame| serde_json::from_str(frame).expect("JSON")).collect();
        let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().expect("a type")).collect();
        assert_eq!(kinds, ["update", "gap", "update", "status", "repair"]);
        assert_eq!((&frames[3]["complete"], &frames[3]["missing"]), (&false.into(), &2.into()));
        assert!(frames.iter().zip(0..).all(|(frame, seq)| frame["seq"] == seq));
        assert_eq!((&frames[1]["from_id"], &frames[1]["to_id"]), (&2.into(), &4.into()));
        assert_eq!(frames[2]["data"], serde_json::json!([5, 6, 7]));
    }

    #[test]
    fn what_is_too_much_for_one_write_goes_out_in_several_in_order() {
        let mut outbox = outbox();
        outbox.open(8, "trades", "BTCUSDT");
        ["1", "2", "3"].into_iter().for_each(|row| outbox.push(7, Event::Rows(rows(row))));
        outbox.push(8, Event::Rows(rows("9")));
        outbox.push_barrier("{}".to_owned());
        let (mut frames, mut writes, mut more) = (Vec::new(), 0, true);
        while more {
            more = outbox.write(UnixMillis::new(9), 2, |frame| frames.push(String::from_utf8(frame).expect("UTF-8")));
            writes += 1;
        }
        let data = |frame: &String| frame.split_once("data").map_or("", |(_, data)| data).to_owned();
        assert_eq!(frames.iter().map(data).collect::<Vec<_>>(), ["\":[1,2]}", "\":[3]}", "\":[9]}", ""]);
        assert!(frames[1].contains("\"seq\":1") && writes == 4, "{frames:?}");
    }

    #[test]
    fn a_new_snapshot_replaces_what_waits_and_weight_is_known() {
        let mut outbox = outbox();
        (0..PENDING_BYTES_MAX).for_each(|_| outbox.push(7, candles("", "1")));
        assert!(!outbox.is_heavy());
        outbox.push(7, Event::Rows(Rows { body: vec![b'1'; PENDING_BYTES_MAX + 1].into(), count: 1 }));
        assert!(outbox.is_heavy());
        outbox.push(7, Event::Snapshot(rows("1")));
        assert!(!outbox.is_heavy());
        assert_eq!(flushed(&mut outbox).len(), 1);
    }

    #[test]
    fn a_row_that_the_next_replaces_counts_with_its_own_length_and_once() {
        let body = Bytes::from(vec![b'1'; PENDING_BYTES_MAX / 2]);
        let (mut one, mut three) = (outbox(), Outbox::default());
        (0..100).for_each(|_| one.push(7, Event::Newest(body.clone())));
        one.push(7, candles("", "1"));
        (0..100).for_each(|_| one.push(7, Event::Newest(body.clone())));
        one.push(7, candles("2", ""));
        one.push(7, Event::Newest(body.clone()));
        assert!(!one.is_heavy(), "{}", one.pending_bytes);
        for sub in 1..=3 {
            three.open(sub, "book_view", "BTCUSDT");
            three.push(sub, Event::Newest(body.clone()));
        }
        assert!(three.is_heavy());
    }
}
