//! What does a store hold, month by month, and what does it lack?

use crate::{
    model::{IdRange, Symbol, UnixMillis},
    store::{
        identity::Identity,
        ledger::ProvenAbsent,
        record::{ContractRow, Kind},
        verify::{
            Finding, Ranges,
            tally::{Examined, Series, Stretch},
        },
    },
};
use std::collections::BTreeMap;

/// What was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which store it is.
    pub identity: Identity,
    /// How often its manifest was replaced; none when it is lost.
    pub generation: Option<u64>,
    /// By contract, kind and month.
    pub months: Vec<Month>,
    /// Keys of which more than one version was seen; the first is served.
    pub conflicts: Vec<Conflict>,
    /// What is wrong, and what is ordinary after a crash or beside a writer.
    pub findings: Vec<Finding>,
    /// How many segments there are, and their length.
    pub segments: Files,
    /// How many journal files there are that are not sealed, and their length, with the room that they keep.
    pub journals: Files,
}

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Their length.
    pub bytes: u64,
}

/// Rows of one contract, kind and month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// The contract's number in the store.
    pub contract: u32,
    /// Its ticker, when it is known.
    pub symbol: Option<Symbol>,
    /// What the rows are.
    pub kind: Kind,
    /// Its first millisecond.
    pub start: UnixMillis,
    /// How many rows can be read; each once where keys are dense.
    pub rows: u64,
    /// Lowest and highest key.
    pub keys: IdRange,
    /// Keys that are missing between held ones. One that reaches into the next month is listed where it begins.
    pub holes: Vec<IdRange>,
    /// Keys between held ones that the venue never used: a live source and both archives step over them.
    pub absent: Vec<IdRange>,
    /// Keys that were held and cannot be read.
    pub damaged: Vec<IdRange>,
    /// What its rows take on disk, with their checksums; in two files they count twice.
    pub bytes: u64,
    /// Rows in files: more than `rows` where some are in two.
    pub stored: u64,
}

/// A run of keys of which another version is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The contract's number in the store.
    pub contract: u32,
    /// What the rows are.
    pub kind: Kind,
    /// Which.
    pub keys: IdRange,
}

impl Month {
    /// Millibytes that a row takes.
    pub fn millibytes_a_row(&self) -> Option<u64> {
        self.bytes.saturating_mul(1_000).checked_div(self.stored)
    }
}

impl Report {
    /// Whether something that was durable is lost or was changed.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(Finding::is_damage)
    }

    /// Runs of keys that are missing.
    pub fn holes(&self) -> impl Iterator<Item = (&Month, IdRange)> {
        self.months.iter().flat_map(|month| month.holes.iter().map(move |hole| (month, *hole)))
    }

    pub(super) fn of(
        (identity, generation): (Identity, Option<u64>),
        (contracts, absent): (&[ContractRow], &ProvenAbsent),
        segments: Vec<Examined>,
        journals: Vec<Examined>,
    ) -> Self {
        let files =
            |files: &[Examined]| Files { count: files.len() as u64, bytes: files.iter().map(|file| file.bytes).sum() };
        let (segment_files, journal_files) = (files(&segments), files(&journals));
        let (mut all, mut names, mut findings) = (BTreeMap::<_, Series>::new(), BTreeMap::new(), Vec::new());
        names.extend(contracts.iter().map(|row| (row.number, row.symbol())));
        for file in segments.into_iter().chain(journals) {
            findings.extend(file.findings);
            names.extend(file.contracts.iter().map(|row| (row.number, row.symbol())));
            file.series.iter().for_each(|(key, series)| all.entry(*key).or_default().merge(series));
        }
        let mut report = Self {
            identity,
            generation,
            months: Vec::new(),
            conflicts: Vec::new(),
            findings,
            segments: segment_files,
            journals: journal_files,
        };
        for ((contract, kind), series) in all {
            let symbol = names.get(&contract).cloned().flatten();
            let absent = absent.iter().filter(|(of, _)| *of == (contract, kind)).map(|(_, ids)| *ids).collect();
            report.months.extend(months_of((contract, symbol.as_ref(), kind), &series, &absent));
            report.conflicts.extend(series.conflicts.iter().map(|keys| Conflict { contract, kind, keys }));
        }
        report
    }
}

fn months_of((contract, symbol, kind): (u32, Option<&Symbol>, Kind), series: &Series, absent: &Ranges) -> Vec<Month> {
    let dense = kind.schema().dense;
    let month = |(start, stretch): (&UnixMillis, &Stretch)| Month {
        contract,
        symbol: symbol.cloned(),
        kind,
        start: *start,
        rows: if dense { series.held.count_in(stretch.keys) } else { stretch.rows },
        keys: stretch.keys,
        holes: Vec::new(),
        absent: Vec::new(),
        damaged: Vec::new(),
        bytes: stretch.bytes,
        stored: stretch.rows,
    };
    let mut months: Vec<Month> = series.months.iter().map(month).collect();
    let lost = series.lost.without(&series.held);
    let known: Ranges = series.held.iter().chain(lost.iter()).collect();
    for run in lost.iter() {
        place(&mut months, run.first).into_iter().for_each(|month| month.damaged.push(run));
    }
    let gaps: Ranges = known.gaps().collect();
    let holes = gaps.without(absent);
    for hole in holes.iter() {
        place(&mut months, hole.first - 1).into_iter().for_each(|month| month.holes.push(hole));
    }
    for run in gaps.without(&holes).iter() {
        place(&mut months, run.first - 1).into_iter().for_each(|month| month.absent.push(run));
    }
    months
}

/// The month in which `key` is, or which comes before it.
fn place(months: &mut [Month], key: u64) -> Option<&mut Month> {
    let at = months.iter().rposition(|month| month.keys.first <= key).unwrap_or(0);
    months.get_mut(at)
}
