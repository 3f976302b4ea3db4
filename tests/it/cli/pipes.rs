//! Does a reader that has seen enough, as in `tapedeck config show | head`, do any harm?

use super::*;

/// The writing end of a pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn answers_that_nobody_reads_are_no_failure() {
    for args in [&["config", "show"][..], &["config", "check"], &["--help"], &["--version"]] {
        let mut program = Program::start(args, unread());
        assert_eq!(program.exit_code(), Some(0), "{args:?}");
        assert_eq!(written(&program), "", "{args:?}");
    }
}

#[test]
fn the_exit_code_tells_what_nobody_reads() {
    for (args, code) in
        [(&["config", "check", "--set", "no.key=1"][..], 2), (&["healthcheck", "--listen", "127.0.0.1:1"], 1)]
    {
        let mut program = Program::spawn(args, unread(), unread());
        assert_eq!(program.exit_code(), Some(code), "{args:?}");
    }
}

#[test]
fn a_demonstration_that_nobody_reads_ends() {
    let exchange = format!("sim.listen={}", free_address());
    let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0", "--set", &exchange], unread());
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(written(&program), "");
}

#[test]
fn a_server_whose_log_nobody_reads_serves_on() {
    let (closed, address) = (free_address().to_string(), free_address());
    let rest = format!("venue.binance.rest_url=http://{closed}");
    let ws = format!("venue.binance.ws_url=ws://{closed}");
    let listen = address.to_string();
    let args = ["serve", "--listen", &listen, "--set", &rest, "--set", &ws, "--log-level", "debug"];
    let mut program = Program::spawn(&args, unread(), unread());
    until("answer", || get(address, "/livez"));
    // Each attempt to connect has been logged by then.
    until("second attempt", || (counter(address, "upstream_reconnects", "") > 1).then_some(()));
    assert_eq!(counter(address, "panics", ""), 0);
    program.terminate();
    assert_eq!(program.exit_code(), Some(0));
}
