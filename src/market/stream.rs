//! What is known of the stream that brings a contract's trades?

use crate::{
    market::{Flow, Side},
    model::UnixMillis,
};
use arc_swap::ArcSwapOption;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
};

/// No time at which a stream was asked for.
const NOT_VOUCHED: i64 = -1;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trouble {
    /// Nothing that is known of.
    None,
    /// The venue traded and the stream did not tell; something was done about it.
    Recovering,
    /// The same, and it did not help so far.
    Stale,
}

/// The stream of a contract's trades, on whatever connections carry it. But for `waiting`, nothing here guards other data.
#[derive(Debug)]
pub struct Stream {
    /// Whether prints wait for ids before theirs, so that the tape lacks what has come already.
    waiting: AtomicBool,
    /// When it was asked for last, in monotonic milliseconds.
    asked_ms: AtomicI64,
    trouble: AtomicU8,
    /// On which connections it is asked for, by side.
    carried: [AtomicBool; Side::COUNT],
    /// The connections that are proven to carry it, by side.
    flows: [ArcSwapOption<Flow>; Side::COUNT],
    /// Of which `asked_ms` the venue has said lately that nothing was traded since that it lacks; else negative.
    vouched_ms: AtomicI64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            waiting: AtomicBool::default(),
            asked_ms: AtomicI64::default(),
            trouble: AtomicU8::new(Trouble::None as u8),
            carried: Default::default(),
            flows: Default::default(),
            vouched_ms: AtomicI64::new(NOT_VOUCHED),
        }
    }
}

impl Stream {
    /// Says whether prints wait for ids before theirs.
    pub(super) fn set_waiting(&self, waiting: bool) {
        // Behind the proofs that came before it and the trades that ended the wait; see `Flow`.
        self.waiting.store(waiting, Ordering::Release);
    }

    /// The time up to which everything is proven to stand on the tape.
    pub fn flowing_to(&self) -> UnixMillis {
        // Acquire pairs with the Release in `set_waiting`: who sees that nothing waits sees what did on the tape.
        if self.waiting.load(Ordering::Acquire) {
            return UnixMillis::new(i64::MIN);
        }
        self.read_to().unwrap_or(UnixMillis::new(i64::MIN))
    }

    /// The time at the venue up to which the connections proven to carry it have been read; none without one.
    pub fn read_to(&self) -> Option<UnixMillis> {
        self.flows.iter().filter_map(|flow| flow.load().as_ref().map(|flow| flow.proven_to())).max()
    }

    /// Notes that it is asked for now, in monotonic milliseconds: what was traded before may never come.
    pub fn note_asked(&self, now_ms: i64) {
        self.asked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When it was asked for last, in monotonic milliseconds; 0 before.
    pub fn asked_ms(&self) -> i64 {
        self.asked_ms.load(Ordering::Relaxed)
    }

    /// Notes what is wrong with it.
    pub fn set_trouble(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::Relaxed);
    }

    /// What is wrong with it.
    pub fn trouble(&self) -> Trouble {
        match self.trouble.load(Ordering::Relaxed) {
            stale if stale == Trouble::Stale as u8 => Trouble::Stale,
            recovering if recovering == Trouble::Recovering as u8 => Trouble::Recovering,
            _ => Trouble::None,
        }
    }

    /// Whether it may be believed: a connection is proven to carry it, or one is asked for it and the venue says that nothing
    /// was traded that has not come. A contract that is not traded for hours can be known to be followed by the second alone.
    pub fn is_followed(&self) -> bool {
        let is_carried = || self.carried.iter().any(|carried| carried.load(Ordering::Relaxed));
        self.is_flowing() || self.vouched_ms.load(Ordering::Relaxed) == self.asked_ms() && is_carried()
    }

    /// Whether a connection is proven to carry it.
    pub fn is_flowing(&self) -> bool {
        self.flows.iter().any(|flow| flow.load().is_some())
    }

    /// Whether a connection of this side is.
    pub fn is_proven(&self, side: Side) -> bool {
        self.flows[side.index()].load().is_some()
    }

    /// Whether one of another side is.
    pub fn is_proven_beside(&self, side: Side) -> bool {
        self.flows.iter().enumerate().any(|(at, flow)| at != side.index() && flow.load().is_some())
    }

    /// Notes that it is asked for on a connection of this side.
    pub fn carry(&self, side: Side) {
        self.carried[side.index()].store(true, Ordering::Relaxed);
    }

    /// Notes that a connection of this side carries it.
    pub fn prove(&self, side: Side, flow: Arc<Flow>) {
        self.flows[side.index()].store(Some(flow));
    }

    /// Notes that no connection of this side does.
    pub fn disprove(&self, side: Side) {
        self.carried[side.index()].store(false, Ordering::Relaxed);
        self.flows[side.index()].store(None);
    }

    /// Notes that none is proven to, whoever is asked for it.
    pub fn disprove_all(&self) {
        self.flows.iter().for_each(|flow| flow.store(None));
    }

    /// Notes of which [`asked_ms`](Self::asked_ms) the venue has said lately that nothing was traded since that has not come.
    pub fn vouch(&self, asked_ms: Option<i64>) {
        self.vouched_ms.store(asked_ms.unwrap_or(NOT_VOUCHED), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_venues_word_counts_while_a_connection_is_asked() {
        let (stream, side) = (Stream::default(), Side::default());
        stream.note_asked(7);
        stream.vouch(Some(7));
        assert!(!stream.is_followed(), "nobody is asked for it");
        stream.carry(side);
        assert!(stream.is_followed() && !stream.is_flowing());
        stream.note_asked(8);
        assert!(!stream.is_followed(), "it was asked for anew");
        stream.vouch(None);
        assert!(!stream.is_followed());
        stream.prove(side, Arc::default());
        assert!(stream.is_followed() && stream.is_proven_beside(side.other()) && !stream.is_proven_beside(side));
        stream.vouch(Some(8));
        stream.disprove(side);
        assert!(!stream.is_followed(), "the connection has ended");
    }
}
