//! Does the listing name what is there, page by page?

use super::*;
use std::collections::BTreeSet;

/// The texts of every `<name>` of `xml`.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    found.map(|(text, _)| text.to_owned()).collect()
}

async fn listed(exchange: &Arc<Exchange>, query: &str) -> String {
    let url = format!("http://sim/archive?delimiter=/&{query}");
    let response = client(exchange).get(&url).await.expect("an answer");
    assert_eq!(response.status, 200);
    String::from_utf8(response.body.to_vec()).expect("text")
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_files_comes_in_pages_of_a_thousand() {
    let exchange = exchange(START);
    let folder = format!("{DAILY}/aggTrades/{COIN}/");
    let (mut keys, mut marker, mut pages) = (Vec::new(), String::new(), Vec::new());
    loop {
        let xml = listed(&exchange, &format!("prefix={folder}&marker={marker}")).await;
        let page = texts(&xml, "Key");
        pages.push(page.len());
        keys.extend(page);
        assert_eq!(texts(&xml, "Size").len(), texts(&xml, "LastModified").len());
        match texts(&xml, "NextMarker").pop() {
            Some(next) => marker = next,
            None => break assert_eq!(texts(&xml, "IsTruncated"), ["false"]),
        }
        assert_eq!(texts(&xml, "IsTruncated"), ["true"]);
        assert_eq!(keys.last(), Some(&marker));
    }
    // 2023-01-01 to 2026-11-19.
    assert_eq!((pages, keys.len()), (vec![1_000, 1_000, 838], 2 * 1_419));
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
    assert!(keys[0].ends_with("2023-01-01.zip") && keys[1].ends_with("2023-01-01.zip.CHECKSUM"));
    assert!(keys[2_837].ends_with("2026-11-19.zip.CHECKSUM"));
    let first = fetched(&exchange, &keys[2_836]).await;
    let xml = listed(&exchange, &format!("prefix={}", keys[2_836])).await;
    assert_eq!(texts(&xml, "Key").len(), 2, "a prefix need not be a folder");
    let etag = texts(&xml, "ETag")[0].replace("&quot;", "\"");
    assert_eq!((first.status, first.header("etag")), (200, Some(etag.as_str())));
    assert_eq!(texts(&xml, "LastModified")[0], "2026-11-20T08:30:00.000Z");
}

#[tokio::test(start_paused = true)]
async fn folders_are_common_prefixes() {
    let exchange = exchange(START);
    let prefixes =
        async |prefix: &str| texts(&listed(&exchange, &format!("prefix={prefix}")).await, "Prefix").split_off(1);
    assert_eq!(prefixes("").await, ["data/"]);
    assert_eq!(prefixes("data/futures/um/").await, ["data/futures/um/daily/", "data/futures/um/monthly/"]);
    let daily = ["aggTrades", "klines", "metrics", "trades"].map(|dataset| format!("{DAILY}/{dataset}/"));
    assert_eq!(prefixes(&format!("{DAILY}/")).await, daily);
    let symbols: BTreeSet<String> = prefixes("data/futures/um/monthly/fundingRate/").await.into_iter().collect();
    let symbol = |name: &str| symbols.contains(&format!("data/futures/um/monthly/fundingRate/{name}/"));
    assert!(symbol("BTCUSDT") && symbol(COIN) && !symbol("BTCUSDT_261225") && !symbol("OMGUSDT"));
    assert_eq!(prefixes(&format!("{DAILY}/klines/BTCUSDT/")).await, [format!("{DAILY}/klines/BTCUSDT/1m/")]);
    assert_eq!(prefixes(&format!("{DAILY}/klines/BTCUSDT")).await.len(), 2, "and the quarterly");
    assert!(prefixes("data/spot/").await.is_empty());
    let (folder, mut paged, mut marker) = (format!("{DAILY}/metrics/"), Vec::new(), String::new());
    while paged.len() < 7 {
        let xml = listed(&exchange, &format!("max-keys=3&prefix={folder}&marker={marker}")).await;
        paged.extend(texts(&xml, "Prefix").split_off(1));
        marker = texts(&xml, "NextMarker").pop().unwrap_or_default();
    }
    assert_eq!(paged, prefixes(&folder).await);
    let odd = listed(&exchange, "prefix=a%26%3Cb").await;
    assert!(odd.contains("<Prefix>a&amp;&lt;b</Prefix>"));
}

#[tokio::test(start_paused = true)]
async fn the_second_version_pages_by_tokens() {
    let exchange = exchange(START);
    let folder = format!("{DAILY}/metrics/SOLUSDT/");
    let first = listed(&exchange, &format!("list-type=2&max-keys=3&prefix={folder}")).await;
    assert_eq!((texts(&first, "KeyCount"), texts(&first, "Key").len()), (vec!["3".to_owned()], 3));
    let token = texts(&first, "NextContinuationToken").remove(0);
    let query = format!("list-type=2&max-keys=3&prefix={folder}&continuation-token={token}");
    let second = texts(&listed(&exchange, &query).await, "Key");
    assert!(second[0].ends_with("2023-01-02.zip.CHECKSUM") && second[2].ends_with("2023-01-03.zip.CHECKSUM"));
}

#[tokio::test(start_paused = true)]
async fn what_is_late_or_missing_is_not_listed() {
    let exchange = exchange(START);
    let keys = async |day: &str| {
        let prefix = format!("{DAILY}/trades/SOLUSDT/SOLUSDT-trades-{day}");
        texts(&listed(&exchange, &format!("prefix={prefix}")).await, "Key").len()
    };
    let set = |day: &str, fault| {
        exchange.faults().archive().set(&format!("{DAILY}/trades/SOLUSDT/SOLUSDT-trades-{day}"), fault);
    };
    assert_eq!(keys("2026-11-1").await, 20);
    set("2026-11-19", ArchiveFault::Late { millis: UnixMillis::DAY });
    set("2026-11-18", ArchiveFault::Missing);
    set("2026-11-17", ArchiveFault::ChecksumLate { millis: i64::MAX });
    assert_eq!((keys("2026-11-19").await, keys("2026-11-18").await, keys("2026-11-17").await), (0, 0, 1));
    tokio::time::advance(std::time::Duration::from_secs(86_400)).await;
    assert_eq!((keys("2026-11-19").await, keys("2026-11-18").await, keys("2026-11-17").await), (2, 0, 1));
}
