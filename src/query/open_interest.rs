//! What was open at the end of each period?
//!
//! The last record of each period stands for its end: the venue's own history is dated so. A period without a record has none.

use crate::{
    model::{OpenInterest, UnixMillis},
    query::records::{FAR, RecordPage, RecordRange},
    store::{Records, record::OpenInterestRow},
};

/// Records that are read at once.
const CHUNK: usize = 20_000;
/// Records that one question may read; a range that holds more is answered in part.
const ROWS_MAX: usize = 1_000_000;

/// Reads what was open at the ends of periods of `period_ms` that lie in the range and have passed by `now`.
pub fn open_interest_by(
    records: &Records,
    range: &RecordRange,
    period_ms: i64,
    now: UnixMillis,
) -> RecordPage<OpenInterest> {
    let reading = Periods { records, period_ms, last: last_end(range, period_ms, now), chunks: ROWS_MAX / CHUNK };
    let held_from = records.ends::<OpenInterestRow>().map(|(first, _)| first);
    let page = match range.start {
        Some(start) => reading.forward(end_of(start, period_ms), range.limit),
        None => reading.backward(range.limit),
    };
    RecordPage { held_from, ..page }
}

/// The end of the period that a time is in; a record at an end belongs to it.
fn end_of(time: UnixMillis, period_ms: i64) -> UnixMillis {
    let periods = time.get().div_euclid(period_ms) + i64::from(time.get().rem_euclid(period_ms) > 0);
    UnixMillis::new(periods.saturating_mul(period_ms))
}

/// The last end of a period before the end of the range that has passed.
fn last_end(range: &RecordRange, period_ms: i64, now: UnixMillis) -> UnixMillis {
    let before = range.end.unwrap_or(FAR).plus(-1).min(now);
    UnixMillis::new(before.get().div_euclid(period_ms).saturating_mul(period_ms))
}

struct Periods<'a> {
    records: &'a Records,
    period_ms: i64,
    /// The last end that is wanted.
    last: UnixMillis,
    /// How often records may be read.
    chunks: usize,
}

impl Periods<'_> {
    fn forward(&self, first: UnixMillis, limit: usize) -> RecordPage<OpenInterest> {
        let mut page = RecordPage { rows: Vec::new(), next: None, held_from: None, is_damaged: false, is_cut: false };
        let (mut from, to) = (first.plus(1 - self.period_ms), self.last.plus(1));
        for _ in 0..self.chunks {
            let found = self.records.between::<OpenInterestRow>(from, to, CHUNK, false);
            page.is_damaged |= !found.damaged.is_empty();
            for row in &found.rows {
                let ended = self.ended(row);
                if page.rows.last().is_some_and(|last: &OpenInterest| last.time == ended.time) {
                    page.rows.pop();
                } else if page.rows.len() == limit {
                    return RecordPage { next: Some(ended.time), ..page };
                }
                page.rows.push(ended);
            }
            let Some(last) = found.rows.last().filter(|_| found.rows.len() == CHUNK) else { return page };
            from = last.time.plus(1);
        }
        // Its last period may go on.
        let next = page.rows.pop().map(|row| row.time);
        RecordPage { next, ..page }
    }

    fn backward(&self, limit: usize) -> RecordPage<OpenInterest> {
        let mut page = RecordPage { rows: Vec::new(), next: None, held_from: None, is_damaged: false, is_cut: true };
        let mut to = self.last.plus(1);
        'chunks: for _ in 0..self.chunks {
            let found = self.records.between::<OpenInterestRow>(UnixMillis::default(), to, CHUNK, true);
            page.is_damaged |= !found.damaged.is_empty();
            for row in found.rows.iter().rev() {
                let ended = self.ended(row);
                if page.rows.last().is_some_and(|last: &OpenInterest| last.time == ended.time) {
                    continue;
                }
                if page.rows.len() == limit {
                    page.is_cut = false;
                    break 'chunks;
                }
                page.rows.push(ended);
            }
            let Some(first) = found.rows.first().filter(|_| found.rows.len() == CHUNK) else {
                page.is_cut = false;
                break;
            };
            to = first.time;
        }
        page.rows.reverse();
        page
    }

    /// A record dated at the end of its period.
    fn ended(&self, row: &OpenInterestRow) -> OpenInterest {
        OpenInterest { time: end_of(row.time, self.period_ms), ..OpenInterest::from(*row) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        model::{QuoteVolume, Symbol, Volume},
        store::{
            self,
            files::{Disk, SimulatedDisk},
            identity::Identity,
            record::Origin,
            storage::Options,
        },
    };
    use std::sync::Arc;

    #[test]
    fn a_record_at_an_end_belongs_to_the_period_that_ends_there() {
        let end = |time| end_of(UnixMillis::new(time), 300).get();
        assert_eq!([0, 1, 299, 300, 301].map(end), [0, 300, 300, 300, 600]);
        let range = |end| RecordRange { start: None, end: Some(UnixMillis::new(end)), limit: 1 };
        let last = |end, now| last_end(&range(end), 300, UnixMillis::new(now)).get();
        assert_eq!([last(600, 9_000), last(601, 9_000), last(9_000, 599)], [300, 600, 300]);
    }
    #[test]
    fn what_one_question_does_not_reach_is_said_to_be_cut_and_nothing_else_is() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let start = UnixMillis::new(1_795_168_800_000);
        let clock = Clock::starting_at(start);
        let wanted = Identity { store: 1, venue: "here".to_owned(), created: start };
        let mut opened = store::open(&disk, &wanted, Options::default(), clock).expect("opens");
        let symbol = Symbol::new("A").expect("a symbol");
        let number = opened.storage.register(&[symbol], clock.now()).expect("registered")[0].number;
        let records = Records::new(&opened.library, &opened.desk, number);
        let row = |second: i64| OpenInterestRow {
            time: start.plus(second * 1_000),
            quantity: Volume::from_units(second.into()),
            value: QuoteVolume::default(),
        };
        let count = 3 * i64::try_from(CHUNK).expect("small") + 10;
        assert!(records.keep(Origin::Rest, &(0..count).map(row).collect::<Vec<_>>()));
        let backward = |chunks, limit| {
            let last = end_of(start.plus(count * 1_000), 60_000).plus(-60_000);
            Periods { records: &records, period_ms: 60_000, last, chunks }.backward(limit)
        };
        let all = backward(9, usize::MAX);
        assert_eq!((all.rows.len(), all.is_cut), (1_001, false));
        let cut = backward(2, usize::MAX);
        assert!(cut.is_cut && (660..680).contains(&cut.rows.len()), "{}", cut.rows.len());
        assert_eq!(cut.rows[..], all.rows[all.rows.len() - cut.rows.len()..], "what it says is right");
        assert!(!backward(2, 500).is_cut);
    }
}
