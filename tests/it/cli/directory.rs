//! Whose is the store's directory, and what is in it after a clean stop?

use super::*;
use tapedeck::store::{files::RealDisk, verify::verify};

/// Something that refuses connections: what is tested here needs no exchange.
fn nobody() -> SocketAddr {
    free_address()
}

fn serve(dir: &str, more: &[&str]) -> Program {
    let exchange = nobody();
    let (rest, ws) =
        (format!("venue.binance.rest_url=http://{exchange}"), format!("venue.binance.ws_url=ws://{exchange}"));
    let dir = format!("store.dir={dir}");
    let args = ["serve", "--listen", "127.0.0.1:0", "--set", &rest, "--set", &ws, "--set", &dir];
    Program::start(&[&args, more].concat(), Stdio::null())
}

fn refusal(mut program: Program) -> String {
    assert_eq!(program.exit_code(), Some(1));
    // What it wrote may still be on its way through the pipe.
    program.stderr.line(&["store.dir"])
}

#[test]
fn one_process_writes_and_one_venue_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("tape").display().to_string();
    let mut first = serve(&dir, &[]);
    first.stderr.line(&["\"serving\""]);
    let told = refusal(serve(&dir, &[]));
    assert!(told.contains(&dir) && told.contains("another process writes to this store"), "{told}");
    first.terminate();
    assert_eq!(first.exit_code(), Some(0));
    let told = refusal(serve(&dir, &["--set", "store.venue=another exchange"]));
    let parts = [&dir, "records `127.0.0.1`, not `another exchange`", "point store.dir to another directory"];
    parts.iter().for_each(|part| assert!(told.contains(*part), "`{part}` is not in {told}"));
    let mut again = serve(&dir, &[]);
    again.stderr.line(&["\"serving\""]);
    again.terminate();
    assert_eq!(again.exit_code(), Some(0));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "not a directory").expect("written");
    let told = refusal(serve(&file.display().to_string(), &[]));
    assert!(told.contains("store.dir") && told.contains(&file.display().to_string()), "{told}");
}

#[test]
fn a_clean_stop_keeps_every_trade_that_was_seen() {
    let (exchange, upstream) = kill::exchange();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("tape");
    let set = format!("store.dir={}", dir.display());
    // So long that only the stop itself can have made them durable.
    let more = ["--symbols", "BTCUSDT,ETHUSDT", "--set", &set, "--set", "store.sync_ms=60000"];
    let (mut program, address) = Program::serve(upstream, &more);
    // How many come depends on the hour: the market is lively.
    let seen = until("some trades", || Some(counter(address, "ingest_trades", "")).filter(|seen| *seen > 10));
    let begun = Instant::now();
    program.terminate();
    assert_eq!(program.exit_code(), Some(0), "{}", program.stderr.text());
    assert!(begun.elapsed() < Duration::from_secs(10), "it stops within ten seconds");
    let report = verify(&RealDisk::new(&dir), |_| {}).expect("a store");
    assert!(!report.is_damaged() && report.findings.is_empty(), "{report:?}");
    let trades = report.months.iter().filter(|month| month.kind == tapedeck::store::record::Kind::Trade);
    assert!(trades.map(|month| month.rows).sum::<u64>() >= seen);
    drop(exchange);
}
