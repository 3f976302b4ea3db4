//! Is a book's stream silent, and when is something done about it?
//!
//! It is when the venue's best bid and ask are newer than everything that the stream has brought, and others than the book's, and the
//! stream goes on to bring nothing. The book of a contract that nobody trades is not: there the two agree.

use crate::model::{BookTicker, ContractId, UnixMillis};
use std::collections::BTreeMap;

/// By how much the venue's word is newer than the book at least: streams overtake each other.
const NEWER_MS: i64 = 1_000;
/// How long the stream may be silent after the venue's word: of a synced book, and of one that is being built anyway.
const GRACE_MS: (i64, i64) = (2_000, 5_000);
/// How long is waited whether something helped, at first and at most.
const TRY_MS: (i64, i64) = (5_000, 60_000);

/// What a look at a book shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The end and the time of the newest update that the stream has brought.
    pub(super) newest: Option<(u64, UnixMillis)>,
    /// The best of both sides of a synced book.
    pub(super) top: Option<BookTicker>,
    /// The same as the venue has told it beside the stream.
    pub(super) told: Option<BookTicker>,
}

impl Look {
    fn is_behind(&self) -> bool {
        let Some(told) = self.told else { return false };
        let is_newer = self.newest.is_none_or(|(_, time)| told.time.since(time) >= NEWER_MS);
        is_newer && self.top.is_none_or(|top| (top.bid, top.ask) != (told.bid, told.ask))
    }
}

/// What follows from a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is to be done, or not yet.
    Wait,
    /// Something is to be done that was done so often before.
    Act(u32),
    /// It flows again, so long after something was done about it first.
    Healed(i64),
}

#[derive(Clone, Copy, Debug)]
struct Silence {
    /// What the stream had brought when it began.
    newest: Option<(u64, UnixMillis)>,
    /// When something is to be done, in monotonic milliseconds.
    due_ms: i64,
    tries: u32,
    /// When something was done first.
    tried_ms: i64,
}

/// Books whose streams may be silent.
#[derive(Debug, Default)]
pub(super) struct Silences(BTreeMap<ContractId, Silence>);

impl Silences {
    /// Judges a book at `now_ms`.
    pub(super) fn judge(&mut self, id: ContractId, look: &Look, now_ms: i64) -> Verdict {
        match self.0.get(&id) {
            Some(silence) if silence.newest == look.newest && (silence.tries > 0 || look.is_behind()) => {
                if silence.due_ms > now_ms { Verdict::Wait } else { Verdict::Act(silence.tries) }
            }
            _ => self.begin(id, look, now_ms),
        }
    }

    /// Begins a silence in place of one that is over, if it is one.
    fn begin(&mut self, id: ContractId, look: &Look, now_ms: i64) -> Verdict {
        let ended = self.0.remove(&id).filter(|silence| silence.tries > 0);
        if look.is_behind() {
            let grace_ms = if look.top.is_some() { GRACE_MS.0 } else { GRACE_MS.1 };
            let silence = Silence { newest: look.newest, due_ms: now_ms + grace_ms, tries: 0, tried_ms: now_ms };
            self.0.insert(id, silence);
        }
        ended.map_or(Verdict::Wait, |silence| Verdict::Healed(now_ms - silence.tried_ms))
    }

    /// Whether a book's stream may be silent, whenever something is to be done about it.
    pub(super) fn has(&self, id: ContractId) -> bool {
        self.0.contains_key(&id)
    }

    /// Notes that something was done.
    pub(super) fn tried(&mut self, id: ContractId, now_ms: i64) {
        let Some(silence) = self.0.get_mut(&id) else { return };
        if silence.tries == 0 {
            silence.tried_ms = now_ms;
        }
        silence.due_ms = now_ms + (TRY_MS.0 << silence.tries.min(8)).min(TRY_MS.1);
        silence.tries += 1;
    }

    /// Forgets what is not recorded any more.
    pub(super) fn retain(&mut self, is_recorded: impl Fn(ContractId) -> bool) {
        self.0.retain(|id, _| is_recorded(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, Price, Quantity};

    const A: ContractId = ContractId::new(1);

    fn top(time: i64, price: i64) -> BookTicker {
        let level = |price| Level { price: Price::from_units(price), quantity: Quantity::from_units(1) };
        BookTicker { update_id: 7, time: UnixMillis::new(time), bid: level(price), ask: level(price + 1) }
    }

    fn look(newest: i64, price: i64, told: BookTicker) -> Look {
        Look { newest: Some((7, UnixMillis::new(newest))), top: Some(top(newest, price)), told: Some(told) }
    }

    #[test]
    fn a_stream_that_the_venue_is_ahead_of_is_silent_after_a_while() {
        let mut silences = Silences::default();
        let silent = look(10_000, 5, top(12_000, 6));
        assert_eq!(silences.judge(A, &silent, 0), Verdict::Wait);
        assert_eq!(silences.judge(A, &silent, 1_999), Verdict::Wait);
        assert_eq!(silences.judge(A, &silent, 2_000), Verdict::Act(0));
        silences.tried(A, 2_000);
        // It is in doubt now.
        let doubted = Look { top: None, ..silent };
        assert_eq!(silences.judge(A, &doubted, 6_999), Verdict::Wait);
        assert_eq!(silences.judge(A, &doubted, 7_000), Verdict::Act(1));
        silences.tried(A, 7_000);
        assert_eq!(silences.judge(A, &doubted, 16_999), Verdict::Wait);
        assert_eq!(silences.judge(A, &look(17_000, 9, top(12_000, 6)), 17_000), Verdict::Healed(15_000));
        assert_eq!(silences.judge(A, &look(17_000, 9, top(12_000, 6)), 90_000), Verdict::Wait);
    }

    #[test]
    fn a_quiet_book_a_fast_ticker_and_a_stream_that_flows_are_not_silent() {
        let mut silences = Silences::default();
        for now in (0..60_000).step_by(500) {
            assert_eq!(silences.judge(A, &look(10_000, 5, top(30_000, 5)), now), Verdict::Wait, "nothing has moved");
        }
        for now in (0..60_000).step_by(500) {
            let told = top(10_000 + now, now);
            assert_eq!(silences.judge(A, &look(10_000 + now - 900, 5, told), now), Verdict::Wait, "it is in time");
            assert_eq!(silences.judge(A, &look(10_000 + now - 5_000, 5, told), now), Verdict::Wait, "it flows, late");
        }
    }

    #[test]
    fn a_stream_that_never_began_is_silent_too() {
        let mut silences = Silences::default();
        let mute = Look { newest: None, top: None, told: Some(top(12_000, 6)) };
        assert_eq!(silences.judge(A, &Look { told: None, ..mute }, 0), Verdict::Wait, "the venue is silent, too");
        assert_eq!(silences.judge(A, &mute, 100), Verdict::Wait);
        assert_eq!(silences.judge(A, &mute, 5_100), Verdict::Act(0));
    }
}
