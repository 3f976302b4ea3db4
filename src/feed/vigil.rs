//! Which streams have gone quiet though their contracts trade?
//!
//! An acknowledgement proves nothing, and a quiet contract may just not trade. What proves a stream dead is the venue itself:
//! its rolling statistics tell every contract's newest raw trade id. A lively stream that is silent for longer than its own
//! pace allows has them asked for at once; all are asked for from time to time. What they tell first after a stream was asked
//! for may have been traded before, and is where it begins.

use crate::model::{ContractId, UnixMillis};
use std::collections::BTreeMap;

/// The venue is asked about all contracts this often, and no sooner than this again when streams are silent.
const ASK_EVERY_MS: (i64, i64) = (7_500, 4_000);
/// A lively stream may be silent for so many of its own mean gaps, and for so long at least; one for which that is longer than
/// the second waits for the next question to all.
const GAPS_MAX: i64 = 8;
const SILENCE_MS: (i64, i64) = (3_000, 6_000);
/// What the venue has traded is on the tape so long after it was told of, or the stream is behind: it is published within
/// 160 ms, and ids wait for those before theirs for `candle.reorder_ms`.
const GRACE_MS: i64 = 2_000;
/// It may be under way in what has come and was not read yet, as on a machine that has too much to do: then so much later.
const LATE_MS: i64 = 10_000;
/// What the venue tells so soon after a stream was asked for may have been traded before.
const SETTLE_MS: i64 = 5_000;
/// The waits after the first, the second and every later attempt.
const RETRY_MS: [i64; 3] = [8_000, 12_000, 60_000];
/// A tape that has moved so lately is fresh.
const FRESH_MS: i64 = 5_000;
/// The venue's word that nothing is lacking holds for so long.
const WORD_HOLDS_MS: i64 = 30_000;
/// The share of a gap by which the mean moves.
const WEIGHT: i64 = 8;

/// What is watched of the streams.
#[derive(Debug, Default)]
pub struct Vigil {
    watched: BTreeMap<ContractId, Watched>,
    asked_ms: Option<i64>,
    /// The venue's time less our monotonic milliseconds, as it told it last.
    ahead_ms: Option<i64>,
}

/// How one contract's stream does.
#[derive(Debug)]
struct Watched {
    /// The newest raw trade id on its tape, and when it was first seen there.
    newest: Option<u64>,
    moved_ms: i64,
    /// When its stream was asked for last.
    asked_ms: i64,
    /// Whether the venue has told of nothing since.
    is_new: bool,
    /// The mean time between two moves, as far as it is known.
    gap_ms: Option<i64>,
    /// When what is read of its connection was sent, in monotonic milliseconds; none where nothing is known of that.
    read_ms: Option<i64>,
    /// A raw id beyond the tape's, and when the venue told of it.
    told: Option<(u64, i64)>,
    /// Told ids up to it are known to be no trades of the stream's.
    excused: u64,
    /// Answers of the venue since the tape moved that told of nothing newer.
    answers: u32,
    /// When the venue said last that nothing is lacking.
    vouched_ms: Option<i64>,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    since_ms: i64,
    tries: u32,
    tried_ms: i64,
    next_ms: i64,
}

/// What has become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It lacks trades that the venue has told of, of which this is the newest raw id. Nobody has done anything about it.
    Behind(u64),
    /// The same, and some attempts to revive it have not helped.
    Still {
        /// The raw id that it lacks.
        told: u64,
        /// How many.
        tries: u32,
    },
    /// It flows again, after so many milliseconds.
    Healed(i64),
}

impl Vigil {
    /// Forgets every contract that is not `known`.
    pub fn retain(&mut self, known: impl Fn(ContractId) -> bool) {
        self.watched.retain(|id, _| known(*id));
    }

    /// Notes the newest raw trade id on a contract's tape, and when its stream was asked for last.
    pub fn see(&mut self, id: ContractId, newest: Option<u64>, asked_ms: i64, now_ms: i64) {
        let watched = self.watched.entry(id).or_insert_with(|| Watched::new(now_ms));
        if watched.asked_ms != asked_ms {
            // What the venue traded before is no fault of this stream.
            (watched.asked_ms, watched.told, watched.is_new) = (asked_ms, None, true);
            watched.vouched_ms = None;
        }
        if watched.newest == newest {
            return;
        }
        let gap_ms = now_ms - watched.moved_ms;
        let mean_ms = watched.gap_ms.map_or(gap_ms, |mean_ms| mean_ms + (gap_ms - mean_ms) / WEIGHT);
        // The first move tells of no gap.
        watched.gap_ms = watched.newest.map(|_| mean_ms);
        (watched.newest, watched.moved_ms, watched.answers) = (newest, now_ms, 0);
        watched.told = watched.told.filter(|(told, _)| newest < Some(*told));
    }

    /// Notes the time at the venue up to which a contract's connection has been read; none before it has brought something.
    pub fn read(&mut self, id: ContractId, read_to: Option<UnixMillis>) {
        let read_ms = read_to.zip(self.ahead_ms).map(|(read_to, ahead_ms)| read_to.get().saturating_sub(ahead_ms));
        self.watched.entry(id).and_modify(|watched| watched.read_ms = read_ms);
    }

    /// Notes what time it is at the venue.
    pub fn tell_time(&mut self, venue: UnixMillis, now_ms: i64) {
        self.ahead_ms = Some(venue.get().saturating_sub(now_ms));
    }

    /// Whether the venue shall be asked about all contracts now.
    pub fn shall_ask(&self, now_ms: i64) -> bool {
        let Some(asked_ms) = self.asked_ms else { return true };
        let since_ms = now_ms - asked_ms;
        let is_due = |watched: &Watched| {
            // Who was answered several times that there is nothing newer asks ever less often.
            let every_ms = ASK_EVERY_MS.1 << watched.answers.saturating_sub(2).min(3);
            watched.awaits_word(now_ms) || since_ms >= every_ms && watched.is_silent(now_ms)
        };
        since_ms >= ASK_EVERY_MS.0 || since_ms >= ASK_EVERY_MS.1 && self.watched.values().any(is_due)
    }

    /// Notes that the venue is being asked.
    pub fn ask(&mut self, now_ms: i64) {
        self.asked_ms = Some(now_ms);
    }

    /// Notes the newest raw trade id that the venue told of a contract.
    pub fn tell(&mut self, id: ContractId, newest: u64, now_ms: i64) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        if std::mem::take(&mut watched.is_new) || now_ms - watched.asked_ms < SETTLE_MS {
            watched.excused = watched.excused.max(newest);
        } else if watched.newest < Some(newest) && newest > watched.excused {
            // The oldest that is lacking counts.
            watched.told.get_or_insert((newest, now_ms));
        } else {
            watched.answers += 1;
            watched.vouched_ms = Some(now_ms);
        }
    }

    /// Whether the venue has said lately that a stream lacks nothing, and has not said otherwise since.
    pub fn vouches(&self, id: ContractId, now_ms: i64) -> bool {
        let holds = |watched: &Watched| watched.vouched_ms.is_some_and(|said_ms| now_ms - said_ms < WORD_HOLDS_MS);
        self.watched
            .get(&id)
            .is_some_and(|watched| watched.told.is_none() && watched.trouble.is_none() && holds(watched))
    }

    /// Notes that nothing up to a raw id that was told of is lacking: the venue uses ids for what it does not publish.
    pub fn excuse(&mut self, id: ContractId, told: u64) {
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.excused = watched.excused.max(told);
            watched.told = watched.told.filter(|(lacking, _)| *lacking > told);
            // Then nothing was wrong with its stream before, either.
            watched.trouble = watched.trouble.filter(|_| watched.told.is_some());
        }
    }

    /// What there is to be done about streams, or to be told of them.
    pub fn findings(&mut self, now_ms: i64) -> Vec<(ContractId, Finding)> {
        let found = |(id, watched): (&ContractId, &mut Watched)| Some((*id, watched.finding(now_ms)?));
        self.watched.iter_mut().filter_map(found).collect()
    }

    /// How many of the contracts that `are_meant` have moved lately.
    pub fn fresh(&self, now_ms: i64, are_meant: impl Fn(ContractId) -> bool) -> usize {
        let is_fresh = |watched: &Watched| watched.newest.is_some() && now_ms - watched.moved_ms < FRESH_MS;
        self.watched.iter().filter(|(id, watched)| is_fresh(watched) && are_meant(**id)).count()
    }

    /// Notes that something was done to revive a stream.
    pub fn tried(&mut self, id: ContractId, now_ms: i64) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let since_ms = watched.told.map_or(now_ms, |(_, told_ms)| told_ms);
        let trouble = watched.trouble.get_or_insert(Trouble { since_ms, tries: 0, tried_ms: now_ms, next_ms: now_ms });
        let wait_ms = RETRY_MS.get(trouble.tries as usize).or(RETRY_MS.last()).copied().unwrap_or_default();
        (trouble.tried_ms, trouble.next_ms) = (now_ms, now_ms + wait_ms);
        trouble.tries += 1;
    }
}

impl Watched {
    fn new(now_ms: i64) -> Self {
        Self {
            newest: None,
            moved_ms: now_ms,
            asked_ms: now_ms,
            is_new: true,
            gap_ms: None,
            read_ms: None,
            told: None,
            excused: 0,
            answers: 0,
            vouched_ms: None,
            trouble: None,
        }
    }

    fn is_silent(&self, now_ms: i64) -> bool {
        let allowed_ms = self.gap_ms.map(|gap_ms| gap_ms.saturating_mul(GAPS_MAX));
        let silent_ms = now_ms - self.moved_ms;
        let is_silent = |allowed_ms: i64| allowed_ms <= SILENCE_MS.1 && silent_ms > allowed_ms.max(SILENCE_MS.0);
        self.trouble.is_none() && allowed_ms.is_some_and(is_silent)
    }

    /// Whether it is to be known if what was done about it has helped.
    fn awaits_word(&self, now_ms: i64) -> bool {
        self.told.is_none() && self.trouble.is_some_and(|trouble| trouble.next_ms <= now_ms)
    }

    fn finding(&mut self, now_ms: i64) -> Option<Finding> {
        let behind = self.told.filter(|(_, told_ms)| {
            let grace_ms = if self.read_ms.is_none_or(|read_ms| read_ms >= *told_ms) { GRACE_MS } else { LATE_MS };
            now_ms - told_ms >= grace_ms
        });
        match (behind, self.trouble) {
            (Some((told, _)), None) => Some(Finding::Behind(told)),
            (Some((told, _)), Some(trouble)) if now_ms >= trouble.next_ms => {
                Some(Finding::Still { told, tries: trouble.tries })
            }
            // Only a trade proves that it flows.
            (None, Some(trouble)) if self.told.is_none() && self.moved_ms > trouble.tried_ms => {
                self.trouble = None;
                Some(Finding::Healed(now_ms - trouble.since_ms))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ContractId = ContractId::new(0);
    const B: ContractId = ContractId::new(1);

    /// A contract whose tape moves every `gap_ms`, for so long that its pace is known.
    fn paced(gap_ms: i64) -> (Vigil, i64) {
        let mut vigil = Vigil::default();
        for count in 0..100 {
            vigil.see(A, u64::try_from(count).ok(), -SETTLE_MS, count * gap_ms);
        }
        vigil.ask(99 * gap_ms);
        vigil.tell(A, 99, 99 * gap_ms);
        (vigil, 99 * gap_ms)
    }

    #[test]
    fn a_stream_may_be_silent_as_its_own_pace_allows() {
        for (gap_ms, allowed_ms) in [(100, 4_000), (400, 4_000), (700, 5_600), (2_000, 7_500), (30_000, 7_500)] {
            let (vigil, last_ms) = paced(gap_ms);
            let first = (0..).find(|ms| vigil.shall_ask(last_ms + ms)).expect("at last");
            assert!((first - allowed_ms).abs() <= 1, "{gap_ms}: {first}");
        }
    }

    #[test]
    fn what_the_venue_traded_and_the_tape_lacks_is_found_and_healed() {
        let (mut vigil, now) = paced(100);
        vigil.tell(A, 99, now + 100);
        vigil.tell(B, 99, now + 100);
        assert_eq!(vigil.findings(now + 10_000), [], "nothing is lacking, and B is not watched");
        vigil.tell(A, 120, now + 200);
        vigil.tell(A, 130, now + 2_000);
        assert_eq!(vigil.findings(now + 2_199), []);
        assert_eq!(vigil.findings(now + 2_200), [(A, Finding::Behind(120))]);
        vigil.tried(A, now + 2_200);
        assert_eq!(vigil.findings(now + 10_199), []);
        assert_eq!(vigil.findings(now + 10_200), [(A, Finding::Still { told: 120, tries: 1 })]);
        vigil.tried(A, now + 10_200);
        vigil.see(A, Some(125), -SETTLE_MS, now + 11_000);
        assert_eq!(vigil.findings(now + 11_000), [(A, Finding::Healed(10_800))]);
        assert_eq!(vigil.findings(now + 99_000), []);
    }

    #[test]
    fn what_may_be_under_way_in_what_was_not_read_yet_is_waited_for() {
        let (mut vigil, now) = paced(100);
        let at = |ms: i64| Some(UnixMillis::new(1_000_000 + ms));
        vigil.tell_time(at(now).expect("a time"), now);
        vigil.read(A, at(now - 3_000));
        vigil.tell(A, 120, now);
        assert_eq!(vigil.findings(now + 2_000), [], "three seconds of it are not read yet");
        vigil.read(A, at(now));
        assert_eq!(vigil.findings(now + 3_000), [(A, Finding::Behind(120))]);
        vigil.read(A, at(now - 1));
        assert_eq!(vigil.findings(now + 9_999), []);
        assert_eq!(vigil.findings(now + 10_000), [(A, Finding::Behind(120))], "it comes to nothing");
        vigil.read(A, None);
        assert_eq!(vigil.findings(now + 2_000), [(A, Finding::Behind(120))], "nothing of it is under way");
    }

    #[test]
    fn what_was_traded_before_a_stream_was_asked_for_is_no_fault_of_it() {
        let (mut vigil, now) = paced(100);
        vigil.see(A, Some(99), now + 30_000, now + 30_000);
        vigil.tell(A, 150, now + 31_000);
        assert_eq!(vigil.findings(now + 60_000), []);
        vigil.tell(A, 150, now + 60_000);
        assert_eq!(vigil.findings(now + 90_000), [], "still the same");
        vigil.tell(A, 151, now + 90_000);
        assert_eq!(vigil.findings(now + 92_000), [(A, Finding::Behind(151))]);
        vigil.tried(A, now + 92_000);
        vigil.see(A, Some(99), now + 92_500, now + 92_500);
        assert_eq!(vigil.findings(now + 120_000), [], "asked for anew, and nothing has come: no proof of anything");
    }

    #[test]
    fn the_venue_vouches_for_a_stream_that_lacks_nothing_and_for_a_while() {
        let mut vigil = Vigil::default();
        vigil.see(A, None, 1_000, 1_000);
        vigil.tell(A, 99, 8_500);
        assert!(!vigil.vouches(A, 8_500), "that is where the stream begins");
        vigil.tell(A, 99, 16_000);
        assert!(vigil.vouches(A, 16_000) && vigil.vouches(A, 45_999) && !vigil.vouches(A, 46_000));
        vigil.tell(A, 99, 60_000);
        vigil.tell(A, 100, 67_500);
        assert!(!vigil.vouches(A, 67_500), "one is lacking");
        vigil.see(A, Some(100), 1_000, 68_000);
        vigil.tell(A, 100, 75_000);
        assert!(vigil.vouches(A, 75_000));
        vigil.see(A, Some(100), 76_000, 76_000);
        assert!(!vigil.vouches(A, 76_000), "it was asked for anew");
    }

    #[test]
    fn trades_that_come_within_the_grace_and_ids_that_are_no_trades_are_no_trouble() {
        let (mut vigil, now) = paced(100);
        vigil.tell(A, 120, now);
        vigil.see(A, Some(120), -SETTLE_MS, now + 500);
        assert_eq!(vigil.findings(now + 5_000), []);
        vigil.tell(A, 121, now + 5_000);
        assert_eq!(vigil.findings(now + 7_000), [(A, Finding::Behind(121))]);
        vigil.excuse(A, 121);
        vigil.tell(A, 121, now + 8_000);
        assert_eq!(vigil.findings(now + 60_000), []);
        vigil.tell(A, 122, now + 60_000);
        assert_eq!(vigil.findings(now + 62_000), [(A, Finding::Behind(122))]);
    }
}
