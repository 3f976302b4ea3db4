//! What is known of a tape's completeness that cannot be told from its rows, and how does it outlive the process?
//!
//! Three things: ids that sources stepped over, archive files by their sums, and until when the venue answers nothing. The
//! file is replaced in one step at every change. Lost, it costs requests that are made again, never a wrong answer.

mod absent;
mod form;

pub use absent::{Absent, Witnesses};

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        files::{self, Disk},
        record::{Kind, Origin},
    },
};
use absent::AbsentRuns;
use form::{parse, written};
use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Its file.
pub const LEDGER_FILE: &str = "LEDGER";

const BYTES_MAX: u64 = 1 << 30;

/// See the module's documentation.
#[derive(Debug)]
pub struct Ledger {
    disk: Arc<dyn Disk>,
    store: u128,
    /// Held while the file is replaced, and taken before `entries`: files follow each other as the changes did.
    writing: Mutex<()>,
    /// Not held while the disk is written.
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
pub type ProvenAbsent = Vec<(Series, IdRange)>;

/// A contract's number, and a kind of its records.
pub type Series = (u32, Kind);

/// An archive file whose rows are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// The SHA-256 that the venue published of it.
    pub sha256: [u8; 32],
    /// When it was read.
    pub at: UnixMillis,
    /// When the venue was last seen to offer the same, by the same clock.
    pub checked: UnixMillis,
    /// What the venue's listing said of it when it was read, as one number; nothing in notes of the first version.
    pub stamp: Option<u64>,
    /// Its first id and its last, where ids are dense and all of its rows are of its time.
    pub ids: Option<IdRange>,
}

/// What a file of the archive was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its key in the archive.
    pub key: String,
    /// The keys of the files of the time before and after its own: ids between two of them are in neither.
    pub beside: [String; 2],
    /// What is remembered of it.
    pub file: ArchiveFile,
    /// Whose rows it holds.
    pub series: Series,
    /// What sort of file it is.
    pub source: Origin,
    /// Ids between its own that it steps over.
    pub absent: Vec<IdRange>,
}

#[derive(Debug, Default)]
struct Entries {
    absent: BTreeMap<Series, AbsentRuns>,
    /// By key in the archive.
    archives: BTreeMap<String, ArchiveFile>,
    banned_until: Option<UnixMillis>,
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
        Ok((
            Self {
                disk: Arc::clone(disk),
                store,
                writing: Mutex::new(()),
                entries: Mutex::new(entries.unwrap_or_default()),
            },
            state,
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `source` stepped over ids, at `at`.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the note is in memory only.
    pub fn note_absent(&self, series: Series, ids: IdRange, source: Origin, at: UnixMillis) -> io::Result<()> {
        let said = Absent { ids, witnesses: Witnesses::of(source), at };
        // What is not taken stays missing, which is honest.
        self.change(|entries| entries.absent.entry(series).or_default().note(said))
    }

    /// Runs of `ids` that sources stepped over, ascending.
    pub fn absent(&self, contract: u32, kind: Kind, ids: IdRange) -> Vec<Absent> {
        self.lock().absent.get(&(contract, kind)).map(|runs| runs.within(ids).collect()).unwrap_or_default()
    }

    /// Notes that all rows of some archive files are in the store, and which ids those step over: within each, and between
    /// two that lie beside each other. In one step.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the notes are in memory only.
    pub fn note_files(&self, files: Vec<FileRead>) -> io::Result<()> {
        self.change(|entries| {
            let any = !files.is_empty();
            files.into_iter().for_each(|read| entries.note_file(read));
            any
        })
    }

    /// Notes that files were looked at, at `at`. Those with a source the venue offers unchanged: what they lack they lack still.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change the notes are in memory only.
    pub fn note_checked(&self, files: &[(String, Series, Option<Origin>)], at: UnixMillis) -> io::Result<()> {
        self.change(|entries| {
            files.iter().for_each(|(key, series, source)| entries.note_checked(key, *series, *source, at));
            !files.is_empty()
        })
    }

    /// Takes back that ids are absent which are held after all: `held` are runs, ascending, that share no id. How many ids
    /// that were.
    ///
    /// # Errors
    ///
    /// When the file cannot be replaced; until the next change that is so in memory only.
    pub fn take_back(&self, series: Series, held: &[(IdRange, Origin)]) -> io::Result<u64> {
        let mut taken = 0;
        self.change(|entries| {
            taken = entries.absent.get_mut(&series).map_or(0, |runs| runs.take_back(held));
            taken > 0
        })?;
        Ok(taken)
    }

    /// The archive files whose keys begin with `prefix`, ascending.
    pub fn archives_below(&self, prefix: &str) -> Vec<(String, ArchiveFile)> {
        let entries = self.lock();
        let from = entries.archives.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let below = from.take_while(|(key, _)| key.starts_with(prefix));
        below.map(|(key, file)| (key.clone(), *file)).collect()
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
        self.change(|entries| std::mem::replace(&mut entries.banned_until, until) != until)
    }

    /// Until when the venue answers nothing, as it said last.
    pub fn banned_until(&self) -> Option<UnixMillis> {
        self.lock().banned_until
    }

    /// Changes what is known, and the file, unless `change` says that nothing has changed. Who asks meanwhile does not wait
    /// for the disk.
    fn change(&self, change: impl FnOnce(&mut Entries) -> bool) -> io::Result<()> {
        // Files follow each other as the changes do.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = {
            let mut entries = self.lock();
            if !change(&mut entries) {
                return Ok(());
            }
            written(&entries, self.store)?
        };
        files::replace(&*self.disk, LEDGER_FILE, &bytes)
    }
}

impl Entries {
    fn note_file(&mut self, FileRead { key, beside: [before, after], file, series, source, absent }: FileRead) {
        let ids_of = |key: &String| self.archives.get(key).and_then(|file| file.ids);
        let edges = file.ids.into_iter().flat_map(|ids| {
            let before = ids_of(&before).and_then(|before| between(before, ids));
            before.into_iter().chain(ids_of(&after).and_then(|after| between(ids, after)))
        });
        let gaps: Vec<IdRange> = edges.chain(absent).collect();
        let runs = self.absent.entry(series).or_default();
        for ids in gaps {
            runs.note(Absent { ids, witnesses: Witnesses::of(source), at: file.at });
        }
        self.archives.insert(key, file);
    }

    fn note_checked(&mut self, key: &str, series: Series, source: Option<Origin>, at: UnixMillis) {
        let Some(file) = self.archives.get_mut(key) else { return };
        file.checked = at;
        // What lies on its edges, too.
        let ids = file.ids.and_then(|ids| IdRange::new(ids.first.saturating_sub(1), ids.last.saturating_add(1)));
        if let (Some(source), Some(ids), Some(runs)) = (source, ids, self.absent.get_mut(&series)) {
            runs.confirm(ids, source, at);
        }
    }
}

/// The ids between two files.
fn between(before: IdRange, after: IdRange) -> Option<IdRange> {
    IdRange::new(before.last.checked_add(1)?, after.first.checked_sub(1)?)
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
    fn it_outlives_the_process_and_its_damage_is_seen() {
        let sim = SimulatedDisk::new(1);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (ledger, state) = read(&disk);
        assert_eq!((state, ledger.banned_until()), (FileState::Whole, None));
        let at = UnixMillis::new(5);
        for source in [Origin::Rest, Origin::DailyArchive] {
            ledger.note_absent((3, Kind::Trade), IDS, source, at).expect("written");
        }
        let file = ArchiveFile { sha256: [9; 32], at, checked: at, stamp: Some(8), ids: Some(IDS) };
        ledger.note_files(vec![read_file("data/x.zip", file)]).expect("written");
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

    fn read_file(key: &str, file: ArchiveFile) -> FileRead {
        let day = key.trim_end_matches(".zip").rsplit('-').next().and_then(|day| day.parse::<u32>().ok());
        let name = |day: Option<u32>| day.map_or_else(String::new, |day| format!("data/x-{day}.zip"));
        let beside = [name(day.and_then(|day| day.checked_sub(1))), name(day.map(|day| day + 1))];
        let (series, source) = ((3, Kind::Trade), Origin::DailyArchive);
        FileRead { key: key.to_owned(), beside, file, series, source, absent: Vec::new() }
    }

    #[test]
    fn what_lies_between_two_files_is_in_neither_whichever_was_read_first() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let at = UnixMillis::new(5);
        let file = |first, last| {
            let ids = IdRange::new(first, last);
            ArchiveFile { sha256: [9; 32], at, checked: at, stamp: Some(8), ids }
        };
        let (ledger, _) = read(&disk);
        for (day, ids) in [(4, file(10, 19)), (6, file(30, 39)), (5, file(22, 27)), (8, file(60, 69))] {
            ledger.note_files(vec![read_file(&format!("data/x-{day}.zip"), ids)]).expect("written");
        }
        let said = ledger.absent(3, Kind::Trade, IdRange { first: 0, last: 99 });
        let gaps: Vec<_> = said.iter().map(|run| (run.ids.first, run.ids.last)).collect();
        assert_eq!(gaps, [(20, 21), (28, 29)], "the file of day 7 was not read");
        assert!(said.iter().all(|run| run.witnesses.has(Origin::DailyArchive)));
        let later = UnixMillis::new(50);
        let checked = [("data/x-5.zip".to_owned(), (3, Kind::Trade), Some(Origin::DailyArchive))];
        ledger.note_checked(&checked, later).expect("written");
        assert!(ledger.absent(3, Kind::Trade, IDS).iter().all(|run| run.at == later));
        assert_eq!(ledger.archive("data/x-5.zip").map(|file| (file.at, file.checked)), Some((at, later)));
        assert_eq!(ledger.archives_below("data/x-").len(), 4);
        assert_eq!(ledger.archives_below("data/x-6").len(), 1);
        let held = [(IdRange { first: 0, last: 20 }, Origin::Rest), (IdRange { first: 29, last: 40 }, Origin::Rest)];
        assert_eq!(ledger.take_back((3, Kind::Trade), &held).expect("written"), 2);
        let (ledger, _) = read(&disk);
        let said = ledger.absent(3, Kind::Trade, IdRange { first: 0, last: 99 });
        assert_eq!(said.iter().map(|run| (run.ids.first, run.ids.last)).collect::<Vec<_>>(), [(21, 21), (28, 28)]);
    }
}
