//! Does the whole venue fit on one machine: is any trade of 800 contracts lost, what does it cost, how late is it told?
//!
//! `tapedeck sim` lists the contracts, `tapedeck serve` records all of them, and one subscriber follows the trades of each. Beside
//! it a second client reads the simulated exchange itself, for some of the liveliest: a trade's time to be published is from the
//! venue's event time, which the exchange says, to `ts` of the frame that brings it, both by this machine's clock; what tapedeck
//! adds is how much later the subscriber has it than that client.
//!
//! ```console
//! cargo bench --locked --bench market -- --seconds 600 --books 50
//! cargo bench --locked --bench market -- --seconds 120 --rate 170 --books 50
//! ```

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

mod figures;
mod follow;

#[path = "../rig/mod.rs"]
#[expect(dead_code, reason = "the simulated exchange takes the place of the mock one")]
mod rig;

use anyhow::{Context as _, ensure};
use figures::Report;
use follow::{Direct, Follower};
use rig::{
    options::{Flag, Options},
    process::{Meter, Process, free_address},
};
use std::{
    fs,
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

const FLAGS: [Flag; 5] = [
    ("contracts", "800", "contracts that the exchange lists"),
    ("rate", "1", "how many times more they trade than the venue's 50 million a day"),
    ("seconds", "60", "time that is measured"),
    ("books", "0", "contracts whose order book is kept, the liveliest first"),
    ("sample", "20", "contracts whose delay is measured, the liveliest first"),
];
/// The longest wait for every stream to flow: the quietest contract may not trade for minutes.
const START_MAX: Duration = Duration::from_secs(180);
/// By how much the subscriber is ahead of the client beside it, and that of what is measured.
const AHEAD: Duration = Duration::from_secs(5);
/// Time for what is under way at the end.
const DRAIN: Duration = Duration::from_secs(15);

fn main() -> anyhow::Result<()> {
    let Some(options) = Options::read(&FLAGS)? else { return Ok(()) };
    let (contracts, rate): (usize, u64) = (options.number("contracts")?, options.number("rate")?);
    let (books, sample): (usize, usize) = (options.number("books")?, options.number("sample")?);
    let seconds = Duration::from_secs(options.number("seconds")?);
    let venue = venue(contracts, rate)?;
    let symbols = listed(venue.address)?;
    let liveliest = |count: usize| symbols.iter().take(count).cloned().collect::<Vec<_>>();
    let deck = deck(venue.address, &liveliest(books))?;
    let begun = Instant::now();
    wait_until_live(deck.address, symbols.len())?;
    eprintln!("{} contracts flow after {} s", symbols.len(), begun.elapsed().as_secs());

    let follower = Follower::start(deck.address, &symbols, &liveliest(sample))?;
    // Whatever the second client has, the first one has asked for long before.
    thread::sleep(AHEAD);
    let direct = Direct::start(venue.address, &liveliest(sample))?;
    thread::sleep(AHEAD);
    let (meter, venue_meter) = (Meter::start(Some(&deck))?, venue.cpu_ns()?);
    let before = follower.trades();
    thread::sleep(seconds);
    let (spent, trades) = (meter.stop(Some(&deck))?, follower.trades() - before);
    let venue_ns = venue.cpu_ns()? - venue_meter;
    let resident_kib = deck.memory_kib("VmHWM")?;
    // The exchange's own client ends first, so that the subscriber has everything that it has.
    let told = direct.stop()?;
    thread::sleep(DRAIN);
    let seen = follower.stop()?;
    print_upsets(deck.address)?;
    Report { seconds, trades, spent, venue_ns, resident_kib, told, seen }.print(&missing(deck.address)?)
}

/// A simulated exchange.
fn venue(contracts: usize, rate: u64) -> anyhow::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
    command.args(["sim", "--listen", &address.to_string(), "--set", &format!("sim.contracts={contracts}")]);
    command.args(["--set", &format!("sim.rate={rate}"), "--set", "log.level=warn"]).env_clear();
    let process = Process::start(&mut command, address, None)?;
    rig::client::connect(address)?;
    Ok(process)
}

/// `tapedeck serve` over it, with everything that is recorded by default, and some order books.
fn deck(venue: SocketAddr, books: &[String]) -> anyhow::Result<Process> {
    let (address, folder) = (free_address()?, tempfile::tempdir()?);
    let file = folder.path().join("tapedeck.toml");
    let text = format!(
        "symbols = \"all\"\n[server]\nlisten = \"{address}\"\nws_queue_messages_max = 65536\nws_queue_bytes_max = 268435456\nslow_cut_ms = 600000\n\
         [store]\ndir = {:?}\n[book]\nsymbols = {books:?}\n[venue.binance]\nrest_url = \"http://{venue}\"\n\
         archive_url = \"http://{venue}/archive\"\nws_url = \"ws://{venue}\"\n[log]\nlevel = \"error\"\n",
        folder.path().join("data")
    );
    fs::write(&file, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
    command.arg("serve").arg("--config").arg(&file).env_clear();
    let process = Process::start(&mut command, address, Some(folder))?;
    rig::client::connect(address)?;
    Ok(process)
}

/// What the exchange lists as trading, the liveliest first.
fn listed(venue: SocketAddr) -> anyhow::Result<Vec<String>> {
    let info: serde_json::Value = serde_json::from_slice(&get(venue, "/fapi/v1/exchangeInfo")?)?;
    let all = info["symbols"].as_array().context("a listing")?;
    let trading = all.iter().filter(|listed| listed["status"] == "TRADING");
    Ok(trading.filter_map(|listed| Some(listed["symbol"].as_str()?.to_owned())).collect())
}

fn wait_until_live(deck: SocketAddr, count: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let answer: serde_json::Value = serde_json::from_slice(&get(deck, "/api/v1/symbols")?)?;
        let rows = answer["data"].as_array().context("symbols")?;
        let live = rows.iter().filter(|row| matches!(row["state"].as_str(), Some("live" | "backfilling"))).count();
        if live * 100 >= count * 99 {
            return Ok(());
        }
        ensure!(begun.elapsed() < START_MAX, "{live} of {count} contracts flow after {START_MAX:?}");
        thread::sleep(Duration::from_secs(1));
    }
}

/// Prints what was done about connections and streams: of a sound exchange nothing should have been.
fn print_upsets(deck: SocketAddr) -> anyhow::Result<()> {
    let text = String::from_utf8(get(deck, "/metrics")?)?;
    let names =
        ["tapedeck_upstream_reconnects_total{", "tapedeck_stream_remedies_total{", "tapedeck_mailbox_full_total{"];
    let is_upset = |line: &&str| names.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0");
    let upsets: Vec<_> = text.lines().filter(is_upset).collect();
    println!(
        "connections and streams: {}",
        if upsets.is_empty() { "undisturbed".to_owned() } else { upsets.join(", ") }
    );
    Ok(())
}

/// Ids that the server says are missing, by symbol.
fn missing(deck: SocketAddr) -> anyhow::Result<Vec<(String, u64)>> {
    let answer: serde_json::Value = serde_json::from_slice(&get(deck, "/api/v1/coverage")?)?;
    let rows = answer["data"].as_array().context("coverage")?;
    let row = |row: &serde_json::Value| Some((row["symbol"].as_str()?.to_owned(), row["missing"].as_u64()?));
    Ok(rows.iter().filter_map(row).filter(|(_, missing)| *missing > 0).collect())
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    use std::io::{Read as _, Write as _};
    let mut stream = rig::client::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let at = memchr::memmem::find(&answer, b"\r\n\r\n").context("an answer has a head")?;
    ensure!(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200"), "GET {path} is refused");
    Ok(answer.split_off(at + 4))
}
