//! Does `/api/v1/coverage` name what is held and lacking, and does each ranged answer say whether it is whole?

use super::*;
use serde_json::json;
use tapedeck::{
    clock::Clock,
    model::{IdRange, Price, Quantity, UnixMillis},
    store::{
        self, Holding, Opened,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::{Kind, Origin},
        storage::Options as StoreOptions,
    },
};

/// Midnight before the market's start.
const MIDNIGHT: i64 = crate::spine::START / UnixMillis::DAY * UnixMillis::DAY;

/// One trade in ten minutes from midnight, four days ago.
fn trade(id: u64) -> Trade {
    let time = UnixMillis::new(MIDNIGHT - 4 * UnixMillis::DAY + i64::try_from(id).expect("small") * 600_000);
    let (price, quantity) = (Price::from_units(1), Quantity::from_units(1));
    Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false }
}

/// Lets the store hold trades of SOLUSDT from four days ago: 1 to 100 and 301 to 540, and one of them in two versions.
fn hold(site: &Site) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let clock = Clock::starting_at(site.rig.exchange.now());
    let wanted = Identity { store: 1, venue: "sim".to_owned(), created: UnixMillis::new(0) };
    let mut opened = store::open(&disk, &wanted, StoreOptions::default(), clock).expect("opens");
    let rows = opened.storage.register(&[crate::spine::symbol("SOLUSDT")], clock.now()).expect("registered");
    let holding = Holding::new(&opened.library, &opened.desk, rows[0].number, Kind::Trade);
    let held: Vec<Trade> = (1..=100).chain(301..=540).map(trade).collect();
    assert!(holding.keep(Origin::Stream, &held));
    let mut fill = opened.sealer.filler().begin(rows[0].number, Kind::Trade, Origin::DailyArchive).expect("begun");
    fill.push(&[Trade { last_id: 99, ..trade(50) }]).expect("written");
    fill.adopt(|| {}).expect("adopted");
    opened.storage.step(clock.now());
    opened.storage.drain(clock.now());
    let ledger = opened.library.ledger();
    for source in [Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive] {
        let absent = IdRange { first: 200, last: 209 };
        ledger.note_absent((rows[0].number, Kind::Trade), absent, source, UnixMillis::new(7)).expect("written");
    }
    site.rig.contract("SOLUSDT").holding.get_or_init(|| holding);
    opened
}

#[test]
fn runs_holes_days_and_conflicts_are_told() {
    with_site(Duration::from_secs(90), options(), async |site| {
        let opened = hold(&site);
        let target = "/api/v1/coverage?symbol=SOLUSDT";
        let end = trade(541).time.get();
        let answer = site.get(&format!("{target}&end={end}")).await;
        assert_eq!((answer.status, answer.header("x-tapedeck-complete")), (200, Some("false")), "{}", answer.body);
        let json = answer.json();
        let run = |first: u64, last: u64| json!({"first": first, "last": last, "source": "stream"});
        assert_eq!(json["data"]["runs"], json!([run(1, 100), run(301, 540)]));
        let (after, before) = (trade(100).time.get(), trade(301).time.get());
        let hole = |first: u64, last: u64| json!({"first": first, "last": last, "state": "awaiting_archive", "after": after, "before": before});
        let mut absent = hole(200, 209);
        absent["state"] = json!("confirmed_absent");
        absent["confirmed_by"] = json!(["rest", "daily_archive", "monthly_archive"]);
        absent["confirmed_at"] = json!(7);
        // The last id of the day before lies behind the hole up to today's, which is in memory.
        let holes = json["data"]["holes"].as_array().expect("holes");
        assert_eq!(holes[..3], [hole(101, 199), absent, hole(210, 300)]);
        assert_eq!(json["meta"]["conflicts"], json!([50]));
        assert_eq!(json["meta"]["confirmed_absent"], 10);
        let page = site.get(&format!("{target}&limit=1")).await.json();
        assert_eq!((&page["data"]["runs"][0]["last"], &page["meta"]["next"]), (&json!(100), &json!(101)));
        let page = site.get(&format!("{target}&limit=1&from_id=101")).await.json();
        assert_eq!((&page["data"]["holes"][0]["last"], &page["meta"]["next"]), (&json!(199), &json!(200)));
        let days = site.get(&format!("{target}&by=day&end={end}")).await.json();
        let told: Vec<_> = days["data"]
            .as_array()
            .expect("days")
            .iter()
            .map(|day| (day["held"].clone(), day["complete"].clone()))
            .collect();
        // A day has 144 ids, the first 143; what the hole hides of the third counts where the hole begins.
        let expected = [(100, false), (0, false), (431 - 300, false), (540 - 431, false)];
        assert_eq!(told, expected.map(|(held, complete)| (json!(held), json!(complete))), "{days}");
        // What lies before all that is held is not known to be held.
        for range in ["start=1600000000000&end=1600000100000".to_owned(), format!("start=1600000000000&end={end}")] {
            let answer = site.get(&format!("{target}&{range}")).await;
            assert_eq!(answer.header("x-tapedeck-complete"), Some("false"), "{range}: {}", answer.body);
        }
        let (start, end) = (trade(301).time.get() + 1, trade(539).time.get());
        let answer = site.get(&format!("{target}&start={start}&end={end}")).await;
        assert_eq!(answer.header("x-tapedeck-complete"), Some("true"), "{}", answer.body);
        let every = site.get("/api/v1/coverage").await.json();
        let stored = expected.iter().map(|(held, _)| held).sum::<u64>();
        // With what is in memory.
        let held = every["data"][0]["held"].as_u64().expect("a count");
        assert!(every["data"][0]["symbol"] == "SOLUSDT" && held > stored, "{held} of more than {stored}");
        drop(opened);
    });
}

#[test]
fn each_ranged_answer_says_whether_it_is_whole() {
    with_site(Duration::from_secs(150), options(), async |site| {
        for (target, whole) in [
            ("/api/v1/trades?symbol=BTCUSDT&limit=10", "true"),
            ("/api/v1/trades?symbol=BTCUSDT&from_id=1&limit=10", "false"),
            ("/api/v1/candles?symbol=BTCUSDT&interval=1m&limit=1&closed_only=true", "true"),
            ("/api/v1/candles?symbol=BTCUSDT&interval=1m&start=1600000000000", "false"),
        ] {
            let answer = site.get(target).await;
            assert_eq!(answer.header("x-tapedeck-complete"), Some(whole), "{target}: {}", answer.body);
            assert_eq!(answer.json()["meta"]["complete"].to_string(), whole);
        }
        let answer = site.get("/api/v1/coverage?symbol=BTCUSDT").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no_store")));
        assert_eq!(site.get("/api/v1/coverage?symbol=NOPE").await.status, 404);
        assert_eq!(site.get("/api/v1/coverage?symbol=BTCUSDT&by=week").await.status, 400);
    });
}
