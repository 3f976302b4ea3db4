//! Do connections behave when the other end does not?
#![expect(clippy::unwrap_used, reason = "the helpers too are tests: what fails in them is the verdict")]

use flate2::{Compression, write::GzEncoder};
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener as BlockingListener, TcpStream as BlockingStream},
    sync::Arc,
    thread,
    time::Duration,
};
use tapedeck::net::{
    BoxStream, DialError, DialLimits, Endpoint, Fetch, FetchError, FetchLimits, HttpClient, Limits, MemoryDialer,
    MemoryListener, OpenError, ReadError, TcpDialer, WebSocket, WriteError, tls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        self, Message,
        protocol::{
            CloseFrame,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

type Server = WebSocketStream<BoxStream>;

fn endpoint() -> Endpoint {
    Endpoint::parse("wss://fstream.example").unwrap()
}

/// A client and the server's end, over memory.
async fn connected() -> (WebSocket, Server) {
    let (dialer, mut listener) = MemoryDialer::pair();
    connected_over(&dialer, &mut listener, &Limits::default()).await
}

async fn connected_over(dialer: &MemoryDialer, listener: &mut MemoryListener, limits: &Limits) -> (WebSocket, Server) {
    let endpoint = endpoint();
    let (client, server) = tokio::join!(WebSocket::open(dialer, &endpoint, "/market/ws", limits), async {
        accept_async(listener.accept().await).await
    });
    (client.unwrap(), server.unwrap())
}

fn tcp_dialer(extra_ca_pem: Option<&[u8]>) -> TcpDialer {
    TcpDialer::new(tls::client_config(extra_ca_pem).unwrap(), DialLimits::default())
}

/// One text frame.
async fn read_one(client: &mut WebSocket) -> Result<String, ReadError> {
    let mut text = Vec::new();
    client.read(1, |bytes| text.extend_from_slice(bytes)).await?;
    Ok(String::from_utf8(text).unwrap())
}

/// Pings, and sends data only once the ping is answered.
async fn data_for_a_pong<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut server: WebSocketStream<S>) {
    server.send(Message::Ping("1753000000000".into())).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::Pong("1753000000000".into()));
    server.send(Message::text("thanks")).await.unwrap();
}

#[tokio::test]
async fn a_ping_is_answered_while_only_reading() {
    let (mut client, server) = connected().await;
    let (text, ()) = tokio::join!(read_one(&mut client), data_for_a_pong(server));
    assert_eq!(text.unwrap(), "thanks");
}

#[tokio::test]
async fn a_ping_is_answered_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let (dialer, limits) = (tcp_dialer(None), Limits::default());
    let client = async {
        let mut client = WebSocket::open(&dialer, &endpoint, "/ws", &limits).await.unwrap();
        read_one(&mut client).await.unwrap()
    };
    let server = async { data_for_a_pong(accept_async(listener.accept().await.unwrap().0).await.unwrap()).await };
    assert_eq!(tokio::join!(client, server).0, "thanks");
}

#[tokio::test]
async fn every_ping_of_a_burst_is_answered() {
    let (mut client, mut server) = connected().await;
    for n in 0..5 {
        server.feed(Message::Ping(n.to_string().into())).await.unwrap();
    }
    server.send(Message::text("data")).await.unwrap();
    assert_eq!(read_one(&mut client).await.unwrap(), "data");
    for n in 0..5 {
        assert_eq!(server.next().await.unwrap().unwrap(), Message::Pong(n.to_string().into()));
    }
}

#[tokio::test]
async fn frames_come_in_order_and_at_most_so_many_at_once() {
    let (mut client, mut server) = connected().await;
    for n in 0..10 {
        server.feed(Message::text(n.to_string())).await.unwrap();
    }
    server.feed(Message::binary(vec![0xff])).await.unwrap();
    server.flush().await.unwrap();
    let (mut seen, mut counts) = (Vec::new(), Vec::new());
    while seen.len() < 11 {
        counts.push(client.read(4, |bytes| seen.push(bytes.to_vec())).await.unwrap());
    }
    assert_eq!(counts, [4, 4, 3]);
    let expected: Vec<_> = (0..10).map(|n| n.to_string().into_bytes()).chain([vec![0xff]]).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_read_loses_nothing() {
    let (mut client, mut server) = connected().await;
    let writer = tokio::spawn(async move {
        for n in 0..2_000_u64 {
            server.send(Message::text(n.to_string())).await.unwrap();
            tokio::time::sleep(Duration::from_micros(n * 7_919 % 3_000)).await;
        }
    });
    let (mut seen, mut cancelled) = (Vec::new(), 0);
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while seen.len() < 2_000 {
        tokio::select! {
            _ = ticks.tick() => cancelled += 1,
            read = client.read(8, |bytes| seen.push(String::from_utf8(bytes.to_vec()).unwrap())) => { read.unwrap(); }
        }
    }
    writer.await.unwrap();
    assert!(cancelled > 1_000, "cancelled only {cancelled} times");
    assert!(seen.iter().enumerate().all(|(n, text)| *text == n.to_string()));
}

#[tokio::test]
async fn requests_arrive_and_answers_come_back() {
    let (mut client, mut server) = connected().await;
    client.send(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#.to_owned()).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text(r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#));
    server.send(Message::text(r#"{"result":[],"id":3}"#)).await.unwrap();
    assert_eq!(read_one(&mut client).await.unwrap(), r#"{"result":[],"id":3}"#);
}

#[tokio::test]
async fn a_close_gives_its_code_and_is_answered() {
    let (mut client, mut server) = connected().await;
    server.feed(Message::text("last words")).await.unwrap();
    let frame = CloseFrame { code: CloseCode::Policy, reason: "Too many requests".into() };
    server.send(Message::Close(Some(frame.clone()))).await.unwrap();
    assert_eq!(read_one(&mut client).await.unwrap(), "last words");
    let error = read_one(&mut client).await.unwrap_err();
    assert!(
        matches!(&error, ReadError::Closed { code: Some(1008), reason } if reason == "Too many requests"),
        "{error}"
    );
    assert_eq!(error.reason(), "closed_1008");
    assert_eq!(server.next().await.unwrap().unwrap(), Message::Close(Some(frame)));
    assert!(matches!(client.read(1, |_| ()).await, Err(ReadError::Cut)));
    assert!(matches!(client.send("x".to_owned()).await, Err(WriteError::Closed)));
}

#[tokio::test]
async fn what_came_before_the_end_is_handed_over_first() {
    let (mut client, mut server) = connected().await;
    server.feed(Message::text("a")).await.unwrap();
    server.send(Message::text("b")).await.unwrap();
    drop(server);
    let mut seen = 0;
    assert_eq!(client.read(100, |_| seen += 1).await.unwrap(), 2);
    assert_eq!(seen, 2);
    assert!(matches!(client.read(100, |_| seen += 1).await, Err(ReadError::Cut)));
}

#[tokio::test]
async fn a_frame_that_is_cut_in_half_ends_the_connection() {
    let (mut client, mut server) = connected().await;
    server.get_mut().write_all(&[0x81, 126, 0x01, 0x00, b'x']).await.unwrap();
    drop(server);
    let error = client.read(1, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReadError::Cut), "{error}");
}

#[tokio::test]
async fn a_frame_of_20_mb_is_refused_by_its_header_alone() {
    let (mut client, mut server) = connected().await;
    // Text, final, 20,000,000 bytes: of them none is ever sent, so nothing can have been buffered.
    server.get_mut().write_all(&[0x81, 127, 0, 0, 0, 0, 0x01, 0x31, 0x2d, 0x00]).await.unwrap();
    let error = client.read(1, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { bytes: 20_000_000, bytes_max: 1_048_576 }), "{error}");
    assert_eq!(error.reason(), "too_large");
    assert!(matches!(client.read(1, |_| ()).await, Err(ReadError::Cut)));
}

#[tokio::test]
async fn endless_fragments_are_refused_at_the_limit_of_a_message() {
    let (mut client, mut server) = connected().await;
    let writer = tokio::spawn(async move {
        let part = vec![b'x'; 1 << 20];
        let mut kind = Data::Text;
        loop {
            let frame = Frame::message(part.clone(), OpCode::Data(kind), false);
            if server.send(Message::Frame(frame)).await.is_err() {
                return;
            }
            kind = Data::Continue;
        }
    });
    let error = client.read(1, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { bytes_max: 4_194_304, .. }), "{error}");
    drop(client);
    writer.await.unwrap();
}

#[tokio::test]
async fn what_is_not_websocket_ends_the_connection() {
    for (bytes, reason) in [
        (&[0xc1_u8, 0x01, b'x'][..], "protocol"), // compressed, which nobody agreed upon
        (&[0x83, 0x00], "protocol"),              // a kind of frame that does not exist
        (&[0x81, 0x81, 1, 2, 3, 4, 5], "protocol"), // masked
        (&[0x81, 0x02, 0xc3, 0x28], "encoding"),  // not UTF-8
    ] {
        let (mut client, mut server) = connected().await;
        server.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(client.read(1, |_| ()).await.unwrap_err().reason(), reason, "{bytes:x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_after_an_unanswered_ping() {
    let (mut client, server) = connected().await;
    let started = Instant::now();
    let error = client.read(1, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReadError::Silent { silence } if silence.as_secs() == 25), "{error}");
    assert_eq!(started.elapsed().as_secs(), 25);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_peer_that_answers_pings_is_kept() {
    let (mut client, mut server) = connected().await;
    let server = tokio::spawn(async move {
        let mut pings = 0;
        while let Some(Ok(frame)) = server.next().await {
            pings += usize::from(frame.is_ping());
        }
        pings
    });
    assert!(timeout(Duration::from_secs(3_599), client.read(1, |_| ())).await.is_err());
    drop(client);
    assert_eq!(server.await.unwrap(), 3_599 / 15);
}

#[tokio::test(start_paused = true)]
async fn a_busy_peer_is_never_pinged() {
    let (mut client, mut server) = connected().await;
    let server = tokio::spawn(async move {
        for _ in 0..100 {
            server.send(Message::text("tick")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(14)).await;
        }
        drop(server.close(None).await);
        server.filter(|frame| std::future::ready(frame.as_ref().is_ok_and(Message::is_ping))).count().await
    });
    let mut ticks = 0;
    while client.read(10, |_| ticks += 1).await.is_ok() {}
    drop(client);
    assert_eq!((ticks, server.await.unwrap()), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_fails_the_write_in_time() {
    let (mut client, server) = connected().await;
    let started = Instant::now();
    let error = client.send("x".repeat(200 << 10)).await.unwrap_err();
    assert!(matches!(error, WriteError::Timeout { .. }), "{error}");
    assert_eq!(started.elapsed().as_secs(), 10);
    assert!(matches!(client.send("x".repeat(200 << 10)).await, Err(WriteError::Timeout { .. } | WriteError::Full)));
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn closing_says_goodbye_and_does_not_wait_for_ever() {
    let (client, mut server) = connected().await;
    let (frame, ()) = tokio::join!(async { server.next().await.unwrap().unwrap() }, client.close());
    assert!(matches!(frame, Message::Close(Some(CloseFrame { code: CloseCode::Normal, .. }))), "{frame:?}");
    let (client, server) = connected().await;
    let started = Instant::now();
    client.close().await;
    assert_eq!(started.elapsed().as_secs(), 1);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_never_answered_times_out() {
    let (dialer, mut listener) = MemoryDialer::pair();
    let (endpoint, limits, started) = (endpoint(), Limits::default(), Instant::now());
    let (error, held) = tokio::join!(WebSocket::open(&dialer, &endpoint, "/ws", &limits), listener.accept());
    assert!(matches!(error, Err(OpenError::Timeout { .. })), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 5);
    drop(held);
}

#[tokio::test]
async fn a_refused_upgrade_tells_status_and_wait() {
    let (dialer, mut listener) = MemoryDialer::pair();
    let (endpoint, limits) = (endpoint(), Limits::default());
    let refuse = async {
        let mut stream = listener.accept().await;
        stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let error = tokio::join!(WebSocket::open(&dialer, &endpoint, "/ws", &limits), refuse).0.unwrap_err();
    let OpenError::Refused { status: 418, retry_after } = error else { panic!("{error}") };
    assert_eq!(retry_after, Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn the_request_names_the_host_and_the_path() {
    let (dialer, mut listener) = MemoryDialer::pair();
    let (endpoint, limits) = (Endpoint::parse("ws://fstream.example:9443").unwrap(), Limits::default());
    let listen = async {
        let mut head = vec![0; 1_024];
        let length = listener.accept().await.read(&mut head).await.unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    };
    let path = "/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade";
    let (_, head) = tokio::join!(WebSocket::open(&dialer, &endpoint, path, &limits), listen);
    assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
    assert!(head.contains("\r\nHost: fstream.example:9443\r\n"), "{head}");
}

#[tokio::test]
async fn a_refused_connection_names_host_and_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = Endpoint::parse(&format!("ws://{address}")).unwrap();
    let error = WebSocket::open(&tcp_dialer(None), &endpoint, "/ws", &Limits::default()).await.unwrap_err();
    assert!(matches!(error, OpenError::Dial(DialError::Connect { .. })), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn memory_refuses_without_a_listener_and_beyond_its_backlog() {
    let (dialer, listener) = MemoryDialer::pair();
    let endpoint = endpoint();
    let mut held = Vec::new();
    let refused = loop {
        match tapedeck::net::Dial::dial(&dialer, &endpoint).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(held.len(), 128);
    assert!(refused.to_string().contains("fstream.example:443"), "{refused}");
    drop(listener);
    let error = WebSocket::open(&dialer, &endpoint, "/ws", &Limits::default()).await.unwrap_err();
    assert!(matches!(error, OpenError::Dial(DialError::Connect { .. })), "{error}");
}

#[tokio::test]
async fn many_small_frames_pass_through_memory() {
    const COUNT: usize = 300_000;
    let (mut client, mut server) = connected().await;
    let writer = tokio::spawn(async move {
        for _ in 0..COUNT {
            server.feed(Message::text("0123456789")).await.unwrap();
        }
        server.flush().await.unwrap();
        server
    });
    let (mut frames, mut bytes) = (0, 0);
    while frames < COUNT {
        frames += client.read(256, |text| bytes += text.len()).await.unwrap();
    }
    assert_eq!((frames, bytes), (COUNT, COUNT * 10));
    drop(writer.await.unwrap());
}

/// An authority, and what a server needs to show a certificate of it for `name`.
fn authority(name: &str) -> (String, Arc<ServerConfig>) {
    tls::install_provider();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (issuer.pem(), Arc::new(config))
}

/// Accepts connections for ever and serves them one after the other; failed ones are the client's affair.
fn tls_server(config: Arc<ServerConfig>, serve: fn(StreamOwned<ServerConnection, BlockingStream>)) -> SocketAddr {
    let listener = BlockingListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            serve(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket.unwrap()));
        }
    });
    address
}

async fn open_wss(port: u16, extra_ca_pem: Option<&[u8]>) -> Result<WebSocket, OpenError> {
    let endpoint = Endpoint::parse(&format!("wss://localhost:{port}")).unwrap();
    WebSocket::open(&tcp_dialer(extra_ca_pem), &endpoint, "/ws", &Limits::default()).await
}

#[tokio::test]
async fn tls_is_accepted_only_from_a_trusted_authority_for_the_right_name() {
    let greet = |stream: StreamOwned<ServerConnection, BlockingStream>| {
        if let Ok(mut socket) = tungstenite::accept(stream) {
            socket.send(Message::text("private")).unwrap();
            while socket.read().is_ok() {}
        }
    };
    let (ca, config) = authority("localhost");
    let port = tls_server(config, greet).port();
    let error = open_wss(port, None).await.unwrap_err();
    assert!(matches!(&error, OpenError::Tls(rustls::Error::InvalidCertificate(_))), "{error}");
    assert_eq!(error.reason(), "tls");
    let mut client = open_wss(port, Some(ca.as_bytes())).await.unwrap();
    assert_eq!(read_one(&mut client).await.unwrap(), "private");
    client.close().await;

    let (ca, config) = authority("other.test");
    let error = open_wss(tls_server(config, greet).port(), Some(ca.as_bytes())).await.unwrap_err();
    assert!(matches!(&error, OpenError::Tls(rustls::Error::InvalidCertificate(_))), "{error}");
}

/// Answers every request with `answer` and closes; the base URL.
async fn http_server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4_096];
            if socket.read(&mut head).await.is_ok() {
                drop(socket.write_all(&answer).await);
            }
        }
    });
    url
}

fn http_client(body_bytes_max: usize, extra_ca_pem: Option<&[u8]>) -> HttpClient {
    let limits = FetchLimits { body_bytes_max, ..FetchLimits::default() };
    HttpClient::new(&tls::client_config(extra_ca_pem).unwrap(), &limits).unwrap()
}

#[tokio::test]
async fn any_status_is_an_answer() {
    let url = http_server(
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX-MBX-USED-WEIGHT-1M: 2401\r\nContent-Length: 2\r\n\r\n{}"
            .to_vec(),
    )
    .await;
    let answer = http_client(100, None).get(&url).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (429, &b"{}"[..]));
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.header("x-mbx-used-weight-1m"), Some("2401"));
    assert_eq!(answer.header("absent"), None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = BlockingListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/elsewhere", target.local_addr().unwrap());
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let url = http_server(head.into_bytes()).await;
    let answer = http_client(100, None).get(&url).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some(location.as_str())));
    target.set_nonblocking(true).unwrap();
    assert_eq!(target.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_body_is_taken_up_to_the_limit_and_not_beyond() {
    let body = |length: usize| {
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + length, b'x');
        answer
    };
    let client = http_client(1_000, None);
    assert_eq!(client.get(&http_server(body(1_000)).await).await.unwrap().body.len(), 1_000);
    let error = client.get(&http_server(body(1_001)).await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { bytes_max: 1_000 }), "{error}");
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..1_000 {
        chunked.extend_from_slice(b"a\r\n0123456789\r\n");
    }
    let error = client.get(&http_server(chunked).await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn the_limit_counts_what_a_compressed_body_becomes() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 8 << 20]).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 100_000);
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len()).into_bytes();
    answer.extend_from_slice(&packed);
    let url = http_server(answer).await;
    let error = http_client(1 << 20, None).get(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert_eq!(http_client(8 << 20, None).get(&url).await.unwrap().body.len(), 8 << 20);
}

#[tokio::test]
async fn a_broken_off_body_is_no_answer() {
    let url = http_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{".to_vec()).await;
    let error = http_client(1_000, None).get(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Transfer(_)), "{error}");
    let url = http_server(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await;
    let error = http_client(1_000, None).get(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Transfer(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = http_client(1_000, None).get(&url).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout), "{error}");
}

#[tokio::test]
async fn what_cannot_be_reached_or_asked_for_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = http_client(1_000, None);
    assert!(matches!(client.get(&url).await, Err(FetchError::Connect(_))));
    assert!(matches!(client.get("no url").await, Err(FetchError::Url(_))));
    assert!(matches!(client.get("file:///etc/passwd").await, Err(FetchError::Url(_))));
}

#[tokio::test]
async fn https_is_accepted_only_from_a_trusted_authority_for_the_right_name() {
    let answer = |mut stream: StreamOwned<ServerConnection, BlockingStream>| {
        if stream.read(&mut [0; 4_096]).is_ok() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
        }
    };
    let (ca, config) = authority("localhost");
    let url = format!("https://localhost:{}/", tls_server(config, answer).port());
    assert!(matches!(http_client(100, None).get(&url).await, Err(FetchError::Connect(_))));
    assert_eq!(&http_client(100, Some(ca.as_bytes())).get(&url).await.unwrap().body[..], b"ok");
    let (ca, config) = authority("other.test");
    let url = format!("https://localhost:{}/", tls_server(config, answer).port());
    assert!(matches!(http_client(100, Some(ca.as_bytes())).get(&url).await, Err(FetchError::Connect(_))));
}
