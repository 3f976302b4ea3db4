//! Which frames does a journal file hold?

use crate::{
    model::UnixMillis,
    store::{
        bytes::Reader,
        files::{Disk, read_exact_at},
        inspect::{Inspection, Table, hex, utc},
        journal::{self, Cause, FileIdentity, JournalFile, JournalFileError, View},
        record::Kind,
    },
};
use std::{io, sync::Arc};

const HEADER_BYTES: u64 = 128;

impl Inspection {
    pub(super) fn journal(&mut self, disk: &dyn Disk, path: &str) -> io::Result<()> {
        let file = match JournalFile::open_at(disk, path) {
            Ok(file) => file,
            Err(JournalFileError::Io(error)) => return Err(error),
            Err(error @ (JournalFileError::Newer(_) | JournalFileError::Identity)) => {
                self.damage.push(error.to_string());
                return Ok(());
            }
            Err(JournalFileError::Header) => {
                self.damage.push("bytes 0 to 128: the header's checksum differs, or it is short".to_owned());
                let file = disk.open(path)?;
                let Some(identity) = identity_of(&file.map(0..file.len()?)?) else { return Ok(()) };
                JournalFile::headless(Arc::clone(&file), identity)?
            }
        };
        let identity = file.identity;
        self.say("store", hex(identity.store)).say("shard", identity.shard).say("number", identity.number);
        if file.created != UnixMillis::new(0) {
            self.say("created", utc(file.created));
        }
        self.say("bytes", file.bytes);
        self.frames(&file)
    }

    fn frames(&mut self, file: &JournalFile) -> io::Result<()> {
        let mut rows = Vec::new();
        let scan = journal::scan(file, |payload_at, payload, view| rows.push(frame(file, payload_at, payload, view)))?;
        self.say("frames", scan.frames).say("bytes in frames", scan.end.min(file.bytes));
        self.tables.push(Table {
            title: "frames",
            columns: vec!["offset", "bytes", "sequence", "synced below", "contracts", "rows", "from", "to"],
            rows,
        });
        for unreadable in scan.unreadable {
            let bytes = format!("bytes {} to {}", unreadable.bytes.start, unreadable.bytes.end);
            match unreadable.cause {
                Cause::Torn => self.notes.push(format!("{bytes} hold no whole frame and are not synced (ordinary)")),
                Cause::Corrupt => self.damage.push(format!("{bytes} hold no whole frame, were synced and are changed")),
            }
        }
        Ok(())
    }
}

fn frame(file: &JournalFile, payload_at: u64, payload: &[u8], view: View<'_>) -> Vec<String> {
    let (mut header, offset) = ([0; 64], payload_at - HEADER_BYTES);
    let read = read_exact_at(file.file(), &mut header, offset).is_ok();
    let mut reader = Reader::new(&header);
    reader.bytes(40);
    let (sequence, synced) = (reader.u64(), reader.u64());
    let number = |value: u64| if read { value.to_string() } else { "?".to_owned() };
    // The second word of a row is its time.
    let times = view.sections().filter(|section| section.kind != Kind::Contract);
    let times = times.flat_map(|section| section.words().skip(1).step_by(section.kind.width()).collect::<Vec<_>>());
    let times: Vec<i64> = times.map(u64::cast_signed).collect();
    let time = |time: Option<&i64>| time.map_or_else(String::new, |time| utc(UnixMillis::new(*time)));
    vec![
        offset.to_string(),
        (HEADER_BYTES + payload.len() as u64).next_multiple_of(64).to_string(),
        number(sequence),
        number(synced),
        view.sections().count().to_string(),
        view.sections().map(|section| section.len()).sum::<usize>().to_string(),
        time(times.iter().min()),
        time(times.iter().max()),
    ]
}

/// Which file it is, as its first frame that is whole says.
fn identity_of(bytes: &[u8]) -> Option<FileIdentity> {
    let at = (0..bytes.len())
        .step_by(64)
        .find(|at| bytes[*at..].starts_with(b"TDFM") && Reader::unsealed(&bytes[*at..], 128).is_some())?;
    let mut reader = Reader::new(&bytes[at + 8..]);
    Some(FileIdentity { store: reader.u128(), shard: reader.u32(), number: reader.u32() })
}
