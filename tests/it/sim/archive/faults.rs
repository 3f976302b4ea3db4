//! Does each fault of the archive do what it says, and nothing else?

use super::*;
use std::time::Duration;

/// A contract whose day is small.
fn quiet() -> Arc<Exchange> {
    exchange_with(START, |options| {
        options.contracts =
            vec![Contract::perpetual("QUIETUSDT", Price::from_units(100_000_000), (4, 1), 4).expect("one")];
    })
}

fn path() -> String {
    day_of("aggTrades", "QUIETUSDT")
}

fn set(exchange: &Exchange, fault: ArchiveFault) {
    exchange.faults().archive().set(&path(), fault);
}

async fn status(exchange: &Arc<Exchange>, suffix: &str) -> u16 {
    fetched(exchange, &format!("{}{suffix}", path())).await.status
}

/// Whether the checksum that is there is the zip's.
async fn matches(exchange: &Arc<Exchange>) -> bool {
    let checksum = bytes(exchange, &format!("{}.CHECKSUM", path())).await;
    let zip = bytes(exchange, &path()).await;
    String::from_utf8(checksum).expect("text") == format!("{}  QUIETUSDT-aggTrades-2026-11-19.zip\n", sha256(&zip))
}

/// The text of the file under one defect, whose checksum matches all the same.
async fn with(defect: Defect) -> String {
    let exchange = quiet();
    set(&exchange, ArchiveFault::Contents(defect.clone()));
    assert!(matches(&exchange).await, "{defect:?}");
    entries(&bytes(&exchange, &path()).await).remove(0).1
}

async fn sound() -> String {
    csv(&quiet(), &path()).await
}

#[tokio::test(start_paused = true)]
async fn late_is_later_missing_is_never_and_taken_back_is_there() {
    let exchange = quiet();
    set(&exchange, ArchiveFault::Late { millis: 2 * UnixMillis::HOUR });
    assert_eq!((status(&exchange, "").await, status(&exchange, ".CHECKSUM").await), (404, 404));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!((status(&exchange, "").await, status(&exchange, ".CHECKSUM").await), (200, 200));
    set(&exchange, ArchiveFault::Missing);
    tokio::time::advance(Duration::from_secs(30 * 86_400)).await;
    assert_eq!((status(&exchange, "").await, status(&exchange, ".CHECKSUM").await), (404, 404));
    exchange.faults().archive().clear(DAILY);
    assert_eq!((status(&exchange, "").await, status(&exchange, ".CHECKSUM").await), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn checksums_may_be_late_wrong_or_none() {
    let exchange = quiet();
    assert!(matches(&exchange).await);
    set(&exchange, ArchiveFault::ChecksumLate { millis: 3 * UnixMillis::HOUR });
    assert_eq!((status(&exchange, "").await, status(&exchange, ".CHECKSUM").await), (200, 404));
    tokio::time::advance(Duration::from_secs(2 * 3_600)).await;
    assert!(matches(&exchange).await);
    set(&exchange, ArchiveFault::ChecksumWrong);
    assert!(!matches(&exchange).await);
    let text = bytes(&exchange, &format!("{}.CHECKSUM", path())).await;
    assert_eq!(text.iter().position(|byte| *byte == b' '), Some(64), "it is well-formed");
    set(&exchange, ArchiveFault::ChecksumMalformed);
    assert!(bytes(&exchange, &format!("{}.CHECKSUM", path())).await.starts_with(b"<html>"));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_file_has_other_bytes_etag_and_checksum() {
    let wrong = quiet().truth(&symbol("QUIETUSDT"), at(DAY), at(DAY + UnixMillis::DAY))[5].id;
    let path = path();
    for (before, after, with) in [
        (vec![], vec![], vec![]),
        (vec![Defect::WrongRow { id: wrong }], vec![], vec![]),
        (vec![], vec![Defect::WrongRow { id: wrong }], vec![Defect::WrongRow { id: wrong }]),
    ] {
        let (changes, exchange) = (before != after, quiet());
        let faults = exchange.faults().archive();
        before.into_iter().for_each(|defect| faults.set(&path, ArchiveFault::Contents(defect)));
        faults.set(&path, ArchiveFault::Replaced { after_ms: 2 * UnixMillis::HOUR, with });
        let first = fetched(&exchange, &path).await;
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let second = fetched(&exchange, &path).await;
        assert_ne!(first.header("etag"), second.header("etag"));
        assert_eq!(second.header("last-modified"), Some("Fri, 20 Nov 2026 10:30:00 GMT"));
        assert_ne!(first.body, second.body);
        let checksum = bytes(&exchange, &format!("{path}.CHECKSUM")).await;
        assert!(String::from_utf8(checksum).expect("text").starts_with(&sha256(&second.body)));
        let (first, second) = (entries(&first.body).remove(0).1, entries(&second.body).remove(0).1);
        let unequal = first.lines().zip(second.lines()).filter(|(first, second)| first != second);
        assert_eq!(unequal.count(), usize::from(changes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_at_rest_fails_its_checksum() {
    for (fault, kept) in [
        (ArchiveFault::BitFlip { at: 1_000 }, i64::MAX),
        (ArchiveFault::Shortened { bytes: 1_000 }, 1_000),
        (ArchiveFault::Shortened { bytes: 0 }, 0),
    ] {
        let (healthy, exchange) = (quiet(), quiet());
        set(&exchange, fault);
        let (sound, stored) = (bytes(&healthy, &path()).await, bytes(&exchange, &path()).await);
        let length = sound.len().min(usize::try_from(kept).expect("positive"));
        assert_eq!(stored.len(), length);
        let unequal = sound.iter().zip(&stored).filter(|(sound, stored)| sound != stored).count();
        assert_eq!(unequal, usize::from(kept == i64::MAX));
        assert!(!matches(&exchange).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_download_breaks_off_as_often_as_told() {
    let exchange = quiet();
    set(&exchange, ArchiveFault::Cut { bytes: 10_000, times: 2 });
    for _ in 0..2 {
        let mut download = client(&exchange).open(&format!("http://sim/archive/{}", path())).await.expect("a head");
        let mut read = 0;
        let ended = loop {
            match download.next().await {
                Ok(Some(piece)) => read += piece.len(),
                other => break other,
            }
        };
        assert!(matches!(ended, Err(FetchError::Transfer(_))));
        assert!(read == 10_000 && download.length > 10_000);
    }
    assert!(matches(&exchange).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_takes_its_time_and_an_impatient_reader_gives_up() {
    let exchange = quiet();
    set(&exchange, ArchiveFault::Slow { bytes_per_second: 10_000 });
    let limits = FetchLimits { total_timeout: Duration::from_secs(3_600), ..FetchLimits::default() };
    let begun = tokio::time::Instant::now();
    let url = format!("http://sim/archive/{}", path());
    let body = ExchangeFetch::new(exchange.clone(), limits).get(&url).await.expect("whole").body;
    let expected = Duration::from_secs(body.len() as u64 / 10_000);
    assert!(begun.elapsed() >= expected && begun.elapsed() < expected + Duration::from_secs(3));
    let limits = FetchLimits { total_timeout: Duration::from_secs(2), ..FetchLimits::default() };
    assert!(matches!(ExchangeFetch::new(exchange, limits).get(&url).await, Err(FetchError::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn it_may_be_unavailable_for_a_while() {
    let exchange = quiet();
    exchange.faults().archive().set("data/", ArchiveFault::Unavailable { until: at(START + 60_000) });
    let refused = fetched(&exchange, &path()).await;
    assert_eq!(refused.status, 503);
    assert!(String::from_utf8_lossy(&refused.body).contains("<Code>SlowDown</Code>"));
    let listing = client(&exchange).get("http://sim/archive/?delimiter=/&prefix=data/").await.expect("an answer");
    assert_eq!(listing.status, 503);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(status(&exchange, "").await, 200);
}

#[tokio::test(start_paused = true)]
async fn rows_may_be_doubled_missing_or_wrong() {
    let sound = sound().await;
    let lines: Vec<&str> = sound.lines().collect();
    let id = |line: &str| line.split_once(',').expect("an id").0.parse::<u64>().expect("an id");
    let doubled = with(Defect::Duplicates { every: 100 }).await;
    assert_eq!(doubled.lines().count(), lines.len() + (lines.len() - 1) / 100);
    let mut once: Vec<&str> = doubled.lines().collect();
    once.dedup();
    assert_eq!(once, lines);
    let (first, last) = (id(lines[50]), id(lines[59]));
    let missing = with(Defect::MissingRows { first, last }).await;
    assert_eq!(missing.lines().collect::<Vec<_>>(), [&lines[..50], &lines[60..]].concat());
    let wrong = with(Defect::WrongRow { id: id(lines[7]) }).await;
    let unequal: Vec<_> = (0..).zip(wrong.lines().zip(&lines)).filter(|(_, (wrong, sound))| wrong != *sound).collect();
    assert_eq!(unequal.iter().map(|(at, _)| *at).collect::<Vec<i32>>(), [7]);
    assert_eq!(wrong.lines().count(), lines.len());
    assert_eq!(id(unequal[0].1.0), id(lines[7]));
}

#[tokio::test(start_paused = true)]
async fn halves_may_alternate() {
    let (sound, mixed) = (sound().await, with(Defect::Interleaved).await);
    let ids = |text: &str| -> Vec<u64> {
        text.lines().skip(1).map(|line| line.split_once(',').expect("id").0.parse().expect("id")).collect()
    };
    let (sound_ids, mut mixed_ids) = (ids(&sound), ids(&mixed));
    assert!(
        mixed_ids[1] > mixed_ids[0] + 1_000 && mixed_ids[2] == mixed_ids[0] + 1 && mixed_ids[3] == mixed_ids[1] + 1
    );
    mixed_ids.sort_unstable();
    assert_eq!(sound_ids, mixed_ids);
}

#[tokio::test(start_paused = true)]
async fn the_form_of_text_and_zip_may_be_odd() {
    let sound = sound().await;
    let (header, rows) = sound.split_once('\n').expect("a header");
    assert!(header.starts_with("agg_trade_id"));
    assert!(with(Defect::NoHeader).await == rows);
    assert!(with(Defect::CarriageReturns).await == sound.replace('\n', "\r\n"));
    let cut = with(Defect::LastLineCut).await;
    assert!(sound.starts_with(&cut) && !cut.ends_with('\n') && cut.lines().count() == sound.lines().count());
    let zeros = with(Defect::Zeros { bytes: 300_000 }).await;
    assert!(zeros.starts_with(&sound) && zeros[sound.len()..] == "\0".repeat(300_000));
    let exchange = quiet();
    set(&exchange, ArchiveFault::Contents(Defect::EntryName("../evil.csv".to_owned())));
    set(&exchange, ArchiveFault::Contents(Defect::SecondEntry));
    let names: Vec<String> = entries(&bytes(&exchange, &path()).await).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["../evil.csv", "QUIETUSDT-aggTrades-2026-11-19-2.csv"]);
}
