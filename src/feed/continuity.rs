//! Does a connection deliver all that it carries, or a thin rest of it?
//!
//! A socket that drops most frames looks alive: it answers pings, and nothing on it falls silent. What tells is that the
//! numbers of what comes do not join. One frame that does not join may be anybody's loss; a run of them is the connection's.
//! That is decided by a cumulative sum (E. S. Page, "Continuous Inspection Schemes", Biometrika 41, 1954): what was missed
//! raises it, what joins lowers it, and beyond a limit the connection is not to be trusted.

use crate::model::UnixMillis;

/// What a jump counts at least and at most, in frames that join: losses of more than a quarter of all frames add up.
const JUMP: (u64, u64) = (3, 15);
/// Beyond this sum a connection is thin, and no sum grows beyond its double.
const LIMIT: u64 = 40;
/// Seconds of the venue's in which something was missed, at least: one hiccup, of however many streams, is no proof.
const SECONDS: u32 = 3;
/// Mark prices are told every second; two of them further apart than this have something between them.
const MARKS_APART_MS_MAX: i64 = 2_500;
/// Whatever else comes so long after the newest of them, some have been lost.
const MARKS_AWAY_MS_MAX: i64 = 10_000;

/// How well what comes on one connection joins.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    sum: u64,
    /// Seconds in which something was missed since the sum was 0, and the last of them.
    seconds: u32,
    missed_in: Option<i64>,
    /// The venue's second in which the newest frame was sent.
    second: i64,
    /// When the newest mark prices were sent.
    marks: Option<UnixMillis>,
}

impl Continuity {
    /// Notes when a frame was sent, before what it holds: where little joins, it is the mark prices that have to be there.
    pub(super) fn note_sent(&mut self, sent: UnixMillis) {
        let second = sent.get().div_euclid(UnixMillis::SECOND);
        let is_next = std::mem::replace(&mut self.second, second) != second;
        if is_next && self.marks.is_some_and(|last| sent.since(last) > MARKS_AWAY_MS_MAX) {
            self.miss(JUMP.1);
        }
    }

    /// Notes a number of a stream and the last one before it; numbers that were there before tell of nothing.
    pub(super) fn note_id(&mut self, last: Option<u64>, id: u64) {
        match last.map(|last| id.saturating_sub(last)) {
            None | Some(0) => {}
            Some(1) => self.join(),
            Some(step) => self.miss(step - 1),
        }
    }

    /// Notes an update of a book: whether it joins the last one, and how long after it it was sent.
    pub(super) fn note_update(&mut self, joins: bool, after_ms: i64) {
        // Ten a second at most, and fewer of a quiet book: never more than were missed.
        if joins { self.join() } else { self.miss(u64::try_from(after_ms / 100).unwrap_or_default()) }
    }

    /// Notes mark prices; those of one second may come in several frames.
    pub(super) fn note_marks(&mut self, sent: UnixMillis) {
        match self.marks.map(|last| sent.since(last)) {
            Some(..=0) => return,
            None => {}
            Some(apart_ms) if apart_ms <= MARKS_APART_MS_MAX => self.join(),
            Some(apart_ms) => self.miss(u64::try_from(apart_ms / UnixMillis::SECOND).unwrap_or_default()),
        }
        self.marks = Some(sent);
    }

    /// Whether it delivers only a part of what it carries.
    pub(super) fn is_thin(&self) -> bool {
        self.sum > LIMIT && self.seconds >= SECONDS
    }

    fn join(&mut self) {
        self.sum = self.sum.saturating_sub(1);
        if self.sum == 0 {
            (self.seconds, self.missed_in) = (0, None);
        }
    }

    fn miss(&mut self, frames: u64) {
        self.sum = (self.sum + frames.clamp(JUMP.0, JUMP.1)).min(2 * LIMIT);
        self.seconds += u32::from(self.missed_in.replace(self.second) != Some(self.second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many numbers, a hundred a second, pass until a connection that keeps so many of a thousand is found, of 100,000.
    fn found_after(kept_per_mille: u64, seed: u64) -> Option<u64> {
        let (mut continuity, mut state, mut last) = (Continuity::default(), seed, None);
        (1..=100_000_u64).find(|id| {
            // Knuth's linear congruential generator.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (state >> 33) % 1_000 < kept_per_mille {
                continuity.note_sent(UnixMillis::new(i64::try_from(id * 10).expect("small")));
                continuity.note_id(last.replace(*id), *id);
            }
            continuity.is_thin()
        })
    }

    #[test]
    fn a_thin_connection_is_found_within_few_frames_and_a_lossy_one_is_left_alone() {
        for seed in 0..100 {
            assert!(found_after(25, seed).expect("found") < 600, "{seed}");
            assert!(found_after(500, seed).expect("found") < 600, "{seed}");
            assert_eq!(found_after(950, seed), None, "{seed}");
            assert_eq!(found_after(1_000, seed), None);
        }
    }

    #[test]
    fn single_jumps_repeats_and_disorder_are_no_proof() {
        let mut continuity = Continuity::default();
        for last in 0..100_000 {
            continuity.note_id(Some(last), last + if last % 100 == 0 { 1_000_000 } else { 1 });
            continuity.note_id(Some(last), last);
            assert!(!continuity.is_thin());
        }
    }

    #[test]
    fn one_hiccup_of_many_streams_is_no_proof_and_marks_that_stall_while_trades_join_are_none() {
        let mut continuity = Continuity::default();
        (0..200).for_each(|_| continuity.note_id(Some(1), 30));
        assert!(!continuity.is_thin());
        continuity.note_marks(UnixMillis::new(1_000));
        for id in 1..3_000 {
            continuity.note_sent(UnixMillis::new(1_000 + i64::try_from(id).expect("small") * 20));
            continuity.note_id(Some(id), id + 1);
            assert!(!continuity.is_thin(), "{id}");
        }
    }

    #[test]
    fn marks_that_stay_away_count_and_those_in_several_frames_do_not() {
        let sent = |second: i64| UnixMillis::new(second * 1_000);
        let mut continuity = Continuity::default();
        (0..1_000).for_each(|at| continuity.note_marks(sent(at / 2)));
        assert_eq!(continuity.sum, 0);
        // A fortieth of what is due.
        let found = (1..10).find(|at| {
            continuity.note_sent(sent(500 + at * 40));
            continuity.note_marks(sent(500 + at * 40));
            continuity.is_thin()
        });
        assert_eq!(found, Some(3));
    }

    #[test]
    fn marks_that_are_away_while_else_comes_are_lost() {
        let mut continuity = Continuity::default();
        continuity.note_sent(UnixMillis::new(1_000_000));
        continuity.note_marks(UnixMillis::new(1_000_000));
        // A trade a second, of contracts whose ids tell nothing.
        let found = (1..60).find(|second| {
            continuity.note_sent(UnixMillis::new(1_000_000 + second * 1_000));
            continuity.is_thin()
        });
        assert_eq!(found, Some(13));
    }
}
