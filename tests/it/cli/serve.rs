//! How does `tapedeck serve` meet a wrong configuration, a taken port, a dead exchange?

use super::*;
use socket2::{Domain, Socket, Type};

/// An address that stays taken and refuses every connection.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bound");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    (socket, address.expect("an address"))
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_right_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "[server]\nflush_msec = 5\n").expect("written");
    let file = file.to_str().expect("a name");
    let (code, told) = run(&["serve", "--config", file]);
    assert_eq!(code, Some(2), "{told}");
    for part in [file, "`server.flush_msec`", "`server.flush_ms`"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let (_socket, dead) = refusing();
    let rest = format!("venue.binance.rest_url=http://{dead}");
    let ws = format!("venue.binance.ws_url=ws://{dead}");
    let (code, told) = run(&["serve", "--listen", &address, "--set", &rest, "--set", &ws, "--log-level", "off"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&address) && told.contains("in use"), "{told}");
}

#[test]
fn a_dead_exchange_leaves_it_alive_unready_and_telling_why() {
    let (_socket, dead) = refusing();
    let (mut program, address) = Program::serve(dead, &[]);
    let refused = program.stderr.line(&["ERROR", &dead.to_string(), "Connection refused"]);
    eprintln!("{refused}");
    assert_eq!(get(address, "/livez").expect("it serves").0, 200);
    let (status, body) = get(address, "/readyz").expect("it serves");
    assert_eq!(status, 503);
    assert!(body.contains("[-] feed:BTCUSDT"), "{body}");
    let attempts = until("second attempt", || {
        Some(counter(address, "upstream_reconnects", "connect")).filter(|attempts| *attempts > 1)
    });
    eprintln!("{attempts} attempts to connect");
    assert!(counter(address, "rest_requests", "exchangeInfo") > 0, "the listing was asked for as well");
    let healthcheck = run(&["healthcheck", "--listen", &address.to_string()]);
    assert_eq!(healthcheck, (Some(0), String::new()));
    program.terminate();
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(run(&["healthcheck", "--listen", &address.to_string()]).0, Some(1));
}
