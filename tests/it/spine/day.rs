//! Does nothing pile up while days pass, with rotations, listings and delistings?
//!
//! `TAPEDECK_DAY_HOURS` says how many hours pass: two, unless it is said.

use super::{
    books::{serve_snapshots, steps},
    registry::Scene,
    *,
};
use tapedeck::{book::State, market::BookSpec};

/// As many trades a minute as a contract of the venue has on average: 50 million a day of 800.
const RATE: u32 = 43;
/// Contracts at any time, and of those that come and go.
const STEADY: usize = 16;
const COMING: usize = 4;
/// Memory that may come to be in use in the second half of the time: rings fill in three hours, minutes in a day.
const GROWTH_KIB_MAX: u64 = 24 << 10;

fn hours() -> i64 {
    let text = std::env::var("TAPEDECK_DAY_HOURS").ok();
    text.map_or(2, |text| text.parse().expect("TAPEDECK_DAY_HOURS is a whole number"))
}

/// Sixteen contracts that stay, four that are listed by and by, and four that are delisted.
fn setup(hours: i64) -> Setup {
    let names = ["S", "N", "O"].iter().zip([STEADY, COMING, COMING]);
    let names: Vec<String> =
        names.flat_map(|(kind, count)| (0..count).map(move |at| format!("{kind}{at}USDT"))).collect();
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    let contracts: Vec<_> = names.iter().map(|name| (*name, TapeKind::Aggregate, RATE)).collect();
    let mut setup = Setup::generated(91, &contracts);
    let share = |at: usize| hours * 3_600_000 * (i64::try_from(at).expect("few") + 1) / 6;
    for (at, contract) in setup.exchange.contracts.iter_mut().enumerate() {
        match contract.symbol.as_str().as_bytes()[0] {
            b'N' => contract.onboard = super::at(START + share(at - STEADY)),
            b'O' => contract.delivery = super::at(START + share(at - STEADY - COMING)),
            _ => {}
        }
    }
    setup.contracts.truncate(STEADY);
    setup.book = Some(BookSpec::new(steps(), 15));
    setup.rotation = Duration::from_secs(u64::try_from(hours).expect("positive") * 3_600 / 8);
    setup.market = vec![
        StreamKind::MarkPrice,
        StreamKind::ForceOrder,
        StreamKind::Ticker,
        StreamKind::ContractInfo,
        StreamKind::BookTicker,
    ];
    setup
}

/// Memory of this process that is resident.
fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What may not grow: tasks, open connections, memory.
#[derive(Clone, Copy, Debug)]
struct Use {
    tasks: usize,
    connections: u64,
    resident_kib: u64,
}

impl Use {
    fn now(scene: &Scene) -> Self {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { tasks, connections: scene.counter("upstream_connected"), resident_kib: resident_kib() }
    }
}

#[test]
fn a_day_of_rotations_listings_and_delistings_leaves_nothing_behind() {
    in_virtual_time(async {
        let (hours, begun) = (hours(), std::time::Instant::now());
        let scene = Scene::start(&setup(hours), r#""*USDT""#);
        serve_snapshots(&scene.exchange, &scene.engine, &scene.metrics);
        let step = Duration::from_secs(u64::try_from(hours).expect("positive") * 360);
        let mut uses = Vec::new();
        for _ in 0..10 {
            tokio::time::sleep(step).await;
            uses.push(Use::now(&scene));
        }
        let took = begun.elapsed();
        let (first, half) = (uses[0], uses[uses.len() / 2]);
        eprintln!("{hours} hours in {took:?}");
        uses.iter().for_each(|now| eprintln!("{now:?}"));
        for now in &uses {
            assert!(now.tasks <= first.tasks + 40, "tasks pile up: {first:?}, then {now:?}");
            assert!(now.connections <= 2 * first.connections, "connections pile up: {first:?}, then {now:?}");
            assert!(now.resident_kib <= half.resident_kib + GROWTH_KIB_MAX, "memory grows: {half:?}, then {now:?}");
        }
        assert!(scene.counter("upstream_rotations_total") >= 7 * u64::from(first.connections > 0));
        let recorded = scene.recorded();
        assert!((0..COMING).all(|at| recorded.contains(&format!("N{at}USDT"))), "{recorded:?}");
        let now = scene.exchange.now();
        for contract in scene.engine.contracts.iter() {
            assert_eq!(contract.tape.missing(), 0, "{}", contract.symbol);
            let state = contract.book.as_ref().expect("kept").read(|replica| replica.state());
            assert_eq!(state, State::Synced, "{}", contract.symbol);
            let held = contract.tape.held();
            let from = held.first().expect("it trades").time.plus(1);
            let truth = scene.exchange.truth(&contract.symbol, from, now.plus(-2_000));
            let held: Vec<_> =
                held.into_iter().filter(|trade| (from..now.plus(-2_000)).contains(&trade.time)).collect();
            assert_eq!(held, truth, "{}", contract.symbol);
        }
    });
}
