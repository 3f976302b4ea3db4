//! What is known of a tape's completeness that cannot be told from its rows, and how does it outlive the process?
//!
//! Three things: ids that sources stepped over, archive files by their sums, and until when the venue answers nothing. The
//! file is replaced in one step at every change. Lost, it costs requests that are made again, never a wrong answer.

mod absent;

pub use absent::{Absent, Witnesses};

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        bytes::{Fields, Reader, checksum},
        files::{self, Disk},
        record::{Kind, Origin},
    },
};
use absent::AbsentRuns;
use rkyv::rancor;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Its file.
pub const LEDGER_FILE: &str = "LEDGER";

const RECORD_BYTES: usize = 64;
const MAGIC: u32 = u32::from_le_bytes(*b"TDLG");
const VERSION: u16 = 1;
const BYTES_MAX: u64 = 1 << 30;

/// See the module's documentation.
#[derive(Debug)]
pub struct Ledger {
    disk: Arc<dyn Disk>,
    store: u128,
    /// Held while the file is replaced, so that files follow each other as the changes did. Nobody on the live path waits.
    entries: Mutex<Entries>,
}

/// What a look at the file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is whole, or there is none yet.
    Whole,
    /// It is damaged, and what was in it is lost.
    Damaged,
    /// A newer program wrote it.
    Newer(u16),
}

/// Runs of ids that the venue never used, by contract's number and kind.
pub type ProvenAbsent = Vec<((u32, Kind), IdRange)>;

/// An archive file whose rows are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// The SHA-256 that the venue published of it.
    pub sha256: [u8; 32],
    /// When it was read.
    pub at: UnixMillis,
}

#[derive(Debug, Default)]
struct Entries {
    absent: BTreeMap<(u32, Kind), AbsentRuns>,
    /// By key in the archive.
    archives: BTreeMap<String, ArchiveFile>,
    banned_until: Option<UnixMillis>,
}

/// The form in which it is written.
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
}

impl Ledger {
    /// Reads the ledger of the store with number `store`, and says what became of its file.
    ///
    /// # Errors
    ///
    /// When the file is there and the disk does not give it.
    pub fn read(disk: &Arc<dyn Disk>, store: u128) -> io::Result<(Self, FileState)> {
        let (entries, state) = match files::read_whole(&**disk, LEDGER_FILE, BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Some(Entries::default()), FileState::Whole),
            Err(error) => return Err(error),
            Ok(bytes) => parse(&bytes, store),
        };
        Ok((Self { disk: Arc::clone(disk), store, entries: Mutex::new(entries.unwrap_or_default()) }, state))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `source` stepped over ids, at `at`.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the note is in memory only.
    pub fn note_absent(
        &self,
        (contract, kind): (u32, Kind),
        ids: IdRange,
        source: Origin,
        at: UnixMillis,
    ) -> io::Result<()> {
        let mut entries = self.lock();
        let said = Absent { ids, witnesses: Witnesses::of(source), at };
        if !entries.absent.entry((contract, kind)).or_default().note(said) {
            // It stays missing, which is honest.
            return Ok(());
        }
        self.write(&entries)
    }

    /// Runs of `ids` that sources stepped over, ascending.
    pub fn absent(&self, contract: u32, kind: Kind, ids: IdRange) -> Vec<Absent> {
        self.lock().absent.get(&(contract, kind)).map(|runs| runs.within(ids).collect()).unwrap_or_default()
    }

    /// Notes that all rows of the archive file `key` are in the store.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the note is in memory only.
    pub fn note_archive(&self, key: &str, file: ArchiveFile) -> io::Result<()> {
        let mut entries = self.lock();
        entries.archives.insert(key.to_owned(), file);
        self.write(&entries)
    }

    /// What is known of the archive file `key`.
    pub fn archive(&self, key: &str) -> Option<ArchiveFile> {
        self.lock().archives.get(key).copied()
    }

    /// Notes until when the venue answers nothing; nothing once it does again.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the note is in memory only.
    pub fn note_ban(&self, until: Option<UnixMillis>) -> io::Result<()> {
        let mut entries = self.lock();
        if entries.banned_until == until {
            return Ok(());
        }
        entries.banned_until = until;
        self.write(&entries)
    }

    /// Until when the venue answers nothing, as it said last.
    pub fn banned_until(&self) -> Option<UnixMillis> {
        self.lock().banned_until
    }

    fn write(&self, entries: &Entries) -> io::Result<()> {
        let body = rkyv::to_bytes::<rancor::Error>(&entries.archive()).map_err(io::Error::other)?;
        let mut fields = Fields::with_capacity(RECORD_BYTES);
        fields.u32(MAGIC).u16(VERSION).u16(0).u128(self.store).u32(checksum(&body));
        let mut bytes = fields.sealed(RECORD_BYTES);
        bytes.extend_from_slice(&body);
        files::replace(&*self.disk, LEDGER_FILE, &bytes)
    }
}

impl Entries {
    fn archive(&self) -> Archive {
        let absent = self.absent.iter().flat_map(|((contract, kind), runs)| {
            runs.iter().map(|run| AbsentRecord {
                first: run.ids.first,
                last: run.ids.last,
                at: run.at.get(),
                contract: *contract,
                kind: kind.number(),
                witnesses: run.witnesses.number().into(),
            })
        });
        let archives = self.archives.iter().map(|(key, file)| ArchiveRecord {
            key: key.clone(),
            sha256: file.sha256,
            at: file.at.get(),
        });
        Archive {
            absent: absent.collect(),
            archives: archives.collect(),
            banned_until: self.banned_until.map_or(0, UnixMillis::get),
        }
    }

    fn of(archive: &ArchivedArchive) -> Self {
        let mut entries = Self::default();
        for run in archive.absent.iter() {
            let ids = IdRange::new(run.first.to_native(), run.last.to_native());
            let kind = Kind::from_number(run.kind.to_native());
            let Some((ids, kind)) = ids.zip(kind) else { continue };
            let witnesses = Witnesses::from_number(u8::try_from(run.witnesses.to_native()).unwrap_or_default());
            let said = Absent { ids, witnesses, at: UnixMillis::new(run.at.to_native()) };
            entries.absent.entry((run.contract.to_native(), kind)).or_default().note(said);
        }
        for record in archive.archives.iter() {
            let file = ArchiveFile { sha256: record.sha256, at: UnixMillis::new(record.at.to_native()) };
            entries.archives.insert(record.key.as_str().to_owned(), file);
        }
        let until = archive.banned_until.to_native();
        entries.banned_until = (until != 0).then(|| UnixMillis::new(until));
        entries
    }
}

/// What the ledger's file holds, and whether that is all of it.
fn parse(bytes: &[u8], store: u128) -> (Option<Entries>, FileState) {
    let damaged = (None, FileState::Damaged);
    let Some(mut reader) = Reader::unsealed(bytes, RECORD_BYTES) else { return damaged };
    let (magic, version, _) = (reader.u32(), reader.u16(), reader.u16());
    if magic == MAGIC && version > VERSION {
        return (None, FileState::Newer(version));
    }
    let (own, sum) = (reader.u128(), reader.u32());
    let mut body = rkyv::util::AlignedVec::<16>::new();
    body.extend_from_slice(&bytes[RECORD_BYTES..]);
    if (magic, version, own) != (MAGIC, VERSION, store) || checksum(&body) != sum {
        return damaged;
    }
    match rkyv::access::<ArchivedArchive, rancor::Error>(&body) {
        Ok(archive) => (Some(Entries::of(archive)), FileState::Whole),
        Err(_) => damaged,
    }
}

/// The ids that the venue never used, by contract and kind, as the ledger of the store with number `store` says; and what
/// became of its file.
///
/// # Errors
///
/// When the file is there and the disk does not give it.
pub fn proven_absent(disk: &dyn Disk, store: u128) -> io::Result<(ProvenAbsent, FileState)> {
    let bytes = match files::read_whole(disk, LEDGER_FILE, BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), FileState::Whole)),
        bytes => bytes?,
    };
    let (entries, state) = parse(&bytes, store);
    let absent = entries.unwrap_or_default().absent.into_iter().flat_map(|(series, runs)| {
        let proven = runs.iter().filter(|run| run.witnesses.is_proof()).map(|run| (series, run.ids));
        proven.collect::<Vec<_>>()
    });
    Ok((absent.collect(), state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::{Damage, SimulatedDisk};

    const IDS: IdRange = IdRange { first: 10, last: 20 };

    fn read(disk: &Arc<dyn Disk>) -> (Ledger, FileState) {
        Ledger::read(disk, 7).expect("readable")
    }

    #[test]
    fn the_body_is_laid_out_as_the_format_says() {
        assert_eq!((size_of::<ArchivedArchive>(), align_of::<ArchivedArchive>()), (24, 8));
        assert_eq!((size_of::<ArchivedAbsentRecord>(), size_of::<ArchivedArchiveRecord>()), (32, 48));
    }

    #[test]
    fn it_outlives_the_process_and_its_damage_is_seen() {
        let sim = SimulatedDisk::new(1);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (ledger, state) = read(&disk);
        assert_eq!((state, ledger.banned_until()), (FileState::Whole, None));
        let at = UnixMillis::new(5);
        for source in [Origin::Rest, Origin::DailyArchive] {
            ledger.note_absent((3, Kind::Trade), IDS, source, at).expect("written");
        }
        let file = ArchiveFile { sha256: [9; 32], at };
        ledger.note_archive("data/x.zip", file).expect("written");
        ledger.note_ban(Some(UnixMillis::new(99))).expect("written");
        sim.power_cut(2);
        let (ledger, state) = read(&disk);
        assert_eq!((state, ledger.banned_until()), (FileState::Whole, Some(UnixMillis::new(99))));
        assert_eq!((ledger.archive("data/x.zip"), ledger.archive("data/y.zip")), (Some(file), None));
        let found = ledger.absent(3, Kind::Trade, IdRange { first: 0, last: 10 });
        assert_eq!(found.iter().map(|run| (run.ids, run.witnesses.is_proof())).collect::<Vec<_>>(), [(IDS, false)]);
        ledger.note_absent((3, Kind::Trade), IDS, Origin::MonthlyArchive, at).expect("written");
        assert!(ledger.absent(3, Kind::Trade, IDS)[0].witnesses.is_proof());
        let len = sim.contents(LEDGER_FILE).expect("there").len() as u64;
        for byte in 0..len {
            let fork = sim.fork();
            fork.damage(LEDGER_FILE, &Damage::FlipBit { at: byte, bit: 3 }).expect("there");
            assert_ne!(proven_absent(&fork, 7).expect("readable").1, FileState::Whole, "byte {byte}");
        }
        assert_eq!(proven_absent(&sim, 8).expect("readable").1, FileState::Damaged, "another store's");
        assert_eq!(proven_absent(&sim, 7).expect("readable").0, [((3, Kind::Trade), IDS)]);
    }
}
