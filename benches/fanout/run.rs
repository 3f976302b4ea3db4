//! How does one run go?

use crate::{
    crowd::{self, Seen},
    rig::{
        client::{Client, connect},
        exchange::Exchange,
        now_ns,
        process::{Meter, Process, Spent},
        trades::Trades,
    },
    server::{cuts, metrics},
};
use anyhow::{Context as _, ensure};
use socket2::{Domain, Socket, Type};
use std::{net::SocketAddr, thread, time::Duration};

const QUIET: &str = "ETHUSDT";
const BUSY: &str = "BTCUSDT";
/// The start of the busy stream is not timed.
const WARM_MS: u64 = 500;
/// How often the server's figures are read; in both arms, because that costs the server time.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time for everything to come to rest, and for the last bytes to arrive.
const REST: Duration = Duration::from_millis(500);
/// Connections beside those of the subscribers that read.
const CONNECTIONS_SPARE: usize = 100;
/// tapedeck's default.
const RING_TRADES: usize = 8_192;

/// Whether somebody does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    AllRead,
    OneNeverReads,
}

impl Arm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllRead => "all read",
            Self::OneNeverReads => "one never reads",
        }
    }
}

/// The same for every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seconds: u64,
    pub(crate) idle: usize,
    pub(crate) active: usize,
    pub(crate) per_second: u64,
    pub(crate) tick_ns: u64,
    pub(crate) snapshot: usize,
    pub(crate) slow_cut_ms: u64,
}

impl Plan {
    /// The server's own settings: all subscribers have the same address.
    fn server(&self) -> String {
        let (connections, slow_cut_ms) = (self.idle + self.active + CONNECTIONS_SPARE, self.slow_cut_ms);
        format!("connections_max = {connections}\nconnections_per_ip_max = {connections}\nslow_cut_ms = {slow_cut_ms}")
    }
}

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seen: Seen,
    pub(crate) spent: Spent,
    /// Resident memory of the server: with everybody connected, at the end, and the most there ever was.
    pub(crate) memory_kib: [u64; 3],
    /// From the subscription of the one that never reads to its cut.
    pub(crate) cut_after_ms: Option<u64>,
}

fn wish(symbol: &str, snapshot: usize) -> String {
    format!("\"channel\":\"trades\",\"symbol\":\"{symbol}\",\"snapshot\":{snapshot}")
}

fn subscribers(count: usize, address: SocketAddr, symbol: &str) -> anyhow::Result<Vec<Client>> {
    (0..count).map(|_| Client::subscribe(connect(address)?, &wish(symbol, 0))).collect()
}

/// Subscribes with a receive buffer as small as the kernel makes it; whoever holds it must not read.
fn stalled(address: SocketAddr, snapshot: usize) -> anyhow::Result<Client> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(1)?;
    socket.connect(&address.into())?;
    Client::subscribe(socket.into(), &wish(BUSY, snapshot))
}

/// Everything that the run measures, once.
pub(crate) fn run(plan: &Plan, arm: Arm) -> anyhow::Result<Outcome> {
    let timed_from = plan.snapshot + usize::try_from(plan.per_second * WARM_MS / 1_000)?;
    let count = plan.snapshot + usize::try_from(plan.per_second * plan.seconds)?;
    let (mut trades, mut quiet) = (Trades::build(BUSY, count), Trades::build(QUIET, 1));
    let exchange = Exchange::start(&[BUSY, QUIET])?;
    let process = Process::tapedeck(exchange.address, &[BUSY, QUIET], RING_TRADES, &plan.server())?;
    let mut stream = exchange.stream()?;
    quiet.send_flat_out(&mut stream, 1)?;
    trades.send_flat_out(&mut stream, plan.snapshot)?;
    let idle = subscribers(plan.idle, process.address, QUIET)?;
    let active = subscribers(plan.active, process.address, BUSY)?;
    let crowd = crowd::read(idle, active, trades.times.clone(), timed_from);
    thread::sleep(REST);
    let before_kib = process.memory_kib("VmRSS")?;
    let meter = Meter::start(Some(&process))?;
    let begun_ns = now_ns();
    let held = (arm == Arm::OneNeverReads).then(|| stalled(process.address, plan.snapshot)).transpose()?;
    let sender = thread::spawn({
        let plan = *plan;
        move || trades.send_paced(&mut stream, plan.per_second, plan.tick_ns).map(|()| stream)
    });
    let cut_after_ms = watch(&process, || sender.is_finished(), begun_ns)?;
    let stream = sender.join().expect("the exchange does not panic").context("the exchange cannot send")?;
    let spent = meter.stop(Some(&process))?;
    thread::sleep(REST);
    let memory_kib = [before_kib, process.memory_kib("VmRSS")?, process.memory_kib("VmHWM")?];
    let cuts = cuts(&metrics(&process)?);
    drop((process, held, stream));
    let seen = crowd.join().expect("reading does not panic")?;
    let expected = u64::from(arm == Arm::OneNeverReads);
    ensure!(cuts == (expected, expected), "{} sessions were cut, {} for being slow, not {expected}", cuts.0, cuts.1);
    ensure!(seen.newest == Some(count - 1), "the newest trade of some subscriber is {:?} of {count}", seen.newest);
    Ok(Outcome { seen, spent, memory_kib, cut_after_ms })
}

/// Looks at the server until everything was sent; the result is when it first cut a slow session.
fn watch(process: &Process, sent: impl Fn() -> bool, begun_ns: u64) -> anyhow::Result<Option<u64>> {
    let mut cut_after_ms = None;
    loop {
        let last = sent();
        let slow = cuts(&metrics(process)?).1;
        if slow > 0 && cut_after_ms.is_none() {
            cut_after_ms = Some((now_ns() - begun_ns) / 1_000_000);
        }
        if last {
            return Ok(cut_after_ms);
        }
        thread::sleep(LOOK_EVERY);
    }
}
