//! How is the ledger written?

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        bytes::{Fields, Reader, checksum},
        ledger::{Absent, ArchiveFile, Entries, FileState, Witnesses, absent::AbsentRuns},
        record::Kind,
    },
};
use rkyv::rancor;
use std::{collections::BTreeMap, io};

const RECORD_BYTES: usize = 64;
const MAGIC: u32 = u32::from_le_bytes(*b"TDLG");
const VERSION: u16 = 2;
/// The oldest that is read.
const FIRST_VERSION: u16 = 1;

/// The form of the body.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
struct Archive {
    absent: Vec<AbsentRecord>,
    archives: Vec<ArchiveRecord>,
    /// Milliseconds since 1970; 0 for none.
    banned_until: i64,
}

#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
struct AbsentRecord {
    first: u64,
    last: u64,
    at: i64,
    contract: u32,
    kind: u16,
    witnesses: u16,
}

#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Debug))]
struct ArchiveRecord {
    key: String,
    sha256: [u8; 32],
    at: i64,
    checked: i64,
    /// 0 for none.
    stamp: u64,
    /// Above `last` for none.
    first: u64,
    last: u64,
}

/// The body of the first version.
#[derive(Debug, rkyv::Archive)]
#[rkyv(derive(Debug))]
#[expect(dead_code, reason = "it is only read, in its archived form")]
struct FirstArchive {
    absent: Vec<AbsentRecord>,
    archives: Vec<FirstArchiveRecord>,
    banned_until: i64,
}

#[derive(Debug, rkyv::Archive)]
#[rkyv(derive(Debug))]
struct FirstArchiveRecord {
    key: String,
    sha256: [u8; 32],
    at: i64,
}

/// The file of the store with number `store`.
pub(super) fn written(entries: &Entries, store: u128) -> io::Result<Vec<u8>> {
    let body = rkyv::to_bytes::<rancor::Error>(&archive(entries)).map_err(io::Error::other)?;
    let mut fields = Fields::with_capacity(RECORD_BYTES);
    fields.u32(MAGIC).u16(VERSION).u16(0).u128(store).u32(checksum(&body));
    let mut bytes = fields.sealed(RECORD_BYTES);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn archive(entries: &Entries) -> Archive {
    let absent = entries.absent.iter().flat_map(|((contract, kind), runs)| {
        runs.iter().map(|run| AbsentRecord {
            first: run.ids.first,
            last: run.ids.last,
            at: run.at.get(),
            contract: *contract,
            kind: kind.number(),
            witnesses: run.witnesses.number().into(),
        })
    });
    let archives = entries.archives.iter().map(|(key, file)| ArchiveRecord {
        key: key.clone(),
        sha256: file.sha256,
        at: file.at.get(),
        checked: file.checked.get(),
        stamp: file.stamp.unwrap_or_default(),
        first: file.ids.map_or(1, |ids| ids.first),
        last: file.ids.map_or(0, |ids| ids.last),
    });
    Archive {
        absent: absent.collect(),
        archives: archives.collect(),
        banned_until: entries.banned_until.map_or(0, UnixMillis::get),
    }
}

/// What the ledger's file holds, and whether that is all of it.
pub(super) fn parse(bytes: &[u8], store: u128) -> (Option<Entries>, FileState) {
    let damaged = (None, FileState::Damaged);
    let Some(mut reader) = Reader::unsealed(bytes, RECORD_BYTES) else { return damaged };
    let (magic, version, _) = (reader.u32(), reader.u16(), reader.u16());
    if magic == MAGIC && version > VERSION {
        return (None, FileState::Newer(version));
    }
    let (own, sum) = (reader.u128(), reader.u32());
    let mut body = rkyv::util::AlignedVec::<16>::new();
    body.extend_from_slice(&bytes[RECORD_BYTES..]);
    if magic != MAGIC || version < FIRST_VERSION || own != store || checksum(&body) != sum {
        return damaged;
    }
    let entries = match version {
        FIRST_VERSION => rkyv::access::<ArchivedFirstArchive, rancor::Error>(&body).map(of_first_version),
        _ => rkyv::access::<ArchivedArchive, rancor::Error>(&body).map(of_present),
    };
    entries.map_or(damaged, |entries| (Some(entries), FileState::Whole))
}

fn of_present(archive: &ArchivedArchive) -> Entries {
    let archives = archive.archives.iter().map(|record| {
        let file = ArchiveFile {
            sha256: record.sha256,
            at: UnixMillis::new(record.at.to_native()),
            checked: UnixMillis::new(record.checked.to_native()),
            stamp: Some(record.stamp.to_native()).filter(|stamp| *stamp != 0),
            ids: IdRange::new(record.first.to_native(), record.last.to_native()),
        };
        (record.key.as_str().to_owned(), file)
    });
    entries(&archive.absent, archives.collect(), archive.banned_until.to_native())
}

/// What the first version did not note, nobody knows.
fn of_first_version(archive: &ArchivedFirstArchive) -> Entries {
    let archives = archive.archives.iter().map(|record| {
        let at = UnixMillis::new(record.at.to_native());
        let file = ArchiveFile { sha256: record.sha256, at, checked: at, stamp: None, ids: None };
        (record.key.as_str().to_owned(), file)
    });
    entries(&archive.absent, archives.collect(), archive.banned_until.to_native())
}

fn entries(runs: &[ArchivedAbsentRecord], archives: BTreeMap<String, ArchiveFile>, banned_until: i64) -> Entries {
    let mut absent: BTreeMap<_, AbsentRuns> = BTreeMap::new();
    for run in runs {
        let ids = IdRange::new(run.first.to_native(), run.last.to_native());
        let Some((ids, kind)) = ids.zip(Kind::from_number(run.kind.to_native())) else { continue };
        let witnesses = Witnesses::from_number(u8::try_from(run.witnesses.to_native()).unwrap_or_default());
        let said = Absent { ids, witnesses, at: UnixMillis::new(run.at.to_native()) };
        absent.entry((run.contract.to_native(), kind)).or_default().note(said);
    }
    let banned_until = (banned_until != 0).then(|| UnixMillis::new(banned_until));
    Entries { absent, archives, banned_until }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_laid_out_as_the_format_says() {
        assert_eq!((size_of::<ArchivedArchive>(), align_of::<ArchivedArchive>()), (24, 8));
        assert_eq!((size_of::<ArchivedAbsentRecord>(), size_of::<ArchivedArchiveRecord>()), (32, 80));
        assert_eq!((size_of::<ArchivedFirstArchive>(), size_of::<ArchivedFirstArchiveRecord>()), (24, 48));
    }

    /// Two files of open interest, as the first version noted them.
    const FIRST: &[u8] = include_bytes!("../../../tests/fixtures/ledger/v1");
    const STORE: u128 = 0xa54f_14dd_903e_d550_8d6e_b914_bc7b_2436;

    #[test]
    fn the_first_version_is_read_and_becomes_the_present_one() {
        let (entries, state) = parse(FIRST, STORE);
        let entries = entries.expect("whole");
        assert_eq!(state, FileState::Whole);
        let days: Vec<&str> =
            entries.archives.keys().filter_map(|key| key.rsplit_once('-')).map(|(_, day)| day).collect();
        assert_eq!(days, ["26.zip", "27.zip"]);
        let file = entries.archives.values().next().expect("there");
        assert_eq!((file.sha256[..3].to_vec(), file.stamp, file.ids), (vec![0x05, 0x0b, 0xb4], None, None));
        assert_eq!((file.at, file.checked), (file.checked, UnixMillis::new(1_796_071_144_984)));
        let again = parse(&written(&entries, STORE).expect("written"), STORE);
        assert_eq!((again.0.expect("whole").archives, again.1), (entries.archives, FileState::Whole));
        assert_eq!(parse(FIRST, 7).1, FileState::Damaged);
    }
}
