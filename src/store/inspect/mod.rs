//! What is this one file of a store, and where is it damaged, when nothing stands around it?

mod journal;
mod manifest;
mod segment;

use crate::{
    model::UnixMillis,
    store::{
        bytes::Reader,
        files::{Disk, read_exact_at, read_whole},
        journal::number_of,
        manifest::{MANIFEST_FILE, number_of as segment_number_of},
    },
};
use std::{fmt, io};

const STORE_BYTES: u64 = 512;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The record that says what a directory is.
    Store,
    /// The list of a store's files.
    Manifest,
    /// A journal file.
    Journal,
    /// A segment.
    Segment,
    /// Nothing that a store writes.
    Stranger,
}

/// A table for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What its rows are.
    pub title: &'static str,
    /// What its columns are.
    pub columns: Vec<&'static str>,
    /// A text a column.
    pub rows: Vec<Vec<String>>,
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub what: What,
    /// What its header says.
    pub fields: Vec<(&'static str, String)>,
    /// What is in it.
    pub tables: Vec<Table>,
    /// What is wrong with it.
    pub damage: Vec<String>,
    /// What is ordinary beside a writer and after a crash.
    pub notes: Vec<String>,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store => "a STORE record: it says what a directory is",
            Self::Manifest => "a manifest: the list of a store's files",
            Self::Journal => "a journal file",
            Self::Segment => "a segment",
            Self::Stranger => "no file of a store",
        })
    }
}

/// Looks at the file at `path`; `blocks` asks for a segment's blocks beside its sections. Nothing is written.
///
/// # Errors
///
/// When the file cannot be read.
pub fn inspect(disk: &dyn Disk, path: &str, blocks: bool) -> io::Result<Inspection> {
    let what = what_of(disk, path)?;
    let mut found = Inspection { what, fields: Vec::new(), tables: Vec::new(), damage: Vec::new(), notes: Vec::new() };
    match what {
        What::Store => found.store(&read_whole(disk, path, STORE_BYTES.max(disk.open(path)?.len()?))?),
        What::Manifest => found.manifest(&read_whole(disk, path, u64::MAX)?),
        What::Journal => found.journal(disk, path)?,
        What::Segment => found.segment(disk, path, blocks)?,
        What::Stranger => {}
    }
    Ok(found)
}

/// By its first bytes, or by its name when those are damaged.
fn what_of(disk: &dyn Disk, path: &str) -> io::Result<What> {
    let mut magic = [0; 4];
    match read_exact_at(&*disk.open(path)?, &mut magic, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok(match &magic {
        b"TDST" => What::Store,
        b"TDMF" => What::Manifest,
        b"TDJL" => What::Journal,
        b"TDSG" => What::Segment,
        _ if name == crate::store::identity::STORE_FILE => What::Store,
        _ if name == MANIFEST_FILE => What::Manifest,
        _ if number_of(name).is_some() => What::Journal,
        _ if segment_number_of(name).is_some() => What::Segment,
        _ => What::Stranger,
    })
}

impl Inspection {
    fn say(&mut self, name: &'static str, value: impl fmt::Display) -> &mut Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// The first three fields of every header. Whether the rest is laid out as this program knows it.
    fn say_version(&mut self, reader: &mut Reader<'_>) -> bool {
        let (_, version, _) = (reader.u32(), reader.u16(), reader.u16());
        self.say("format", version);
        if version != 1 {
            self.damage.push(format!("format {version} is newer than this program's 1: run the program that wrote it"));
        }
        version == 1
    }

    fn store(&mut self, bytes: &[u8]) {
        let Some(mut reader) = Reader::unsealed(bytes, 512) else {
            return self.damage.push("bytes 0 to 512: the checksum differs, or the record is short".to_owned());
        };
        let (mut venue, known) = (reader.clone(), self.say_version(&mut reader));
        if !known {
            return;
        }
        let (_, _, len) = (venue.u32(), venue.u16(), venue.u16());
        let (store, created) = (reader.u128(), UnixMillis::new(reader.i64()));
        let venue = String::from_utf8_lossy(reader.bytes(len.into())).into_owned();
        self.say("store", hex(store)).say("venue", venue).say("created", utc(created));
    }
}

/// A store's number, as people compare it.
fn hex(store: u128) -> String {
    format!("{store:032x}")
}

/// A time as people read it.
pub fn utc(time: UnixMillis) -> String {
    let millis = time.get().clamp(-(1 << 55), 1 << 55);
    let (year, month) = UnixMillis::new(millis).year_month();
    let into_month = millis - UnixMillis::month_start(year, month).get();
    let (day, rest) = (into_month / UnixMillis::DAY + 1, into_month % UnixMillis::DAY);
    let (hour, minute) = (rest / UnixMillis::HOUR, rest % UnixMillis::HOUR / UnixMillis::MINUTE);
    let (second, milli) = (rest % UnixMillis::MINUTE / 1_000, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_out() {
        assert_eq!(utc(UnixMillis::new(0)), "1970-01-01 00:00:00.000");
        assert_eq!(utc(UnixMillis::new(1_795_168_800_123)), "2026-11-20 10:00:00.123");
        assert_eq!(utc(UnixMillis::new(1_709_251_199_999)), "2024-02-29 23:59:59.999");
    }
}
