//! How much request weight has the venue counted in its present clock minute, at the most?
//!
//! The venue counts a request when it arrives, which we do not see: we know when it was sent and when its answer came. So
//! what is out counts at once, what was answered counts as the header says, and whatever may have fallen into either of two
//! minutes counts in both.

use crate::model::UnixMillis;

/// How far our idea of the venue's time may be off. Nothing is spent in the first part of a minute, and what was answered in
/// the last part counts in the next minute too. A second is what HTTP's `Date` resolves; it costs a sixtieth of the budget.
pub(super) const GUARD_MS: i64 = UnixMillis::SECOND;

/// What may be out before the first answer of a minute has told what others spent: another process on the same address, or
/// this one before it was started anew. Five pages.
pub(super) const PROBE_WEIGHT: u32 = 100;

/// A request's weight as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) weight: u32,
    minute: UnixMillis,
    moment: u64,
}

/// The count of one minute.
#[derive(Debug)]
pub(super) struct Minute {
    start: UnixMillis,
    /// The highest count that the venue told of this minute.
    told: u32,
    /// Weight that ended without being told, so that `told` may lack it.
    untold: u32,
    /// When the last of it ended: a count told to a request taken later includes it.
    untold_moment: u64,
    /// Ended so late in the minute that the venue may count it in the next.
    late: u32,
    /// Taken and not ended.
    out: u32,
    /// The part of it that was taken in this minute.
    out_now: u32,
    /// Whether an answer has shown what the venue counts in this minute.
    proven: bool,
    /// Counts takings and endings, to put them in order.
    moment: u64,
}

impl Minute {
    pub(super) fn new(now: UnixMillis) -> Self {
        let start = now.floor(UnixMillis::MINUTE, 0);
        Self { start, told: 0, untold: 0, untold_moment: 0, late: 0, out: 0, out_now: 0, proven: false, moment: 0 }
    }

    /// Begins the minute of `now` if that is another. Time that goes back forgets nothing that was spent.
    pub(super) fn turn(&mut self, now: UnixMillis) {
        let start = now.floor(UnixMillis::MINUTE, 0);
        if start > self.start {
            self.moment += 1;
            (self.told, self.untold, self.untold_moment) = (0, self.late, self.moment);
            (self.late, self.out_now, self.proven) = (0, 0, false);
        }
        self.start = start;
    }

    pub(super) fn start(&self) -> UnixMillis {
        self.start
    }

    /// From when on this minute's weight may be spent.
    pub(super) fn opens(&self) -> UnixMillis {
        self.start.plus(GUARD_MS)
    }

    /// When the next minute's weight may be spent.
    pub(super) fn next_opens(&self) -> UnixMillis {
        self.opens().plus(UnixMillis::MINUTE)
    }

    /// The most that the venue can have counted in this minute once everything out has arrived, as far as we were told.
    pub(super) fn used(&self) -> u32 {
        self.told.saturating_add(self.untold).saturating_add(self.out)
    }

    /// Whether `weight` more may be spent without passing `ceiling`.
    pub(super) fn fits(&self, weight: u32, ceiling: u32) -> bool {
        let probing = !self.proven && self.out_now > 0 && self.out_now.saturating_add(weight) > PROBE_WEIGHT;
        !probing && self.used().saturating_add(weight) <= ceiling
    }

    pub(super) fn take(&mut self, weight: u32) -> Taken {
        self.moment += 1;
        self.out = self.out.saturating_add(weight);
        self.out_now = self.out_now.saturating_add(weight);
        Taken { weight, minute: self.start, moment: self.moment }
    }

    /// It was never sent.
    pub(super) fn give_back(&mut self, taken: Taken) {
        self.out = self.out.saturating_sub(taken.weight);
        if taken.minute == self.start {
            self.out_now = self.out_now.saturating_sub(taken.weight);
        }
    }

    /// Its answer came, and told `used`; or it failed, and the venue may have counted it.
    pub(super) fn end(&mut self, now: UnixMillis, taken: Taken, used: Option<u32>) {
        self.give_back(taken);
        self.moment += 1;
        if now >= self.start.plus(UnixMillis::MINUTE - GUARD_MS) {
            self.late = self.late.saturating_add(taken.weight);
        }
        match used.filter(|_| taken.minute == self.start) {
            Some(used) => {
                self.told = self.told.max(used);
                self.proven = true;
                if taken.moment > self.untold_moment {
                    self.untold = 0;
                }
            }
            None => {
                self.untold = self.untold.saturating_add(taken.weight);
                self.untold_moment = self.moment;
            }
        }
    }

    /// An answer came that told no count, as those of another server than the venue's may: there is nothing to wait for.
    pub(super) fn prove(&mut self) {
        self.proven = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_168_800_000;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(START + ms)
    }

    #[test]
    fn what_is_out_counts_once_and_the_venues_count_is_believed() {
        let mut minute = Minute::new(at(10_000));
        let (first, second) = (minute.take(20), minute.take(20));
        assert_eq!(minute.used(), 40);
        minute.end(at(10_100), second, Some(40));
        assert_eq!(minute.used(), 60, "whether the 40 include the first is not known");
        minute.end(at(10_200), first, Some(20));
        assert_eq!(minute.used(), 40, "they did");
        let third = minute.take(20);
        minute.end(at(10_300), third, Some(900));
        assert_eq!(minute.used(), 900, "somebody else asks too");
    }

    #[test]
    fn what_failed_counts_until_a_later_request_tells() {
        let mut minute = Minute::new(at(10_000));
        let (failed, beside) = (minute.take(20), minute.take(20));
        minute.end(at(10_100), failed, None);
        minute.end(at(10_200), beside, Some(20));
        assert_eq!(minute.used(), 40, "the one that failed may have arrived after");
        let later = minute.take(20);
        minute.end(at(10_300), later, Some(40));
        assert_eq!(minute.used(), 40, "it never arrived");
    }

    #[test]
    fn what_may_fall_into_two_minutes_counts_in_both() {
        let mut minute = Minute::new(at(10_000));
        let (early, late, over) = (minute.take(1), minute.take(10), minute.take(100));
        minute.end(at(58_999), early, Some(1));
        minute.end(at(59_000), late, Some(11));
        minute.turn(at(60_000));
        assert_eq!(minute.used(), 110);
        minute.end(at(60_500), over, Some(2_000));
        assert_eq!(minute.used(), 110, "the count may be the old minute's");
        minute.turn(at(120_000));
        assert_eq!(minute.used(), 0);
    }

    #[test]
    fn until_a_minute_is_proven_little_is_out() {
        let mut minute = Minute::new(at(10_000));
        let taken: Vec<_> = std::iter::from_fn(|| minute.fits(20, 2_400).then(|| minute.take(20))).collect();
        assert_eq!(taken.len(), 5);
        minute.end(at(10_100), taken[0], None);
        assert!(minute.fits(20, 2_400) && !minute.fits(21, 2_400));
        minute.end(at(10_100), taken[1], Some(20));
        assert!(minute.fits(2_000, 2_400));
        minute.turn(at(60_000));
        assert!(minute.fits(2_000, 2_400), "one request always goes");
    }

    #[test]
    fn time_that_goes_back_forgets_nothing() {
        let mut minute = Minute::new(at(70_000));
        let taken = minute.take(20);
        minute.end(at(70_100), taken, Some(20));
        minute.turn(at(50_000));
        assert_eq!((minute.used(), minute.opens()), (20, at(1_000)));
        minute.turn(at(60_000));
        assert_eq!(minute.used(), 0);
    }
}
