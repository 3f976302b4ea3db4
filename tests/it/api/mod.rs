//! Does the server keep its word to clients, over real sockets?
//!
//! The market's first minutes pass in virtual time; then time is real, and clients come over loopback.

mod book;
mod coverage;
mod figures;
mod http;
mod rest;
mod session;
mod times;

use crate::spine::{Rig, Setup, in_virtual_time, oracle};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tapedeck::{
    api::{self, ENCODER, Followed, Options, Readiness, SessionOptions, Sessions, Shared},
    market::TapeKind,
    model::Trade,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const CONTRACTS: [(&str, TapeKind, u32); 2] =
    [("BTCUSDT", TapeKind::Aggregate, 900), ("SOLUSDT", TapeKind::Aggregate, 60)];

fn options() -> Options {
    Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        workers: 1,
        connections_max: 64,
        connections_per_ip_max: 32,
        header_timeout: Duration::from_millis(1_500),
        body_timeout: Duration::from_millis(400),
        body_bytes_max: 4_096,
        allowed_origins: vec!["https://friend.example".to_owned()],
        reach_ms: 48 * 3_600_000,
        followed: Followed { open_interest: true, liquidations: true, tickers: true },
        session: SessionOptions {
            flush: Duration::ZERO,
            queue_messages_max: 256,
            queue_bytes_max: 4 << 20,
            subscriptions_max: 16,
            requests_per_second_max: 20,
            message_bytes_max: 65_536,
            heartbeat: Duration::from_secs(15),
            ping: Duration::from_secs(15),
        },
    }
}

/// A server with a market behind it.
struct Site {
    rig: Rig,
    shared: Shared,
    address: SocketAddr,
}

/// Opens a server after the market has run for `age`, and hands it to `main`.
fn with_site<R, F: Future<Output = R>>(age: Duration, options: Options, main: impl FnOnce(Site) -> F) -> R {
    with_market(&CONTRACTS, age, options, main)
}

/// A market of which one contract trades less than once a minute, after half an hour.
fn with_quiet_site<R, F: Future<Output = R>>(main: impl FnOnce(Site) -> F) -> R {
    let contracts = [("BTCUSDT", TapeKind::Aggregate, 60), ("SOLUSDT", TapeKind::Aggregate, 1)];
    with_market(&contracts, Duration::from_mins(30), options(), main)
}

fn with_market<R, F: Future<Output = R>>(
    contracts: &[(&'static str, TapeKind, u32)],
    age: Duration,
    options: Options,
    main: impl FnOnce(Site) -> F,
) -> R {
    let mut setup = Setup::generated(11, contracts);
    setup.encoder = ENCODER;
    let start = move || setup.start();
    with_rig(start, age, options, main)
}

fn with_rig<R, F: Future<Output = R>>(
    start: impl FnOnce() -> Rig,
    age: Duration,
    options: Options,
    main: impl FnOnce(Site) -> F,
) -> R {
    in_virtual_time(async move {
        let rig = start();
        tokio::time::sleep(age).await;
        tokio::time::resume();
        let shared = shared(&rig, options);
        let (server, address) = api::serve(shared.clone()).expect("bound");
        let handle = server.handle();
        let running = actix::spawn(server);
        let result = main(Site { rig, shared, address }).await;
        handle.stop(false).await;
        running.await.expect("no panic").expect("no error");
        result
    })
}

fn shared(rig: &Rig, options: Options) -> Shared {
    Shared {
        contracts: Arc::clone(&rig.engine.contracts),
        roster: tapedeck::market::Roster::new().0,
        announcements: Arc::clone(&rig.engine.announcements),
        shelving: None,
        live: rig.engine.live.clone(),
        clock: tapedeck::clock::Clock::starting_at(rig.exchange.now()),
        metrics: Arc::clone(&rig.metrics),
        budget: tapedeck::history::budget::Budget::new(
            tapedeck::history::budget::Options::default(),
            tapedeck::clock::Clock::starting_at(rig.exchange.now()),
            Arc::clone(&rig.metrics),
        ),
        jobs: None,
        readiness: Arc::new(Readiness::default()),
        sessions: Arc::new(Sessions::default()),
        options: Arc::new(options),
    }
}

/// What came back.
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Site {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Sends `request` as it is; the answer ends with the connection.
    async fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        Answer::parse(&rest_of(&mut stream).await)
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    /// A request with more header lines, each ended.
    async fn ask(&self, method: &str, target: &str, lines: &str) -> Answer {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        self.send(&head).await
    }

    /// What the exchange published of BTCUSDT between two ids.
    fn truth(&self, first: u64, last: u64) -> Vec<Trade> {
        let now = self.rig.exchange.now().get();
        let span = (crate::spine::START - 60_000, now + 1);
        let (mut trades, _) = oracle::truth(&self.rig, &self.rig.contract("BTCUSDT"), span);
        trades.retain(|trade| (first..=last).contains(&trade.id));
        trades
    }
}

/// Everything until the other side ends or cuts.
async fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset after the answer is an end as well.
    let _ended: Result<usize, _> = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("in time");
    bytes
}

/// A trade as its row says it, decimals as their text.
fn row(trade: &Trade) -> serde_json::Value {
    serde_json::json!({
        "id": trade.id,
        "time": trade.time.get(),
        "price": trade.price.to_string(),
        "quantity": trade.quantity.to_string(),
        "first_id": trade.first_id,
        "last_id": trade.last_id,
        "buyer_is_maker": trade.buyer_is_maker,
    })
}
