//! What does a back-fill of one file do, from the first byte of the zip to the last durable candle?

use crate::{
    Failure, Stopwatch,
    month::{self, Month},
};
use std::{
    fs::{self, File},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tapedeck::{
    clock::Clock,
    exchange::binance::archive::AggTrades,
    history::archive::{Limits, Wanted, read},
    model::{IdRange, Symbol, Timeframe, UnixMillis},
    store::{
        self, Fill, FillError, Holding, Opened,
        files::{Disk, RealDisk},
        identity::Identity,
        record::{Kind, Origin},
        storage::Options,
    },
};

/// One run in an empty store.
pub(crate) fn run(dir: &Path, month: &Month) -> Result<(), Failure> {
    let dir = dir.join("store");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(RealDisk::new(&dir)), Clock::system());
    let wanted = Identity { store: 7, venue: "bench".to_owned(), created: UnixMillis::new(0) };
    let mut opened = store::open(&disk, &wanted, Options::default(), clock)?;
    let number = opened.storage.register(&[Symbol::new("BTCUSDT")?], clock.now())?[0].number;
    let holding = Holding::new(&opened.library, &opened.desk, number, Kind::Trade);

    let stopwatch = Stopwatch::start()?;
    let rows = trades(&mut opened, clock, number, month)?;
    let everything = IdRange { first: 0, last: u64::MAX };
    let mut fill = opened.sealer.filler().begin(number, Kind::Candle, Origin::Derived)?;
    let mut failed = Ok(());
    let minutes = holding.wrong_minutes(everything, |wrong| {
        if failed.is_ok() {
            failed = fill.push(wrong);
        }
    });
    failed?;
    adopt(&mut opened, clock, fill)?;
    let held = holding.shelf().runs().iter().map(|(ids, _)| ids.count()).sum::<u64>();
    assert_eq!(held, rows, "every id is held");
    stopwatch.tell(rows)?;
    // Now that time and memory do not count: what is stored is what the trades say.
    let (folded, damaged) = holding.fold(everything, Timeframe::MINUTE);
    assert!(damaged.is_empty() && folded.len() as u64 == minutes.minutes + 1);
    assert_eq!(minutes.written, minutes.minutes);
    Ok(())
}

/// Reads the zip into the store; its rows.
fn trades(opened: &mut Opened, clock: Clock, number: u32, month: &Month) -> Result<u64, Failure> {
    let place = month::place()?;
    let wanted = Wanted { place: &place, table: &AggTrades, sha256: month.sha256, limits: Limits::default() };
    let filler = opened.sealer.filler();
    let begin = || filler.begin(number, Kind::Trade, Origin::MonthlyArchive);
    let found = read(&mut File::open(&month.zip)?, &wanted, begin, |fill: &mut Fill, rows| fill.push(rows))?;
    assert_eq!((found.tally.runs.len(), found.strips), (1, 0), "no id is missing");
    adopt(opened, clock, found.staged)?;
    Ok(found.tally.rows)
}

/// Durable and to be read when it returns.
fn adopt(opened: &mut Opened, clock: Clock, fill: Fill) -> Result<(), FillError> {
    let listed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&listed);
    fill.adopt(move || told.store(true, Ordering::Relaxed))?;
    while !listed.load(Ordering::Relaxed) {
        opened.storage.step(clock.now());
    }
    Ok(())
}
