//! Is what is served after restarts, out of memory and off the disk, what the exchange published, and is the rest named?

use super::*;
use std::collections::BTreeSet;
use tapedeck::{
    candle::fold,
    model::{Candle, IdRange, Trade},
    query::{self, CandlesWanted, TradeRange},
    store::{
        self, Holding, Opened,
        coverage::{HoleState, Reach},
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::Kind,
        storage::{Options as StoreOptions, SyncPolicy},
    },
};

const CONTRACTS: [(&str, TapeKind, u32); 3] = [
    ("SOLUSDT", TapeKind::Aggregate, 3_000),
    ("XRPUSDT", TapeKind::Aggregate, 120),
    ("币安人生USDT", TapeKind::Aggregate, 20),
];

/// Short files, so that a test seals several.
pub(super) fn options() -> StoreOptions {
    StoreOptions {
        file_bytes: 512 << 10,
        roll_ms: 45_000,
        write_ms: 10,
        sync: SyncPolicy::EveryMs(200),
        queue_bytes: 64 << 20,
    }
}

/// Writes a store in the virtual time of the engine over it.
pub(super) async fn write_on(mut opened: Opened, clock: Clock) {
    loop {
        opened.storage.step(clock.now());
        opened.sealer.step();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One life of the process: from `start` on for `length`, over what is on `disk`.
fn live(disk: &SimulatedDisk, start: i64, length: Duration, look: impl AsyncFnOnce(Rig)) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    in_virtual_time(async move {
        let setup = Setup { start, ..Setup::generated(77, &CONTRACTS) };
        let (dialer, listener) = MemoryDialer::pair();
        let exchange = setup.open();
        tokio::task::spawn_local(accept(listener, Arc::clone(&exchange)));
        let clock = Clock::starting_at(at(start));
        let wanted = Identity { store: 5, venue: "sim".to_owned(), created: at(start) };
        let mut opened = store::open(&disk, &wanted, options(), clock).expect("opens");
        let symbols = CONTRACTS.map(|(text, ..)| symbol(text));
        let rows = opened.storage.register(&symbols, clock.now()).expect("registered");
        let (library, desk) = (Arc::clone(&opened.library), opened.desk.clone());
        let hold = |contract: &market::Contract| {
            let row = rows.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
            contract.holding.get_or_init(|| Holding::new(&library, &desk, row.number, Kind::Trade));
        };
        let rig = setup.start_holding(exchange, Seams { dialer: Arc::new(dialer), clock }, "ws://memory", hold);
        tokio::task::spawn_local(write_on(opened, clock));
        tokio::time::sleep(length).await;
        look(rig).await;
    })
}

/// Every page of a contract's trades, from the first id on; and every hole that a page named.
pub(super) fn walk(contract: &market::Contract) -> (Vec<Trade>, Vec<IdRange>) {
    let (mut trades, mut holes, mut next) = (Vec::new(), Vec::new(), Some(1));
    while let Some(from_id) = next {
        let wanted = TradeRange { from_id: Some(from_id), limit: 500, ..TradeRange::default() };
        let page = query::trades(&contract.tape, contract.holding.get(), &wanted);
        assert!(page.complete == page.holes.is_empty() || from_id == 1);
        trades.extend(page.trades);
        holes.extend(page.holes);
        next = page.next_id;
    }
    (trades, holes)
}

fn assert_tape_is_honest(rig: &Rig, contract: &market::Contract, began: i64) {
    let (trades, holes) = walk(contract);
    // Trades arrive a little after they happened.
    let truth = rig.exchange.truth(&contract.symbol, at(began - 10_000), rig.exchange.now());
    let first = trades.first().expect("it trades").id;
    let last = trades.last().expect("it trades").id;
    let missing = |id: u64| holes.iter().any(|hole| hole.contains(id));
    let expected: Vec<Trade> =
        truth.into_iter().filter(|trade| (first..=last).contains(&trade.id) && !missing(trade.id)).collect();
    assert_eq!(trades, expected, "{}", contract.symbol);
    let ids: BTreeSet<u64> = trades.iter().map(|trade| trade.id).collect();
    let holey: u64 = holes.iter().map(|hole| hole.count()).sum();
    assert_eq!(ids.len() as u64 + holey, last - first + 1, "{}: nothing is in both", contract.symbol);
    assert!(!holes.is_empty(), "the process was away twice");
    let reach = Reach { now: rig.exchange.now(), back_ms: Some(48 * UnixMillis::HOUR) };
    let holding = contract.holding.get().expect("a store");
    let coverage = query::coverage(&contract.tape, holding, IdRange { first: 0, last: u64::MAX }, reach);
    assert_eq!(coverage.holes.iter().map(|hole| hole.ids).collect::<Vec<_>>(), holes, "{}", contract.symbol);
    assert!(coverage.holes.iter().all(|hole| hole.state == HoleState::Missing));
    let held = coverage.runs.iter().map(|run| run.ids.count()).sum::<u64>();
    assert_eq!(held, trades.len() as u64, "{}", contract.symbol);
}

/// Complete minutes and longer candles equal a fold of the truth; every other one touches a hole or an end.
fn assert_candles_are_honest(
    rig: &Rig,
    contract: &market::Contract,
    live: Vec<Candle>,
    minutes: &[Candle],
    length: u32,
) {
    let timeframe = super::minutes(length);
    let wanted = CandlesWanted { timeframe, start: Some(at(0)), end: None, limit: 10_000 };
    let held = query::candles(contract.holding.get(), live, minutes, &wanted);
    let (trades, holes) = walk(contract);
    let from = trades[0].time.plus(-600_000);
    let truth = fold(timeframe, &rig.exchange.truth(&contract.symbol, from, rig.exchange.now()));
    let of_trades = fold(timeframe, &trades);
    assert!(held.is_sorted_by_key(|candle| candle.open_time));
    assert_eq!(
        held.iter().map(|candle| candle.open_time).collect::<Vec<_>>(),
        of_trades.iter().map(|candle| candle.open_time).collect::<Vec<_>>(),
        "{}: {length}m",
        contract.symbol
    );
    let mut complete = 0;
    for (candle, folded) in held.iter().zip(&of_trades).filter(|(candle, _)| candle.closed) {
        let shown = Candle { complete: candle.complete, revision: candle.revision, ..*folded };
        assert_eq!(*candle, shown, "{}: {length}m of the held trades", contract.symbol);
        let true_candle = truth.iter().find(|other| other.open_time == candle.open_time).expect("published");
        if candle.complete {
            complete += 1;
            assert_eq!(candle.volume, true_candle.volume, "{}: {length}m at {}", contract.symbol, candle.open_time);
            assert_eq!((candle.first_id, candle.last_id), (true_candle.first_id, true_candle.last_id));
        }
    }
    let bounds = held.len().saturating_sub(2 + 2 * holes.len());
    assert!(complete >= bounds, "{}: {length}m: {complete} of {} with {holes:?}", contract.symbol, held.len());
}

#[test]
fn what_is_served_after_a_power_cut_and_a_kill_is_the_truth_or_named() {
    let disk = SimulatedDisk::new(11);
    live(&disk, START, Duration::from_secs(200), async |_| {});
    disk.power_cut(3);
    let second = START + 260_000;
    live(&disk, second, Duration::from_secs(185), async |_| {});
    disk.kill();
    let third = second + 190_000;
    live(&disk, third, Duration::from_secs(140), async |rig| {
        for (text, ..) in CONTRACTS {
            let contract = rig.contract(text);
            assert_tape_is_honest(&rig, &contract, START);
            let minutes = rig.engine.live.candles(contract.id, Timeframe::MINUTE).await.expect("alive");
            assert!(minutes.len() >= 9, "memory has the minutes of all three lives: {}", minutes.len());
            for length in [1, 3, 5] {
                let live = rig.engine.live.candles(contract.id, super::minutes(length)).await.expect("alive");
                assert_candles_are_honest(&rig, &contract, live, &minutes, length);
            }
        }
    });
}
