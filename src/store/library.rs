//! What do readers and the storage thread share?

use crate::{
    model::{IdRange, Symbol, UnixMillis},
    store::{
        candles::Months,
        desk::Enlisted,
        files::Disk,
        ledger::Ledger,
        record::{ContractRow, Kind},
        segment::{BlockError, BlockIndex, SectionIndex, Segment, SegmentError, SegmentIdentity},
        shelf::Shelf,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Segments that are open at once: each is one map and one descriptor, of 65,530 and 20,000 that a usual machine allows.
const OPEN_SEGMENTS_MAX: usize = 1024;

/// What the store holds, by contract and kind.
#[derive(Debug)]
pub struct Library {
    store: u128,
    disk: Arc<dyn Disk>,
    contracts: RwLock<Vec<ContractRow>>,
    shelves: RwLock<BTreeMap<(u32, Kind), Arc<Shelf>>>,
    open: Mutex<OpenSegments>,
    damaged_reads: AtomicU64,
    losses: AtomicU64,
    months: Months,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct OpenSegments {
    /// The one used last stands last.
    used: VecDeque<(u64, Arc<Segment>)>,
    /// Those in which something was found wrong: they are read without a map, in which a bad sector ends the process.
    distrusted: BTreeSet<u64>,
}

impl Library {
    /// An empty one, beside what `ledger` knows.
    pub fn new(store: u128, disk: Arc<dyn Disk>, ledger: Ledger) -> Self {
        Self {
            store,
            disk,
            contracts: RwLock::default(),
            shelves: RwLock::default(),
            open: Mutex::default(),
            damaged_reads: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            months: Months::default(),
            ledger,
        }
    }

    /// What is known of completeness beside the rows.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The store's own number.
    pub fn store(&self) -> u128 {
        self.store
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The shelf of a contract and kind.
    pub fn shelf(&self, contract: u32, kind: Kind) -> Arc<Shelf> {
        let found = self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(&(contract, kind)).cloned();
        found.unwrap_or_else(|| {
            let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shelves.entry((contract, kind)).or_insert_with(|| Arc::new(Shelf::new(contract, kind))))
        })
    }

    /// Every shelf, by contract and kind.
    pub fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Every contract, by number.
    pub fn contracts(&self) -> Vec<ContractRow> {
        self.contracts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest contract of a symbol.
    pub fn find(&self, symbol: &Symbol) -> Option<ContractRow> {
        let contracts = self.contracts.read().unwrap_or_else(PoisonError::into_inner);
        contracts.iter().rev().find(|row| row.symbol().as_ref() == Some(symbol)).copied()
    }

    /// Notes a contract, or what is known better of it now.
    pub(super) fn note(&self, row: ContractRow) {
        let mut contracts = self.contracts.write().unwrap_or_else(PoisonError::into_inner);
        match contracts.binary_search_by_key(&row.number, |known| known.number) {
            Ok(at) if row.onboard_time > contracts[at].onboard_time => contracts[at] = row,
            Ok(_) => {}
            Err(at) => contracts.insert(at, row),
        }
    }

    /// A contract, which gets the next number when it has none. Whether the manifest does not know it like this: then nothing
    /// of it may be written before it does.
    pub(super) fn register(&self, Enlisted { symbol, onboard_time }: &Enlisted) -> (ContractRow, bool) {
        let onboard_time = onboard_time.unwrap_or(UnixMillis::new(0));
        let row = match self.find(symbol) {
            Some(row) if row.onboard_time >= onboard_time => return (row, false),
            // The same contract, of which more is known now, unless everything held of it is older than this listing.
            Some(row) if !self.ended_before(row.number, onboard_time) => {
                ContractRow::new(row.number, symbol, onboard_time)
            }
            _ => ContractRow::new(self.next_contract(), symbol, onboard_time),
        };
        self.note(row);
        (row, true)
    }

    /// Whether trades of a contract are held, all of them older than `time`.
    fn ended_before(&self, contract: u32, time: UnixMillis) -> bool {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let of_contract =
            || shelves.range((contract, Kind::Trade)..=(contract, Kind::RawTrade)).map(|(_, shelf)| shelf);
        of_contract().any(|shelf| shelf.ends().is_some()) && of_contract().all(|shelf| shelf.parts_at(time).is_empty())
    }

    /// Above every number that a contract has, rows whose contract's name was lost included.
    fn next_contract(&self) -> u32 {
        let named = self.contracts.read().unwrap_or_else(PoisonError::into_inner).last().map(|row| row.number);
        let held = self.shelves.read().unwrap_or_else(PoisonError::into_inner).keys().next_back().map(|key| key.0);
        named.max(held).map_or(0, |number| number + 1)
    }

    /// The segment of that number, open.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn segment(&self, number: u64, path: &str) -> Result<Arc<Segment>, SegmentError> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = open().get(number) {
            return Ok(segment);
        }
        let is_mapped = !open().distrusted.contains(&number);
        let open_it = if is_mapped { Segment::open } else { Segment::open_unmapped };
        let segment = Arc::new(open_it(&*self.disk, SegmentIdentity { store: self.store, number }, path)?);
        open().insert(number, &segment);
        Ok(segment)
    }

    /// Forgets a segment that is no more; who reads it goes on.
    pub(super) fn close(&self, number: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).used.retain(|(open, _)| *open != number);
    }

    /// Reads a segment without a map from now on.
    pub(super) fn distrust(&self, number: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).distrusted.insert(number);
        self.close(number);
    }

    /// Months of minutes that are held decoded.
    pub(super) fn months(&self) -> &Months {
        &self.months
    }

    /// Pieces that could not be read, ever.
    pub fn damaged_reads(&self) -> u64 {
        self.damaged_reads.load(Ordering::Relaxed)
    }

    pub(super) fn count_damage(&self) {
        self.damaged_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a block could not be read. One that the disk did not give may come next time; others are held no more.
    pub(super) fn note_damage(&self, segment: &Segment, section: &SectionIndex, block: &BlockIndex, why: &BlockError) {
        self.count_damage();
        let keys = IdRange::new(block.first_key, block.last_key).filter(|_| !matches!(why, BlockError::Io(_)));
        let (Some(keys), Some(kind)) = (keys, Kind::from_number(section.kind)) else { return };
        if self.shelf(section.contract, kind).lose_more(segment.number(), keys) {
            self.note_loss((section.contract, kind), segment.path(), keys);
        }
    }

    /// Notes what of a segment's section was found damaged when it was read to its end.
    pub(super) fn note_checked(&self, of: (u32, Kind), (segment, path): (u64, &str), lost: Vec<IdRange>) {
        let span = lost.first().zip(lost.last()).and_then(|(first, last)| IdRange::new(first.first, last.last));
        if self.shelf(of.0, of.1).lose(segment, lost)
            && let Some(span) = span
        {
            self.note_loss(of, path, span);
        }
    }

    fn note_loss(&self, (contract, kind): (u32, Kind), path: &str, keys: IdRange) {
        let (first, last) = (keys.first, keys.last);
        tracing::error!(contract, ?kind, path, first, last, "rows are damaged: they count as missing");
        // A count that guards nothing: whoever sees it looks at the shelves.
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    /// How often rows were found damaged that had counted as held.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }
}

impl OpenSegments {
    fn get(&mut self, number: u64) -> Option<Arc<Segment>> {
        let at = self.used.iter().rposition(|(open, _)| *open == number)?;
        let entry = self.used.remove(at)?;
        let segment = Arc::clone(&entry.1);
        self.used.push_back(entry);
        Some(segment)
    }

    fn insert(&mut self, number: u64, segment: &Arc<Segment>) {
        self.used.retain(|(open, _)| *open != number);
        if self.used.len() >= OPEN_SEGMENTS_MAX {
            self.used.pop_front();
        }
        self.used.push_back((number, Arc::clone(segment)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        codec::Tier,
        files::SimulatedDisk,
        manifest::{Level, path},
        record::{Origin, Rows},
        segment::SegmentWriter,
    };

    #[test]
    fn more_segments_than_are_open_at_once_are_served() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        disk.create_dir(Level::Hour.directory()).expect("made");
        let ledger = Ledger::read(&disk, 7).expect("readable").0;
        let library = Library::new(7, Arc::clone(&disk), ledger);
        let row = |number: u64| {
            let number = u32::try_from(number).expect("small");
            ContractRow::new(number, &Symbol::new("A").expect("a symbol"), UnixMillis::new(1))
        };
        let count = OPEN_SEGMENTS_MAX as u64 + 10;
        for number in 0..count {
            let identity = SegmentIdentity { store: 7, number };
            let path = path(Level::Hour, number);
            let made = SegmentWriter::create(&disk, identity, &path, Tier::Recent, UnixMillis::new(0));
            let mut writer = made.expect("there is room");
            writer.begin(0, Kind::Contract, false).expect("begun");
            let rows = Rows::of(Kind::Contract, &[row(number)]);
            writer.push(rows.get(0).expect("a row"), Origin::Derived).expect("written");
            writer.finish().expect("finished");
        }
        for number in (0..count).chain(0..20).chain([count - 1]) {
            let segment = library.segment(number, &path(Level::Hour, number)).expect("there");
            let rows = segment.rows(segment.section(0, Kind::Contract).expect("one"), 0).expect("whole");
            assert_eq!(rows.records::<ContractRow>().collect::<Vec<_>>(), [row(number)]);
            let open = library.open.lock().expect("whole").used.len() as u64;
            assert!(open <= OPEN_SEGMENTS_MAX as u64 && open >= OPEN_SEGMENTS_MAX as u64 - 1 || open == number + 1);
        }
        library.close(count - 1);
        assert_eq!(library.open.lock().expect("whole").used.len(), OPEN_SEGMENTS_MAX - 1);
    }
}
