//! Does the server keep its limits and its manners over real sockets?
#![expect(clippy::unwrap_used, reason = "the helpers too are tests: what fails in them is the verdict")]

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tapedeck::{
    api::{self, Followed, Options, SessionOptions, Shared},
    clock::Clock,
    history::budget::{self, Budget},
    live,
    market::{Contracts, TapeKind},
    model::{Price, Quantity, Symbol, Trade, UnixMillis},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn options() -> Options {
    Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        workers: 1,
        connections_max: 100,
        connections_per_ip_max: 50,
        header_timeout: Duration::from_millis(500),
        body_timeout: Duration::from_millis(500),
        body_bytes_max: 1_000,
        allowed_origins: vec!["https://chart.example".to_owned()],
        reach_ms: 0,
        followed: Followed { open_interest: true, liquidations: true, tickers: true },
        session: SessionOptions {
            flush: Duration::ZERO,
            queue_messages_max: 64,
            queue_bytes_max: 1 << 20,
            subscriptions_max: 3,
            requests_per_second_max: 50,
            message_bytes_max: 64 << 10,
            heartbeat: Duration::from_secs(15),
            ping: Duration::from_secs(20),
        },
    }
}

/// A server over two contracts without a live thread; BTCUSDT holds trades 1 to 5 and 8.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    shared: Shared,
}

fn shared(options: Options) -> Shared {
    let kinds = [("BTCUSDT", TapeKind::Aggregate), ("币安人生USDT", TapeKind::Raw)];
    let contracts = Contracts::new(kinds.map(|(symbol, kind)| (Symbol::new(symbol).unwrap(), kind, 16)));
    let mut writer = contracts.find("BTCUSDT").unwrap().tape.writer().unwrap();
    for id in [1, 2, 3, 4, 5, 8] {
        let time = UnixMillis::new(1_723_161_300_000 + i64::try_from(id).unwrap());
        let (price, quantity) = (Price::from_units(8_309_170_000_000), Quantity::from_units(1));
        writer.push(
            &Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false },
            id != 1 && id != 8,
        );
    }
    let hole = tapedeck::model::IdRange::new(6, 7).unwrap();
    writer.open_holes(&[hole]);
    let clock = Clock::system();
    Shared {
        contracts: Arc::new(contracts),
        roster: tapedeck::market::Roster::new().0,
        announcements: Arc::default(),
        shelving: None,
        live: live::Handle::new(1),
        clock,
        metrics: Arc::default(),
        budget: Budget::new(budget::Options::default(), clock, Arc::default()),
        jobs: None,
        readiness: Arc::default(),
        sessions: Arc::default(),
        options: Arc::new(options),
    }
}

/// Runs `test` against a server with `options`.
fn serving<F: Future<Output = ()>>(options: Options, test: impl FnOnce(Server) -> F) {
    actix_rt::System::new().block_on(async {
        let shared = shared(options);
        let (server, address) = api::serve(shared.clone()).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        timeout(PATIENCE, test(Server { address, shared })).await.unwrap();
        handle.stop(false).await;
    });
}

/// One answer, read to the end of the connection.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request's bytes and reads what comes until the connection ends.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream).await
    }

    async fn request(&self, method: &str, target: &str, headers: &str) -> Answer {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        self.raw(head.as_bytes()).await
    }

    async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "").await
    }

    async fn open(&self) -> Client {
        let (mut client, _) = connect_async(format!("ws://{}/api/v1/ws", self.address)).await.unwrap();
        assert_eq!(hear(&mut client).await["type"], "hello");
        client
    }

    /// The status with which an upgrade is answered.
    async fn upgrade(&self, target: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut request = format!("ws://{}{target}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is no matter.
    stream.read_to_end(&mut bytes).await.unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn hear(client: &mut Client) -> Value {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(client: &mut Client, request: &str) -> Value {
    client.send(Message::text(request.to_owned())).await.unwrap();
    hear(client).await
}

/// How many texts come before the connection is closed, and with which code.
async fn closing(client: &mut Client) -> (usize, u16) {
    let mut texts = 0;
    loop {
        match client.next().await {
            Some(Ok(Message::Text(_))) => texts += 1,
            Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return (texts, code.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn a_refusal_names_what_is_wrong_and_its_own_request() {
    serving(options(), |server| async move {
        for (target, status, code, named) in [
            ("/api/v1/trades", 400, "missing_parameter", "`symbol`"),
            ("/api/v1/trades?symbol=NOPE", 404, "unknown_symbol", "NOPE"),
            ("/api/v1/trades?symbol=../x", 404, "unknown_symbol", "../x"),
            ("/api/v1/trades?symbol=BTCUSDT&strat=1", 400, "unknown_parameter", "strat"),
            ("/api/v1/trades?symbol=BTCUSDT&start=1723161300", 400, "bad_time", "seconds"),
            ("/api/v1/trades?symbol=BTCUSDT&start=2&end=1", 422, "empty_range", "start"),
            ("/api/v1/trades?symbol=BTCUSDT&limit=1000000000", 400, "invalid_parameter", "limit"),
            ("/api/v1/trades?symbol=BTCUSDT&from_id=-1", 400, "invalid_parameter", "from_id"),
            ("/api/v1/trades?symbol=BTCUSDT&from_id=1e3", 400, "invalid_parameter", "from_id"),
            ("/api/v1/trades?symbol=BTCUSDT&from_id=%00", 400, "invalid_parameter", "from_id"),
            ("/api/v1/candles?symbol=BTCUSDT&interval=1x", 400, "bad_interval", "1x"),
            ("/api/v1/candles?symbol=BTCUSDT&interval=1m", 503, "unavailable", "restarted"),
            ("/api/v1/nothing", 404, "not_found", "/api/v1/nothing"),
        ] {
            let answer = server.get(target).await;
            let problem = answer.json();
            assert_eq!((answer.status, &problem["code"]), (status, &json!(code)), "{target}");
            assert_eq!(problem["status"], status, "{target}");
            assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{target}");
            assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "{target}");
            assert_eq!(problem["instance"].as_str(), target.split('?').next(), "{target}");
            assert!(problem["type"].as_str().unwrap().ends_with(code), "{target}");
        }
        let newest = server.get("/api/v1/trades?symbol=BTCUSDT&from_id=18446744073709551615").await;
        assert_eq!((newest.status, &newest.json()["data"]), (200, &json!([])));
    });
}

#[test]
fn head_options_and_other_methods_are_answered_as_they_should() {
    serving(options(), |server| async move {
        let head = server.request("HEAD", "/api/v1/symbols", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let preflight = "origin: https://any.example\r\naccess-control-request-method: GET\r\n";
        let preflight = server.request("OPTIONS", "/api/v1/trades", preflight).await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
        let post = server.request("POST", "/api/v1/trades", "").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        assert_eq!(server.get("/metrics").await.header("access-control-allow-origin"), None);
        assert_eq!(server.get("/livez").await.header("x-content-type-options"), Some("nosniff"));
    });
}

#[test]
fn heads_and_bodies_that_are_too_large_or_too_slow_are_refused_in_time() {
    serving(options(), |server| async move {
        let large = format!("x-large: {}\r\n", "a".repeat(33 << 10));
        assert_eq!(server.request("GET", "/livez", &large).await.status, 431);
        let many = "x: y\r\n".repeat(10_000);
        assert_eq!(server.request("GET", "/livez", &many).await.status, 431);
        let post = "POST /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n";
        let upload = [post.as_bytes(), &[b'a'; 5_000]].concat();
        assert_eq!(server.raw(&upload).await.status, 413);
        for (request, status) in [("", 408), ("GE", 408), ("GET /livez HTTP/1.1\r\nx: y\r\n", 408), (post, 408)] {
            let began = Instant::now();
            assert_eq!(drip(&server, request).await, status, "{request:?}");
            assert!(began.elapsed() < Duration::from_secs(8), "{request:?} was held for {:?}", began.elapsed());
        }
        let preface = server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert_eq!(preface.status, 400);
    });
}

/// Sends `request`, then a byte every now and then, until the server ends it; its status.
async fn drip(server: &Server, request: &str) -> u16 {
    let (mut read, mut write) = server.connect().await.into_split();
    write.write_all(request.as_bytes()).await.unwrap();
    let dripping = async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            if request.is_empty() || write.write_all(b"a").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        _ = read.read_to_end(&mut bytes) => {}
        () = dripping => {}
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn connections_beyond_the_limits_are_told_and_the_others_go_on() {
    let limits = Options { connections_per_ip_max: 2, ..options() };
    serving(limits, |server| async move {
        let (mut first, second) = (server.open().await, server.open().await);
        let mut third = server.connect().await;
        assert_eq!(read_answer(&mut third).await.status, 429);
        assert_eq!(ask(&mut first, r#"{"op":"ping","id":1}"#).await["type"], "pong");
        drop(second);
        while server.get("/livez").await.status != 200 {}
        assert_eq!(ask(&mut first, r#"{"op":"ping","id":2}"#).await["type"], "pong");
    });
    let limits = Options { connections_max: 1, ..options() };
    serving(limits, |server| async move {
        let _first = server.open().await;
        assert_eq!(read_answer(&mut server.connect().await).await.status, 503);
    });
}

#[test]
fn every_request_of_a_session_gets_one_answer() {
    serving(options(), |server| async move {
        let mut client = server.open().await;
        let pong = ask(&mut client, r#"{"op":"ping","id":"x"}"#).await;
        assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!("x")));
        let subscribe = |rest: &str| format!(r#"{{"op":"subscribe","id":7,{rest}}}"#);
        for (request, code, named) in [
            ("{".to_owned(), "not_json", "JSON"),
            (r#"{"op":"sell","id":7}"#.to_owned(), "unknown_op", "sell"),
            (subscribe(r#""channel":"trades","symbol":"NOPE""#), "unknown_symbol", "NOPE"),
            (subscribe(r#""channel":"news","symbol":"BTCUSDT""#), "unknown_channel", "news"),
            (subscribe(r#""channel":"candles","symbol":"BTCUSDT","interval":"1x""#), "bad_interval", "1x"),
            (subscribe(r#""channel":"trades","symbol":"BTCUSDT","colour":1"#), "unknown_field", "colour"),
            (subscribe(r#""channel":"trades","symbol":"BTCUSDT""#), "unavailable", "restarted"),
            (r#"{"op":"unsubscribe","id":7,"sub":9}"#.to_owned(), "unknown_sub", "9"),
        ] {
            let error = ask(&mut client, &request).await;
            assert_eq!((&error["type"], &error["problem"]["code"]), (&json!("error"), &json!(code)), "{request}");
            assert!(error["problem"]["detail"].as_str().unwrap().contains(named), "{error}");
            assert_eq!(error["id"], if code == "not_json" { Value::Null } else { json!(7) }, "{request}");
        }
        assert_eq!(ask(&mut client, r#"{"op":"list","id":1}"#).await["subs"], json!([]));
        server.shared.sessions.goodbye();
        assert_eq!(hear(&mut client).await["type"], "goodbye");
        assert_eq!(closing(&mut client).await, (0, 1012));
    });
}

#[test]
fn a_session_that_breaks_a_rule_learns_which_one() {
    serving(options(), |server| async move {
        let mut client = server.open().await;
        for _ in 0..10 {
            client.send(Message::text("{")).await.unwrap();
        }
        assert_eq!(closing(&mut client).await, (10, 1008));
        let mut client = server.open().await;
        client.send(Message::binary(vec![1])).await.unwrap();
        assert_eq!(closing(&mut client).await, (0, 1003));
        let mut client = server.open().await;
        client.send(Message::text("a".repeat((64 << 10) + 1))).await.unwrap();
        assert_eq!(closing(&mut client).await, (0, 1009));
        // Frames by hand: text that is no UTF-8, a reserved bit, no mask, a fragment.
        for (frame, code) in [
            (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007),
            (&[0xc1, 0x80, 0, 0, 0, 0][..], 1002),
            (&[0x81, 0x01, b'a'][..], 1002),
            (&[0x01, 0x81, 0, 0, 0, 0, b'a'][..], 1003),
        ] {
            let mut client = server.open().await;
            let MaybeTlsStream::Plain(stream) = client.get_mut() else { panic!("plain") };
            stream.write_all(frame).await.unwrap();
            assert_eq!(closing(&mut client).await, (0, code), "{frame:?}");
        }
    });
}

#[test]
fn a_flood_of_requests_or_pings_ends_the_session() {
    serving(options(), |server| async move {
        for message in [Message::text(r#"{"op":"ping"}"#), Message::Ping(Vec::new().into())] {
            let mut client = server.open().await;
            for _ in 0..1_000 {
                if client.feed(message.clone()).await.is_err() {
                    break;
                }
            }
            client.flush().await.unwrap_or_default();
            let (texts, code) = closing(&mut client).await;
            assert!(texts <= 400, "{texts} answers to a flood");
            assert_eq!(code, 1008);
        }
    });
}

#[test]
fn a_frame_that_claims_a_terabyte_costs_no_memory() {
    serving(options(), |server| async move {
        let mut client = server.open().await;
        let before = resident_bytes();
        let MaybeTlsStream::Plain(stream) = client.get_mut() else { panic!("plain") };
        // A masked text frame of 2^40 bytes: the length in network order, then the mask.
        stream.write_all(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let chunk = vec![b'a'; 1 << 20];
        let (mut sent, mut grown) = (0, 0);
        // A loopback carries gigabytes before the socket is cut: what counts is that they are thrown away.
        while stream.write_all(&chunk).await.is_ok() {
            sent += 1;
            grown = grown.max(resident_bytes().saturating_sub(before) >> 20);
        }
        assert!(grown < 64, "{grown} MiB more after {sent} MiB");
    });
}

#[test]
fn who_may_open_a_socket_and_how() {
    serving(options(), |server| async move {
        let own = format!("http://{}", server.address);
        for (headers, status) in [
            (vec![], 101),
            (vec![("origin", own.as_str())], 101),
            (vec![("origin", "https://chart.example")], 101),
            (vec![("origin", "https://evil.example")], 403),
            (vec![("origin", "null")], 403),
            (vec![("sec-websocket-protocol", "mqtt, tapedeck.v1+json")], 101),
        ] {
            assert_eq!(server.upgrade("/api/v1/ws", &headers).await, status, "{headers:?}");
        }
        assert_eq!(server.upgrade("/api/v1/ws", &[("sec-websocket-protocol", "mqtt")]).await, 400);
        assert_eq!(server.upgrade("/api/v1/ws?flush_ms=1001", &[]).await, 400);
        assert_eq!(server.upgrade("/api/v1/ws?flush_ms=1000", &[]).await, 101);
        let plain = server.get("/api/v1/ws").await;
        assert_eq!((plain.status, &plain.json()["code"]), (426, &json!("upgrade_required")));
    });
}
