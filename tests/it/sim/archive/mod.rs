//! Does the archive hold the market's truth, from the hour on that it should, and lie only when told to?

mod faults;
mod listing;

use super::*;
use rust_decimal::Decimal;
use std::io::{Cursor, Read};
use tapedeck::{
    net::{Fetch, FetchError, FetchLimits},
    sim::{ArchiveFault, Defect, ExchangeFetch, Execution},
};

const DAILY: &str = "data/futures/um/daily";
/// 2026-11-19 00:00 UTC, the day before the start.
const DAY: i64 = START - START % UnixMillis::DAY - UnixMillis::DAY;
const COIN: &str = "币安人生USDT";

/// A client of `exchange`.
fn client(exchange: &Arc<Exchange>) -> ExchangeFetch {
    ExchangeFetch::new(exchange.clone(), FetchLimits::default())
}

async fn fetched(exchange: &Arc<Exchange>, path: &str) -> tapedeck::net::Response {
    client(exchange).get(&format!("http://sim/archive/{path}")).await.expect("an answer")
}

/// The bytes of `path`, which is there.
async fn bytes(exchange: &Arc<Exchange>, path: &str) -> Vec<u8> {
    let response = fetched(exchange, path).await;
    assert_eq!(response.status, 200, "{path}: {}", String::from_utf8_lossy(&response.body));
    response.body.to_vec()
}

/// The entries of a zip: names and texts.
fn entries(zip: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).expect("a zip");
    let count = archive.len();
    let read = |index| {
        let mut entry = archive.by_index(index).expect("an entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("whole");
        (entry.name().expect("a name").into_owned(), text)
    };
    (0..count).map(read).collect()
}

/// The text of the only entry of `path`.
async fn csv(exchange: &Arc<Exchange>, path: &str) -> String {
    let mut entries = entries(&bytes(exchange, path).await);
    assert_eq!(entries.len(), 1);
    entries.remove(0).1
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decimal as the archive writes those of trades.
fn plain(units: i64) -> String {
    let text = Decimal::new(units, 8).normalize().to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn agg_row(trade: &Trade) -> String {
    let (price, quantity) = (plain(trade.price.units()), plain(trade.quantity.units()));
    let Trade { id, first_id, last_id, time, buyer_is_maker, .. } = trade;
    format!("{id},{price},{quantity},{first_id},{last_id},{time},{buyer_is_maker}")
}

fn day_of(dataset: &str, symbol: &str) -> String {
    format!("{DAILY}/{dataset}/{symbol}/{symbol}-{dataset}-2026-11-19.zip")
}

#[tokio::test(start_paused = true)]
async fn a_day_of_aggregates_is_the_truth_and_its_checksum_matches() {
    let exchange = exchange(START);
    for (name, escaped) in [("1000SHIBUSDT", "1000SHIBUSDT"), (COIN, "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT")] {
        let zip = bytes(&exchange, &day_of("aggTrades", escaped)).await;
        let (entry, text) = entries(&zip).remove(0);
        assert_eq!(entry, format!("{name}-aggTrades-2026-11-19.csv"));
        let mut lines = text.lines();
        let header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker";
        assert_eq!(lines.next(), Some(header));
        let truth = exchange.truth(&symbol(name), at(DAY), at(DAY + UnixMillis::DAY));
        assert!(truth.len() > 50_000);
        let rows: Vec<&str> = lines.collect();
        assert_eq!(rows.len(), truth.len());
        for (row, trade) in rows.iter().zip(&truth) {
            assert_eq!(*row, agg_row(trade));
        }
        assert!(text.ends_with('\n'));
        let checksum = bytes(&exchange, &format!("{}.CHECKSUM", day_of("aggTrades", escaped))).await;
        let expected = format!("{}  {name}-aggTrades-2026-11-19.zip\n", sha256(&zip));
        assert_eq!(String::from_utf8(checksum).expect("text"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_raw_trades_is_the_truth_without_burnt_ids() {
    let exchange = exchange(START);
    let text = csv(&exchange, &day_of("trades", "1000SHIBUSDT")).await;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,price,qty,quote_qty,time,is_buyer_maker"));
    let mut truth = exchange.truth_raw(&symbol("1000SHIBUSDT"), at(DAY), at(DAY + UnixMillis::DAY));
    let all = truth.len();
    truth.retain(|fill| fill.execution == Execution::Market);
    assert!(truth.len() < all && truth.len() > 100_000);
    assert_eq!(lines.clone().count(), truth.len());
    for (row, fill) in lines.zip(&truth) {
        let quote = Decimal::new(fill.price.units(), 8) * Decimal::new(fill.quantity.units(), 8);
        let (price, quantity) = (plain(fill.price.units()), plain(fill.quantity.units()));
        let expected = format!("{},{price},{quantity},{quote:.8},{},{}", fill.id, fill.time, fill.buyer_is_maker);
        assert_eq!(row, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_klines_is_what_rest_says() {
    let exchange = exchange(START);
    let text = csv(&exchange, &format!("{DAILY}/klines/{COIN}/1m/{COIN}-1m-2026-11-19.zip")).await;
    let mut lines = text.lines();
    let header = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,\
                  taker_buy_quote_volume,ignore";
    assert_eq!(lines.next(), Some(header));
    let rows: Vec<&str> = lines.collect();
    assert_eq!(rows.len(), 1_440, "minutes without trades are there too");
    let target = format!("/fapi/v1/klines?symbol={COIN}&interval=1m&startTime={DAY}&limit=1440");
    for (row, shown) in rows.iter().zip(get(&exchange, &target).1.as_array().expect("rows")) {
        let fields = shown.as_array().expect("fields").iter();
        let fields: Vec<String> =
            fields.map(|field| field.as_str().map_or_else(|| field.to_string(), str::to_owned)).collect();
        assert_eq!(*row, fields.join(","));
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_metrics_agrees_with_rest() {
    let exchange = exchange(START);
    let text = csv(&exchange, &day_of("metrics", "SOLUSDT")).await;
    let mut lines = text.lines();
    assert!(lines.next().expect("a header").starts_with("create_time,symbol,sum_open_interest,"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0][0], rows[287][0]), (288, "2026-11-19 00:05:00", "2026-11-20 00:00:00"));
    assert!(rows.iter().all(|row| row.len() == 8 && row[1] == "SOLUSDT"));
    assert!(rows.iter().flatten().any(|field| field.is_empty()), "cells may be empty");
    let start = DAY + 5 * UnixMillis::MINUTE;
    let target = format!("/futures/data/openInterestHist?symbol=SOLUSDT&period=5m&startTime={start}&limit=288");
    let (_, shown) = get(&exchange, &target);
    assert_eq!(shown.as_array().expect("rows").len(), 288);
    for (row, shown) in rows.iter().zip(shown.as_array().expect("rows")) {
        let number = |text: &str| text.parse::<Decimal>().expect("decimal").trunc_with_scale(8).normalize();
        assert_eq!(number(row[2]), number(shown["sumOpenInterest"].as_str().expect("text")));
        assert_eq!(number(row[3]), number(shown["sumOpenInterestValue"].as_str().expect("text")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_month_of_fundings_agrees_with_rest() {
    let exchange = exchange(START);
    let monthly = "data/futures/um/monthly/fundingRate";
    let text = csv(&exchange, &format!("{monthly}/SOLUSDT/SOLUSDT-fundingRate-2026-10.zip")).await;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("calc_time,funding_interval_hours,last_funding_rate"));
    let october = 1_790_812_800_000_i64;
    let target = format!("/fapi/v1/fundingRate?symbol=SOLUSDT&startTime={october}&limit=93");
    let (response, shown) = get(&exchange, &target);
    assert!(response.headers.iter().all(|(name, _)| *name != "x-mbx-used-weight-1m"));
    let shown: Vec<String> = shown
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| format!("{},8,{}", row["fundingTime"], row["fundingRate"].as_str().expect("text")))
        .collect();
    assert_eq!((lines.collect::<Vec<_>>(), shown.len()), (shown.iter().map(String::as_str).collect(), 93));
    for absent in [
        format!("{monthly}/BTCUSDT_261225/BTCUSDT_261225-fundingRate-2026-10.zip"),
        format!("{DAILY}/fundingRate/SOLUSDT/SOLUSDT-fundingRate-2026-11-19.zip"),
        "data/futures/um/monthly/metrics/SOLUSDT/SOLUSDT-metrics-2026-10.zip".to_owned(),
    ] {
        assert_eq!(fetched(&exchange, &absent).await.status, 404, "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_month_is_its_days() {
    let quiet = |options: &mut Options| {
        options.contracts =
            vec![Contract::perpetual("QUIETUSDT", Price::from_units(100_000_000), (4, 1), 4).expect("one")];
    };
    let exchange = exchange_with(START, quiet);
    let path = "data/futures/um/monthly/aggTrades/QUIETUSDT/QUIETUSDT-aggTrades-2026-10.zip";
    let month = csv(&exchange, path).await;
    let mut days = String::new();
    for day in 1..=31 {
        let path = format!("{DAILY}/aggTrades/QUIETUSDT/QUIETUSDT-aggTrades-2026-10-{day:02}.zip");
        let text = csv(&exchange, &path).await;
        days.push_str(if day == 1 { &text } else { text.split_once('\n').expect("a header").1 });
    }
    assert_eq!(month.lines().count(), 1 + 31 * 1_440 * 4);
    assert!(month == days);
}

#[tokio::test(start_paused = true)]
async fn files_appear_when_they_are_due_and_not_before() {
    let half_past_eight = DAY + UnixMillis::DAY + 8 * UnixMillis::HOUR + 30 * UnixMillis::MINUTE;
    let path = day_of("klines", "SOLUSDT").replace("klines/SOLUSDT/SOLUSDT-klines", "klines/SOLUSDT/1m/SOLUSDT-1m");
    let early = exchange(half_past_eight - 1);
    for path in [path.clone(), format!("{path}.CHECKSUM")] {
        let refused = fetched(&early, &path).await;
        assert_eq!((refused.status, refused.header("content-type")), (404, Some("application/xml")));
        assert!(String::from_utf8_lossy(&refused.body).contains("<Code>NoSuchKey</Code>"));
        tokio::time::advance(std::time::Duration::ZERO).await;
    }
    tokio::time::advance(std::time::Duration::from_millis(1)).await;
    let there = fetched(&early, &path).await;
    assert_eq!((there.status, there.header("last-modified")), (200, Some("Fri, 20 Nov 2026 08:30:00 GMT")));
    assert_eq!(fetched(&early, &format!("{path}.CHECKSUM")).await.status, 200);
    assert_eq!(there.header("content-type"), Some("application/zip"));
    assert_eq!(fetched(&exchange(half_past_eight + 1), &path).await.header("etag"), there.header("etag"));
    // December's first Monday is the 7th.
    let monday = 1_796_601_600_000_i64 + half_past_eight - DAY - UnixMillis::DAY;
    let path = "data/futures/um/monthly/fundingRate/SOLUSDT/SOLUSDT-fundingRate-2026-11.zip";
    assert_eq!(fetched(&exchange(monday - 1), path).await.status, 404);
    let there = fetched(&exchange(monday), path).await;
    assert_eq!((there.status, there.header("last-modified")), (200, Some("Mon, 07 Dec 2026 08:30:00 GMT")));
}

#[tokio::test(start_paused = true)]
async fn what_never_was_is_no_such_key() {
    let exchange = exchange(START);
    for path in [
        &day_of("aggTrades", "NOPE"),
        &day_of("aggTrades", "OMGUSDT"),
        &day_of("aggTrades", "btcusdt"),
        &day_of("bookTicker", "BTCUSDT"),
        &format!("{DAILY}/aggTrades/SOLUSDT/SOLUSDT-aggTrades-2022-12-31.zip"),
        &format!("{DAILY}/aggTrades/SOLUSDT/SOLUSDT-aggTrades-2026-02-30.zip"),
        &format!("{DAILY}/aggTrades/SOLUSDT/SOLUSDT-aggTrades-2026-11-19.csv"),
        &format!("{DAILY}/aggTrades/SOLUSDT/BTCUSDT-aggTrades-2026-11-19.zip"),
        &format!("{DAILY}/klines/SOLUSDT/1m/SOLUSDT-1m-生日.zip"),
        "data/",
        "x",
        "%00",
        "..",
    ] {
        assert_eq!(fetched(&exchange, path).await.status, 404, "{path}");
    }
    assert!(client(&exchange).get("no url").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_large_file_is_made_as_it_is_sent_and_is_the_same_every_time() {
    let exchange = exchange_with(START, |options| {
        options.archive_bytes_max = 1 << 20;
    });
    let path = day_of("trades", COIN);
    let checksum = String::from_utf8(bytes(&exchange, &format!("{path}.CHECKSUM")).await).expect("text");
    let mut download = client(&exchange).open(&format!("http://sim/archive/{path}")).await.expect("a head");
    assert!(download.length > 512 << 10, "{}", download.length);
    let (mut whole, mut largest) = (Vec::new(), 0);
    while let Some(piece) = download.next().await.expect("whole") {
        largest = largest.max(piece.len());
        whole.extend_from_slice(&piece);
    }
    assert!(largest < 300_000, "{largest} bytes at once");
    assert_eq!(whole.len() as u64, download.length);
    assert!(checksum.starts_with(&sha256(&whole)));
    let rows = entries(&whole).remove(0).1.lines().count();
    let truth = exchange.truth_raw(&symbol(COIN), at(DAY), at(DAY + UnixMillis::DAY));
    assert_eq!(rows, 1 + truth.iter().filter(|fill| fill.execution == Execution::Market).count());
}

#[tokio::test(start_paused = true)]
async fn ids_that_the_venue_skipped_are_in_no_door() {
    let truth = exchange(START).truth(&symbol(COIN), at(START - UnixMillis::HOUR), at(START - UnixMillis::MINUTE));
    let old = exchange(START).truth(&symbol(COIN), at(DAY), at(DAY + UnixMillis::HOUR));
    let absent = [&old, &truth].map(|trades| IdRange { first: trades[100].id, last: trades[120].id });
    let exchange = exchange_with(START, |options| {
        let coin = options.contracts.iter_mut().find(|contract| contract.symbol.as_str() == COIN);
        coin.expect("listed").absent = absent.to_vec();
    });
    let is_absent = |id: u64| absent.iter().any(|ids| ids.contains(id));
    let kept: Vec<Trade> = truth.iter().filter(|trade| !is_absent(trade.id)).copied().collect();
    assert_eq!(exchange.truth(&symbol(COIN), truth[0].time, at(START - UnixMillis::MINUTE)), kept);
    let target = format!("/fapi/v1/aggTrades?symbol={COIN}&fromId={}&limit=50", absent[1].first - 10);
    let page: Vec<Trade> = get(&exchange, &target).1.as_array().expect("rows").iter().map(trade_of).collect();
    assert_eq!(page, kept[90..140]);
    let text = csv(&exchange, &day_of("aggTrades", COIN)).await;
    let ids: Vec<u64> =
        text.lines().skip(1).map(|line| line.split_once(',').expect("id").0.parse().expect("id")).collect();
    let jumps: Vec<_> = ids.windows(2).filter(|pair| pair[1] != pair[0] + 1).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(jumps, [(absent[0].first - 1, absent[0].last + 1)]);
    let raw = csv(&exchange, &day_of("trades", COIN)).await;
    let burnt = old[100].first_id..=old[120].last_id;
    let mut raw_ids = raw.lines().skip(1).map(|line| line.split_once(',').expect("id").0.parse::<u64>().expect("id"));
    assert!(!raw_ids.any(|id| burnt.contains(&id)));
}
