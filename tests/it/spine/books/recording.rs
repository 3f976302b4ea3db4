//! Is what is recorded of a book what stood in it, by each tick size?

use super::{
    super::restart::{options, write_on},
    *,
};
use std::collections::BTreeMap;
use tapedeck::{
    app::Recording,
    book::TickSize,
    market::Listing,
    query::{self, BooksWanted},
    store::{
        self, Records,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::StoredBook,
    },
};

const EVERY: Duration = Duration::from_secs(30);

fn identity() -> Identity {
    Identity { store: 7, venue: "sim".to_owned(), created: at(START) }
}

fn listing(tick_size: Price) -> Listing {
    Listing {
        status: "TRADING".to_owned(),
        contract_type: "PERPETUAL".to_owned(),
        onboard_time: at(0),
        base_asset: "A".to_owned(),
        quote_asset: "USDT".to_owned(),
        tick_size,
        step_size: Default::default(),
        ends: None,
    }
}

/// Groups by the definition, from the truth.
fn grouped(levels: &[Level], size: i64, is_bid: bool) -> Vec<(i64, i128, i128)> {
    let mut groups: BTreeMap<i64, (i128, i128)> = BTreeMap::new();
    for level in levels {
        let (price, quantity) = (level.price.units(), level.quantity.units());
        let group = if is_bid { price / size * size } else { (price + size - 1) / size * size };
        let sums = groups.entry(group).or_default();
        sums.0 += i128::from(quantity);
        sums.1 += i128::from(price) * i128::from(quantity);
    }
    let all = groups.into_iter().map(|(price, (quantity, quote))| (price, quantity, quote));
    let mut all: Vec<_> = all.collect();
    if is_bid {
        all.reverse();
    }
    all
}

fn assert_side(told: &[tapedeck::book::Depth], truth: &[(i64, i128, i128)]) {
    let (mut quantity, mut quote) = (0, 0);
    for (depth, group) in told.iter().zip(truth) {
        quantity += group.1;
        quote += group.2;
        assert_eq!((depth.price.units(), depth.quantity.units()), (group.0, group.1));
        assert_eq!((depth.cumulative.units(), depth.cumulative_quote.units()), (quantity, quote));
    }
}

/// A snapshot against the exchange's book of the time that it names.
fn assert_recorded(exchange: &Exchange, symbol: &Symbol, book: &StoredBook) {
    let truth = exchange.truth_book(symbol, book.time).expect("it has a book");
    assert_eq!(truth.time, book.time);
    assert!((-500..=1_600).contains(&book.at.since(book.time)), "{book:?}");
    let (summary, size) = (&book.summary, book.tick_size.get().units());
    assert_eq!((summary.best_bid, summary.best_ask), (truth.bids.first().copied(), truth.asks.first().copied()));
    let sides = [grouped(&truth.bids, size, true), grouped(&truth.asks, size, false)];
    for (told, truth) in [&summary.bids, &summary.asks].into_iter().zip(&sides) {
        assert_side(told, truth);
    }
    let [bid, asked] =
        [&summary.bids, &summary.asks].map(|depths| depths.last().map_or(0, |depth| depth.cumulative.units()));
    // Groups may be larger than what is known of a side.
    assert_eq!(summary.imbalance.is_some(), bid + asked > 0);
    if let Some(imbalance) = summary.imbalance {
        let expected = (bid - asked) * 100_000_000 / (bid + asked);
        assert!((i128::from(imbalance.units()) - expected).abs() <= 1, "{imbalance} {expected}");
    }
}

/// A market whose books are recorded in a store.
pub(crate) fn recorded(setup: &Setup, tick_size: Price) -> Rig {
    let (dialer, listener) = MemoryDialer::pair();
    let exchange = setup.open();
    tokio::task::spawn_local(accept(listener, Arc::clone(&exchange)));
    let clock = Clock::starting_at(exchange.now());
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let mut opened = store::open(&disk, &identity(), options(), clock).expect("opens");
    let symbols: Vec<_> = setup.contracts.iter().map(|(text, _)| symbol(text)).collect();
    let rows = opened.storage.register(&symbols, clock.now()).expect("registered");
    let (library, desk) = (Arc::clone(&opened.library), opened.desk.clone());
    let hold = |contract: &market::Contract| {
        let row = rows.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
        contract.hold_records(Records::new(&library, &desk, row.number));
        contract.listing.store(Some(Arc::new(listing(tick_size))));
    };
    let rig = setup.start_holding(exchange, Seams { dialer: Arc::new(dialer), clock }, "ws://memory", hold);
    tokio::task::spawn_local(write_on(opened, clock));
    let recording = Recording {
        contracts: Arc::clone(&rig.engine.contracts),
        venue_clock: Arc::clone(&rig.engine.venue_clock),
        every: EVERY,
        metrics: Arc::clone(&rig.metrics),
    };
    tokio::task::spawn_local(recording.run());
    rig
}

#[test]
fn every_half_minute_each_tick_size_is_recorded_as_the_exchange_had_it() {
    in_virtual_time(async {
        let setup = Setup {
            book: Some(BookSpec::new(steps(), 15)),
            market: vec![StreamKind::BookTicker],
            ..Setup::generated(98, &CONTRACTS)
        };
        let scene = Scene::over(recorded(&setup, Price::from_units(10_000)));
        tokio::time::sleep(20 * MINUTE).await;
        scene.synced().await;
        for contract in scene.engine.contracts.iter() {
            assert_contract(&scene, &contract);
        }
        let recorded = scene.figure("book_recorded_total");
        assert!((3 * 38..=3 * 40).contains(&recorded), "{recorded}");
    });
}

fn assert_contract(scene: &Scene, contract: &market::Contract) {
    let records = contract.records.get().expect("a store");
    let all = BooksWanted { start: Some(at(0)), end: None, tick_size: None, limit: 10_000 };
    let page = query::books(records, &all);
    assert!(page.complete && page.next.is_none());
    let half_minutes: Vec<i64> = page.books.iter().map(|book| book.at.get()).collect();
    assert!(half_minutes.iter().all(|at| at % 30_000 == 0) && half_minutes.len() >= 3 * 38, "{half_minutes:?}");
    page.books.iter().for_each(|book| assert_recorded(&scene.exchange, &contract.symbol, book));
    // Pages of any length, and each tick size alone, are the same snapshots.
    let (mut paged, mut start) = (Vec::new(), Some(at(0)));
    while let Some(from) = start {
        let page = query::books(records, &BooksWanted { start: Some(from), limit: 7, ..all });
        assert!(page.books.len() <= 7);
        paged.extend(page.books);
        start = page.next;
    }
    assert_eq!(paged, page.books);
    let size = TickSize::new(Price::from_units(100_000)).expect("above 0");
    let alone = query::books(records, &BooksWanted { start: None, tick_size: Some(size), limit: 5, ..all }).books;
    let mut expected: Vec<_> = page.books.into_iter().filter(|book| book.tick_size == size).collect();
    assert_eq!(alone, expected.split_off(expected.len() - 5), "the newest five");
}
