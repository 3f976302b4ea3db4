//! Does `/api/v1/coverage` tell of series without ids which times are held and lacking?

use super::*;
use serde_json::{Value, json};
use tapedeck::{
    clock::Clock,
    exchange::binance::archive::{Cadence, Folder},
    history::jobs::Series,
    model::{Candle, Price, QuoteVolume, Source, UnixMillis, Volume},
    store::{
        self, Holding, Opened,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        ledger::{ArchiveFile, FileRead},
        record::{FundingRow, Kind, OpenInterestRow, Origin, Record, Rows},
        storage::Options as StoreOptions,
    },
};

const SYMBOL: &str = "SOLUSDT";
const DAY: i64 = UnixMillis::DAY;
const HOUR: i64 = UnixMillis::HOUR;
const MINUTE: i64 = UnixMillis::MINUTE;
/// Midnight before the market's start.
const MIDNIGHT: i64 = crate::spine::START / DAY * DAY;
/// A day that live sources do not reach, and one that they do.
const OLD: i64 = MIDNIGHT - 40 * DAY;
const YOUNG: i64 = MIDNIGHT - 3 * DAY;

/// A store in which nothing is held of one contract.
fn open(site: &Site) -> (Opened, u32) {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let clock = Clock::starting_at(site.rig.exchange.now());
    let wanted = Identity { store: 1, venue: "sim".to_owned(), created: UnixMillis::new(0) };
    let mut opened = store::open(&disk, &wanted, StoreOptions::default(), clock).expect("opens");
    let rows = opened.storage.register(&[crate::spine::symbol(SYMBOL)], clock.now()).expect("registered");
    let holding = Holding::new(&opened.library, &opened.desk, rows[0].number, Kind::Trade);
    site.rig.contract(SYMBOL).holding.get_or_init(|| holding);
    (opened, rows[0].number)
}

/// Lets the store hold rows of a source.
fn fill<R: Record>(opened: &mut Opened, of: (u32, Kind), origin: Origin, rows: &[R]) {
    let mut fill = opened.sealer.filler().begin(of.0, of.1, origin).expect("begun");
    fill.push(rows).expect("written");
    fill.adopt(|| {}).expect("adopted");
    let now = Clock::starting_at(UnixMillis::new(MIDNIGHT)).now();
    opened.storage.step(now);
    opened.storage.drain(now);
}

/// Lets the ledger remember that the archive's file of a time was taken, twelve hours after its end.
fn remember(opened: &Opened, contract: u32, series: Series, cadence: Cadence, time: i64) -> i64 {
    let folder = Folder::new(crate::spine::symbol(SYMBOL), series.dataset(), cadence).expect("there are such");
    let place = folder.place(UnixMillis::new(time));
    let at = place.period().end().plus(12 * HOUR);
    let source = if cadence == Cadence::Daily { Origin::DailyArchive } else { Origin::MonthlyArchive };
    let file = ArchiveFile { sha256: [1; 32], at, checked: at, stamp: Some(1), ids: None };
    let (key, beside, series) = (place.key(), [String::new(), String::new()], (contract, series.kind()));
    let read = FileRead { key, beside, file, series, source, absent: Vec::new() };
    opened.library.ledger().note_files(vec![read]).expect("written");
    at.get()
}

fn open_interest(time: i64, quantity: i128) -> OpenInterestRow {
    let (time, value) = (UnixMillis::new(time), QuoteVolume::from_units(0));
    OpenInterestRow { time, quantity: Volume::from_units(quantity), value }
}

/// The rows of a day's file, but for those of some slots.
fn day_file(day: i64, without: &[i64]) -> Vec<OpenInterestRow> {
    let slots = (1..=288).filter(|slot| !without.contains(slot));
    slots.map(|slot| open_interest(day + slot * 5 * MINUTE, 7)).collect()
}

fn run(start: i64, end: i64, source: &str) -> Value {
    json!({"start": start, "end": end, "source": source})
}

fn hole(start: i64, end: i64, state: &str) -> Value {
    json!({"start": start, "end": end, "state": state})
}

fn absent(start: i64, end: i64, by: &[&str], at: i64) -> Value {
    let mut hole = hole(start, end, "confirmed_absent");
    hole["confirmed_by"] = json!(by);
    hole["confirmed_at"] = json!(at);
    hole
}

#[test]
fn open_interest_is_told_by_its_grid() {
    with_site(Duration::from_secs(90), options(), async |site| {
        let (mut opened, contract) = open(&site);
        let of = (contract, Kind::OpenInterest);
        // The first day's last row is the next midnight's.
        fill(&mut opened, of, Origin::DailyArchive, &day_file(OLD, &[120, 121, 288]));
        fill(&mut opened, of, Origin::DailyArchive, &day_file(OLD + DAY, &[50]));
        fill(&mut opened, of, Origin::DailyArchive, &[open_interest(OLD + 5 * MINUTE, 8)]);
        let at = remember(&opened, contract, Series::OpenInterest, Cadence::Daily, OLD);
        let poll = Rows::of(Kind::OpenInterest, &[open_interest(YOUNG + 12_345, 7)]);
        let shelf = opened.library.shelf(contract, Kind::OpenInterest);
        assert!(opened.desk.offer(&shelf, Origin::Stream, poll));
        let target = format!("/api/v1/coverage?symbol={SYMBOL}&series=open_interest");
        let answer = site.get(&target).await;
        assert_eq!((answer.status, answer.header("x-tapedeck-complete")), (200, Some("false")), "{}", answer.body);
        let (told, slot) = (answer.json(), |day: i64, slot: i64| day + slot * 5 * MINUTE);
        let day = OLD + DAY;
        let daily = |from: i64, to: i64| run(from, to, "daily_archive");
        let runs = [
            daily(slot(OLD, 1), slot(OLD, 120)),
            daily(slot(OLD, 122), slot(OLD, 288)),
            daily(slot(day, 1), slot(day, 50)),
            daily(slot(day, 51), slot(day, 289)),
            run(YOUNG, YOUNG + 5 * MINUTE, "stream"),
        ];
        assert_eq!(told["data"]["runs"], json!(runs));
        let holes = told["data"]["holes"].as_array().expect("holes");
        let by = ["daily_archive"];
        let first = [
            absent(slot(OLD, 120), slot(OLD, 122), &by, at),
            absent(slot(OLD, 288), slot(OLD, 289), &by, at),
            hole(slot(day, 50), slot(day, 51), "awaiting_archive"),
        ];
        assert_eq!(holes[..3], first);
        // Of the long one the venue still offers the last thirty days.
        let horizon = holes[3]["end"].as_i64().expect("a time");
        let now = site.rig.exchange.now().get();
        assert!((now - 30 * DAY - horizon).abs() <= 10 * MINUTE, "{horizon}");
        assert_eq!(holes[3..], [hole(slot(day, 289), horizon, "awaiting_archive"), hole(horizon, YOUNG, "missing")]);
        let meta = &told["meta"];
        assert_eq!((&meta["confirmed_absent_ms"], &meta["whole_from"]), (&json!(15 * MINUTE), &json!(YOUNG)));
        assert_eq!(meta["conflicts"], json!([OLD + 5 * MINUTE]));
        assert_eq!((&meta["held_from"], &meta["series"]), (&json!(slot(OLD, 1)), &json!("open_interest")));
        pages(&site, &target, &told).await;
        days_of_open_interest(&site, &target).await;
        drop(opened);
    });
}

/// Page after page gives what one answer gives.
async fn pages(site: &Site, target: &str, told: &Value) {
    let (mut runs, mut holes, mut next) = (Vec::new(), Vec::new(), json!(0));
    for _ in 0..20 {
        let page = site.get(&format!("{target}&limit=1&start={}", next.as_i64().expect("a time").max(1))).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        runs.extend(page["data"]["runs"].as_array().expect("runs").clone());
        holes.extend(page["data"]["holes"].as_array().expect("holes").clone());
        next = page["meta"]["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!((json!(runs), json!(holes)), (told["data"]["runs"].clone(), told["data"]["holes"].clone()));
}

async fn days_of_open_interest(site: &Site, target: &str) {
    let days = site.get(&format!("{target}&by=day&limit=3")).await.json();
    let told = days["data"].as_array().expect("days").iter().map(|day| {
        let figure = |name: &str| day[name].as_i64().expect("a figure") / (5 * MINUTE);
        (figure("held_ms"), figure("confirmed_absent_ms"), figure("awaiting_archive_ms"), day["complete"].clone())
    });
    let told: Vec<_> = told.collect();
    let expected = [(285, 2, 0, false), (286, 1, 1, false), (1, 0, 287, false)];
    assert_eq!(told, expected.map(|(held, absent, awaited, complete)| (held, absent, awaited, json!(complete))));
    assert_eq!(days["meta"]["next"], json!(OLD + 3 * DAY));
    let (start, end) = (OLD + 5 * MINUTE, OLD + DAY + 50 * 5 * MINUTE);
    let answer = site.get(&format!("{target}&start={start}&end={end}")).await;
    assert_eq!(answer.header("x-tapedeck-complete"), Some("true"), "{}", answer.body);
    let answer = site.get(&format!("{target}&start={}&end={end}", OLD)).await;
    assert_eq!(answer.header("x-tapedeck-complete"), Some("false"), "before all that is held");
}

#[test]
fn fundings_join_at_the_venues_intervals() {
    with_site(Duration::from_secs(90), options(), async |site| {
        let (mut opened, contract) = open(&site);
        let funding = |time: i64| FundingRow { time: UnixMillis::new(time), rate: 1, ..FundingRow::default() };
        // Every eight hours, then every hour, then a day is lacking, and the last came over REST.
        let hours = [0, 8, 16, 17, 18, 42, 50];
        let rows = hours.map(|hour| funding(OLD + hour * HOUR + 3));
        fill(&mut opened, (contract, Kind::Funding), Origin::MonthlyArchive, &rows);
        fill(&mut opened, (contract, Kind::Funding), Origin::Rest, &[funding(OLD + 58 * HOUR + 1)]);
        let target = format!("/api/v1/coverage?symbol={SYMBOL}&series=funding");
        let (start, gap) = (OLD, (OLD + 18 * HOUR + 1_000, OLD + 42 * HOUR));
        let told = site.get(&target).await.json();
        let end = OLD + 58 * HOUR;
        let runs =
            [run(start, gap.0, "monthly_archive"), run(gap.1, end, "monthly_archive"), run(end, end + 1_000, "rest")];
        let expected = json!({"runs": runs, "holes": [hole(gap.0, gap.1, "missing")]});
        assert_eq!(told["data"], expected, "REST offers all fundings");
        let at = remember(&opened, contract, Series::Funding, Cadence::Monthly, OLD);
        let answer = site.get(&target).await;
        let hole = absent(gap.0, gap.1, &["monthly_archive"], at);
        assert_eq!(answer.json()["data"]["holes"], json!([hole]), "the archive has no days of them");
        assert_eq!(answer.header("x-tapedeck-complete"), Some("true"));
        assert_eq!(answer.json()["meta"]["whole_from"], json!(start));
        let every = site.get("/api/v1/coverage?series=funding").await;
        assert_eq!(every.json()["data"][0]["symbol"], json!(SYMBOL), "{}", every.body);
        assert_eq!(every.json()["data"][0]["confirmed_absent_ms"], json!(gap.1 - gap.0));
        drop(opened);
    });
}

fn kline(time: i64) -> Candle {
    let (open_time, price) = (UnixMillis::new(time), Price::from_units(1));
    let (volume, quote_volume) = (Volume::from_units(1), QuoteVolume::from_units(1));
    Candle {
        open_time,
        close_time: open_time.plus(MINUTE),
        open: price,
        high: price,
        low: price,
        close: price,
        volume,
        quote_volume,
        taker_buy_volume: volume,
        taker_buy_quote_volume: quote_volume,
        trades: 1,
        raw_trades: 1,
        first_id: 0,
        last_id: 0,
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Klines,
    }
}

#[test]
fn a_minute_is_absent_once_both_archives_lack_it() {
    with_site(Duration::from_secs(90), options(), async |site| {
        let (mut opened, contract) = open(&site);
        let minutes: Vec<_> = (0..10).chain(12..20).map(|minute| kline(OLD + minute * MINUTE)).collect();
        fill(&mut opened, (contract, Kind::Candle), Origin::DailyArchive, &minutes);
        let target = format!("/api/v1/coverage?symbol={SYMBOL}&series=candles");
        let gap = (OLD + 10 * MINUTE, OLD + 12 * MINUTE);
        let daily = remember(&opened, contract, Series::Candles, Cadence::Daily, OLD);
        let told = site.get(&target).await.json();
        assert_eq!(told["data"]["holes"], json!([hole(gap.0, gap.1, "missing")]), "one archive is no proof");
        assert_eq!(told["meta"]["held_ms"], json!(18 * MINUTE));
        let monthly = remember(&opened, contract, Series::Candles, Cadence::Monthly, OLD);
        let told = site.get(&target).await.json();
        let by = ["daily_archive", "monthly_archive"];
        assert_eq!(told["data"]["holes"], json!([absent(gap.0, gap.1, &by, daily.max(monthly))]));
        drop(opened);
    });
}

#[test]
fn a_series_that_is_none_is_refused_with_those_that_are() {
    with_site(Duration::from_secs(90), options(), async |site| {
        let (opened, _) = open(&site);
        for target in ["series=spreads", "series=raw_trades"] {
            let answer = site.get(&format!("/api/v1/coverage?symbol={SYMBOL}&{target}")).await;
            assert_eq!(
                (answer.status, &answer.json()["errors"][0]["param"]),
                (400, &json!("series")),
                "{}",
                answer.body
            );
            assert!(answer.body.contains("trades, candles, open_interest or funding"), "{}", answer.body);
        }
        let answer = site.get(&format!("/api/v1/coverage?symbol={SYMBOL}&series=funding&from_id=1")).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["param"]), (400, &json!("from_id")), "{}", answer.body);
        let nothing = site.get(&format!("/api/v1/coverage?symbol={SYMBOL}&series=candles")).await;
        assert_eq!(nothing.header("x-tapedeck-complete"), Some("false"), "nothing is held: {}", nothing.body);
        assert_eq!(nothing.json()["data"], json!({"runs": [], "holes": []}));
        drop(opened);
    });
}
