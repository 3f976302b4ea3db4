//! Do WebSocket connections carry the truth, and obey and break the venue's rules on time?

use super::*;
use futures_util::SinkExt;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use tapedeck::sim::{Execution, Server, Timers};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

async fn ask(client: &mut Client, request: Value) -> Value {
    client.send(Message::text(request.to_string())).await.expect("sent");
    loop {
        let answer = next_json(client).await;
        if answer.get("e").is_none() && answer.get("stream").is_none() {
            return answer;
        }
    }
}

async fn silence(client: &mut Client, seconds: u64) -> bool {
    tokio::time::timeout(Duration::from_secs(seconds), client.next()).await.is_err()
}

async fn close_of(client: &mut Client) -> (CloseCode, String) {
    loop {
        if let Message::Close(Some(frame)) = client.next().await.expect("a close frame").expect("a frame") {
            return (frame.code, frame.reason.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_a_stream_are_exactly_the_truth() {
    let exchange = exchange_with(START, |options| options.contracts.push(busy(Pace::Lively)));
    let names = ["BTCUSDT", "币安人生USDT", "1000SHIBUSDT", "BUSYUSDT"];
    let newest = names.map(|name| {
        get(&exchange, &format!("/fapi/v1/aggTrades?symbol={name}&limit=1")).1[0]["a"].as_u64().expect("a number")
    });
    let streams = names.map(|name| format!("{}@aggTrade", name.to_ascii_lowercase())).join("/");
    let mut client = connect(&exchange, &format!("/market/stream?streams={streams}")).await;
    let end = START + 10 * UnixMillis::MINUTE;
    let mut read: BTreeMap<String, Vec<Trade>> = BTreeMap::new();
    while exchange.now().get() < end + 1_000 {
        let frame = next_json(&mut client).await;
        let data = &frame["data"];
        let (sent, trade) = (data["E"].as_i64().expect("a number"), trade_of(data));
        assert!((5..=150).contains(&(sent - trade.time.get())), "published 5 to 150 ms after: {data}");
        assert_eq!(sent, exchange.now().get(), "and sent in that millisecond");
        read.entry(data["s"].as_str().expect("text").to_owned()).or_default().push(trade);
    }
    for (name, newest) in names.into_iter().zip(newest) {
        let read = &read[name];
        assert!((newest..=newest + 1).contains(&read[0].id), "{name}: the stream goes on where REST ended");
        let truth = exchange.truth(&symbol(name), at(START), at(end));
        let from = read.iter().position(|trade| trade.id == truth[0].id).expect("nothing is missing at the start");
        let read = &read[from..];
        assert!(read.len() >= truth.len());
        assert_eq!(read[..truth.len()], truth, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn raw_trades_come_with_their_burnt_ids() {
    let exchange = exchange(START);
    let mut client = connect(&exchange, "/public/ws/ethusdt@trade").await;
    let truth = exchange.truth_raw(&symbol("ETHUSDT"), at(START), at(START + 20 * UnixMillis::MINUTE));
    let mut burnt = 0;
    for fill in &truth {
        let frame = next_json(&mut client).await;
        let id = frame["t"].as_u64().expect("a number");
        assert_eq!((id, frame["T"].as_i64()), (fill.id, Some(fill.time.get())));
        let is_burnt = fill.execution == Execution::Burnt;
        burnt += u32::from(is_burnt);
        assert_eq!(frame["X"], if is_burnt { "NA" } else { "MARKET" });
        assert_eq!(units(&frame["p"]), fill.price.units());
    }
    assert!(burnt > 0);
}

#[tokio::test(start_paused = true)]
async fn klines_lead_their_trades_close_once_and_agree_with_rest() {
    kline_stream("solusdt", 12).await;
    // So quiet that klines are closed for want of a successor.
    kline_stream("币安人生usdt", 30).await;
}

async fn kline_stream(name: &str, minutes: i64) {
    let exchange = exchange(START);
    let mut client = connect(&exchange, &format!("/market/ws/{name}@kline_1m/{name}@aggTrade")).await;
    let (mut closed, mut last_sent, mut shown_until, mut leads) = (Vec::new(), 0, 0, 0);
    while exchange.now().get() < START + minutes * UnixMillis::MINUTE {
        let frame = next_json(&mut client).await;
        let sent = frame["E"].as_i64().expect("a number");
        if frame["e"] == "aggTrade" {
            leads += i32::from(frame["f"].as_i64().expect("a number") <= shown_until);
            continue;
        }
        let kline = &frame["k"];
        shown_until = kline["L"].as_i64().expect("a number");
        if kline["x"] == true {
            assert!(sent <= kline["T"].as_i64().expect("a number") + 1 + 2_000, "closed within 2 s");
            closed.push(kline.clone());
        } else {
            assert!(sent - last_sent >= 250, "at most every 250 ms");
        }
        last_sent = sent;
    }
    assert!(leads > 10, "klines lead: {leads}");
    assert!(closed.len() >= 8, "{}", closed.len());
    for kline in closed {
        let open = kline["t"].as_i64().expect("a number");
        let (_, body) = get(&exchange, &format!("/fapi/v1/klines?symbol={name}&interval=1m&startTime={open}&limit=1"));
        let names = ["o", "h", "l", "c", "v", "q", "n", "V", "Q"];
        for (name, column) in names.into_iter().zip([1, 2, 3, 4, 5, 7, 8, 9, 10]) {
            assert_eq!(kline[name], body[0][column], "{name} of {open}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_path_or_name_is_acknowledged_and_silent() {
    for (path, name) in [
        ("/ws", "btcusdt@aggTrade"),
        ("/public/ws", "btcusdt@aggTrade"),
        ("/market/ws", "btcusdt@trade"),
        ("/market/ws", "BTCUSDT@aggTrade"),
        ("/market/ws", "nopeusdt@aggTrade"),
        ("/market/ws", "omgusdt@aggTrade"),
        ("/market/ws", "btcusdt@kline_1s"),
        ("/market/ws", "no name at all"),
    ] {
        let mut client = connect(&exchange(START), path).await;
        let request = json!({"method": "SUBSCRIBE", "params": [name], "id": 7});
        assert_eq!(ask(&mut client, request).await, json!({"result": null, "id": 7}), "{path} {name}");
        let listed = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 8})).await;
        assert_eq!(listed, json!({"result": [name], "id": 8}));
        assert!(silence(&mut client, 100).await, "{path} {name}");
    }
    for path in ["/ws/btcusdt@trade", "/public/ws/btcusdt@bookTicker", "/market/ws/btcusdt@markPrice@1s"] {
        let mut client = connect(&exchange(START), path).await;
        assert!(!silence(&mut client, 100).await, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn envelopes_and_properties_follow_the_url() {
    let exchange = exchange(START);
    let mut client = connect(&exchange, "/market/stream?streams=btcusdt@markPrice@1s").await;
    assert_eq!(next_json(&mut client).await["stream"], "btcusdt@markPrice@1s");
    let property = json!({"method": "GET_PROPERTY", "params": ["combined"], "id": 1});
    assert_eq!(ask(&mut client, property.clone()).await["result"], true);
    let off = json!({"method": "SET_PROPERTY", "params": ["combined", false], "id": 2});
    assert_eq!(ask(&mut client, off).await["result"], Value::Null);
    assert_eq!(next_json(&mut client).await["e"], "markPriceUpdate");
    let request = json!({"method": "UNSUBSCRIBE", "params": ["btcusdt@markPrice@1s", "never"], "id": 3});
    assert_eq!(ask(&mut client, request).await["result"], Value::Null);
    assert!(silence(&mut client, 60).await);

    let mut all = connect(&exchange, "/market/ws/!markPrice@arr@1s").await;
    let (coins, metals) = (next_json(&mut all).await, next_json(&mut all).await);
    assert_eq!((coins.as_array().map(Vec::len), metals[0]["s"].as_str()), (Some(8), Some("XAUUSDT")));
    assert!(coins.as_array().expect("rows").iter().any(|row| row["T"] == 0), "a delisted one has no funding");
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_answered_from_the_table() {
    let exchange = exchange(START);
    for (text, code) in [
        ("{", 3),
        ("", 3),
        (r#"{"id":1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":["a"]}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":["a"],"id":-1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":"a","id":1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":[1],"id":1}"#, 2),
        (r#"{"method":"NOPE","id":1}"#, 2),
        (r#"{"method":"SET_PROPERTY","params":["combined",1],"id":1}"#, 1),
        (r#"{"method":"SET_PROPERTY","params":["x",true],"id":1}"#, 0),
        (r#"{"method":"GET_PROPERTY","params":[1],"id":1}"#, 2),
        (r#"{"method":"GET_PROPERTY","params":["combined",1],"id":1}"#, 2),
        ("[[[[", 3),
        ("7", 2),
    ] {
        let mut client = connect(&exchange, "/market/ws").await;
        client.send(Message::text(text)).await.expect("sent");
        assert_eq!(next_json(&mut client).await["code"], code, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_1025th_stream_costs_all_of_them() {
    let exchange = exchange(START);
    let mut client = connect(&exchange, "/market/ws").await;
    for batch in 0..8 {
        let names: Vec<String> = (0..128).map(|index| format!("s{}@aggTrade", batch * 128 + index)).collect();
        let request = json!({"method": "SUBSCRIBE", "params": names, "id": batch});
        assert_eq!(ask(&mut client, request).await["result"], Value::Null);
    }
    let again = json!({"method": "SUBSCRIBE", "params": ["s0@aggTrade"], "id": 9});
    assert_eq!(ask(&mut client, again).await, json!({"result": null, "id": 9}), "one held already is no further one");
    let one_more = json!({"method": "SUBSCRIBE", "params": ["x@aggTrade"], "id": 10});
    assert_eq!(ask(&mut client, one_more).await, json!({"error": {"code": 4, "msg": "Too many subscriptions"}}));
    assert_eq!(close_of(&mut client).await, (CloseCode::Policy, "Invalid request".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn fifteen_requests_a_second_are_answered_and_no_more() {
    let exchange = exchange(START);
    let mut client = connect(&exchange, "/market/ws").await;
    for _ in 0..2 {
        for id in 0..15 {
            let answer = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": id})).await;
            assert_eq!(answer, json!({"result": [], "id": id}));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for id in 0..40 {
        let request = json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string();
        client.feed(Message::text(request)).await.expect("sent");
    }
    client.flush().await.expect("sent");
    for id in 0..15 {
        assert_eq!(next_json(&mut client).await["id"], id);
    }
    let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("a close at once") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Policy, "Too many requests"));
}

#[tokio::test(start_paused = true)]
async fn pings_come_on_time_and_connections_end_of_age() {
    let exchange = exchange(START);
    let mut client = connect(&exchange, "/market/ws").await;
    for after in [140, 320, 500] {
        let Some(Ok(Message::Ping(payload))) = client.next().await else { panic!("a ping") };
        let sent = START + after * UnixMillis::SECOND;
        assert_eq!((exchange.now().get(), payload.as_ref()), (sent, sent.to_string().as_bytes()));
    }
    while let Some(Ok(Message::Ping(_))) = client.next().await {}
    assert_eq!(exchange.now().get(), START + UnixMillis::DAY, "answered pings keep it open for 24 hours");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_pings_is_dropped() {
    let timers = Timers { lifetime: Duration::from_secs(86_400), ..Timers::default() };
    let exchange = exchange_with(START, |options| options.timers = timers);
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(serve_connection(exchange.clone(), theirs));
    let head = "GET /market/ws HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut ours, head.as_bytes()).await.expect("written");
    served.await.expect("no panic").expect("no error");
    assert_eq!(exchange.now().get(), START + (140 + 600) * UnixMillis::SECOND);
}

/// Reads what is on its way, one frame at least; gives the id that comes next.
async fn next_id(client: &mut Client) -> u64 {
    let mut frame = next_json(client).await;
    while let Ok(next) = tokio::time::timeout(Duration::from_millis(2), next_json(client)).await {
        frame = next;
    }
    frame["a"].as_u64().expect("a number") + 1
}

#[tokio::test(start_paused = true)]
async fn faults_do_what_they_say() {
    let exchange = exchange(START);
    let btc = symbol("BTCUSDT");
    let mut client = connect(&exchange, "/market/ws/btcusdt@aggTrade").await;
    let next = next_id(&mut client).await;
    exchange.faults().drop_next(&btc, 3);
    assert_eq!(next_json(&mut client).await["a"], next + 3);
    let next = next_id(&mut client).await;
    exchange.faults().duplicate_next(&btc, 1);
    for expected in [next, next, next + 1] {
        assert_eq!(next_json(&mut client).await["a"], expected);
    }
    let next = next_id(&mut client).await;
    exchange.faults().reorder_next(&btc);
    for expected in [next + 1, next, next + 2] {
        assert_eq!(next_json(&mut client).await["a"], expected);
    }
    let next = next_id(&mut client).await;
    (0..3).for_each(|_| exchange.faults().reorder_next(&btc));
    for expected in [next + 3, next + 2, next + 1, next, next + 4] {
        assert_eq!(next_json(&mut client).await["a"], expected, "each after its successor, none lost");
    }
    let next = next_id(&mut client).await;
    exchange.faults().garbage_next(&btc, 1);
    let Some(Ok(Message::Text(text))) = client.next().await else { panic!("text") };
    assert!(serde_json::from_str::<Value>(&text).is_err());
    assert_eq!(next_json(&mut client).await["a"], next);
    let next = next_id(&mut client).await;

    exchange.faults().stall(true);
    assert!(silence(&mut client, 100).await);
    let answer = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    assert_eq!(answer["id"], 1, "a stalled connection still answers");
    exchange.faults().stall(false);
    let resumed = next_json(&mut client).await["a"].as_u64().expect("a number");
    assert!(resumed > next + 100, "what fell due meanwhile is lost");
    exchange.faults().cut(false);
    while let Some(Ok(_)) = client.next().await {}

    let mut torn = connect(&exchange, "/market/ws").await;
    ask(&mut torn, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    exchange.faults().cut(true);
    assert!(!matches!(torn.next().await, Some(Ok(_))), "a torn frame is no message");
}

#[tokio::test(start_paused = true)]
async fn a_faster_clock_brings_the_same_tape_sooner() {
    let exchange = exchange_with(START, |options| options.speed = 60);
    let mut client = connect(&exchange, "/market/ws/btcusdt@aggTrade").await;
    let opened = tokio::time::Instant::now();
    let first = trade_of(&next_json(&mut client).await);
    let mut read = vec![first];
    while opened.elapsed() < Duration::from_secs(10) {
        read.push(trade_of(&next_json(&mut client).await));
    }
    let last = read.last().expect("some").time;
    assert!((9 * UnixMillis::MINUTE..=10 * UnixMillis::MINUTE + 2_000).contains(&last.since(at(START))));
    let truth = exchange.truth(&symbol("BTCUSDT"), first.time, last.plus(1));
    let from = truth.iter().position(|trade| trade.id == first.id).expect("published");
    assert_eq!(truth[from..from + read.len()], read);
}

#[tokio::test]
async fn one_port_serves_rest_and_websocket() {
    let exchange = exchange(START);
    let server = Server::bind(exchange.clone(), "127.0.0.1:0".parse().expect("an address")).await.expect("bound");
    let address = server.local_addr();
    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let url = format!("ws://{address}/market/ws/btcusdt@markPrice@1s");
    let (mut client, _) = client_async(url, stream).await.expect("a handshake");
    assert!(matches!(client.next().await, Some(Ok(Message::Text(_)))));
    let mut rest = tokio::net::TcpStream::connect(address).await.expect("connected");
    let requests = "GET /fapi/v1/ping HTTP/1.1\r\nHost: sim\r\n\r\nPOST / HTTP/1.1\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut rest, requests.as_bytes()).await.expect("written");
    let mut answers = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut rest, &mut answers).await.expect("read to the end");
    assert!(answers.starts_with("HTTP/1.1 200 OK\r\n") && answers.contains("\r\n\r\n{}HTTP/1.1 405"), "{answers}");
    server.stop().await;
    while let Some(Ok(_)) = client.next().await {}
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn connections_past_the_bound_are_refused_and_counted() {
    let exchange = exchange_with(START, |options| options.connections_max = 1);
    let server = Server::bind(exchange.clone(), "127.0.0.1:0".parse().expect("an address")).await.expect("bound");
    let url = format!("ws://{}/market/ws", server.local_addr());
    let connect = || async { tokio::net::TcpStream::connect(server.local_addr()).await.expect("connected") };
    let held = client_async(&url, connect().await).await.expect("a handshake");
    assert!(client_async(&url, connect().await).await.is_err());
    assert_eq!(exchange.connections_refused(), 1);
    drop(held);
}
