//! How does a store compare with files of official minutes?

use crate::{
    history::klines::{
        compare::Comparison,
        files::{Kept, KlineFile, OpenError},
        held::Minutes,
        report::Report,
    },
    model::Symbol,
    store::{
        Holding,
        files::Disk,
        library::Library,
        record::Kind,
        recovery::{Finding, LoadError, load},
    },
};
use std::sync::Arc;

/// How often the store is read anew when its writer replaced files meanwhile.
const ATTEMPTS: usize = 4;

/// What was found in a store.
#[derive(Debug)]
pub struct Checked {
    /// By symbol.
    pub symbols: Vec<SymbolChecked>,
    /// What is wrong with the store's files at first sight.
    pub findings: Vec<Finding>,
    /// Pieces of the store that could not be read.
    pub unreadable: u64,
}

/// What was found of one symbol.
#[derive(Debug)]
pub struct SymbolChecked {
    /// Its ticker.
    pub symbol: Symbol,
    /// Whether the store knows it; otherwise no file of it was read.
    pub is_known: bool,
    /// What became of its minutes.
    pub report: Report,
    /// Minutes that were folded from trades, as no candle is stored.
    pub folded: u64,
    /// What became of each file.
    pub files: Vec<FileChecked>,
}

/// What became of a file.
#[derive(Debug)]
pub struct FileChecked {
    /// Which.
    pub file: KlineFile,
    /// Why nothing of it was compared; otherwise what it holds besides.
    pub outcome: Result<FileCounts, OpenError>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Its minutes.
    pub minutes: u64,
    /// Minutes that are in it twice, with other figures: the first counts.
    pub conflicts: u64,
    /// Minutes of another time than its name says: left out.
    pub outside: u64,
    /// Whether its CHECKSUM lay beside it, and agrees.
    pub is_checked: bool,
}

impl FileCounts {
    fn of(kept: &Kept) -> Self {
        let conflicts = kept.tally.conflicts.len() as u64 + kept.tally.conflicts_omitted;
        let minutes = kept.klines.len() as u64;
        Self { minutes, conflicts, outside: kept.tally.outside, is_checked: kept.is_checked }
    }
}

impl Checked {
    /// Whether files of the store or of the exchange are damaged.
    pub fn is_damaged(&self) -> bool {
        let refused = self.symbols.iter().flat_map(|symbol| &symbol.files).any(|file| file.outcome.is_err());
        refused || self.unreadable > 0 || self.findings.iter().any(Finding::is_damage)
    }

    /// Minutes that differ for no known reason.
    pub fn unexplained(&self) -> u64 {
        self.symbols.iter().map(|symbol| symbol.report.unexplained).sum()
    }
}

/// Compares the minutes of the store with number `store`, beside its writer or not, with `files`, which [`list`](super::list) gave.
/// `show` is told each file before it is read.
///
/// # Errors
///
/// When the store cannot be read at all.
pub fn check(
    disk: &Arc<dyn Disk>,
    store: u128,
    files: &[KlineFile],
    mut show: impl FnMut(&KlineFile),
) -> Result<Checked, LoadError> {
    let mut attempt = 1;
    loop {
        let loaded = load(disk, store)?;
        let by_symbol = files.chunk_by(|a, b| a.place.folder().symbol() == b.place.folder().symbol());
        let symbols = by_symbol.map(|files| check_symbol(&loaded.library, files, &mut show)).collect();
        let unreadable = loaded.library.damaged_reads();
        if unreadable == 0 || attempt == ATTEMPTS {
            return Ok(Checked { symbols, findings: loaded.findings, unreadable });
        }
        attempt += 1;
    }
}

/// Compares files of one symbol, of which there is one at least.
fn check_symbol(library: &Arc<Library>, files: &[KlineFile], show: &mut impl FnMut(&KlineFile)) -> SymbolChecked {
    let symbol = files[0].place.folder().symbol().clone();
    let (report, folded) = (Report::default(), 0);
    let Some(contract) = library.find(&symbol) else {
        return SymbolChecked { symbol, is_known: false, report, folded, files: Vec::new() };
    };
    let holding = holding(library, contract.number);
    let (minutes, mut comparison) = (Minutes::new(&holding), Comparison::default());
    let mut checked = SymbolChecked { symbol, is_known: true, report, folded, files: Vec::new() };
    for file in files {
        show(file);
        let outcome = file.read().map(|kept| {
            let (held, folded) = minutes.of(&kept.klines);
            checked.folded += folded;
            let pairs = kept.klines.iter().zip(&held);
            pairs.for_each(|(kline, held)| comparison.push(kline, held.candle.as_ref(), held.is_hole));
            FileCounts::of(&kept)
        });
        checked.files.push(FileChecked { file: file.clone(), outcome });
    }
    checked.report = comparison.finish();
    checked
}

/// A contract's trades, of the kind that is kept.
fn holding(library: &Arc<Library>, contract: u32) -> Holding {
    let raw = Holding::reading(library, contract, Kind::RawTrade);
    if raw.ends().is_some() { raw } else { Holding::reading(library, contract, Kind::Trade) }
}
