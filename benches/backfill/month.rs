//! Which month is read? It is made once, row by row, so that making it takes no memory.

use crate::{Failure, data};
use aws_lc_rs::digest::{Context, SHA256};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write},
    path::{Path, PathBuf},
};
use tapedeck::{
    exchange::binance::archive::{AggTrades, Cadence, Dataset, Folder, Place, Sha256, Table as _, checksum},
    model::{Symbol, Trade, UnixMillis},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// 2024-01-01 00:00 UTC.
const START: UnixMillis = UnixMillis::new(1_704_067_200_000);
/// Rows, and bytes of CSV, beside the zip.
const COUNTS: &str = "counts";

/// A zip of a month of aggregate trades.
pub(crate) struct Month {
    pub(crate) zip: PathBuf,
    pub(crate) rows: u64,
    pub(crate) csv_bytes: u64,
    pub(crate) zip_bytes: u64,
    pub(crate) sha256: Sha256,
}

pub(crate) fn place() -> Result<Place, Failure> {
    Ok(Folder::new(Symbol::new("BTCUSDT")?, Dataset::AggTrades, Cadence::Monthly)?.place(START))
}

impl Month {
    /// Makes it, unless it is there with as many rows.
    pub(crate) fn made(dir: &Path, csv: Option<&Path>, rows: usize) -> Result<Self, Failure> {
        if let Ok(month) = Self::found(dir)
            && month.rows == rows as u64
        {
            return Ok(month);
        }
        fs::create_dir_all(dir)?;
        let path = dir.join(place()?.zip_name());
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .large_file(false);
        let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, File::create(&path)?));
        zip.start_file(place()?.entry_name(), options)?;
        let mut out = BufWriter::with_capacity(1 << 20, zip);
        let (found, bytes) = match csv {
            Some(csv) => copied(csv, rows, &mut out)?,
            None => generated(rows, &mut out)?,
        };
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?.flush()?;
        fs::write(dir.join(format!("{}.CHECKSUM", place()?.zip_name())), sum(&path)?)?;
        fs::write(dir.join(COUNTS), format!("{found} {bytes}"))?;
        Self::found(dir)
    }

    /// The one that is there.
    pub(crate) fn found(dir: &Path) -> Result<Self, Failure> {
        let (name, counts) = (place()?.zip_name(), fs::read_to_string(dir.join(COUNTS))?);
        let (rows, bytes) = counts.split_once(' ').ok_or("no counts")?;
        let sha256 = checksum(&fs::read(dir.join(format!("{name}.CHECKSUM")))?, &name)?;
        let zip = dir.join(name);
        let zip_bytes = fs::metadata(&zip)?.len();
        Ok(Self { zip, rows: rows.parse()?, csv_bytes: bytes.parse()?, zip_bytes, sha256 })
    }
}

fn header() -> String {
    AggTrades::COLUMNS.join(",") + "\n"
}

fn generated(rows: usize, out: &mut impl Write) -> Result<(u64, u64), Failure> {
    let (mut count, mut bytes, mut line) = (0, 0, header().into_bytes());
    for trade in data::walk(rows) {
        let Trade { id, price, quantity, first_id, last_id, time, buyer_is_maker } = trade;
        writeln!(line, "{id},{price},{quantity},{first_id},{last_id},{time},{buyer_is_maker}")?;
        out.write_all(&line)?;
        (count, bytes) = (count + 1, bytes + line.len() as u64);
        line.clear();
    }
    Ok((count, bytes))
}

/// At most `rows` rows of a CSV, and its header.
fn copied(csv: &Path, rows: usize, out: &mut impl Write) -> Result<(u64, u64), Failure> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(csv)?);
    let (mut count, mut bytes, mut line) = (0, 0, Vec::new());
    while count < rows as u64 && lines.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        count += u64::from(line.first().is_some_and(u8::is_ascii_digit));
        bytes += line.len() as u64;
        line.clear();
    }
    Ok((count, bytes))
}

fn sum(path: &Path) -> Result<String, Failure> {
    let (mut hash, mut piece, mut file) = (Context::new(&SHA256), vec![0; 1 << 20], File::open(path)?);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hash.update(&piece[..count]),
        }
    }
    let digits: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{digits}  {}\n", place()?.zip_name()))
}
