//! Does what heals in virtual time heal over real sockets, on threads of its own, in real time?

use super::{
    super::threads::{Threads, until},
    *,
};
use std::net::{Ipv4Addr, SocketAddr};
use tapedeck::{
    net::{DialLimits, HttpClient, TcpDialer, tls::client_config},
    sim::{Schedule, Server, Severity},
};

const CONTRACTS: [(&str, TapeKind, u32); 2] =
    [("SOLUSDT", TapeKind::Aggregate, 1_200), ("币安人生USDT", TapeKind::Aggregate, 300)];
/// So long everything fails.
const FAULTS_MS: u64 = 12_000;
/// About five of each class. REST fails in virtual time alone: the waits that its refusals ask for are minutes.
const DENSE: Severity = Severity { connections: 1_500, silences: 900, streams: 1_500, frames: 1_500, ..Severity::NONE };

/// The store of this test's contracts, written beside everything else.
fn hold(exchange: &Exchange) -> (impl Fn(&market::Contract) + use<>, Opened, Clock) {
    let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(SimulatedDisk::new(1)), Clock::starting_at(exchange.now()));
    let wanted = Identity { store: 5, venue: "sim".to_owned(), created: exchange.now() };
    let mut opened = store::open(&disk, &wanted, options(), clock).expect("opens");
    let symbols = CONTRACTS.map(|(text, ..)| symbol(text));
    let rows = opened.storage.register(&symbols, clock.now()).expect("registered");
    let (library, desk) = (Arc::clone(&opened.library), opened.desk.clone());
    let hold = move |contract: &market::Contract| {
        let row = rows.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
        contract.holding.get_or_init(|| Holding::new(&library, &desk, row.number, Kind::Trade));
    };
    (hold, opened, clock)
}

fn healing(rig: &Rig, host: &str) -> impl Future<Output = ()> + Send + 'static {
    let tls = client_config(None).expect("the built-in roots");
    let fetch: Arc<dyn Fetch> = Arc::new(HttpClient::new(&tls, &FetchLimits::default()).expect("set up"));
    let budget =
        Budget::new(budget::Options::default(), Clock::starting_at(rig.exchange.now()), Arc::clone(&rig.metrics));
    let source = Source { fetch, budget, rest_url: format!("http://{host}"), seed: 3 };
    let (_, arrivals) = tokio::sync::mpsc::channel(1);
    let seam = Some(seam::Options { fills_max: 2 });
    let keeping = Keeping { readiness: Arc::default(), metrics: Arc::clone(&rig.metrics) };
    rig.engine.heal(Healing { source, seam, told: Arc::new(|_, _| {}), arrivals }, keeping)
}

#[test]
fn a_quarter_of_a_minute_of_faults_leaves_nothing_wrong_and_nothing_missing() {
    in_system(false, async {
        let setup = Setup::generated(91, &CONTRACTS);
        let exchange = setup.open();
        let server = Server::bind(Arc::clone(&exchange), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = server.await.expect("a free port");
        let host = server.local_addr().to_string();
        let (hold, opened, clock) = hold(&exchange);
        let (threads, metrics) = (Threads::start(1, 1), Arc::new(Metrics::default()));
        let tls = client_config(None).expect("the built-in roots");
        let dialer = Arc::new(TcpDialer::new(tls, DialLimits::default()));
        let options = setup.engine_options(&format!("ws://{host}"));
        let engine = Engine::start(options, Seams { dialer, clock }, threads.placement(), &metrics, hold);
        let rig = Rig { exchange, engine, metrics };
        let writing = tokio::task::spawn_local(write_every(Duration::from_millis(20), opened, clock, || false));
        let healing = tokio::spawn(healing(&rig, &host));
        let host = Arc::new(Host::new(Clock::settable(clock.wall()).1, SimulatedDisk::new(1)));
        let scene = Scene {
            rig,
            away: Arc::default(),
            told: Arc::default(),
            arrived: tokio::sync::mpsc::channel(1).0,
            host,
            clock,
        };
        let trades = |name: &str| scene.rig.contract(name).tape.newest_id().is_some();
        until("trading", || CONTRACTS.iter().all(|(name, ..)| trades(name))).await;
        let symbols = CONTRACTS.map(|(name, ..)| symbol(name));
        Schedule::draw(7, FAULTS_MS, &symbols, DENSE).run(&scene.rig.exchange, None).await;
        // What the last fault cost shows with the first trades after it.
        seconds(4).await;
        until("healed", || CONTRACTS.iter().all(|(name, ..)| scene.missing(name) == 0)).await;
        assert!(scene.counter("gap_missing_ids_total") > 0 && scene.counter("upstream_reconnects_total") > 0);
        assert_eq!(scene.counter("panics_total"), 0);
        for (name, ..) in CONTRACTS {
            scene.assert_trades_whole(name);
        }
        healing.abort();
        writing.abort();
        drop(scene);
        threads.end();
        server.stop().await;
    });
}
