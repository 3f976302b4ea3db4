//! What does `kill -9` cost, at any moment? Nothing but what happened while the program was away, and that is named.
//!
//! `TAPEDECK_KILL_CYCLES` says how often; 20 by default.

use super::*;
use std::collections::BTreeMap;
use tapedeck::{
    clock::Clock,
    model::{IdRange, Price, Symbol, UnixMillis},
    sim::{self, Exchange, Server},
};

const CONTRACTS: [(&str, u32); 3] = [("BTCUSDT", 6_000), ("ETHUSDT", 600), ("币安人生USDT", 400)];
/// Around a time away, trades may be lost that were on their way or waited for the disk.
const MARGIN_MS: i64 = 1_500;

/// A simulated exchange on a thread of its own; it ends with the test's process.
pub(super) fn exchange() -> (Arc<Exchange>, SocketAddr) {
    exchange_of(&CONTRACTS)
}

/// The same with other contracts, by name and pace.
pub(super) fn exchange_of(contracts: &[(&str, u32)]) -> (Arc<Exchange>, SocketAddr) {
    let contract = |&(symbol, pace): &(&str, u32)| {
        sim::Contract::perpetual(symbol, Price::from_units(5_000_000_000_000), (2, 3), pace).expect("a symbol")
    };
    let contracts = contracts.iter().map(contract).collect();
    let options = sim::Options { seed: 9, contracts, ..sim::Options::default() };
    let exchange = Exchange::open(&options, Clock::system()).expect("it opens");
    let (sender, receiver) = std::sync::mpsc::channel();
    let served = Arc::clone(&exchange);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = Server::bind(served, "127.0.0.1:0".parse().expect("an address")).await.expect("bound");
            sender.send(server.local_addr()).expect("the test waits");
            std::future::pending::<()>().await;
        });
    });
    (exchange, receiver.recv().expect("it serves"))
}

fn symbols_json(address: SocketAddr) -> Option<Value> {
    let (status, body) = get(address, "/api/v1/symbols")?;
    (status == 200).then(|| serde_json::from_str(&body).ok())?
}

/// Whether every contract's stream is proven to flow.
fn is_live(address: SocketAddr) -> Option<()> {
    let rows = symbols_json(address)?;
    rows["data"].as_array()?.iter().all(|row| row["state"] == "live" && !row["newest_id"].is_null()).then_some(())
}

/// Time, price and quantity of what is served, by id.
type Served = BTreeMap<u64, (i64, String, String)>;

/// Waits until every stream flows. The simulated market lets a contract rest for a minute now and then.
fn await_live(address: SocketAddr) {
    let begun = Instant::now();
    while is_live(address).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(90), "not every stream flows");
        thread::sleep(LOOK_EVERY);
    }
}

/// Everything that is served of a contract's trades, page by page, and the holes.
fn walk(address: SocketAddr, symbol: &str) -> (Served, Vec<IdRange>) {
    let (mut trades, mut holes, mut next) = (BTreeMap::new(), Vec::new(), Some(1));
    while let Some(from) = next {
        let path = format!("/api/v1/trades?symbol={symbol}&from_id={from}&limit=1000&decimals=string");
        let (status, body) = get(address, &path).expect("it serves");
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        for row in page["data"].as_array().expect("rows") {
            let text = |name: &str| row[name].as_str().expect("a decimal").to_owned();
            let row_of = (row["time"].as_i64().expect("a time"), text("price"), text("quantity"));
            let id = row["id"].as_u64().expect("an id");
            assert!(trades.insert(id, row_of).is_none(), "{symbol}: {id} is served twice");
        }
        let id = |hole: &Value, name: &str| hole[name].as_u64().expect("an id");
        let named = page["meta"]["holes"].as_array().expect("holes").iter();
        holes.extend(named.map(|hole| IdRange { first: id(hole, "first"), last: id(hole, "last") }));
        next = page["meta"]["next"].as_u64();
    }
    (trades, holes)
}

/// Judges what is served of a contract by what the exchange published; how many trades are missing.
fn judge(exchange: &Exchange, address: SocketAddr, symbol: &str, away: &[(i64, i64)]) -> u64 {
    let encoded: String = symbol.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (served, holes) = walk(address, &encoded);
    let (first, last) =
        served.first_key_value().zip(served.last_key_value()).map(|(a, b)| (*a.0, *b.0)).expect("trades");
    let from = UnixMillis::new(served[&first].0 - 60_000);
    let mut missing = 0;
    for trade in exchange.truth(&Symbol::new(symbol).expect("one"), from, exchange.now()) {
        if !(first..=last).contains(&trade.id) {
            continue;
        }
        let time = trade.time.get();
        match served.get(&trade.id) {
            Some(row) => {
                assert_eq!(*row, (time, trade.price.to_string(), trade.quantity.to_string()), "{symbol} {}", trade.id);
            }
            None => {
                missing += 1;
                assert!(holes.iter().any(|hole| hole.contains(trade.id)), "{symbol}: {} is not named", trade.id);
                let excused = away.iter().any(|(from, to)| (from - MARGIN_MS..to + MARGIN_MS).contains(&time));
                assert!(excused, "{symbol}: {} of {time} is lost, away were {away:?}", trade.id);
            }
        }
    }
    let named: u64 = holes.iter().map(|hole| hole.count()).sum();
    assert_eq!(served.len() as u64 + missing, last - first + 1, "{symbol}: nothing is alien");
    assert_eq!(named, missing, "{symbol}: no hole is named for nothing");
    missing
}

#[test]
fn kills_at_any_moment_cost_what_happened_meanwhile_and_no_more() {
    let cycles: u64 = std::env::var("TAPEDECK_KILL_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let (exchange, upstream) = exchange();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = format!("store.dir={}", folder.path().join("data").display());
    let names = CONTRACTS.map(|(symbol, _)| symbol).join(",");
    let more = ["--symbols", &names, "--set", &dir, "--set", "store.journal_roll_ms=1500", "--log-level", "info"];
    let (mut away, mut waits) = (Vec::new(), Vec::new());
    let mut killed_at = exchange.now().get();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for cycle in 0..=cycles {
        let begun = Instant::now();
        let (mut program, address) = Program::serve(upstream, &more);
        await_live(address);
        if cycle > 0 {
            waits.push(begun.elapsed());
            away.push((killed_at, exchange.now().get()));
        }
        if cycle == cycles {
            let missing: u64 = CONTRACTS.iter().map(|(symbol, _)| judge(&exchange, address, symbol, &away)).sum();
            waits.sort_unstable();
            eprintln!(
                "{cycles} kills, {missing} trades missing and named, restart to live {:?} (median)",
                waits.get(waits.len() / 2)
            );
            program.terminate();
            assert_eq!(program.exit_code(), Some(0), "{}", program.stderr.text());
            return;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_millis(random % 900));
        killed_at = exchange.now().get();
        program.child.kill().expect("it runs");
        program.child.wait().expect("it ends");
    }
}
