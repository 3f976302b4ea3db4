//! Are requests counted, refused and banned minute by minute, as the venue does?

use super::*;
use std::time::Duration;

const CHEAP: &str = "/fapi/v1/aggTrades?symbol=OMGUSDT&limit=1";

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
}

/// Statuses of `count` requests in a row, and the last answer.
fn ask(exchange: &Exchange, target: &str, count: usize) -> (Vec<u16>, Response) {
    let mut responses: Vec<Response> = (0..count).map(|_| respond(exchange, target)).collect();
    let statuses = responses.iter().map(|response| response.status).collect();
    (statuses, responses.pop().expect("at least one"))
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|&&seen| seen == status).count()
}

#[tokio::test(start_paused = true)]
async fn every_route_costs_what_was_measured() {
    let exchange = exchange(START);
    let mut before = 0;
    let mut check = |target: &str, weight: u32| {
        let response = respond(&exchange, target);
        let used = header(&response, "x-mbx-used-weight-1m").expect("the header").parse::<u32>().expect("a number");
        assert_eq!(used - before, weight, "{target}");
        before = used;
    };
    check("/fapi/v1/time", 1);
    check("/fapi/v1/exchangeInfo", 1);
    check("/fapi/v1/aggTrades?symbol=SOLUSDT&limit=1", 20);
    check("/fapi/v1/historicalTrades?symbol=SOLUSDT", 20);
    check("/fapi/v1/trades?symbol=SOLUSDT&limit=1", 5);
    check("/fapi/v1/openInterest?symbol=SOLUSDT", 1);
    check("/fapi/v1/klines?symbol=SOLUSDT&interval=1m&limit=99999999999999999999", 10);
    check("/fapi/v1/nothing", 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_minute_is_fresh_and_who_goes_on_is_banned_longer_every_time() {
    let exchange = exchange(START);
    let mut now = START;
    for minutes in [2, 4, 8] {
        let (statuses, last) = ask(&exchange, CHEAP, 120 + 20);
        assert_eq!((count(&statuses, 200), count(&statuses, 429)), (120, 20));
        let left = 60 - now / 1_000 % 60;
        assert_eq!(header(&last, "retry-after"), Some(left.to_string().as_str()));
        assert!(last.body.contains("-1003") && last.body.contains("current limit is 2400 requests per minute"));
        let banned = respond(&exchange, CHEAP);
        let until = now + minutes * UnixMillis::MINUTE;
        assert_eq!((banned.status, header(&banned, "retry-after")), (418, Some((60 * minutes).to_string().as_str())));
        assert!(banned.body.contains("-1003") && banned.body.contains(&format!("banned until {until}.")));
        // The next minute changes nothing, on no route.
        tokio::time::advance(Duration::from_secs(61)).await;
        for target in [CHEAP, "/fapi/v1/time", "/fapi/v1/fundingInfo", "/futures/data/openInterestHist"] {
            let refused = respond(&exchange, target);
            assert_eq!((refused.status, refused.body), (418, banned.body.clone()));
        }
        let rest = Duration::from_millis(u64::try_from(minutes * UnixMillis::MINUTE - 61_000).expect("positive"));
        tokio::time::advance(rest - Duration::from_millis(1)).await;
        assert_eq!(respond(&exchange, "/fapi/v1/time").status, 418);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(respond(&exchange, "/fapi/v1/time").status, 200);
        tokio::time::advance(Duration::from_secs(60)).await;
        now = until + 60_000;
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_refusals_a_minute_ban_nobody() {
    let exchange = exchange(START);
    for minute in 0..5 {
        let (statuses, _) = ask(&exchange, CHEAP, 135);
        assert_eq!((count(&statuses, 200), count(&statuses, 429)), (120, 15), "minute {minute}");
        tokio::time::advance(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pools_are_apart_and_last_five_minutes() {
    let exchange = exchange(START);
    let (funding, data) = ("/fapi/v1/fundingInfo", "/futures/data/openInterestHist?symbol=SOLUSDT&period=5m&limit=1");
    let (statuses, last) = ask(&exchange, funding, 505);
    assert_eq!((count(&statuses, 200), count(&statuses, 429)), (500, 5));
    assert_eq!((header(&last, "x-mbx-used-weight-1m"), header(&last, "retry-after")), (None, Some("270")));
    assert_eq!(respond(&exchange, "/fapi/v1/fundingRate?symbol=SOLUSDT").status, 429, "one pool for both");
    let (statuses, last) = ask(&exchange, data, 1_005);
    assert_eq!((count(&statuses, 200), header(&last, "x-mbx-used-weight-1m")), (1_000, None));
    let weighted = respond(&exchange, "/fapi/v1/time");
    assert_eq!((weighted.status, header(&weighted, "x-mbx-used-weight-1m")), (200, Some("1")));
    tokio::time::advance(Duration::from_secs(269)).await;
    assert_eq!(respond(&exchange, funding).status, 429);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((respond(&exchange, funding).status, respond(&exchange, data).status), (200, 200));
}
