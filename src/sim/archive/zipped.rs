//! How does a file of the archive become a zip, without being in memory as a whole?

use crate::sim::{
    archive::{calendar::date_time, csv::Csv, edition::Edition, faults::Defect, key::File},
    exchange::Exchange,
};
use bytes::{Bytes, BytesMut};
use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};
use zip::{
    DateTime, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

/// An entry whose text may grow beyond 4 GiB is written in the ZIP64 form.
const LARGE_BYTES: u64 = 2 << 30;

/// A zip that is made as it is read. Sizes and CRC follow the data, as Java's writers put them.
#[derive(Debug)]
pub(in crate::sim) struct Zip {
    csv: Csv,
    writer: Option<ZipWriter<StreamWriter<Sink>>>,
    made: Sink,
    second_entry: Option<String>,
    text: String,
    ready: BytesMut,
    position: u64,
    flipped_at: Option<u64>,
    shortened_to: u64,
}

/// Where the zip's writer writes to; it lends nobody its own.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Zip {
    /// The zip as its checksum knows it.
    pub(super) fn sound(exchange: &Arc<Exchange>, file: &File, edition: &Edition) -> io::Result<Self> {
        let made = Sink::default();
        let mut writer = ZipWriter::new_stream(made.clone());
        let listed = &exchange.contracts()[file.shelf.contract];
        let stem = file.stem(listed);
        let name = edition.defects.iter().find_map(|defect| match defect {
            Defect::EntryName(name) => Some(name.clone()),
            _ => None,
        });
        let zeros =
            edition.defects.iter().any(|defect| matches!(defect, Defect::Zeros { bytes } if *bytes > LARGE_BYTES));
        let is_large = zeros || file.bytes_estimate(listed) > LARGE_BYTES / 8;
        let options = options(edition.published).large_file(is_large);
        writer.start_file(name.unwrap_or_else(|| format!("{stem}.csv")), options)?;
        Ok(Self {
            csv: Csv::new(exchange, file, edition),
            writer: Some(writer),
            made,
            second_entry: edition.defects.contains(&Defect::SecondEntry).then(|| format!("{stem}-2.csv")),
            text: String::new(),
            ready: BytesMut::new(),
            position: 0,
            flipped_at: None,
            shortened_to: u64::MAX,
        })
    }

    /// The zip as it lies there.
    pub(super) fn stored(exchange: &Arc<Exchange>, file: &File, edition: &Edition) -> io::Result<Self> {
        let shortened_to = edition.shortened_to.unwrap_or(u64::MAX);
        Ok(Self { flipped_at: edition.flipped_at, shortened_to, ..Self::sound(exchange, file, edition)? })
    }

    /// At most `most` of the bytes that remain; nothing after the last.
    pub(in crate::sim) fn next(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        while self.ready.is_empty() && self.writer.is_some() {
            self.make()?;
        }
        let left = usize::try_from(self.shortened_to - self.position).unwrap_or(usize::MAX);
        let count = self.ready.len().min(most).min(left);
        if count == 0 {
            return Ok(None);
        }
        let mut piece = self.ready.split_to(count);
        let flipped = self.flipped_at.and_then(|at| at.checked_sub(self.position));
        if let Some(byte) = flipped.and_then(|at| piece.get_mut(usize::try_from(at).ok()?)) {
            *byte ^= 1;
        }
        self.position += count as u64;
        Ok(Some(piece.freeze()))
    }

    /// Compresses a piece of text, or ends the zip.
    fn make(&mut self) -> io::Result<()> {
        self.csv.read(&mut self.text);
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if !self.text.is_empty() {
            writer.write_all(self.text.as_bytes())?;
        } else if let Some(name) = self.second_entry.take() {
            writer.start_file(name, SimpleFileOptions::default())?;
            writer.write_all(b"another entry\n")?;
        }
        if self.text.is_empty()
            && let Some(writer) = self.writer.take()
        {
            writer.finish()?;
        }
        let made = mem::take(&mut *self.made.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.ready.extend_from_slice(&made);
        Ok(())
    }
}

/// Options of an entry that was last changed at `time`; the bytes of two editions differ by it.
fn options(time: i64) -> SimpleFileOptions {
    let changed: Option<DateTime> = || -> Option<DateTime> {
        let text = date_time(time);
        let mut numbers = text.split(['-', ' ', ':']);
        let mut small = || numbers.next()?.parse::<u16>().ok();
        let (year, month, day, hour) = (small()?, small()?, small()?, small()?);
        let byte = |number: u16| u8::try_from(number).ok();
        let (minute, second) = (small()?, small()?);
        DateTime::from_date_and_time(year, byte(month)?, byte(day)?, byte(hour)?, byte(minute)?, byte(second)?).ok()
    }();
    SimpleFileOptions::default().last_modified_time(changed.unwrap_or_default())
}
