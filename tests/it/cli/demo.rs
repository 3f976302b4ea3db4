//! What does a newcomer get from `tapedeck demo`, and how does it end?

use super::*;
use std::process::ChildStdout;

/// A demonstration, its standard output, and where the banner says that it serves.
fn demo() -> (Program, Transcript, SocketAddr) {
    let (program, pipe) = start();
    let stdout = Transcript::of(pipe);
    let address = served_at(&stdout.line(&["health", "/livez"]));
    eprintln!("the banner came after {:?}", program.begun.elapsed());
    (program, stdout, address)
}

fn start() -> (Program, ChildStdout) {
    let exchange = format!("sim.listen={}", free_address());
    let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0", "--set", &exchange], Stdio::piped());
    let pipe = program.child.stdout.take().expect("piped");
    (program, pipe)
}

/// The address in a line of the banner.
fn served_at(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("http://").expect("an address");
    rest.split('/').next().and_then(|address| address.parse().ok()).expect("an address")
}

#[test]
fn it_says_where_to_look_then_trades_flow_and_it_ends_with_a_goodbye() {
    let (mut program, stdout, address) = demo();
    stdout.line(&["0:00:0", "  trades ", "  gaps 0"]);
    let lines = stdout.lines();
    let place = |part: &str| lines.iter().position(|line| line.contains(part));
    assert_eq!(place("tapedeck demo: "), Some(0));
    assert!(place("/livez") < place("  gaps ") && place("/api/v1/ws") < place("  gaps "), "{lines:?}");
    let has_traded = |symbol: &&str| {
        let (status, body) = get(address, &format!("/api/v1/trades?symbol={symbol}&limit=10"))?;
        let page: Value = serde_json::from_str(&body).expect("JSON");
        (status == 200 && page["data"].as_array().is_some_and(|rows| !rows.is_empty())).then_some(())
    };
    // Any of them may have a quiet minute.
    let symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XAUUSDT"];
    until("trade", || symbols.iter().find_map(has_traded));
    let book = || get(address, "/api/v1/book?symbol=BTCUSDT&levels=5").filter(|(status, _)| *status == 200);
    let book: Value = serde_json::from_str(&until("book", book).1).expect("JSON");
    assert!(book["meta"]["state"].is_string(), "{book}");
    assert!(place("/api/v1/book") < place("  gaps "));
    let mut client = Client::open(address);
    for symbol in symbols {
        client.send(&format!(r#"{{"op":"subscribe","channel":"trades","symbol":"{symbol}"}}"#));
    }
    client.text_of("update");
    program.terminate();
    assert_eq!(client.text_of("goodbye")["reason"], "restart");
    assert_eq!(client.close_code(), 1012);
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(written(&program), "", "nothing went wrong");
}

#[test]
fn nobody_reads_it_any_more_and_it_stops_in_order() {
    let (mut program, mut pipe) = start();
    let mut banner = Vec::new();
    while !banner.ends_with(b"gaps 0\n") {
        let mut byte = [0];
        pipe.read_exact(&mut byte).expect("more of the banner");
        banner.extend(byte);
    }
    let banner = String::from_utf8(banner).expect("text");
    let address = served_at(banner.lines().find(|line| line.contains("/livez")).expect("a door"));
    let mut client = Client::open(address);
    drop(pipe);
    // It notices with the next line, which comes ten seconds after the first.
    assert_eq!(client.text_of("goodbye")["reason"], "restart");
    assert_eq!(client.close_code(), 1012);
    assert_eq!(program.exit_code(), Some(0), "the reader has seen enough");
    assert_eq!(written(&program), "");
}
