//! Does REST show the tape, and refuse as the venue does?

use super::*;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn rest_pages_by_id_are_the_tape() {
    let exchange = exchange_with(START, |options| options.contracts.push(busy(Pace::Lively)));
    for name in ["BTCUSDT", "BUSYUSDT", "币安人生USDT"] {
        let truth = exchange.truth(&symbol(name), at(START - 8 * UnixMillis::MINUTE), at(START - 200));
        let mut read: Vec<Trade> = Vec::new();
        let mut next = truth[0].id;
        while read.len() < truth.len() && read.len() < 40_000 {
            let (response, body) =
                get(&exchange, &format!("/fapi/v1/aggTrades?symbol={name}&fromId={next}&limit=1000"));
            assert_eq!(response.status, 200, "{body}");
            let page: Vec<Trade> = body.as_array().expect("rows").iter().map(trade_of).collect();
            assert!(page.len() == 1_000 || read.len() + page.len() >= truth.len());
            next = page.last().expect("not past the end").id + 1;
            read.extend(page);
        }
        let both = truth.len().min(read.len());
        assert_eq!(truth[..both], read[..both], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn rest_times_are_inclusive_and_unpublished_trades_are_not_shown() {
    let exchange = exchange(START);
    let truth = exchange.truth(&symbol("BTCUSDT"), at(START - 60_000), at(START));
    let (first, last) = (truth[10].time.get(), truth[30].time.get());
    let rows = |target: String| -> Vec<Trade> {
        get(&exchange, &target).1.as_array().expect("rows").iter().map(trade_of).collect()
    };
    let page = rows(format!("/fapi/v1/aggTrades?symbol=btcusdt&startTime={first}&endTime={last}"));
    let expected: Vec<Trade> =
        truth.iter().filter(|trade| (first..=last).contains(&trade.time.get())).copied().collect();
    assert_eq!(page, expected);
    let newest = rows("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=5".to_owned());
    let last = newest.last().expect("five").id;
    assert!(newest.len() == 5 && last <= truth.last().expect("some").id);
    let unpublished = truth.iter().filter(|trade| trade.id > last);
    assert!(unpublished.clone().all(|trade| trade.time.get() > START - 150), "only young ones are held back");
    assert!(rows(format!("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={}", last + 1)).is_empty());
    assert!(rows("/fapi/v1/aggTrades?symbol=OMGUSDT".to_owned()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn rest_refuses_in_the_venues_words() {
    let exchange = exchange(START);
    let check = |target: &str, status: u16, code: i64| {
        let (response, body) = get(&exchange, target);
        assert_eq!((response.status, body["code"].as_i64()), (status, Some(code)), "{target}: {body}");
    };
    check("/fapi/v1/aggTrades?symbol=NOPE", 400, -1121);
    check("/fapi/v1/aggTrades", 400, -1102);
    check("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=x", 400, -1102);
    check("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1001", 400, -1130);
    check("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=-1", 400, -1102);
    check("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1", 400, -4166);
    check(&format!("/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={}", START - 49 * UnixMillis::HOUR), 400, -4166);
    check("/fapi/v1/aggTrades?symbol=BTCUSDT&startTime=2&endTime=1", 400, -1023);
    check("/fapi/v1/klines?symbol=BTCUSDT&interval=1s", 400, -1120);
    check("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1501", 400, -1130);
    check("/fapi/v1/klines?symbol=BTCUSDT&interval=1M&limit=1500", 503, -1008);
    check("/fapi/v1/nothing", 404, -5000);
    for target in [
        "",
        "/",
        "?",
        "/fapi/v1/klines?symbol=%E5%B8&interval",
        "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=99999999999999999999",
    ] {
        assert!(respond(&exchange, target).status >= 400, "{target}");
    }
    check(&format!("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={}", u64::MAX), 400, -1102);
    assert_eq!(get(&exchange, &format!("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={}", i64::MAX)).1, json!([]));
}

#[tokio::test(start_paused = true)]
async fn rest_weight_is_counted_by_the_clock_minute() {
    let exchange = exchange(START);
    let used = |target: &str| {
        let response = respond(&exchange, target);
        let used = response.headers.iter().find(|(name, _)| *name == "x-mbx-used-weight-1m").expect("the header");
        (response.status, used.1.parse::<u32>().expect("a number"))
    };
    assert_eq!(used("/fapi/v1/ping"), (200, 1));
    assert_eq!(used("/fapi/v1/aggTrades?symbol=NOPE"), (400, 21), "errors cost too");
    let mut before = 21;
    for (limit, weight) in [("&limit=100", 1), ("&limit=500", 2), ("&limit=1000", 5), ("&limit=1001", 10), ("", 5)] {
        let (status, after) = used(&format!("/fapi/v1/klines?symbol=SOLUSDT&interval=1m{limit}"));
        assert_eq!((status, after - before), (200, weight), "{limit}");
        before = after;
    }
    let statuses: Vec<u16> = (0..120).map(|_| used("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1").0).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 117);
    let refused = respond(&exchange, "/fapi/v1/ping");
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains(&("retry-after", "30".to_owned())), "{:?}", refused.headers);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(used("/fapi/v1/ping"), (200, 1), "the next minute is fresh");
}

#[tokio::test(start_paused = true)]
async fn exchange_info_lists_what_trips_clients() {
    let exchange = exchange(START);
    let (_, info) = get(&exchange, "/fapi/v1/exchangeInfo");
    let listed = |name: &str| {
        let found = info["symbols"].as_array().expect("symbols").iter().find(|listed| listed["symbol"] == name);
        found.cloned().unwrap_or_else(|| panic!("{name} is listed"))
    };
    assert_eq!(listed("BTCUSDT_261225")["contractType"], "CURRENT_QUARTER");
    assert_eq!(listed("BTCUSDT_261225")["deliveryDate"], 1_798_185_600_000_i64);
    assert_eq!(listed("XAUUSDT")["contractType"], "TRADIFI_PERPETUAL");
    assert_eq!(listed("OMGUSDT")["status"], "SETTLING");
    assert_eq!(listed("1000SHIBUSDT")["baseAsset"], "1000SHIB");
    let odd = listed("币安人生USDT");
    let filters = odd["filters"].as_array().expect("filters");
    let tick = filters.iter().find(|filter| filter["filterType"] == "PRICE_FILTER").expect("a price filter");
    assert_eq!((odd["pricePrecision"].as_u64(), units(&tick["tickSize"])), (Some(7), 10_000));
}
