//! Does `verify` tell of each contract and series what is held by source, and what is known of the rest?

use super::store::{at, has, told};
use serde_json::{Value, json};
use std::sync::Arc;
use tapedeck::{
    clock::Clock,
    exchange::binance::archive::{Cadence, Folder},
    history::jobs::Series,
    model::{IdRange, Price, Quantity, QuoteVolume, Symbol, Trade, UnixMillis, Volume},
    store::{
        self, Holding, Opened,
        files::{Disk, RealDisk},
        identity::Identity,
        ledger::{ArchiveFile, FileRead},
        record::{FundingRow, Kind, OpenInterestRow, Origin, Record},
        storage::Options,
    },
};
use tempfile::TempDir;

/// 2024-03-01: no live source reaches it.
const DAY: i64 = 1_709_251_200_000;
const SLOT: i64 = 5 * UnixMillis::MINUTE;
const SYMBOL: &str = "BTCUSDT";

fn trade(id: u64) -> Trade {
    let time = UnixMillis::new(DAY + i64::try_from(id).expect("small") * 1_000);
    let (price, quantity) = (Price::from_units(1), Quantity::from_units(1));
    Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false }
}

fn fill<R: Record>(opened: &mut Opened, kind: Kind, origin: Origin, rows: &[R]) {
    let mut fill = opened.sealer.filler().begin(0, kind, origin).expect("begun");
    fill.push(rows).expect("written");
    fill.adopt(|| {}).expect("adopted");
    let now = Clock::starting_at(UnixMillis::new(DAY)).now();
    opened.storage.step(now);
    opened.storage.drain(now);
}

/// Trades, open interest of a day whose file is remembered and of one whose is not, and fundings.
fn store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()));
    let clock = Clock::starting_at(UnixMillis::new(DAY));
    let wanted = Identity { store: 7, venue: "the test".to_owned(), created: UnixMillis::new(0) };
    let mut opened = store::open(&disk, &wanted, Options::default(), clock).expect("opens");
    let symbol = Symbol::new(SYMBOL).expect("a symbol");
    opened.storage.register(std::slice::from_ref(&symbol), clock.now()).expect("registered");
    let holding = Holding::new(&opened.library, &opened.desk, 0, Kind::Trade);
    assert!(holding.keep(Origin::Stream, &(1..=10).map(trade).collect::<Vec<_>>()));
    fill(&mut opened, Kind::Trade, Origin::Rest, &[15, 16, 21].map(trade));
    let ledger = opened.library.ledger();
    for source in [Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive] {
        let ids = IdRange { first: 17, last: 20 };
        ledger.note_absent((0, Kind::Trade), ids, source, UnixMillis::new(DAY)).expect("written");
    }
    let row = |slot: i64| OpenInterestRow {
        time: UnixMillis::new(DAY + slot * SLOT),
        quantity: Volume::from_units(7),
        value: QuoteVolume::from_units(0),
    };
    let rows: Vec<_> = (1..=300).filter(|slot| ![5, 290].contains(slot)).map(row).collect();
    fill(&mut opened, Kind::OpenInterest, Origin::DailyArchive, &rows);
    let other = OpenInterestRow { quantity: Volume::from_units(8), ..row(7) };
    fill(&mut opened, Kind::OpenInterest, Origin::DailyArchive, &[other]);
    let folder_of = Folder::new(symbol, Series::OpenInterest.dataset(), Cadence::Daily).expect("there are such");
    let at = UnixMillis::new(DAY + 2 * UnixMillis::DAY);
    let read = FileRead {
        key: folder_of.place(UnixMillis::new(DAY)).key(),
        beside: [String::new(), String::new()],
        file: ArchiveFile { sha256: [1; 32], at, checked: at, stamp: Some(1), ids: None },
        series: (0, Kind::OpenInterest),
        source: Origin::DailyArchive,
        absent: Vec::new(),
    };
    opened.library.ledger().note_files(vec![read]).expect("written");
    let funding = |hour: i64| FundingRow {
        time: UnixMillis::new(DAY + hour * UnixMillis::HOUR + 2),
        rate: 1,
        ..FundingRow::default()
    };
    fill(&mut opened, Kind::Funding, Origin::MonthlyArchive, &[0, 8, 32].map(funding));
    folder
}

/// The cells of the line that begins with these two.
fn line<'a>(out: &'a str, series: &str) -> Vec<&'a str> {
    let words = |line: &'a str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    let mut lines = out.lines().map(words).filter(|cells| cells.starts_with(&[SYMBOL, series]));
    lines.next().unwrap_or_else(|| panic!("no line of {series} in\n{out}"))
}

#[test]
fn each_series_is_told_by_source_and_state() {
    let store = store();
    let (code, out, err) = told(&["verify", "--data-dir", at(&store)]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    // Stream, REST, awaiting, absent, trust point.
    let coverage = &out[out.find("coverage in ids").expect("a part")..];
    assert_eq!(line(coverage, "trades")[2..], ["10", "3", "4", "4", "15"], "{out}");
    let coverage = &out[out.find("coverage in time").expect("a part")..];
    let interest = ["1 d", "5 min", "5 min", "1", "2024-03-02 00:15"];
    assert_eq!(line(coverage, "open_interest")[2..], interest, "{out}");
    has(
        &out,
        &["times that are missing", "confirmed absent: the venue has none", "2024-03-01 00:25", "awaiting archive"],
    );
    has(&out, &["rest, daily archive, monthly archive", "2024-03-01 08:00"]);
    // Holes in time are told, and are no fault.
    let (code, strict, _) = told(&["verify", "--data-dir", at(&store), "--strict"]);
    assert_eq!(code, Some(2));
    has(&strict, &["not whole: 1 hole of 4 ids (--strict)"]);
    assert!(out.lines().all(|line| line.chars().count() <= 140), "a terminal shows it:\n{out}");
}

#[test]
fn a_program_is_told_the_same() {
    let store = store();
    let (code, out, _) = told(&["verify", "--data-dir", at(&store), "--json"]);
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let of = |series: &str| {
        let lines = told["coverage"].as_array().expect("a list");
        lines.iter().find(|line| line["series"] == series).unwrap_or_else(|| panic!("{series} in {out}"))
    };
    let trades = of("trades");
    assert_eq!(trades["held"], json!({"stream": 10, "rest": 3}));
    assert_eq!((&trades["awaiting_archive"], &trades["whole_from_id"]), (&json!(4), &json!(15)));
    assert_eq!(trades["holes"][0], json!({"first": 11, "last": 14, "state": "awaiting_archive"}));
    let by = ["rest", "daily_archive", "monthly_archive"];
    let absent = json!({"first": 17, "last": 20, "state": "confirmed_absent", "confirmed_by": by, "confirmed_at": DAY});
    assert_eq!(trades["holes"][1], absent);
    let interest = of("open_interest");
    assert_eq!(interest["held_ms"], json!({"daily_archive": 298 * SLOT}));
    let hole = |slot: i64| (json!(DAY + slot * SLOT), json!(DAY + (slot + 1) * SLOT));
    let holes = interest["holes"].as_array().expect("holes");
    let told: Vec<_> = holes.iter().map(|hole| (hole["start"].clone(), hole["end"].clone())).collect();
    assert_eq!(told, [hole(5), hole(290)]);
    assert_eq!(
        (&holes[0]["state"], &holes[0]["confirmed_by"]),
        (&json!("confirmed_absent"), &json!(["daily_archive"]))
    );
    assert_eq!((&holes[1]["state"], &interest["conflicts"]), (&json!("awaiting_archive"), &json!(1)));
    assert_eq!(interest["whole_from"], json!(DAY + 291 * SLOT));
    let funding = of("funding");
    let missing = 24 * UnixMillis::HOUR - 1_000;
    assert_eq!((&funding["missing_ms"], &funding["symbol"]), (&json!(missing), &json!(SYMBOL)));
}
