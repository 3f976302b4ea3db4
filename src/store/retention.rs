//! What is given up, by its age or because the store is too large?

use crate::{
    model::UnixMillis,
    store::{manifest::SegmentEntry, record::Kind, segment::SectionIndex},
};
use std::collections::{BTreeMap, BTreeSet};

/// How long records are kept. By default, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records of a kind are given up when the newest of them in their segment is so many milliseconds old.
    pub ages: Vec<(Kind, i64)>,
    /// Records of a kind take at most about so many bytes: a segment's bytes count for its kinds by their words.
    pub kind_bytes_max: Vec<(Kind, u64)>,
    /// The segments together take at most so many bytes.
    pub bytes_max: Option<u64>,
}

/// What is given up now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The numbers of segments that are given up whole, oldest first.
    pub segments: Vec<u64>,
    /// The numbers of segments that are kept, with the kinds in them that are not.
    pub thinned: Vec<(u64, Vec<Kind>)>,
}

/// What of these segments is given up.
pub fn due(entries: &[SegmentEntry], retention: &Retention, now: UnixMillis) -> Due {
    let mut aged: Vec<_> = entries.iter().filter_map(|entry| Some((newest(entry)?, entry))).collect();
    aged.sort_by_key(|(newest, entry)| (*newest, entry.number));
    // A wall clock that runs ahead gives up nothing: what has not been recorded since has not passed.
    let now = aged.last().map_or(now, |(newest, _)| now.min(*newest));
    let entries: Vec<&SegmentEntry> = aged.into_iter().map(|(_, entry)| entry).collect();
    let mut expired: BTreeMap<u64, BTreeSet<Kind>> = BTreeMap::new();
    for (number, kind) in too_old(&entries, retention, now).chain(too_many(&entries, retention)) {
        expired.entry(number).or_default().insert(kind);
    }
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut due = Due::default();
    for entry in entries {
        let expired = expired.remove(&entry.number).unwrap_or_default();
        if retention.bytes_max.is_some_and(|max| bytes > max) || kinds(entry).all(|kind| expired.contains(&kind)) {
            bytes -= entry.bytes;
            due.segments.push(entry.number);
        } else if !expired.is_empty() {
            due.thinned.push((entry.number, expired.into_iter().collect()));
        }
    }
    due
}

fn newest(entry: &SegmentEntry) -> Option<UnixMillis> {
    entry.record_sections().map(|section| UnixMillis::new(section.last_time)).max()
}

fn kinds(entry: &SegmentEntry) -> impl Iterator<Item = Kind> {
    entry.record_sections().filter_map(|section| Kind::from_number(section.kind))
}

fn too_old(entries: &[&SegmentEntry], retention: &Retention, now: UnixMillis) -> impl Iterator<Item = (u64, Kind)> {
    let aged = move |entry: &SegmentEntry, kind: Kind, age: i64| {
        let newest = entry.record_sections().filter(|section| section.kind == kind.number()).map(|own| own.last_time);
        newest.max().is_some_and(|newest| UnixMillis::new(newest).plus(age) < now)
    };
    let ages = retention.ages.iter();
    ages.flat_map(move |(kind, age)| {
        entries.iter().filter(move |entry| aged(entry, *kind, *age)).map(|entry| (entry.number, *kind))
    })
}

/// Of each kind that has a budget the oldest, until the rest is within it.
fn too_many(entries: &[&SegmentEntry], retention: &Retention) -> impl Iterator<Item = (u64, Kind)> {
    retention.kind_bytes_max.iter().flat_map(move |(kind, bytes_max)| {
        let mut bytes: u64 = entries.iter().map(|entry| bytes_of(entry, *kind)).sum();
        let over = entries.iter().filter(move |entry| {
            let own = bytes_of(entry, *kind);
            let is_over = own > 0 && bytes > *bytes_max;
            bytes -= if is_over { own } else { 0 };
            is_over
        });
        over.map(|entry| (entry.number, *kind))
    })
}

/// About how many of a segment's bytes are of a kind.
fn bytes_of(entry: &SegmentEntry, kind: Kind) -> u64 {
    let words = |section: &SectionIndex| {
        let width = Kind::from_number(section.kind).map_or(1, Kind::width);
        u128::from(section.rows) * width as u128
    };
    let all: u128 = entry.record_sections().map(words).sum();
    let own = entry.record_sections().filter(|section| section.kind == kind.number()).map(words).sum::<u128>();
    u64::try_from(u128::from(entry.bytes) * own / all.max(1)).unwrap_or(entry.bytes)
}
