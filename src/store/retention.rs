//! Which segments are given up, by their age or because the store is too large?

use crate::{
    model::UnixMillis,
    store::{manifest::SegmentEntry, record::Kind},
};

/// How long segments are kept. By default, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Rows of a kind are given up when the newest in their segment is so many milliseconds old. A segment goes as a whole:
    /// when that is true of every kind in it.
    pub ages: Vec<(Kind, i64)>,
    /// The segments together take at most so many bytes.
    pub bytes_max: Option<u64>,
}

/// The numbers of the segments that are given up, oldest first.
pub fn due(entries: &[SegmentEntry], retention: &Retention, now: UnixMillis) -> Vec<u64> {
    let mut aged: Vec<_> = entries.iter().filter_map(|entry| Some((newest(entry)?, entry))).collect();
    aged.sort_by_key(|(newest, entry)| (*newest, entry.number));
    // A wall clock that runs ahead gives up nothing: what has not been recorded since has not passed.
    let now = aged.last().map_or(now, |(newest, _)| now.min(*newest));
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut given_up = Vec::new();
    for (_, entry) in aged {
        let is_too_large = retention.bytes_max.is_some_and(|max| bytes > max);
        if is_too_large || is_too_old(entry, &retention.ages, now) {
            bytes -= entry.bytes;
            given_up.push(entry.number);
        }
    }
    given_up
}

fn newest(entry: &SegmentEntry) -> Option<UnixMillis> {
    entry.record_sections().map(|section| UnixMillis::new(section.last_time)).max()
}

fn is_too_old(entry: &SegmentEntry, ages: &[(Kind, i64)], now: UnixMillis) -> bool {
    entry.record_sections().all(|section| {
        let age = ages.iter().find(|(kind, _)| kind.number() == section.kind);
        age.is_some_and(|(_, age)| UnixMillis::new(section.last_time).plus(*age) < now)
    })
}
