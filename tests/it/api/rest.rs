//! Is what REST answers what the exchange published?

use super::*;
use serde_json::{Value, json};
use tapedeck::model::{Candle, Timeframe};

/// So long the market has run; its first minute begins before the tape.
const AGE: Duration = Duration::from_secs(230);

/// The text of a number or a string.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Rows of trades, decimals as text.
fn trades(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"].as_array().expect("rows").clone()
}

fn ids(rows: &[Value]) -> (u64, u64) {
    let id = |row: Option<&Value>| row.and_then(|row| row["id"].as_u64()).expect("an id");
    (id(rows.first()), id(rows.last()))
}

#[test]
fn trades_are_the_published_ones() {
    with_site(AGE, options(), async |site| {
        let rows = trades(&site.get("/api/v1/trades?symbol=btcusdt&limit=500&decimals=string").await);
        assert_eq!(rows.len(), 500);
        let (first, last) = ids(&rows);
        assert_eq!(rows, site.truth(first, last).iter().map(row).collect::<Vec<_>>());
        let target = format!("/api/v1/trades?symbol=BTCUSDT&from_id={first}&limit=500");
        let answer = site.get(&target).await;
        assert_eq!(trades(&answer).len(), 500);
        for trade in site.truth(first, last) {
            let row = format!("{{\"id\":{},\"time\":{},\"price\":{},", trade.id, trade.time.get(), trade.price);
            assert!(answer.body.contains(&row), "exact numbers: {row}");
        }
        let (start, end) = (rows[100]["time"].as_i64().expect("ms"), rows[400]["time"].as_i64().expect("ms"));
        let target = format!("/api/v1/trades?symbol=BTCUSDT&start={start}&end={end}&limit=5000&decimals=string");
        let expected = rows.iter().filter(|row| (start..end).contains(&row["time"].as_i64().expect("ms")));
        assert_eq!(trades(&site.get(&target).await), expected.cloned().collect::<Vec<_>>());
    });
}

#[test]
fn pages_join_without_hole_or_overlap() {
    with_site(AGE, options(), async |site| {
        let oldest = trades(&site.get("/api/v1/trades?symbol=BTCUSDT&limit=10000").await);
        let (first, last) = ids(&oldest);
        let (mut walked, mut next) = (Vec::new(), Some(first));
        while let Some(from) = next.filter(|from| *from <= last) {
            let target = format!("/api/v1/trades?symbol=BTCUSDT&from_id={from}&limit=333&decimals=string");
            let page = site.get(&target).await;
            assert_eq!(page.json()["meta"]["complete"], true);
            walked.extend(trades(&page));
            next = page.json()["meta"]["next"].as_u64();
        }
        walked.retain(|row| row["id"].as_u64() <= Some(last));
        assert!(walked.len() > 1_000, "{}", walked.len());
        assert_eq!(walked, site.truth(first, last).iter().map(row).collect::<Vec<_>>());
    });
}

/// Closed candles as the answer should have them, folded in the plainest way.
fn folded(site: &Site, minutes: u32) -> Vec<Candle> {
    let timeframe = Timeframe::minutes(minutes).expect("in range");
    let (from, now) = (crate::spine::START, site.rig.exchange.now().get());
    let contract = site.rig.contract("BTCUSDT");
    let (published, _) = oracle::truth(&site.rig, &contract, (from - 60_000, now + 1));
    let whole = |candle: &Candle| candle.open_time.get() >= from && candle.close_time.get() < now - 1_500;
    oracle::fold(timeframe, &published).into_values().filter(whole).collect()
}

#[test]
fn candles_are_the_plain_fold() {
    with_site(AGE, options(), async |site| {
        for minutes in [1, 2] {
            let target = format!("/api/v1/candles?symbol=BTCUSDT&interval={minutes}m&closed_only=true&decimals=string");
            let answer = site.get(&target).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let json = answer.json();
            let expected = folded(&site, minutes);
            assert!(!expected.is_empty());
            for candle in expected {
                let rows = json["data"].as_array().expect("rows");
                let row = rows.iter().find(|row| row["open_time"] == candle.open_time.get());
                let row = row.unwrap_or_else(|| panic!("no {candle:?} in {json}"));
                for (field, expected) in [
                    ("close_time", candle.close_time.get().to_string()),
                    ("open", candle.open.to_string()),
                    ("high", candle.high.to_string()),
                    ("low", candle.low.to_string()),
                    ("close", candle.close.to_string()),
                    ("volume", candle.volume.to_string()),
                    ("quote_volume", candle.quote_volume.to_string()),
                    ("taker_buy_volume", candle.taker_buy_volume.to_string()),
                    ("trades", candle.trades.to_string()),
                    ("first_id", candle.first_id.to_string()),
                    ("last_id", candle.last_id.to_string()),
                    ("closed", "true".to_owned()),
                    ("complete", "true".to_owned()),
                    ("source", "trades".to_owned()),
                ] {
                    assert_eq!(text(&row[field]), expected, "{field} of {row}");
                }
            }
        }
    });
}

#[test]
fn columns_hold_the_rows() {
    with_site(AGE, options(), async |site| {
        let target = "/api/v1/candles?symbol=BTCUSDT&interval=1m&closed_only=true";
        let rows = site.get(target).await.json()["data"].as_array().expect("rows").clone();
        let columns = site.get(&format!("{target}&shape=columns")).await.json();
        assert!(rows.len() >= 2);
        for name in rows[0].as_object().expect("an object").keys() {
            let column: Vec<_> = rows.iter().map(|row| row[name].clone()).collect();
            assert_eq!(columns["data"][name], Value::Array(column), "{name}");
        }
        let none = site.get(&format!("{target}&shape=columns&end=2020-01-01")).await.json();
        assert!(none["data"].is_object(), "{none}");
    });
}

#[test]
fn every_refusal_names_its_parameter() {
    with_site(Duration::from_secs(5), options(), async |site| {
        let (trades, candles) = ("/api/v1/trades?symbol=BTCUSDT&", "/api/v1/candles?symbol=BTCUSDT&interval=1m&");
        for (base, query, status, param) in [
            (trades, "limit=0", 400, "limit"),
            (trades, "limit=10001", 400, "limit"),
            (trades, "limit=", 400, "limit"),
            (trades, "from_id=-1", 400, "from_id"),
            (trades, "decimals=float", 400, "decimals"),
            (trades, "colour=1", 400, "colour"),
            (trades, "limit=1&limit=2", 400, "limit"),
            (trades, "start=yesterday", 400, "start"),
            (trades, "end=1795168830", 400, "end"),
            (trades, "start=2026-11-21&end=2026-11-20", 422, "start"),
            (candles, "fill=zero", 400, "fill"),
            (candles, "shape=cube", 400, "shape"),
            (candles, "closed_only=yes", 400, "closed_only"),
            (candles, "origin=week", 400, "origin"),
            ("/api/v1/candles?symbol=BTCUSDT&", "interval=1x", 400, "interval"),
            ("/api/v1/candles?symbol=BTCUSDT&", "", 400, "interval"),
            ("/api/v1/trades?", "symbol=NOPE", 404, "symbol"),
            ("/api/v1/trades", "", 400, "symbol"),
        ] {
            let answer = site.get(&format!("{base}{query}")).await;
            let problem = answer.json();
            assert_eq!((answer.status, &problem["errors"][0]["param"]), (status, &param.into()), "{query}: {problem}");
        }
        let seconds = site.get("/api/v1/trades?symbol=BTCUSDT&start=1795168830").await;
        assert!(seconds.json()["detail"].as_str().expect("a detail").contains("seconds"), "{}", seconds.body);
    });
}

#[test]
fn empty_minutes_are_filled_on_request() {
    with_quiet_site(async |site| {
        let target = "/api/v1/candles?symbol=SOLUSDT&interval=1m&closed_only=true";
        let rows = async |more: &str| site.get(&format!("{target}{more}")).await.json()["data"].clone();
        let (none, nulls, previous) = (rows("").await, rows("&fill=null").await, rows("&fill=previous").await);
        let [none, nulls, previous] = [none, nulls, previous].map(|rows| rows.as_array().expect("rows").clone());
        assert!(none.len() < nulls.len(), "a quiet minute: {none:?}");
        assert_eq!(nulls.len(), previous.len());
        let mut close = Value::Null;
        for (at, (null, flat)) in nulls.iter().zip(&previous).enumerate() {
            let open_time = nulls[0]["open_time"].as_i64().expect("ms") + 60_000 * i64::try_from(at).expect("few");
            assert_eq!((&null["open_time"], &flat["open_time"]), (&open_time.into(), &open_time.into()));
            match none.iter().find(|row| row["open_time"] == open_time) {
                Some(traded) => assert_eq!((null, flat), (traded, traded)),
                None => {
                    let fields = |row: &Value| row.as_object().expect("a row").keys().cloned().collect::<Vec<_>>();
                    assert_eq!(fields(null), fields(flat), "every field of a candle");
                    assert_eq!(null["close_time"], open_time + 60_000);
                    let figures = null.as_object().expect("a row").iter().filter(|(name, _)| !name.ends_with("_time"));
                    assert!(figures.clone().all(|(_, value)| value.is_null()), "{null}");
                    assert_eq!([&flat["open"], &flat["high"], &flat["low"], &flat["close"]], [&close; 4]);
                    assert_eq!((text(&flat["volume"]), &flat["trades"]), ("0".to_owned(), &0.into()));
                    assert_eq!((&flat["first_id"], &flat["last_id"]), (&Value::Null, &Value::Null));
                }
            }
            close = flat["close"].clone();
        }
        let few = rows(&format!("&fill=null&limit=2&start={}", nulls[0]["open_time"])).await;
        assert_eq!(few, json!(&nulls[..2]), "a range from its start goes forward");
    });
}

/// Follows `next` from page to page; every row, and what the pages said of their completeness.
async fn walk(site: &Site, target: &str, start: &Value) -> (Vec<Value>, Vec<bool>) {
    let (mut rows, mut complete, mut next) = (Vec::new(), Vec::new(), start.clone());
    while !next.is_null() {
        let page = site.get(&format!("{target}&start={next}&limit=3")).await.json();
        let data = page["data"].as_array().expect("rows");
        assert!((1..=3).contains(&data.len()), "{page}");
        rows.extend(data.iter().cloned());
        complete.push(page["meta"]["complete"] == true);
        next = page["meta"]["next"].clone();
    }
    (rows, complete)
}

#[test]
fn pages_of_candles_join_without_hole_or_overlap() {
    with_quiet_site(async |site| {
        for fill in ["none", "null", "previous"] {
            let target = format!("/api/v1/candles?symbol=SOLUSDT&interval=1m&closed_only=true&fill={fill}");
            let whole = site.get(&target).await.json();
            let whole = whole["data"].as_array().expect("rows");
            assert!(whole.len() > 6, "{whole:?}");
            let (mut rows, complete) = walk(&site, &target, &whole[0]["open_time"]).await;
            // A minute may have closed since.
            rows.truncate(whole.len());
            assert_eq!(&rows, whole, "{fill}");
            assert!(complete[1..].iter().all(|complete| *complete), "{fill}");
        }
    });
}

#[test]
fn a_range_before_what_memory_holds_is_not_complete_and_says_where_that_begins() {
    with_site(AGE, options(), async |site| {
        let target = "/api/v1/candles?symbol=BTCUSDT&interval=1m&closed_only=true";
        let newest = site.get(target).await.json();
        let (oldest, second) = (newest["data"][0].clone(), newest["data"][1].clone());
        assert_eq!(newest["meta"]["held_from"], oldest["open_time"]);
        let limited = site.get(&format!("{target}&limit=2")).await.json();
        let rows = newest["data"].as_array().expect("rows");
        assert_eq!(limited["data"], json!(rows[rows.len() - 2..]), "two closed ones, whatever is current");
        let since = async |start: i64| site.get(&format!("{target}&start={start}&limit=2")).await.json();
        let second_at = second["open_time"].as_i64().expect("ms");
        let held = since(second_at).await;
        assert_eq!((&held["data"][0], &held["meta"]["complete"]), (&second, &true.into()));
        let before = since(second_at - 3_600_000).await;
        assert_eq!((&before["data"][0], &before["meta"]["complete"]), (&oldest, &false.into()));
        assert_eq!(
            (&before["meta"]["held_from"], &before["meta"]["next"]),
            (&oldest["open_time"], &rows[2]["open_time"])
        );
    });
}
