//! Is it still exact when threads run side by side, over real sockets, in real time, and everything goes wrong at once?

use super::*;
use actix::Arbiter;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    time::Instant,
};
use tapedeck::{
    market::{Batch, Print},
    model::{Candle, IdRange, Quantity, Trade},
    net::{DialLimits, TcpDialer, tls::client_config},
    sim::Server,
};

const CONTRACTS: [(&str, TapeKind, u32); 6] = [
    ("SOLUSDT", TapeKind::Aggregate, 300),
    ("XRPUSDT", TapeKind::Aggregate, 300),
    ("ETHUSDT", TapeKind::Aggregate, 200),
    ("DOGEUSDT", TapeKind::Aggregate, 60),
    ("BTCUSDT", TapeKind::Raw, 200),
    ("XAUUSDT", TapeKind::Raw, 60),
];
/// How many minutes of the exchange pass in one of ours.
const SPEED: u32 = 60;
/// Rounds of faults.
const ROUNDS: u32 = 60;
const ROUND: Duration = Duration::from_millis(110);
/// Rounds in which a minute of the exchange passes, and then some.
const MINUTE_ROUNDS: u32 = 10;
const EVERY_ID: IdRange = IdRange { first: 0, last: u64::MAX };
/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Threads of the engine, ended when dropped.
pub(super) struct Threads {
    ingest: Vec<Arbiter>,
    live: Vec<Arbiter>,
}

impl Threads {
    pub(super) fn start(ingest: usize, live: usize) -> Self {
        let arbiters = |count| (0..count).map(|_| Arbiter::new()).collect();
        Self { ingest: arbiters(ingest), live: arbiters(live) }
    }

    pub(super) fn placement(&self) -> Placement {
        let handles = |arbiters: &[Arbiter]| arbiters.iter().map(Arbiter::handle).collect();
        Placement { ingest: handles(&self.ingest), live: handles(&self.live) }
    }

    pub(super) fn end(self) {
        for arbiter in self.ingest.into_iter().chain(self.live) {
            arbiter.stop();
            arbiter.join().expect("no panic on the thread");
        }
    }
}

impl Setup {
    /// Options whose times by our clock keep step with a sped-up exchange.
    fn hurried(&self, endpoint: &str) -> Options {
        let mut options = self.engine_options(endpoint);
        options.reorder_ms /= i64::from(SPEED);
        options.feed.backoff = (Duration::from_millis(10), Duration::from_millis(200));
        options
    }

    /// Starts an engine on `threads` that reaches the exchange at `server`.
    fn start_on(&self, exchange: Arc<Exchange>, server: &Server, threads: &Threads) -> Rig {
        let metrics = Arc::new(Metrics::default());
        let tls = client_config(None).expect("the built-in roots");
        let dialer = Arc::new(TcpDialer::new(tls, DialLimits::default()));
        let seams = Seams { dialer, clock: Clock::starting_at(exchange.now()) };
        let options = self.hurried(&format!("ws://{}", server.local_addr()));
        let engine = Engine::start(options, seams, threads.placement(), &metrics, |_| {});
        Rig { exchange, engine, metrics }
    }
}

/// Lets the other tasks of this thread run until `done`.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What goes wrong in one round.
fn disturb(rig: &Rig, round: u32) {
    let (name, kind, _) = CONTRACTS[round as usize % CONTRACTS.len()];
    let (name, faults) = (symbol(name), rig.exchange.faults());
    if kind == TapeKind::Aggregate {
        faults.reorder_next(&name);
        faults.duplicate_next(&name, 2);
        faults.garbage_next(&name, 1);
        faults.drop_next(&name, if round.is_multiple_of(5) { 3 } else { 0 });
    }
    if round % 20 == 13 {
        faults.cut(round % 40 == 13);
    }
    if round == 40 {
        assert!(rig.contract("XRPUSDT").actor.crash());
    }
}

/// Brings back what one contract lost, as a repair would, after its candle has closed; every second hole stays.
#[derive(Default)]
struct Repairs {
    seen_to: u64,
    holes: u32,
    /// A hole, and the round in which its trades come.
    due: Option<(IdRange, u32)>,
}

impl Repairs {
    fn next(&mut self, rig: &Rig, contract: &market::Contract, round: u32) {
        if let Some((hole, _)) = self.due.take_if(|(_, due)| *due <= round) {
            let (published, burnt) = oracle::truth(rig, contract, (START - 60_000, rig.exchange.now().get()));
            let lost = published.iter().filter(|trade| hole.contains(trade.id)).map(|trade| Print::Trade(*trade));
            let burnt = burnt.iter().filter(|id| hole.contains(**id)).map(|id| Print::Burnt(*id));
            for print in lost.chain(burnt) {
                contract.actor.send(Batch(vec![print])).expect("a mailbox with room");
            }
        }
        let hole = contract.tape.aside().holes().iter().find(|hole| hole.first > self.seen_to);
        if let (Some(hole), None) = (hole, self.due) {
            self.seen_to = hole.last;
            self.holes += 1;
            self.due = Some((hole, round + MINUTE_ROUNDS)).filter(|_| self.holes % 2 == 1);
        }
    }
}

/// Whether the probe has been told everything that is on the tape.
fn is_told_all(probe: &Probe) -> bool {
    let (view, newest) = (probe.view(), probe.contract.tape.newest_id());
    let repaired = probe.contract.tape.aside().trades(EVERY_ID).count();
    let candle_ids = view.candles.values().map(|candles| {
        let closed = candles.closed.values().next_back();
        candles.open.iter().chain(closed).map(|candle| candle.last_id).max()
    });
    newest.is_some()
        && view.trades.last().map(|trade| trade.id) == newest
        && view.repairs.len() == repaired
        && candle_ids.into_iter().all(|id| id == newest)
}

/// Subscribers that were there from the beginning, and those that came in between.
struct Crowd {
    first: Vec<Probe>,
    later: Vec<Probe>,
}

/// Runs every fault, with repairs and new subscribers in between, then waits until all is told.
async fn run_through(rig: &Rig) -> Crowd {
    let first: Vec<_> = CONTRACTS.iter().map(|(symbol, ..)| rig.probe(symbol, &[1, 5], (0, 0))).collect();
    // The market begins when everybody has a snapshot, which is empty then.
    until("subscribed", || first.iter().all(|probe| probe.log().len() == 3)).await;
    rig.exchange.faults().stall(false);
    until("trading", || first.iter().all(|probe| probe.contract.tape.newest_id().is_some())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut later = Vec::new();
    let mut repairs = CONTRACTS.map(|_| Repairs::default());
    for round in 0..ROUNDS {
        disturb(rig, round);
        tokio::time::sleep(ROUND).await;
        for (probe, repairs) in first.iter().zip(&mut repairs) {
            repairs.next(rig, &probe.contract, round);
        }
        if round % 5 == 0 {
            later.push(rig.probe(CONTRACTS[round as usize / 5 % CONTRACTS.len()].0, &[], (0, 0)));
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.exchange.faults().stall(true);
    // Twice the wait for ids that are late, and what is under way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    until("told", || first.iter().all(is_told_all)).await;
    Crowd { first, later }
}

/// What a later subscriber knows agrees with the truth from its first live trade on: repairs of what was before are not
/// owed to it.
fn judge_later(rig: &Rig, probe: &Probe) -> usize {
    let mut view = probe.view();
    let Some(first) = view.trades.first().map(|trade| trade.id) else { return 0 };
    view.repairs.retain(|trade| trade.id > first);
    oracle::judge_to_last(rig, &probe.contract, &view);
    view.held().len()
}

#[test]
fn everything_at_once_on_several_threads_is_accounted_for() {
    in_system(false, async {
        let begun = Instant::now();
        let mut setup = Setup::generated(31, &CONTRACTS);
        setup.exchange.speed = SPEED;
        let exchange = setup.open();
        exchange.faults().stall(true);
        let server = Server::bind(Arc::clone(&exchange), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = server.await.expect("a free port");
        let threads = Threads::start(2, 2);
        let rig = setup.start_on(exchange, &server, &threads);
        let crowd = run_through(&rig).await;
        let judged = |probe: &Probe| (oracle::judge_to_last(&rig, &probe.contract, &probe.view()), probe.view());
        let found: Vec<_> = crowd.first.iter().map(judged).collect();
        let held_later: usize = crowd.later.iter().map(|probe| judge_later(&rig, probe)).sum();
        assert_counted(&rig, &found);
        eprintln!("later subscribers hold {held_later} trades; all took {:?}", begun.elapsed());
        assert!(held_later > 0);
        drop(rig);
        server.stop().await;
        threads.end();
    });
}

/// The counters say what was found, and enough happened for it to mean something.
fn assert_counted(rig: &Rig, found: &[(oracle::Found, probe::View)]) {
    let holes = || found.iter().flat_map(|(found, _)| &found.holes);
    let missing: u64 = holes().map(IdRange::count).sum();
    let repaired = rig.counter("gap_repaired_trades_total");
    let sum = |of: &dyn Fn(&(oracle::Found, probe::View)) -> usize| found.iter().map(of).sum::<usize>();
    let (closed, incomplete) = (sum(&|(found, _)| found.closed), sum(&|(found, _)| found.incomplete));
    let held = sum(&|(_, view)| view.held().len());
    let corrections = sum(&|(_, view)| view.candles.values().map(|candles| candles.corrections).sum());
    eprintln!("{held} trades, {} holes of {missing} ids, {repaired} ids repaired", holes().count());
    eprintln!("{closed} candles closed, {incomplete} incomplete, {corrections} corrections");
    let reconnects = rig.counter("upstream_reconnects_total");
    eprintln!("{reconnects} reconnects, {} duplicates", rig.counter("ingest_duplicates_total"));
    assert_eq!(rig.counter("gap_missing_ids_total"), missing + repaired);
    assert!(held > 3_000 && missing > 0 && repaired > 0 && corrections > 0, "too little happened");
    assert!(closed > 30 && incomplete < closed - 10, "{incomplete} of {closed}");
    assert!(reconnects >= 6 && rig.counter("ingest_duplicates_total") > 0 && rig.counter("decode_errors_total") > 0);
    assert_eq!((rig.counter("actor_rebuilds_total"), rig.counter("ingest_dropped_total")), (1, 0));
}

/// A dialer that reaches nobody.
fn nowhere() -> Arc<dyn Dial> {
    Arc::new(MemoryDialer::pair().0)
}

/// A trade of one unit; the ninth begins the next minute.
fn trade(id: u64) -> Print {
    let (price, quantity) = (Price::from_units(1_000 + i64::try_from(id).expect("small")), Quantity::from_units(1));
    let time = at(START + 60_000 * i64::from(id > 8));
    Print::Trade(Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false })
}

/// What a subscriber knows when ids 6 and 7 were lost, `brought` back, and followed by the next minute, all while the
/// publishers' thread was busy.
fn view_of_overtaken(kind: TapeKind, brought: fn(u64) -> Print) -> probe::View {
    in_system(false, async {
        let setup = Setup::generated(32, &[("SOLUSDT", kind, 60)]);
        let threads = Threads::start(1, 1);
        let metrics = Arc::new(Metrics::default());
        let seams = Seams { dialer: nowhere(), clock: Clock::starting_at(at(START)) };
        let engine = Engine::start(setup.hurried("ws://memory"), seams, threads.placement(), &metrics, |_| {});
        let rig = Rig { exchange: setup.open(), engine, metrics };
        let probe = rig.probe("SOLUSDT", &[1], (0, 0));
        let tape = &probe.contract.tape;
        let send = |prints: Vec<Print>| rig.first().actor.send(Batch(prints)).expect("a mailbox with room");
        send((1..=5).map(trade).collect());
        until("told", || is_told_all(&probe)).await;
        let release = keep_busy(&threads.live[0]).await;
        send(vec![trade(8)]);
        until("a hole", || tape.newest_id() == Some(8)).await;
        send(vec![brought(6)]);
        send(vec![brought(7)]);
        until("filled", || tape.aside().holes().iter().next().is_none()).await;
        send(vec![trade(9)]);
        until("written", || tape.newest_id() == Some(9)).await;
        release.send(()).expect("it waits");
        until("told", || is_told_all(&probe)).await;
        let view = probe.view();
        drop(rig);
        threads.end();
        view
    })
}

/// Holds a thread up until something is sent.
async fn keep_busy(arbiter: &Arbiter) -> mpsc::Sender<()> {
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    arbiter.spawn_fn(move || {
        begin.send(()).expect("waited for");
        released.recv().expect("released");
    });
    until("busy", || begun.try_recv().is_ok()).await;
    release
}

/// The candle of the minute that is over is complete and has every trade of it.
fn assert_whole(view: &probe::View) {
    let folded = oracle::fold(Timeframe::MINUTE, &view.held());
    let (open_time, candle) = view.candles[&Timeframe::MINUTE].closed.iter().next().expect("closed");
    assert!(candle.complete, "{candle:?}");
    assert_eq!(*candle, Candle { revision: candle.revision, ..folded[open_time] });
}

#[test]
fn burnt_ids_that_overtake_a_busy_publisher_are_no_hole() {
    assert_whole(&view_of_overtaken(TapeKind::Raw, Print::Burnt));
}

#[test]
fn trades_that_overtake_a_busy_publisher_are_in_their_candle() {
    assert_whole(&view_of_overtaken(TapeKind::Aggregate, trade));
}
