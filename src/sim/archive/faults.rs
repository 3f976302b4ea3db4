//! What goes wrong with the archive on purpose?

use crate::model::UnixMillis;
use std::sync::{Mutex, PoisonError};

/// Faults set at once; more are not taken.
const FAULTS_MAX: usize = 1_024;

/// Something wrong with some files of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveFault {
    /// The file appears this much later than it is due, its checksum too.
    Late {
        /// In the exchange's time; below 0 it is early.
        millis: i64,
    },
    /// It never appears.
    Missing,
    /// The zip is there, and its checksum appears this much later; `i64::MAX` is never.
    ChecksumLate {
        /// In the exchange's time.
        millis: i64,
    },
    /// The checksum is another file's.
    ChecksumWrong,
    /// The checksum's file holds no checksum.
    ChecksumMalformed,
    /// The zip holds something else than it should; its checksum matches.
    Contents(Defect),
    /// This long after it appeared it is replaced, silently: from then on it has these defects and no others.
    Replaced {
        /// In the exchange's time.
        after_ms: i64,
        /// What is wrong with the new one; nothing makes it right, in other bytes all the same.
        with: Vec<Defect>,
    },
    /// A bit of the stored zip flipped at this byte; the checksum is of the zip before.
    BitFlip {
        /// From 0.
        at: u64,
    },
    /// The stored zip ends after so many bytes; the checksum is of the zip before.
    Shortened {
        /// Kept.
        bytes: u64,
    },
    /// The connection ends after so many bytes of the body.
    Cut {
        /// Sent.
        bytes: u64,
        /// How many downloads it hits.
        times: u32,
    },
    /// The body comes slowly, in real time.
    Slow {
        /// At least 10.
        bytes_per_second: u64,
    },
    /// 503 until the exchange's clock shows this.
    Unavailable {
        /// Exclusive.
        until: UnixMillis,
    },
}

/// Something wrong inside a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Every so many-th row stands there twice.
    Duplicates {
        /// At least 1.
        every: u32,
    },
    /// The halves of the span alternate, row by row (as in 2023-05).
    Interleaved,
    /// No header.
    NoHeader,
    /// Lines end in CR and LF.
    CarriageReturns,
    /// The rows of these ids (open times, of klines) are absent.
    MissingRows {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The row of this id shows another quantity; a kline's shows no trades.
    WrongRow {
        /// Which.
        id: u64,
    },
    /// The last line ends in its middle.
    LastLineCut,
    /// The entry bears this name.
    EntryName(String),
    /// A second entry follows.
    SecondEntry,
    /// Zeros follow the rows.
    Zeros {
        /// How many.
        bytes: u64,
    },
}

/// Which files have which faults. One fault is of all files whose path in the bucket begins with a text.
#[derive(Debug, Default)]
pub struct ArchiveFaults(Mutex<Vec<(String, ArchiveFault)>>);

impl ArchiveFaults {
    /// Sets a fault, beside those that are set already, for every path that begins with `prefix`, such as
    /// `data/futures/um/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11-19`.
    pub fn set(&self, prefix: &str, fault: ArchiveFault) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < FAULTS_MAX {
            faults.push((prefix.to_owned(), fault));
        }
    }

    /// Takes every fault back whose prefix begins with `prefix`.
    pub fn clear(&self, prefix: &str) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(held, _)| !held.starts_with(prefix));
    }

    /// The faults of `path`.
    pub(super) fn of(&self, path: &str) -> Vec<ArchiveFault> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().filter(|(prefix, _)| path.starts_with(prefix)).map(|(_, fault)| fault.clone()).collect()
    }

    /// Whether this download of `path` is cut, and after how many bytes; counts it.
    pub(super) fn cut(&self, path: &str) -> Option<u64> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_path = faults.iter_mut().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
        of_path.map(|(_, fault)| fault).find_map(|fault| match fault {
            ArchiveFault::Cut { bytes, times } if *times > 0 => {
                *times -= 1;
                Some(*bytes)
            }
            _ => None,
        })
    }
}
