//! What does the store hold of one contract's records of one kind, and where?
//!
//! A [`Shelf`] is the index of what is not sealed yet and the list of what is. The storage thread changes it; readers copy
//! what they need of it under a short lock and read the disk without one.

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        journal::{FileIdentity, JournalFile},
        record::{Kind, Origin, Rows},
        segment::{RunIndex, SectionIndex},
    },
};
use std::{
    collections::VecDeque,
    io,
    ops::Range,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// Rows of one contract and kind on their way to the disk.
#[derive(Debug)]
pub struct Batch {
    /// Whose they are.
    pub shelf: Arc<Shelf>,
    /// Where they came from.
    pub origin: Origin,
    /// In ascending order of their keys.
    pub rows: Arc<Rows>,
}

/// Keys and times that something spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Lowest and highest key.
    pub keys: IdRange,
    /// Earliest and latest time.
    pub times: (UnixMillis, UnixMillis),
}

impl Span {
    /// What rows, ascending by key, span; nothing for none.
    pub fn of(rows: &Rows) -> Option<Self> {
        let keys = IdRange { first: rows.keys().next()?, last: rows.keys().next_back()? };
        Some(Self { keys, times: (rows.times().min()?, rows.times().max()?) })
    }

    /// What a section of a segment spans.
    pub fn of_section(section: &SectionIndex) -> Self {
        Self {
            keys: IdRange { first: section.first_key, last: section.last_key },
            times: (UnixMillis::new(section.first_time), UnixMillis::new(section.last_time)),
        }
    }

    /// Whether it shares a key with `keys`.
    pub fn meets(&self, keys: IdRange) -> bool {
        self.keys.first <= keys.last && keys.first <= self.keys.last
    }
}

/// Rows in a journal file that is not sealed.
#[derive(Clone, Debug)]
pub struct JournalRun {
    /// The file.
    pub file: Arc<JournalFile>,
    /// Where the words begin.
    pub words_at: u64,
    /// How many rows.
    pub rows: u32,
    /// Where they came from.
    pub origin: Origin,
    /// What they span.
    pub span: Span,
    /// Of their words, as they were written or found whole.
    pub checksum: u32,
}

impl JournalRun {
    /// Its rows.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or `InvalidData` when they are not what they were.
    pub fn read(&self, kind: Kind) -> io::Result<Rows> {
        self.file.rows(kind, self.words_at, self.rows as usize, self.checksum)
    }
}

/// Rows in a sealed segment.
#[derive(Clone, Debug)]
pub struct SealedPart {
    /// The segment's number.
    pub segment: u64,
    /// Its path in the store.
    pub path: Arc<str>,
    /// Whether it was back-filled, so that what others hold was there before.
    pub is_fill: bool,
    /// What its index says.
    pub section: SectionIndex,
    /// What its index says of where its rows came from; of kinds whose keys are dense, keys held without a gap between.
    pub runs: Arc<[RunIndex]>,
    /// Keys that are held no more, ascending: what they stand in was found damaged.
    pub lost: Arc<[IdRange]>,
}

impl SealedPart {
    /// Runs of keys that are held, each with where it came from.
    fn held(&self) -> impl Iterator<Item = (IdRange, Origin)> {
        self.runs.iter().flat_map(move |run| {
            let keys = IdRange { first: run.first, last: run.last };
            without(keys, &self.lost).into_iter().map(move |keys| (keys, run.origin()))
        })
    }
}

/// What the store holds of one contract's records of one kind.
#[derive(Debug)]
pub struct Shelf {
    /// The contract's number in the store.
    pub contract: u32,
    /// What the records are.
    pub kind: Kind,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Given to the storage thread and not known to be durable, in order of arrival.
    queued: VecDeque<(Arc<Rows>, Origin)>,
    /// Ascending, none overlapping another.
    in_order: VecDeque<JournalRun>,
    /// What could not stand there: late rows.
    late: Vec<JournalRun>,
    /// Ascending by first key; back-fill may overlap.
    sealed: Vec<SealedPart>,
    /// Versions of rows that differ from the held ones of their keys.
    conflicts: Vec<SealedPart>,
    durable_through: Option<u64>,
    /// Counts how often rows came at or below the highest key, or were given up.
    rewrites: u64,
    highest: Option<u64>,
    /// The lowest key in each journal file that may not be synced: nothing from there on is called durable.
    unproven: Vec<(FileIdentity, u64)>,
    /// How often segments took the place of something.
    changes: u64,
}

/// Something that holds rows, as a reader finds it.
#[derive(Clone, Debug)]
pub enum Part {
    /// In memory, with where they came from.
    Queued(Arc<Rows>, Origin),
    /// In the journal.
    Journal(JournalRun),
    /// In a segment.
    Sealed(SealedPart),
}

impl Part {
    /// What it spans.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Queued(rows, _) => Span::of(rows),
            Self::Journal(run) => Some(run.span),
            Self::Sealed(part) => Some(Span::of_section(&part.section)),
        }
    }
}

impl Shelf {
    /// An empty shelf.
    pub fn new(contract: u32, kind: Kind) -> Self {
        Self { contract, kind, held: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The highest key up to which everything that is held is synced.
    pub fn durable_through(&self) -> Option<u64> {
        let held = self.read();
        let through = held.durable_through?;
        let queued = held.queued.iter().filter_map(|(rows, _)| rows.keys().next());
        let waiting = queued.chain(held.unproven.iter().map(|(_, key)| *key)).min();
        Some(waiting.map_or(through, |key| through.min(key.saturating_sub(1)))).filter(|through| *through > 0)
    }

    /// The lowest and the highest key held.
    pub fn ends(&self) -> Option<IdRange> {
        let held = self.read();
        let queued = held.queued.iter().filter_map(|(rows, _)| Span::of(rows)).map(|span| span.keys);
        let order =
            held.in_order.front().into_iter().chain(held.in_order.back()).chain(&held.late).map(|run| run.span.keys);
        let sealed = held.sealed.iter().map(|part| Span::of_section(&part.section).keys);
        let both = |a: IdRange, b: IdRange| IdRange { first: a.first.min(b.first), last: a.last.max(b.last) };
        queued.chain(order).chain(sealed).reduce(both)
    }

    /// Runs of keys held without a gap between, ascending, each with where it came from; neighbours of one origin are one.
    /// Only for kinds with dense keys.
    pub fn runs(&self) -> Vec<(IdRange, Origin)> {
        let held = self.read();
        let mut runs: Vec<_> = held.sealed.iter().flat_map(SealedPart::held).collect();
        // A journal run is dense only as far as its keys say: sequences with holes were split when they were written.
        runs.extend(held.in_order.iter().chain(&held.late).map(|run| (run.span.keys, run.origin)));
        let queued = held.queued.iter();
        runs.extend(queued.flat_map(|(rows, origin)| dense_runs(rows).into_iter().map(|keys| (keys, *origin))));
        drop(held);
        merged(runs)
    }

    /// What may hold rows with keys in `keys`: at most one source beside another unless rows came late.
    pub fn parts(&self, keys: IdRange) -> Vec<Part> {
        self.nearest_parts(keys, Nearest { rows: usize::MAX, newest: false }).0
    }

    /// The same, of the journal only as much as holds so many rows, and the keys up to which nothing of it was left out.
    pub(super) fn nearest_parts(&self, keys: IdRange, wanted: Nearest) -> (Vec<Part>, IdRange) {
        let held = self.read();
        let mut parts: Vec<Part> = Vec::new();
        parts.extend(
            held.sealed.iter().filter(|part| Span::of_section(&part.section).meets(keys)).cloned().map(Part::Sealed),
        );
        let from = held.in_order.partition_point(|run| run.span.keys.last < keys.first);
        let to = held.in_order.partition_point(|run| run.span.keys.first <= keys.last).max(from);
        let some = wanted.of(from..to, |at| held.in_order[at].rows as usize);
        let mut covered = keys;
        if some.start > from {
            covered.first = held.in_order[some.start].span.keys.first;
        }
        if some.end < to {
            covered.last = held.in_order[some.end - 1].span.keys.last;
        }
        parts.extend(held.in_order.range(some).cloned().map(Part::Journal));
        parts.extend(held.late.iter().filter(|run| run.span.meets(keys)).cloned().map(Part::Journal));
        let queued = held.queued.iter().filter(|(rows, _)| Span::of(rows).is_some_and(|span| span.meets(keys)));
        parts.extend(queued.cloned().map(|(rows, origin)| Part::Queued(rows, origin)));
        (parts, covered)
    }

    /// What may hold the first row at or after `time`; keys and times ascend together.
    pub fn parts_at(&self, time: UnixMillis) -> Vec<Part> {
        let held = self.read();
        let reaches = |span: &Span| span.times.1 >= time;
        let sealed = held.sealed.iter().filter(|part| reaches(&Span::of_section(&part.section)));
        let mut parts: Vec<Part> = sealed.cloned().map(Part::Sealed).collect();
        let at = held.in_order.partition_point(|run| !reaches(&run.span));
        parts.extend(held.in_order.get(at).cloned().map(Part::Journal));
        parts.extend(held.late.iter().filter(|run| reaches(&run.span)).cloned().map(Part::Journal));
        let queued = held.queued.iter().filter(|(rows, _)| Span::of(rows).is_some_and(|span| reaches(&span)));
        parts.extend(queued.cloned().map(|(rows, origin)| Part::Queued(rows, origin)));
        parts
    }

    /// How often segments took the place of something: a reader that lost a file meanwhile looks again.
    pub(super) fn changes(&self) -> u64 {
        self.read().changes
    }

    /// Journal runs that stand in `file`, in the order of their keys.
    pub fn runs_in(&self, file: &JournalFile) -> Vec<JournalRun> {
        let held = self.read();
        let own = |run: &&JournalRun| run.file.identity == file.identity;
        held.in_order.iter().chain(&held.late).filter(own).cloned().collect()
    }

    /// Sealed parts, ascending by first key.
    pub fn sealed(&self) -> Vec<SealedPart> {
        self.read().sealed.clone()
    }

    /// Notes what of a segment cannot be read, ascending. Whether that is news.
    pub(super) fn lose(&self, segment: u64, lost: Vec<IdRange>) -> bool {
        let is_news = |part: &SealedPart| part.segment == segment && *part.lost != *lost;
        // Mostly it is known: whoever reads what is damaged comes by here.
        if !self.read().sealed.iter().any(is_news) {
            return false;
        }
        let lost: Arc<[IdRange]> = lost.into();
        let mut held = self.write();
        let parts = held.sealed.iter_mut().filter(|part| part.segment == segment);
        parts.for_each(|part| part.lost = Arc::clone(&lost));
        true
    }

    /// Notes that one more piece of a segment cannot be read. Whether that is news.
    pub(super) fn lose_more(&self, segment: u64, keys: IdRange) -> bool {
        let known = self.read().sealed.iter().find(|part| part.segment == segment).map(|part| Arc::clone(&part.lost));
        let Some(known) = known.filter(|known| !known.contains(&keys)) else { return false };
        let mut lost = known.to_vec();
        lost.push(keys);
        lost.sort_unstable();
        self.lose(segment, lost)
    }

    /// What the segments with damage span, if there are any.
    pub(super) fn damaged_span(&self) -> Option<Span> {
        let held = self.read();
        let spans = held.sealed.iter().filter(|part| !part.lost.is_empty()).map(|part| Span::of_section(&part.section));
        spans.reduce(|a, b| Span {
            keys: IdRange { first: a.keys.first.min(b.keys.first), last: a.keys.last.max(b.keys.last) },
            times: (a.times.0.min(b.times.0), a.times.1.max(b.times.1)),
        })
    }

    /// Notes keys that were found to stand nowhere where they can be read.
    pub fn note_lost(&self, keys: IdRange) {
        let parts = self.sealed().into_iter().filter(|part| Span::of_section(&part.section).meets(keys));
        parts.for_each(|part| _ = self.lose_more(part.segment, keys));
    }

    /// Keys that were held, cannot be read, and stand nowhere else, ascending. Only for kinds with dense keys.
    pub fn lost(&self) -> Vec<IdRange> {
        let damaged: Vec<IdRange> = self.read().sealed.iter().flat_map(|part| part.lost.iter().copied()).collect();
        if damaged.is_empty() {
            return damaged;
        }
        let held: Vec<IdRange> = self.runs().into_iter().map(|(run, _)| run).collect();
        let mut lost: Vec<IdRange> = damaged.into_iter().flat_map(|keys| without(keys, &held)).collect();
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    /// Parts that hold versions of rows that differ from the held ones of their keys, ascending by first key.
    pub fn conflicts(&self) -> Vec<SealedPart> {
        self.read().conflicts.clone()
    }

    /// Notes rows that are on their way to the disk.
    pub(super) fn enqueue(&self, rows: Arc<Rows>, origin: Origin) {
        let mut held = self.write();
        let (first, last) = (rows.keys().next(), rows.keys().next_back());
        held.rewrites += u64::from(held.highest.is_some() && first <= held.highest);
        held.highest = held.highest.max(last);
        held.queued.push_back((rows, origin));
    }

    /// How often rows came at or below the highest key: as long as it stays, what was read below that key stands.
    pub fn rewrites(&self) -> u64 {
        self.read().rewrites
    }

    /// Takes back rows that were noted last and could not be sent.
    pub(super) fn take_back(&self, rows: &Arc<Rows>) {
        self.write().queued.retain(|(queued, _)| !Arc::ptr_eq(queued, rows));
    }

    /// Exchanges rows on their way, which are written and maybe `synced` now, for where they stand.
    pub(super) fn settle(&self, queued: &[Arc<Rows>], runs: Vec<JournalRun>, synced: bool) {
        let mut held = self.write();
        for rows in queued {
            match held.queued.front() {
                Some((oldest, _)) if Arc::ptr_eq(oldest, rows) => {
                    held.queued.pop_front();
                }
                _ => held.queued.retain(|(other, _)| !Arc::ptr_eq(other, rows)),
            }
        }
        runs.into_iter().for_each(|run| held.place(run, synced));
    }

    /// Notes rows that were found in a journal file, and whether they are known to have been synced.
    pub(super) fn found(&self, run: JournalRun, synced: bool) {
        self.write().place(run, synced);
    }

    /// Notes a sealed part that was found.
    pub(super) fn found_sealed(&self, part: SealedPart) {
        self.replace(&[], &[], vec![part]);
    }

    /// Exchanges what stands in journal files and segments for the segments that were made of them.
    pub(super) fn replace(&self, journals: &[Arc<JournalFile>], segments: &[u64], by: Vec<SealedPart>) {
        let mut held = self.write();
        let before = held.places();
        let stays = |run: &JournalRun| journals.iter().all(|file| file.identity != run.file.identity);
        held.in_order.retain(stays);
        held.late.retain(stays);
        held.unproven.retain(|(unproven, _)| journals.iter().all(|file| file.identity != *unproven));
        held.sealed.retain(|part| !segments.contains(&part.segment));
        held.conflicts.retain(|part| !segments.contains(&part.segment));
        let (conflicts, by): (Vec<_>, Vec<_>) = by.into_iter().partition(|part| part.section.role != 0);
        held.conflicts.extend(conflicts);
        held.conflicts.sort_by_key(|part| part.section.first_key);
        let took = held.places() < before;
        held.changes += u64::from(took || !by.is_empty());
        // Rows that only move stay what they were; rows that are given up or filled in change what was read.
        held.rewrites += u64::from(took == by.is_empty());
        for part in by {
            held.durable_through = held.durable_through.max(Some(part.section.last_key));
            held.highest = held.highest.max(Some(part.section.last_key));
            let at = held.sealed.partition_point(|other| other.section.first_key <= part.section.first_key);
            held.sealed.insert(at, part);
        }
    }
}

impl Held {
    /// How many places on the disk hold rows.
    fn places(&self) -> usize {
        self.in_order.len() + self.late.len() + self.sealed.len()
    }

    fn place(&mut self, run: JournalRun, synced: bool) {
        self.highest = self.highest.max(Some(run.span.keys.last));
        if synced {
            self.durable_through = self.durable_through.max(Some(run.span.keys.last));
        } else {
            self.doubt(run.file.identity, run.span.keys.first);
        }
        if self.in_order.back().is_none_or(|last| last.span.keys.last < run.span.keys.first) {
            self.in_order.push_back(run);
        } else {
            self.late.push(run);
        }
    }
}

impl Held {
    fn doubt(&mut self, file: FileIdentity, key: u64) {
        match self.unproven.iter_mut().find(|(own, _)| *own == file) {
            Some((_, lowest)) => *lowest = key.min(*lowest),
            None => self.unproven.push((file, key)),
        }
    }
}

/// How many rows are looked for, and from which end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest {
    pub(super) rows: usize,
    pub(super) newest: bool,
}

impl Nearest {
    /// The first or last of the places `all`, which hold `rows_at` rows each, that together hold at least as many as are
    /// looked for; one more, since the first may lie partly outside.
    pub(super) fn of(self, all: Range<usize>, rows_at: impl Fn(usize) -> usize) -> Range<usize> {
        let mut found = 0_usize;
        let mut is_wanted = |at: usize| {
            let wanted = found < self.rows;
            found = found.saturating_add(rows_at(at));
            wanted
        };
        if self.newest {
            let count = all.clone().rev().take_while(|at| is_wanted(*at)).count();
            all.end.saturating_sub(count + 1).max(all.start)..all.end
        } else {
            let count = all.clone().take_while(|at| is_wanted(*at)).count();
            all.start..all.start.saturating_add(count + 1).min(all.end)
        }
    }
}

/// What of `keys` is in none of the runs, which ascend.
pub(super) fn without(keys: IdRange, runs: &[IdRange]) -> Vec<IdRange> {
    let (mut left, mut next) = (Vec::new(), Some(keys.first));
    let from = runs.partition_point(|run| run.last < keys.first);
    for run in runs[from..].iter().take_while(|run| run.first <= keys.last) {
        left.extend(next.zip(run.first.checked_sub(1)).and_then(|(next, last)| IdRange::new(next, last)));
        next = run.last.checked_add(1).map(|behind| behind.max(next.unwrap_or(behind)));
    }
    left.extend(next.and_then(|next| IdRange::new(next, keys.last)));
    left
}

/// Runs of consecutive keys in rows that ascend.
pub fn dense_runs(rows: &Rows) -> Vec<IdRange> {
    let mut runs: Vec<IdRange> = Vec::new();
    for key in rows.keys() {
        match runs.last_mut() {
            Some(run) if run.last == key || run.last + 1 == key => run.last = key,
            _ => runs.push(IdRange { first: key, last: key }),
        }
    }
    runs
}

/// Runs in ascending order; what touches or overlaps and has the same origin is one, and no key is in two.
fn merged(mut runs: Vec<(IdRange, Origin)>) -> Vec<(IdRange, Origin)> {
    runs.sort_unstable();
    let mut merged: Vec<(IdRange, Origin)> = Vec::new();
    for (run, origin) in runs {
        let Some((last, own)) = merged.last_mut() else {
            merged.push((run, origin));
            continue;
        };
        if *own == origin && run.first <= last.last.saturating_add(1) {
            last.last = last.last.max(run.last);
        } else if let Some(rest) = IdRange::new(run.first.max(last.last.saturating_add(1)), run.last) {
            merged.push((rest, origin));
        }
    }
    merged
}
