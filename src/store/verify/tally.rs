//! What did one file hold, counted by contract, kind and month?

use crate::{
    model::{IdRange, Timeframe, UnixMillis},
    store::{
        record::{Kind, Rows},
        shelf::{Span, dense_runs},
        verify::{Finding, Ranges},
    },
};
use std::collections::BTreeMap;

/// Times beyond are none that a venue gives; the calendar ends there.
const TIME_MAX: i64 = 1 << 58;

/// What a file holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Examined {
    pub(in crate::store) findings: Vec<Finding>,
    pub(super) series: BTreeMap<(u32, Kind), Series>,
    /// Every contract that it names.
    pub(super) contracts: Vec<crate::store::record::ContractRow>,
    /// Its length.
    pub(super) bytes: u64,
}

/// Rows of one contract and kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// Keys that can be read; only of kinds whose keys are dense.
    pub(super) held: Ranges,
    /// Keys that are there and cannot.
    pub(super) lost: Ranges,
    /// Keys of which another version is kept apart.
    pub(super) conflicts: Ranges,
    /// By the month's first millisecond.
    pub(super) months: BTreeMap<UnixMillis, Stretch>,
}

/// Rows of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) keys: IdRange,
}

impl Examined {
    pub(super) fn of(finding: Finding) -> Self {
        Self { findings: vec![finding], ..Self::default() }
    }

    pub(super) fn series(&mut self, contract: u32, kind: Kind) -> &mut Series {
        self.series.entry((contract, kind)).or_default()
    }
}

impl Series {
    /// Counts rows, ascending by key, that take `bytes` on disk.
    pub(super) fn add(&mut self, rows: &Rows, bytes: u64) {
        let Some(span) = Span::of(rows) else { return };
        if rows.kind().schema().dense {
            dense_runs(rows).into_iter().for_each(|run| self.held.add(run));
        }
        let month = month_of(span.times.0);
        if month == month_of(span.times.1) {
            return self.note(month, span.keys, rows.len() as u64, bytes);
        }
        let share = bytes / rows.len() as u64;
        for (key, time) in rows.keys().zip(rows.times()) {
            self.note(month_of(time), IdRange { first: key, last: key }, 1, share);
        }
    }

    /// Counts keys that cannot be read.
    pub(super) fn lose(&mut self, span: Span) {
        self.lost.add(span.keys);
        self.note(month_of(span.times.0), IdRange { first: span.keys.first, last: span.keys.first }, 0, 0);
        self.note(month_of(span.times.1), IdRange { first: span.keys.last, last: span.keys.last }, 0, 0);
    }

    /// Counts rows of a month.
    pub(super) fn note(&mut self, month: UnixMillis, keys: IdRange, rows: u64, bytes: u64) {
        let stretch = self.months.entry(month).or_insert(Stretch { rows: 0, bytes: 0, keys });
        stretch.rows += rows;
        stretch.bytes += bytes;
        stretch.keys.first = stretch.keys.first.min(keys.first);
        stretch.keys.last = stretch.keys.last.max(keys.last);
    }

    /// Adds what another file holds.
    pub(super) fn merge(&mut self, other: &Self) {
        other.held.iter().for_each(|run| self.held.add(run));
        other.lost.iter().for_each(|run| self.lost.add(run));
        other.conflicts.iter().for_each(|run| self.conflicts.add(run));
        other.months.iter().for_each(|(month, stretch)| self.note(*month, stretch.keys, stretch.rows, stretch.bytes));
    }
}

fn month_of(time: UnixMillis) -> UnixMillis {
    Timeframe::MONTH.bucket(UnixMillis::new(time.get().clamp(-TIME_MAX, TIME_MAX))).0
}
