//! Does a store that was filled from the archive's trades agree with the archive's minutes?

use std::{
    convert::Infallible,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
};
use tapedeck::{
    clock::Clock,
    exchange::binance::archive::{AggTrades, Cadence, Dataset, Folder, Place, checksum},
    history::{
        archive::{Limits, Wanted, read},
        klines::{Checked, SymbolChecked, check, list},
    },
    model::{Candle, IdRange, Symbol, Timeframe, Trade, UnixMillis},
    net::{Fetch as _, FetchLimits},
    sim::{Exchange, ExchangeFetch, Options},
    store::{
        self, Holding,
        files::{Disk, RealDisk},
        identity::Identity,
        record::{Kind, Origin},
        storage,
    },
};

/// 2026-11-20 10:00:30 UTC.
const START: i64 = 1_795_168_830_000;
/// The day before.
pub(super) const DAY: i64 = START - START % UnixMillis::DAY - UnixMillis::DAY;
const STORE: u128 = 7;

pub(super) fn symbol() -> Symbol {
    Symbol::new("1000SHIBUSDT").expect("a symbol")
}

fn exchange() -> Arc<Exchange> {
    Exchange::open(&Options::default(), Clock::starting_at(UnixMillis::new(START))).expect("no recording, no error")
}

fn place(dataset: Dataset) -> Place {
    Folder::new(symbol(), dataset, Cadence::Daily).expect("daily").place(UnixMillis::new(DAY))
}

async fn fetched(exchange: &Arc<Exchange>, path: &str) -> Vec<u8> {
    let client = ExchangeFetch::new(exchange.clone(), FetchLimits::default());
    let response = client.get(&format!("http://sim/archive/{path}")).await.expect("an answer");
    assert_eq!(response.status, 200, "{path}");
    response.body.to_vec()
}

/// The trades of the archive's file, through its reader.
async fn trades(exchange: &Arc<Exchange>) -> Vec<Trade> {
    let place = place(Dataset::AggTrades);
    let zip = fetched(exchange, &place.path()).await;
    let sum = fetched(exchange, &place.checksum_path()).await;
    let sha256 = checksum(&sum, &place.zip_name()).expect("a checksum");
    let wanted = Wanted { place: &place, table: &AggTrades, sha256, limits: Limits::default() };
    let stage = |rows: &mut Vec<Trade>, batch: &[Trade]| {
        rows.extend_from_slice(batch);
        Ok(())
    };
    let begin = || Ok::<_, Infallible>(Vec::new());
    read(&mut Cursor::new(&zip), &wanted, begin, stage).expect("a sound file").staged
}

/// The archive's minutes in a directory.
async fn klines(exchange: &Arc<Exchange>, folder: &Path) -> PathBuf {
    let place = place(Dataset::Klines(Timeframe::MINUTE));
    let path = folder.join("klines").join(place.zip_name());
    fs::create_dir_all(folder.join("klines")).expect("made");
    fs::write(&path, fetched(exchange, &place.path()).await).expect("written");
    let sum = fetched(exchange, &place.checksum_path()).await;
    fs::write(folder.join("klines").join(format!("{}.CHECKSUM", place.zip_name())), sum).expect("written");
    path
}

/// A store of these trades, with their minutes if so asked.
pub(super) fn filled(folder: &Path, trades: &[Trade], with_minutes: bool) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder));
    let clock = Clock::starting_at(UnixMillis::new(START));
    let wanted = Identity { store: STORE, venue: "the simulator".to_owned(), created: UnixMillis::new(0) };
    let options = storage::Options { file_bytes: 1 << 20, ..storage::Options::default() };
    let mut opened = store::open(&disk, &wanted, options, clock).expect("opens");
    let number = opened.storage.register(&[symbol()], clock.now()).expect("registered")[0].number;
    let mut fill = opened.sealer.filler().begin(number, Kind::Trade, Origin::DailyArchive).expect("begun");
    fill.push(trades).expect("written");
    fill.adopt(|| {}).expect("adopted");
    opened.storage.step(clock.now());
    if with_minutes {
        let holding = Holding::new(&opened.library, &opened.desk, number, Kind::Trade);
        let mut fill = opened.sealer.filler().begin(number, Kind::Candle, Origin::Derived).expect("begun");
        let mut minutes: Vec<Candle> = Vec::new();
        holding.wrong_minutes(IdRange { first: 0, last: u64::MAX }, |wrong| minutes.extend_from_slice(wrong));
        fill.push(&minutes).expect("written");
        fill.adopt(|| {}).expect("adopted");
        opened.storage.step(clock.now());
    }
}

fn checked(store: &Path, klines: &Path) -> SymbolChecked {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(store));
    let files = list(&[klines.to_owned()]).expect("listed");
    let mut checked: Checked = check(&disk, STORE, &files, |_| {}).expect("a store");
    assert!(!checked.is_damaged(), "{checked:?}");
    let symbol = checked.symbols.pop().expect("one");
    super::assert_counted(&symbol.report);
    assert!(checked.symbols.is_empty() && symbol.is_known);
    assert!(symbol.files.iter().all(|file| file.outcome.as_ref().is_ok_and(|counts| counts.is_checked)));
    symbol
}

fn minute(time: UnixMillis) -> UnixMillis {
    time.floor(UnixMillis::MINUTE, 0)
}

#[tokio::test(start_paused = true)]
async fn a_store_of_the_archives_trades_agrees_with_the_archives_minutes() {
    let (exchange, folder) = (exchange(), tempfile::tempdir().expect("a folder"));
    let (trades, path) = (trades(&exchange).await, klines(&exchange, folder.path()).await);
    let raw = exchange.truth_raw(&symbol(), UnixMillis::new(DAY), UnixMillis::new(DAY + UnixMillis::DAY));
    // Minutes into or out of which an aggregate reaches, by the raw trades themselves.
    let time = |id: u64| raw[raw.partition_point(|fill| fill.id < id)].time;
    let straddles = |trade: &&Trade| {
        raw.last().is_some_and(|last| trade.last_id <= last.id) && minute(trade.time) != minute(time(trade.last_id))
    };
    let straddlers: Vec<&Trade> = trades.iter().filter(straddles).collect();
    assert!(straddlers.len() > 10, "{}", straddlers.len());
    for with_minutes in [true, false] {
        let store = tempfile::tempdir().expect("a folder");
        filled(store.path(), &trades, with_minutes);
        let found = checked(store.path(), &path);
        let report = &found.report;
        assert_eq!((report.minutes, report.unexplained, report.invented), (1_440, 0, 0), "{report:?}");
        // The tape begins and ends somewhere in its first and last minute.
        assert!(report.in_holes + report.at_edges <= 6, "{report:?}");
        let touched = 2 * straddlers.len() as u64;
        assert!(report.straddled <= touched && touched <= report.straddled * 2, "{report:?}");
        assert_eq!(found.folded > 0, !with_minutes);
        // Some ids are burnt: ours are an upper bound.
        let counts = report.counts;
        assert!(counts.minutes > 500 && counts.below == 0 && counts.ours >= counts.official, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_told_apart_from_a_difference() {
    let (exchange, folder) = (exchange(), tempfile::tempdir().expect("a folder"));
    let (trades, path) = (trades(&exchange).await, klines(&exchange, folder.path()).await);
    let at = |hour: i64| trades.partition_point(|trade| trade.time < UnixMillis::new(DAY + hour * UnixMillis::HOUR));
    let mut held = trades.clone();
    held.drain(at(5)..at(6));
    let store = tempfile::tempdir().expect("a folder");
    filled(store.path(), &held, true);
    let report = checked(store.path(), &path).report;
    assert_eq!((report.unexplained, report.invented), (0, 0), "{report:?}");
    assert!((55..=66).contains(&report.in_holes), "{report:?}");
    // A trade whose quantity is another is no hole.
    let wrong = trades.len() / 2;
    let mut bent = trades.clone();
    bent[wrong].quantity = tapedeck::model::Quantity::from_units(bent[wrong].quantity.units() + 100_000_000);
    let store = tempfile::tempdir().expect("a folder");
    filled(store.path(), &bent, true);
    let report = checked(store.path(), &path).report;
    let times: Vec<_> = report.differences.iter().map(|one| one.official.open_time).collect();
    assert!(times.contains(&minute(bent[wrong].time)) && times.len() <= 3, "{report:?}");
}
