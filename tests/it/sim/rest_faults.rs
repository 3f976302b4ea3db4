//! Does REST fail as it is told to, over memory and over sockets, and otherwise show the series and the raw trades?

use super::*;
use std::time::Duration;
use tapedeck::{
    net::{Fetch, FetchError, FetchLimits, HttpClient},
    sim::{ArchiveFault, ExchangeFetch, Execution, RestFault, Server},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const AGG: &str = "/fapi/v1/aggTrades";

fn page(exchange: &Exchange, from_id: u64) -> Vec<u64> {
    let (response, body) = get(exchange, &format!("{AGG}?symbol=SOLUSDT&fromId={from_id}&limit=20"));
    assert_eq!(response.status, 200);
    body.as_array().expect("rows").iter().map(|row| row["a"].as_u64().expect("an id")).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_of_trades_may_be_spoilt_once() {
    let exchange = exchange(START);
    let first = exchange.truth(&symbol("SOLUSDT"), at(START - UnixMillis::HOUR), at(START))[0].id;
    let sound: Vec<u64> = (first..first + 20).collect();
    let faults = exchange.faults().rest();
    let check = |fault, expected: Vec<u64>| {
        faults.next(AGG, fault, 1);
        assert_eq!(page(&exchange, first), expected, "{fault:?}");
        assert_eq!(page(&exchange, first), sound, "only once");
    };
    check(RestFault::RowMissing, [&sound[..10], &sound[11..]].concat());
    check(RestFault::OutOfOrder, [&sound[..9], &[sound[10], sound[9]], &sound[11..]].concat());
    check(RestFault::Duplicate, [&sound[..11], &sound[10..]].concat());
    check(RestFault::StartsAbove, sound[1..].to_vec());
    check(RestFault::Empty, Vec::new());
}

#[tokio::test(start_paused = true)]
async fn refusals_come_when_told_and_only_on_their_path() {
    let exchange = exchange(START);
    let faults = exchange.faults().rest();
    let target = &format!("{AGG}?symbol=OMGUSDT");
    for (fault, status, kind, part) in [
        (RestFault::TooMany { has_retry_after: true }, 429, "application/json", "-1003"),
        (RestFault::TooMany { has_retry_after: false }, 429, "application/json", "-1003"),
        (RestFault::Forbidden, 403, "text/html", "<html>"),
        (RestFault::Restricted, 451, "application/json", "Service unavailable from a restricted location"),
        (RestFault::Overloaded, 503, "application/json", "-1008"),
        (RestFault::BackendTimeout, 408, "application/json", "-1007"),
        (RestFault::BadGateway, 502, "text/html", "<html>"),
    ] {
        faults.next(AGG, fault, 1);
        assert_eq!(respond(&exchange, "/fapi/v1/time").status, 200);
        let response = respond(&exchange, target);
        assert_eq!((response.status, response.headers[0].1.as_str()), (status, kind));
        assert!(response.body.contains(part), "{}", response.body);
        let has_retry_after = response.headers.iter().any(|(name, _)| *name == "retry-after");
        assert_eq!(has_retry_after, fault == RestFault::TooMany { has_retry_after: true });
        assert_eq!(respond(&exchange, target).status, 200);
    }
    faults.next(AGG, RestFault::Banned { millis: UnixMillis::HOUR }, 1);
    assert_eq!(respond(&exchange, target).status, 418);
    tokio::time::advance(Duration::from_secs(3_599)).await;
    assert_eq!(respond(&exchange, "/fapi/v1/time").status, 418);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(respond(&exchange, target).status, 200);
}

#[tokio::test(start_paused = true)]
async fn answers_may_break_off_crawl_or_never_come() {
    let exchange = exchange(START);
    let client = ExchangeFetch::new(exchange.clone(), FetchLimits::default());
    let faults = exchange.faults().rest();
    let url = &format!("https://any.host{AGG}?symbol=SOLUSDT&limit=10");
    faults.next(AGG, RestFault::Cut, 1);
    assert!(matches!(client.get(url).await, Err(FetchError::Transfer(_))));
    faults.next(AGG, RestFault::Never, 1);
    let begun = tokio::time::Instant::now();
    assert!(matches!(client.get(url).await, Err(FetchError::Timeout)));
    assert_eq!(begun.elapsed(), FetchLimits::default().read_timeout);
    faults.next(AGG, RestFault::Slow { bytes_per_second: 100 }, 1);
    let begun = tokio::time::Instant::now();
    let body = client.get(url).await.expect("whole in the end").body;
    assert!(begun.elapsed() >= Duration::from_secs(body.len() as u64 / 100));
    let small = FetchLimits { body_bytes_max: 100, ..FetchLimits::default() };
    let refused = ExchangeFetch::new(exchange.clone(), small).get(url).await;
    assert!(matches!(refused, Err(FetchError::TooLarge { bytes_max: 100 })));
    let response = client.get(url).await.expect("an answer");
    assert_eq!(response.header("X-MBX-USED-WEIGHT-1M"), Some("100"));
    let rows: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn sockets_carry_the_same_answers() {
    let exchange = exchange(START);
    let server = Server::bind(exchange.clone(), "127.0.0.1:0".parse().expect("an address")).await.expect("free");
    let tls = tapedeck::net::tls::client_config(None).expect("built-in roots");
    let limits = FetchLimits { read_timeout: Duration::from_millis(300), ..FetchLimits::default() };
    let over_tcp = HttpClient::new(&tls, &limits).expect("a client");
    let in_memory = ExchangeFetch::new(exchange.clone(), limits);
    let base = format!("http://{}", server.local_addr());
    let file = "archive/data/futures/um/daily/metrics/币安人生USDT/币安人生USDT-metrics-2026-11-19.zip";
    for path in
        [file, &format!("{file}.CHECKSUM"), "archive/data/nothing", "archive?delimiter=/&prefix=data/", "fapi/v1/ping"]
    {
        let url = format!("{base}/{path}");
        let (sent, told) =
            (over_tcp.get(&url).await.expect("an answer"), in_memory.get(&url).await.expect("an answer"));
        assert_eq!((sent.status, &sent.body), (told.status, &told.body), "{path}");
        assert_eq!(
            (sent.header("etag"), sent.header("last-modified")),
            (told.header("etag"), told.header("last-modified"))
        );
    }
    let url = format!("{base}/{file}");
    exchange.faults().archive().set("data/", ArchiveFault::Cut { bytes: 100, times: 1 });
    assert!(matches!(over_tcp.get(&url).await, Err(FetchError::Transfer(_))));
    exchange.faults().rest().next("/fapi/v1/ping", RestFault::Never, 1);
    assert!(matches!(over_tcp.get(&format!("{base}/fapi/v1/ping")).await, Err(FetchError::Timeout)));
    assert_eq!(over_tcp.get(&url).await.expect("whole").status, 200);
    server.stop().await;
}

/// Sends one request and gives head and body of the answer.
async fn raw(exchange: &Arc<Exchange>, method: &str, target: &str, header: &str) -> (String, Vec<u8>) {
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_connection(exchange.clone(), theirs));
    let request = format!("{method} {target} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n{header}\r\n");
    ours.write_all(request.as_bytes()).await.expect("taken");
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).expect("text"), body)
}

#[tokio::test(start_paused = true)]
async fn a_download_may_go_on_where_it_ended() {
    let exchange = exchange(START);
    let target = "/archive/data/futures/um/daily/metrics/SOLUSDT/SOLUSDT-metrics-2026-11-19.zip";
    let (head, whole) = raw(&exchange, "GET", target, "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("accept-ranges: bytes"), "{head}");
    let length = whole.len();
    let (head, none) = raw(&exchange, "HEAD", target, "").await;
    assert!(none.is_empty() && head.contains(&format!("content-length: {length}\r\n")), "{head}");
    let (head, part) = raw(&exchange, "GET", target, "range: bytes=1000-1999\r\n").await;
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains(&format!("content-range: bytes 1000-1999/{length}")));
    assert!(part == whole[1_000..2_000]);
    assert!(raw(&exchange, "GET", target, "range: bytes=1000-\r\n").await.1 == whole[1_000..]);
    let (head, _) = raw(&exchange, "GET", target, &format!("range: bytes={length}-\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 416 ") && head.contains(&format!("content-range: bytes */{length}")));
    assert!(raw(&exchange, "GET", target, "range: lines=1-2\r\n").await.1 == whole);
    assert!(raw(&exchange, "PUT", target, "").await.0.starts_with("HTTP/1.1 405 "));
}

#[tokio::test(start_paused = true)]
async fn raw_trades_need_a_key_and_reach_a_month() {
    let exchange = exchange(START);
    let raw_truth = exchange.truth_raw(
        &symbol("SOLUSDT"),
        at(START - 40 * UnixMillis::DAY),
        at(START - 40 * UnixMillis::DAY + 60_000),
    );
    let truth = exchange.truth_raw(&symbol("SOLUSDT"), at(START - 600_000), at(START));
    let target = format!("/fapi/v1/historicalTrades?symbol=SOLUSDT&fromId={}&limit=300", truth[10].id);
    assert!(raw(&exchange, "GET", &target, "").await.0.starts_with("HTTP/1.1 401 "));
    let (head, body) = raw(&exchange, "GET", &target, "X-MBX-APIKEY: any\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let rows: Vec<Value> = serde_json::from_slice(&body).expect("rows");
    let market: Vec<_> = truth[10..].iter().filter(|fill| fill.execution == Execution::Market).take(300).collect();
    assert_eq!(rows.len(), 300);
    for (row, fill) in rows.iter().zip(market) {
        assert_eq!((row["id"].as_u64(), row["time"].as_i64()), (Some(fill.id), Some(fill.time.get())));
        assert_eq!((units(&row["price"]), units(&row["qty"])), (fill.price.units(), fill.quantity.units()));
    }
    let old = format!("/fapi/v1/historicalTrades?symbol=SOLUSDT&fromId={}", raw_truth[0].id);
    assert!(raw(&exchange, "GET", &old, "X-MBX-APIKEY: any\r\n").await.0.starts_with("HTTP/1.1 400 "));
    let newest = get(&exchange, "/fapi/v1/trades?symbol=SOLUSDT&limit=50").1;
    let ids: Vec<u64> = newest.as_array().expect("rows").iter().map(|row| row["id"].as_u64().expect("an id")).collect();
    let last = truth.iter().rfind(|fill| fill.execution == Execution::Market).expect("one").id;
    assert!((45..=50).contains(&ids.len()) && ids.last() == Some(&last));
}

#[tokio::test(start_paused = true)]
async fn series_are_paged_and_refused_as_the_venue_does() {
    let exchange = exchange(START);
    let times = |target: &str, name: &str| -> Vec<i64> {
        let (response, body) = get(&exchange, target);
        assert_eq!(response.status, 200, "{target}: {body}");
        body.as_array().expect("rows").iter().map(|row| row[name].as_i64().expect("a time")).collect()
    };
    let funding = times("/fapi/v1/fundingRate?symbol=SOLUSDT&limit=3", "fundingTime");
    // 00:00 of three days' eight-hour steps before 10:00:30.
    let newest = START - START % (8 * UnixMillis::HOUR);
    assert_eq!(
        funding.iter().map(|time| time - time % 1_000).collect::<Vec<_>>(),
        [2, 1, 0].map(|back| newest - back * 8 * UnixMillis::HOUR)
    );
    let from = times(&format!("/fapi/v1/fundingRate?symbol=SOLUSDT&startTime={}&limit=5", funding[0]), "fundingTime");
    assert_eq!(from, funding, "the start is inclusive");
    let past = times(&format!("/fapi/v1/fundingRate?symbol=SOLUSDT&startTime={}", funding[0] + 1), "fundingTime");
    assert_eq!(past, funding[1..]);
    let all = times("/fapi/v1/fundingRate?limit=6", "fundingTime");
    assert_eq!(all.len(), 6, "one of each funded contract at the newest time");
    assert!(times("/fapi/v1/fundingRate?symbol=BTCUSDT_261225", "fundingTime").is_empty());
    let interest = times("/futures/data/openInterestHist?symbol=SOLUSDT&period=1h", "timestamp");
    assert_eq!((interest.len(), interest[29]), (30, START - START % UnixMillis::HOUR));
    let hist = |days: i64| {
        format!("/futures/data/openInterestHist?symbol=SOLUSDT&period=1d&startTime={}", START - days * UnixMillis::DAY)
    };
    assert_eq!(times(&hist(30), "timestamp").len(), 30);
    let (refused, body) = get(&exchange, &hist(35));
    assert_eq!((refused.status, body["code"].as_i64()), (400, Some(-1130)));
    let (_, now) = get(&exchange, "/fapi/v1/openInterest?symbol=SOLUSDT");
    assert_eq!(now["time"], START - START % 10_000);
    assert!(units(&now["openInterest"]) > 0);
    assert_eq!(get(&exchange, "/fapi/v1/fundingInfo").1.as_array().map(Vec::len), Some(6));
}
