//! Do WebSocket sessions keep the protocol, and do their limits hold?

mod announced;
mod choices;
mod followed;

use super::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

const AGE: Duration = Duration::from_secs(150);

/// A client that keeps every message it has seen.
struct Client {
    socket: WebSocketStream<TcpStream>,
}

/// What came next.
#[derive(Debug)]
enum Next {
    Text(Value),
    Closed(Option<CloseFrame>),
    /// Without a closing handshake.
    Cut,
}

impl Client {
    /// Opens a session and hears its hello.
    async fn open(site: &Site, query: &str) -> Self {
        Self::over(site, site.connect().await, query).await
    }

    async fn over(site: &Site, stream: TcpStream, query: &str) -> Self {
        let url = format!("ws://{}/api/v1/ws{query}", site.address);
        let (socket, _) = timeout(PATIENCE, client_async(url, stream)).await.expect("in time").expect("upgraded");
        let mut client = Self { socket };
        assert_eq!(client.text().await["type"], "hello");
        client
    }

    async fn next(&mut self) -> Next {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("in time") {
                Some(Ok(Message::Text(text))) => return Next::Text(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Next::Closed(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Next::Cut,
            }
        }
    }

    async fn text(&mut self) -> Value {
        match self.next().await {
            Next::Text(value) => value,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, message: impl Into<Message>) {
        timeout(PATIENCE, self.socket.send(message.into())).await.expect("in time").expect("sent");
    }

    /// Sends a request; its answer, and the frames before it.
    async fn ask(&mut self, mut request: Value) -> (Value, Vec<Value>) {
        request["id"] = "q".into();
        self.send(request.to_string()).await;
        let mut before = Vec::new();
        loop {
            let value = self.text().await;
            if value["id"] == "q" {
                return (value, before);
            }
            before.push(value);
        }
    }

    /// Data frames until `enough` of them says so.
    async fn frames(&mut self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        while !enough(&frames) {
            let value = self.text().await;
            if value.get("seq").is_some() {
                frames.push(value);
            }
        }
        frames
    }

    /// The code of the close, whatever comes before it; none when cut.
    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Next::Text(_) => {}
                Next::Closed(frame) => return frame.map(|frame| frame.code.into()),
                Next::Cut => return None,
            }
        }
    }
}

fn trades_of(symbol: &str, snapshot: u32) -> Value {
    json!({"op": "subscribe", "channel": "trades", "symbol": symbol, "snapshot": snapshot})
}

fn candles_of(symbol: &str, interval: &str) -> Value {
    json!({"op": "subscribe", "channel": "candles", "symbol": symbol, "interval": interval, "snapshot": 3})
}

/// The same as one of a batch.
fn candles_wish(symbol: &str, interval: &str) -> Value {
    let mut wish = candles_of(symbol, interval);
    wish.as_object_mut().expect("an object").remove("op");
    wish
}

fn rows(frames: &[Value], sub: &Value) -> Vec<Value> {
    let own = frames.iter().filter(|frame| &frame["sub"] == sub);
    own.flat_map(|frame| frame["data"].as_array().expect("rows").clone()).collect()
}

/// Trades as frames carry them are the published ones, each once.
fn assert_published(site: &Site, rows: &[Value]) {
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect();
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    let truth = site.truth(first, last);
    assert_eq!(ids, truth.iter().map(|trade| trade.id).collect::<Vec<_>>(), "no hole, no overlap");
    for (row, trade) in rows.iter().zip(&truth) {
        // Numbers are exact on the wire; here they have become doubles, as in most clients.
        let number = |text: String| text.parse::<f64>().expect("a number");
        assert_eq!(row["price"].as_f64(), Some(number(trade.price.to_string())));
        assert_eq!(row["quantity"].as_f64(), Some(number(trade.quantity.to_string())));
        assert_eq!((&row["time"], &row["last_id"]), (&trade.time.get().into(), &trade.last_id.into()));
    }
}

#[test]
fn subscriptions_are_acknowledged_then_whole() {
    with_site(AGE, options(), async |site| {
        let mut client = Client::open(&site, "").await;
        let mut subs = Vec::new();
        let mut frames = Vec::new();
        for request in [trades_of("btcusdt", 20), candles_of("BTCUSDT", "1m"), candles_of("BTCUSDT", "7m")] {
            let (ack, before) = client.ask(request).await;
            assert_eq!(ack["type"], "ack", "{ack}");
            assert!(before.iter().all(|frame| frame["sub"] != ack["sub"]), "the ack comes first");
            subs.push(ack["sub"].clone());
            frames.extend(before.into_iter().filter(|frame| frame.get("seq").is_some()));
        }
        frames.extend(client.frames(|frames| frames.len() >= 60).await);
        for sub in &subs {
            let own: Vec<_> = frames.iter().filter(|frame| &frame["sub"] == sub).collect();
            assert_eq!(own[0]["type"], "snapshot");
            assert!(own[1..].iter().all(|frame| frame["type"] == "update"), "{own:?}");
            assert!(own.iter().zip(0..).all(|(frame, seq)| frame["seq"] == seq), "seq has no gap");
        }
        let first = frames.iter().find(|frame| frame["sub"] == subs[0]).expect("a snapshot");
        assert_eq!(first["data"].as_array().map(Vec::len), Some(20));
        assert_published(&site, &rows(&frames, &subs[0]));
        for sub in &subs[1..] {
            let open = rows(&frames, sub).pop().expect("a candle");
            let ids = (open["first_id"].as_u64().expect("an id"), open["last_id"].as_u64().expect("an id"));
            assert_eq!(open["trades"], site.truth(ids.0, ids.1).len(), "{open}");
        }
    });
}

#[test]
fn one_bad_wish_leaves_the_batch_and_subscriptions_end() {
    with_site(AGE, options(), async |site| {
        let mut client = Client::open(&site, "").await;
        let wish = |symbol: &str| json!({"channel": "trades", "symbol": symbol});
        let batch = json!({"op": "subscribe", "subs": [wish("BTCUSDT"), wish("NOPE"), wish("SOLUSDT")]});
        let (ack, _) = client.ask(batch).await;
        assert_eq!(ack["subs"][1]["problem"]["code"], "unknown_symbol", "{ack}");
        let (first, last) = (ack["subs"][0]["sub"].clone(), ack["subs"][2]["sub"].clone());
        let (list, _) = client.ask(json!({"op": "list"})).await;
        let listed: Vec<_> = list["subs"].as_array().expect("a list").iter().map(|sub| sub["sub"].clone()).collect();
        assert_eq!(listed, [first.clone(), last.clone()]);
        client.frames(|frames| frames.iter().filter(|frame| frame["sub"] == first).count() > 3).await;
        let (ack, _) = client.ask(json!({"op": "unsubscribe", "sub": first})).await;
        assert_eq!(ack["unsubscribed"], json!([first]));
        let frames = client.frames(|frames| frames.len() > 1).await;
        assert!(frames.iter().all(|frame| frame["sub"] == last), "{frames:?}");
        let (error, _) = client.ask(json!({"op": "unsubscribe", "sub": first})).await;
        assert_eq!(error["problem"]["code"], "unknown_sub");
        let (pong, _) = client.ask(json!({"op": "ping"})).await;
        assert_eq!(pong["type"], "pong");
    });
}

#[test]
fn the_same_subscription_is_refused_and_the_one_that_is_there_named() {
    with_site(AGE, options(), async |site| {
        let mut client = Client::open(&site, "").await;
        let (first, _) = client.ask(candles_of("BTCUSDT", "60m")).await;
        for same in [candles_of("btcusdt", "1h"), json!({"op": "subscribe", "subs": [candles_wish("BTCUSDT", "1h")]})] {
            let (answer, _) = client.ask(same).await;
            let problem = if answer["type"] == "error" { &answer["problem"] } else { &answer["subs"][0]["problem"] };
            assert_eq!((&problem["code"], &problem["status"]), (&"already_subscribed".into(), &409.into()), "{answer}");
            assert_eq!(problem["sub"], first["sub"], "{answer}");
        }
        for other in [candles_of("SOLUSDT", "1h"), candles_of("BTCUSDT", "2h"), trades_of("BTCUSDT", 3)] {
            assert_eq!(client.ask(other).await.0["type"], "ack");
        }
        let mut closed = candles_of("BTCUSDT", "1h");
        closed["closed_only"] = true.into();
        assert_eq!(client.ask(closed).await.0["type"], "ack");
        client.ask(json!({"op": "unsubscribe", "sub": first["sub"]})).await;
        assert_eq!(client.ask(candles_of("BTCUSDT", "1h")).await.0["type"], "ack", "it is gone");
    });
}

#[test]
fn a_session_follows_so_many_intervals_and_a_request_asks_for_so_many_rows() {
    let many = SessionOptions { subscriptions_max: 100, ..options().session };
    with_site(AGE, Options { session: many, ..options() }, async |site| {
        let mut client = Client::open(&site, "").await;
        let wishes: Vec<_> = (1..=33).map(|minutes| candles_wish("BTCUSDT", &format!("{minutes}m"))).collect();
        let (ack, _) = client.ask(json!({"op": "subscribe", "subs": wishes})).await;
        let codes: Vec<_> = (0..33).map(|at| &ack["subs"][at]["problem"]["code"]).collect();
        assert!(codes[..32].iter().all(|code| code.is_null()), "{ack}");
        assert_eq!(codes[32], "too_many_intervals");
        assert_eq!(client.ask(candles_of("SOLUSDT", "7m")).await.0["type"], "ack", "one that it follows");
        let wish = json!({"channel": "trades", "symbol": "BTCUSDT", "snapshot": 10_000});
        let (error, _) = client.ask(json!({"op": "subscribe", "subs": vec![wish; 6]})).await;
        assert_eq!(error["problem"]["code"], "too_many_snapshot_rows", "{error}");
        assert!(error["problem"]["detail"].as_str().expect("a detail").contains("50000"), "{error}");
    });
}

/// The rows of frames of one kind.
fn rows_of(frames: &[Value], kind: &str) -> Vec<Value> {
    let of_kind = frames.iter().filter(|frame| frame["type"] == kind);
    of_kind.flat_map(|frame| frame["data"].as_array().expect("rows").clone()).collect()
}

#[test]
fn a_client_that_comes_back_resumes_behind_its_last_trade() {
    with_site(AGE, options(), async |site| {
        let mut first = Client::open(&site, "").await;
        first.ask(trades_of("BTCUSDT", 0)).await;
        let frames = first.frames(|frames| rows_of(frames, "update").len() >= 20).await;
        let before = rows_of(&frames, "update");
        let last = before.last().expect("trades")["id"].as_u64().expect("an id");
        drop(first);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut second = Client::open(&site, "").await;
        let mut wish = trades_of("BTCUSDT", 0);
        wish["resume_after"] = last.into();
        let (ack, _) = second.ask(wish.clone()).await;
        assert_eq!(ack["canonical"]["resume_after"], last, "{ack}");
        let frames = second.frames(|frames| rows_of(frames, "update").len() >= 60).await;
        assert_eq!((&frames[0]["type"], &frames[0]["data"]), (&"snapshot".into(), &json!([])));
        let seqs: Vec<_> = frames.iter().map(|frame| frame["seq"].as_u64().expect("a number")).collect();
        assert_eq!(seqs, (0..frames.len() as u64).collect::<Vec<_>>());
        let all = [before, rows_of(&frames, "update")].concat();
        let ids: Vec<u64> = all.iter().map(|row| row["id"].as_u64().expect("an id")).collect();
        let truth = site.truth(ids[0], ids[ids.len() - 1]);
        assert_eq!(ids, truth.iter().map(|trade| trade.id).collect::<Vec<_>>(), "each once, in order");
        wish["resume_after"] = (last + 1_000_000).into();
        let (error, _) = second.ask(wish).await;
        assert_eq!(
            (&error["problem"]["code"], &error["problem"]["status"]),
            (&"resume_beyond_newest".into(), &409.into())
        );
    });
}

#[test]
fn what_breaks_the_rules_is_closed_with_its_code() {
    let few = SessionOptions { requests_per_second_max: 5, ..options().session };
    with_site(Duration::ZERO, Options { session: few, ..options() }, async |site| {
        let mut hasty = Client::open(&site, "").await;
        for _ in 0..6 {
            hasty.send(r#"{"op":"ping"}"#).await;
        }
        while hasty.text().await["problem"]["code"] != "too_many_requests" {}
        let mut binary = Client::open(&site, "").await;
        binary.send(vec![1, 2, 3]).await;
        assert_eq!(binary.close_code().await, Some(1003));
    });
    with_site(Duration::ZERO, options(), async |site| {
        let mut babbler = Client::open(&site, "").await;
        for _ in 0..10 {
            babbler.send("{nonsense").await;
        }
        for _ in 0..10 {
            assert_eq!(babbler.text().await["problem"]["code"], "not_json");
        }
        assert_eq!(babbler.close_code().await, Some(1008));
    });
}

#[test]
fn a_frame_that_declares_too_much_is_cut_before_it_comes() {
    with_site(Duration::ZERO, options(), async |site| {
        let mut stream = site.connect().await;
        let upgrade = "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a byte"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        // It ends although nothing of the frame's body is ever sent.
        let header = [0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        stream.write_all(&header).await.expect("sent");
        rest_of(&mut stream).await;
    });
}

#[test]
fn pages_of_strangers_open_no_session() {
    with_site(Duration::ZERO, options(), async |site| {
        for (origin, status) in [
            ("https://stranger.example", 403),
            ("null", 403),
            ("https://friend.example", 101),
            (&format!("http://{}", site.address), 101),
        ] {
            let mut request = format!("ws://{}/api/v1/ws", site.address).into_client_request().expect("a request");
            request.headers_mut().insert("Origin", origin.parse().expect("a header"));
            let answered = match client_async(request, site.connect().await).await {
                Ok((_, response)) => response.status(),
                Err(Error::Http(response)) => response.status(),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(answered.as_u16(), status, "{origin}");
        }
    });
}

#[test]
fn a_flush_interval_gathers() {
    with_site(AGE, options(), async |site| {
        let mut client = Client::open(&site, "?flush_ms=200").await;
        let mut seen: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        client.send(trades_of("BTCUSDT", 0).to_string()).await;
        client.send(candles_of("BTCUSDT", "1m").to_string()).await;
        let started = Instant::now();
        let mut trades = Vec::new();
        while started.elapsed() < Duration::from_secs(3) {
            let value = client.text().await;
            if value.get("seq").is_some() {
                seen.entry(value["sub"].to_string()).or_default().push(Instant::now());
                trades.push(value);
            }
        }
        assert_eq!(seen.len(), 2);
        for times in seen.values() {
            assert!(times.len() >= 5, "{}", times.len());
            // The snapshot and the first update may come together.
            let close = times[2..].windows(3).filter(|three| three[2] - three[0] < Duration::from_millis(300)).count();
            assert_eq!(close, 0, "three frames in less than two intervals");
        }
        trades.retain(|frame| frame["ch"] == "trades");
        assert_published(&site, &rows(&trades, &trades[0]["sub"]));
    });
}

#[test]
fn everyone_is_told_goodbye() {
    with_site(Duration::ZERO, options(), async |site| {
        let mut clients = [Client::open(&site, "").await, Client::open(&site, "").await];
        assert_eq!(site.shared.sessions.count(), 2);
        site.shared.sessions.goodbye();
        for client in &mut clients {
            let goodbye = client.text().await;
            assert_eq!((&goodbye["type"], &goodbye["reason"]), (&"goodbye".into(), &"restart".into()));
            assert_eq!(client.close_code().await, Some(1012));
        }
        let gone = async {
            while site.shared.sessions.count() > 0 {
                tokio::task::yield_now().await
            }
        };
        timeout(PATIENCE, gone).await.expect("forgotten");
    });
}

#[test]
fn who_stops_reading_is_cut_and_nobody_else_suffers() {
    let short = SessionOptions { queue_messages_max: 8, ..options().session };
    with_site(Duration::from_secs(600), Options { session: short, ..options() }, async |site| {
        let mut reader = Client::open(&site, "").await;
        let (ack, _) = reader.ask(trades_of("BTCUSDT", 0)).await;
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("set");
        let stream = socket.connect(site.address).await.expect("connected");
        let mut idler = Client::over(&site, stream, "").await;
        let wish = |rows: u32| json!({"channel": "trades", "symbol": "BTCUSDT", "snapshot": rows});
        let wishes = [8_000, 8_001, 8_002, 8_003].map(wish);
        let batch = json!({"op": "subscribe", "subs": wishes});
        idler.send(batch.to_string()).await;
        let line = r#"tapedeck_ws_cut_total{reason="slow_consumer"} 0"#;
        let is_cut = || !site.rig.metrics.text().expect("encodes").lines().any(|other| other == line);
        assert!(!is_cut());
        let mut frames = Vec::new();
        let reading = async {
            while !is_cut() {
                frames.extend(reader.frames(|frames| !frames.is_empty()).await);
            }
            frames.extend(reader.frames(|frames| frames.len() > 20).await);
        };
        timeout(2 * PATIENCE, reading).await.expect("cut in time");
        assert!(frames.iter().zip(0..).all(|(frame, seq)| frame["seq"] == seq), "the reader misses nothing");
        assert_published(&site, &rows(&frames, &ack["sub"]));
        let gone = async {
            while site.shared.sessions.count() > 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("the idler's session ends");
    });
}
