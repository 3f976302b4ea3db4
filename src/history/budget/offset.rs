//! What time is it at the venue, by the dates on its answers?

use crate::model::UnixMillis;

/// The venue's time less our monotonic one, narrowed by every answer: its date, cut to the second, lies between sending and
/// receiving. The machine's wall clock only serves until the first answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    least_ms: i64,
    most_ms: i64,
}

impl Offset {
    /// As the wall clock has it.
    pub(super) fn assumed(wall: UnixMillis, monotonic_ms: i64) -> Self {
        let offset = wall.get().saturating_sub(monotonic_ms);
        // A wall clock that is set right is off by no more than this; a date that contradicts it replaces it.
        Self { least_ms: offset.saturating_sub(UnixMillis::SECOND), most_ms: offset.saturating_add(UnixMillis::SECOND) }
    }

    /// The venue's time when the monotonic clock shows `monotonic_ms`.
    pub(super) fn venue_time(&self, monotonic_ms: i64) -> UnixMillis {
        let middle = self.least_ms.saturating_add(self.most_ms.saturating_sub(self.least_ms) / 2);
        UnixMillis::new(middle.saturating_add(monotonic_ms))
    }

    /// An answer dated `date` to a request sent and answered at these monotonic times. Where it contradicts what was known,
    /// one of the clocks was set or stood still, and the newest word counts.
    pub(super) fn learn(&mut self, date: UnixMillis, sent_ms: i64, received_ms: i64) {
        let least_ms = date.get().saturating_sub(received_ms);
        let most_ms = date.get().saturating_add(UnixMillis::SECOND - 1).saturating_sub(sent_ms);
        (self.least_ms, self.most_ms) = match (self.least_ms.max(least_ms), self.most_ms.min(most_ms)) {
            (least, most) if least <= most => (least, most),
            _ => (least_ms, most_ms.max(least_ms)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_narrow_the_offset_and_contradictions_replace_it() {
        let truth_ms = 1_795_168_830_462;
        let date = |monotonic_ms: i64| UnixMillis::new(truth_ms + monotonic_ms).floor(UnixMillis::SECOND, 0);
        let mut offset = Offset::assumed(UnixMillis::new(truth_ms - 3_600_000), 0);
        let error_ms = |offset: &Offset| (offset.venue_time(0).get() - truth_ms).abs();
        assert_eq!(error_ms(&offset), 3_600_000);
        offset.learn(date(50), 0, 100);
        assert!(error_ms(&offset) <= 600, "{}", error_ms(&offset));
        for sent_ms in (1_000..400_000).step_by(773) {
            offset.learn(date(sent_ms + 40), sent_ms, sent_ms + 80);
        }
        assert!(error_ms(&offset) <= 45, "{}", error_ms(&offset));
        offset.learn(date(500_000 - 7_000), 500_000, 500_080);
        assert!((offset.venue_time(0).get() - (truth_ms - 7_000)).abs() <= 600);
    }

    #[test]
    fn a_right_wall_clock_stands_until_something_better_is_known() {
        let offset = Offset::assumed(UnixMillis::new(1_000_000), 300);
        assert_eq!(offset.venue_time(300), UnixMillis::new(1_000_000));
    }
}
