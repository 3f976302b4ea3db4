//! Which files are official minutes, and what do they say?
//!
//! A CSV is zipped in memory first, so that one reader judges both.

use crate::{
    exchange::binance::{
        Kline,
        archive::{ChecksumError, Dataset, Folder, Klines, Period, Place, Sha256, checksum},
    },
    history::archive::{Limits, ReadError, Tally, Wanted, read},
    model::{Symbol, Timeframe},
};
use aws_lc_rs::digest::{Context, SHA256};
use std::{
    convert::Infallible,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Cursor, Read, Seek, Write as _},
    path::{Path, PathBuf},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Between a symbol and a date in names.
const INTERVAL: &str = "-1m-";
/// The archive's own folders are eight deep.
const DEPTH_MAX: usize = 16;
/// The longest CSV: a month of minutes has some 5 MiB.
const CSV_BYTES_MAX: u64 = 64 << 20;
/// The longest CHECKSUM that is looked at.
const CHECKSUM_BYTES_MAX: u64 = 4_096;
const PIECE_BYTES: usize = 256 << 10;

/// A file of official minutes, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KlineFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is in the archive.
    pub place: Place,
    is_csv: bool,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Ascending, each minute once.
    pub klines: Vec<Kline>,
    /// What was met besides.
    pub tally: Tally<Kline>,
    /// Whether a CHECKSUM lay beside it; then it agrees.
    pub is_checked: bool,
}

/// Why there are no files to compare with.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file or directory cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is named otherwise.
    #[error(
        "{}: its name does not say whose minutes it holds: the archive's are called SYMBOL-1m-YYYY-MM.zip or \
         SYMBOL-1m-YYYY-MM-DD.zip, or .csv",
        .0.display()
    )]
    Name(PathBuf),
    /// A directory without such files.
    #[error("{} holds no official minutes: those are called SYMBOL-1m-YYYY-MM.zip or SYMBOL-1m-YYYY-MM-DD.zip, or .csv", .0.display())]
    Nothing(PathBuf),
}

/// Why a file is not compared with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It, or its CHECKSUM, cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// What lies beside it is no CHECKSUM of it.
    #[error("its CHECKSUM: {0}")]
    Checksum(#[from] ChecksumError),
    /// A CSV longer than a month of minutes can be.
    #[error("it has more than {CSV_BYTES_MAX} bytes")]
    TooLong,
    /// It is not what it should be.
    #[error(transparent)]
    Read(#[from] ReadError<Infallible>),
}

/// The files that `paths` name, and those in the directories among them, however deep: by symbol, then by time.
///
/// # Errors
///
/// When one cannot be read, or holds no official minutes.
pub fn list(paths: &[PathBuf]) -> Result<Vec<KlineFile>, ListError> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |source| ListError::Io { path: path.clone(), source };
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(KlineFile::of(path).ok_or_else(|| ListError::Name(path.clone()))?);
            continue;
        }
        let before = files.len();
        gather(path, DEPTH_MAX, &mut files)?;
        if files.len() == before {
            return Err(ListError::Nothing(path.clone()));
        }
    }
    // A month before its days, which then say nothing new; a zip, which can be checked, before a CSV.
    files.sort_by_key(|file| {
        let period = file.place.period();
        (file.place.folder().symbol().clone(), period.start(), std::cmp::Reverse(period.end()), file.is_csv)
    });
    files.dedup_by(|file, before| file.place == before.place);
    Ok(files)
}

fn gather(directory: &Path, depth: usize, files: &mut Vec<KlineFile>) -> Result<(), ListError> {
    let failed = |source| ListError::Io { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Links are not followed: they could lead round in a circle.
        match entry.file_type().map_err(failed)? {
            kind if kind.is_dir() && depth > 0 => gather(&entry.path(), depth - 1, files)?,
            kind if kind.is_file() => files.extend(KlineFile::of(&entry.path())),
            _ => {}
        }
    }
    Ok(())
}

impl KlineFile {
    /// What a file is by its name; nothing when it is none of official minutes.
    fn of(path: &Path) -> Option<Self> {
        let (stem, extension) = (path.file_stem()?.to_str()?, path.extension().and_then(OsStr::to_str)?);
        let is_csv = match extension {
            "zip" => false,
            "csv" => true,
            _ => return None,
        };
        let at = stem.rfind(INTERVAL)?;
        let (symbol, date) = (stem.get(..at)?, stem.get(at + INTERVAL.len()..)?);
        let period = Period::parse(date)?;
        let dataset = Dataset::Klines(Timeframe::MINUTE);
        let folder = Folder::new(Symbol::new(symbol).ok()?, dataset, period.cadence()).ok()?;
        Some(Self { path: path.to_owned(), place: folder.place(period.start()), is_csv })
    }

    /// Reads it whole: at most the minutes of a month.
    ///
    /// # Errors
    ///
    /// When it is not what its name and its CHECKSUM say.
    pub fn read(&self) -> Result<Kept, OpenError> {
        if self.is_csv {
            let mut zip = Cursor::new(self.zipped()?);
            let sha256 = sum(&mut zip)?;
            return self.rows(&mut zip, sha256, false);
        }
        let mut zip = File::open(&self.path)?;
        match self.published()? {
            Some(sha256) => self.rows(&mut zip, sha256, true),
            None => {
                let sha256 = sum(&mut zip)?;
                self.rows(&mut zip, sha256, false)
            }
        }
    }

    /// The sum in the CHECKSUM beside it, if there is one.
    fn published(&self) -> Result<Option<Sha256>, OpenError> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".CHECKSUM");
        let file = match File::open(beside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = Vec::new();
        file.take(CHECKSUM_BYTES_MAX).read_to_end(&mut text)?;
        Ok(Some(checksum(&text, &self.place.zip_name())?))
    }

    fn zipped(&self) -> Result<Vec<u8>, OpenError> {
        let mut text = Vec::new();
        File::open(&self.path)?.take(CSV_BYTES_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > CSV_BYTES_MAX {
            return Err(OpenError::TooLong);
        }
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file(self.place.entry_name(), options).map_err(io::Error::other)?;
        writer.write_all(&text)?;
        Ok(writer.finish().map_err(io::Error::other)?.into_inner())
    }

    fn rows<F: Read + Seek + Send>(&self, zip: &mut F, sha256: Sha256, is_checked: bool) -> Result<Kept, OpenError> {
        let wanted = Wanted { place: &self.place, table: &Klines, sha256, limits: Limits::default() };
        let stage = |klines: &mut Vec<Kline>, rows: &[Kline]| {
            klines.extend_from_slice(rows);
            Ok(())
        };
        let found = read(zip, &wanted, || Ok(Vec::new()), stage)?;
        Ok(Kept { klines: found.staged, tally: found.tally, is_checked })
    }
}

/// The sum of a file of which none was published.
fn sum<F: Read>(file: &mut F) -> io::Result<Sha256> {
    let mut hash = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => hash.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(sha256)
}
