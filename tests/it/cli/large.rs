//! What do frames of 20 MiB cost, from the exchange and from a client? Refused by their headers, they cost no memory.

use super::*;
use tokio_tungstenite::tungstenite::accept;

const FRAME_BYTES: usize = 20 << 20;
/// What the process may grow by.
const GROWTH_KIB_MAX: u64 = 8 << 10;

/// The program's next connection for trades to the exchange that the test plays, once it has subscribed.
fn accept_feed(venue: &TcpListener) -> WebSocket<TcpStream> {
    loop {
        let (mut feed, request) = accept_any(venue);
        if request.contains("btcusdt@aggTrade") {
            return feed;
        }
        // What concerns all contracts: nothing happens there.
        thread::spawn(move || while feed.read().is_ok() {});
    }
}

/// The program's next connection, and what it asked for.
fn accept_any(venue: &TcpListener) -> (WebSocket<TcpStream>, String) {
    let stream = until("connection", || venue.accept().ok()).0;
    stream.set_nonblocking(false).expect("set");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_write_timeout(Some(PATIENCE)).expect("set");
    let mut feed = accept(stream).expect("upgraded");
    let request = feed.read().expect("a request").into_text().expect("text");
    assert!(request.contains("SUBSCRIBE"), "{request}");
    feed.send(Message::text(r#"{"result":null,"id":1}"#)).expect("sent");
    (feed, request.to_string())
}

/// A masked text frame whose mask is zero, sent while the other side may have stopped reading.
fn upload(client: &Client) -> thread::JoinHandle<usize> {
    let mut stream = client.0.get_ref().try_clone().expect("a second descriptor");
    thread::spawn(move || {
        // 20 MiB in network order, then the mask.
        let header = [0x81, 0xff, 0, 0, 0, 0, 0x01, 0x40, 0, 0, 0, 0, 0, 0];
        let chunk = vec![b'a'; 64 << 10];
        let mut sent = 0;
        if stream.write_all(&header).is_ok() {
            while sent < FRAME_BYTES && stream.write_all(&chunk).is_ok() {
                sent += chunk.len();
            }
        }
        sent
    })
}

fn assert_small(program: &Program, before: u64, what: &str) {
    let after = program.peak_kib();
    eprintln!("{what}: peak {before} KiB before, {after} KiB after");
    assert!(after - before < GROWTH_KIB_MAX, "{what}: {} KiB more", after - before);
}

#[test]
fn frames_of_20_mib_are_refused_from_either_side() {
    let venue = TcpListener::bind("127.0.0.1:0").expect("a free port");
    venue.set_nonblocking(true).expect("set");
    // Only streams come here: the listing is asked for where nobody answers.
    let rest = format!("venue.binance.rest_url=http://{}", free_address());
    let (mut program, address) = Program::serve(venue.local_addr().expect("bound"), &["--set", &rest]);
    let mut feed = accept_feed(&venue);
    // One of everything first, so that the first use of a thing is not taken for the cost of a large frame.
    let mut client = Client::open(address);
    client.send(r#"{"op":"ping","id":1}"#);
    client.text_of("pong");
    assert_eq!(counter(address, "upstream_reconnects", ""), 0);

    let before = program.peak_kib();
    // Cut while it writes, or after it has filled the kernel's buffers.
    feed.send(Message::text("a".repeat(FRAME_BYTES))).unwrap_or_default();
    program.stderr.line(&["ERROR", "20971520 bytes where 1048576 are allowed"]);
    let mut feed = accept_feed(&venue);
    assert_eq!(counter(address, "upstream_reconnects", "too_large"), 1);
    assert_small(&program, before, "from the exchange");

    let before = program.peak_kib();
    let uploading = upload(&client);
    assert_eq!(client.close_code(), 1009);
    assert_small(&program, before, "from a client");
    drop(client);
    eprintln!("{} bytes left the client", uploading.join().expect("no panic"));
    assert_small(&program, before, "from a client, at the end");

    feed.send(Message::text(r#"{"result":null,"id":1}"#)).expect("the new connection lives on");
    program.terminate();
    assert_eq!(program.exit_code(), Some(0));
}
