//! Are the settled fundings that are stored the exchange's, each asked for once?

use super::*;
use tapedeck::{metrics::Labels, model::Funding, sim::RestFault, store::record::FundingRow};

const RATES: &str = "/fapi/v1/fundingRate?";

/// Marks come as from a stream, though none is there.
async fn tell_marks(contracts: Arc<Contracts>, exchange: Arc<Exchange>) {
    loop {
        let now = exchange.now();
        for contract in contracts.iter() {
            contract.figures.set_mark(exchange.truth_mark(&contract.symbol, now).expect("it trades"));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn follow(life: &mut Life) {
    life.tasks.spawn(tell_marks(Arc::clone(&life.polling.contracts), Arc::clone(&life.exchange)));
    life.tasks.spawn(life.polling.clone().follow_funding());
}

/// The fundings held are those of the exchange from the first held on until `until`; how many.
fn assert_whole(life: &Life, text: &str, until: i64) -> usize {
    let held: Vec<Funding> = life.held::<FundingRow>(text).into_iter().map(Funding::from).collect();
    let first = held.first().expect("some").time;
    let truth = life.exchange.truth_fundings(&symbol(text), first, at(until));
    let differing = held.iter().zip(&truth).find(|(held, truth)| held != truth);
    assert_eq!((differing, held.len()), (None, truth.len()), "{text}");
    held.len()
}

#[tokio::test(start_paused = true)]
async fn the_newest_thousand_come_first_and_each_later_one_soon_after_its_hour() {
    let disk = SimulatedDisk::new(11);
    let mut life = Life::begin(&disk, START, all_kept);
    follow(&mut life);
    tokio::time::sleep(Duration::from_secs(60)).await;
    for text in SYMBOLS {
        assert!((998..=1_000).contains(&assert_whole(&life, text, START)), "{text}");
        let terms = life.contract(text).figures.terms().expect("the venue lists them");
        assert_eq!(terms.interval_hours, 8);
    }
    assert_eq!(life.asked(RATES).len(), SYMBOLS.len(), "one page each");
    // 16:00 UTC and half a minute.
    tokio::time::sleep(Duration::from_secs(6 * 3_600 - 60)).await;
    let sixteen = START - START % (8 * HOUR) + 8 * HOUR;
    for text in SYMBOLS {
        let settled = life.exchange.truth_fundings(&symbol(text), at(sixteen - 1_000), at(sixteen + 1_000));
        assert_eq!(settled.len(), 1);
        let newest = life.held::<FundingRow>(text).into_iter().map(Funding::from).next_back();
        assert_eq!(newest, settled.first().copied(), "{text}");
    }
    let (of_one, of_all): (Vec<_>, Vec<_>) =
        life.asked(RATES).into_iter().partition(|(_, query)| query.contains("symbol="));
    assert_eq!(of_one.len(), SYMBOLS.len());
    assert!((6..=8).contains(&of_all.len()), "hourly, and once for what was settled: {of_all:?}");
    let end = life.exchange.now().get();
    life.end().await;
    let later = end + 20 * HOUR;
    let mut life = Life::begin(&disk, later, all_kept);
    follow(&mut life);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = life.asked(RATES);
    assert_eq!(asked.len(), SYMBOLS.len());
    for (_, query) in asked {
        assert!(param(&query, "startTime").expect("a start") > sixteen, "what is held is not asked for: {query}");
    }
    for text in SYMBOLS {
        assert!(assert_whole(&life, text, later) >= 1_001, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_published_yet_is_asked_for_again() {
    let mut life = Life::begin(&SimulatedDisk::new(12), START, all_kept);
    follow(&mut life);
    tokio::time::sleep(Duration::from_secs(5 * 3_600 + 1_800)).await;
    let faults = life.exchange.faults().rest();
    faults.next("/fapi/v1/fundingRate", RestFault::Empty, 3);
    tokio::time::sleep(Duration::from_secs(1_800 + 15)).await;
    let before: Vec<usize> = SYMBOLS.iter().map(|text| life.held::<FundingRow>(text).len()).collect();
    tokio::time::sleep(Duration::from_secs(180)).await;
    for (text, before) in SYMBOLS.into_iter().zip(before) {
        assert_eq!(life.held::<FundingRow>(text).len(), before + 1, "{text}");
        assert_whole(&life, text, life.exchange.now().get());
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_lose_nothing() {
    let mut life = Life::begin(&SimulatedDisk::new(13), START, all_kept);
    let faults = life.exchange.faults().rest();
    for fault in [
        RestFault::TooMany { has_retry_after: true },
        RestFault::Cut,
        RestFault::BadGateway,
        RestFault::Banned { millis: 600_000 },
        RestFault::Duplicate,
        RestFault::OutOfOrder,
        RestFault::Never,
    ] {
        faults.next("/fapi/v1/funding", fault, 1);
        faults.next("/fapi/v1/premiumIndex", fault, 1);
    }
    follow(&mut life);
    tokio::time::sleep(Duration::from_secs(30 * 3_600 + 120)).await;
    assert!(life.failures() >= 6, "{}", life.failures());
    for text in SYMBOLS {
        assert!(assert_whole(&life, text, life.exchange.now().get()) > 1_000, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_not_understood_hides_no_other_and_is_asked_for_again() {
    let mut life = Life::begin(&SimulatedDisk::new(14), START, all_kept);
    follow(&mut life);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    *life.asked.spoils.lock().expect("no panic") = Some("SOLUSDT");
    tokio::time::sleep(Duration::from_secs(5 * 3_600 + 600)).await;
    let held = |life: &Life, text| life.held::<FundingRow>(text).len();
    assert_eq!(
        (held(&life, "BTCUSDT"), held(&life, "币安人生USDT")),
        (held(&life, "SOLUSDT") + 1, held(&life, "BTCUSDT"))
    );
    let refused = life.polling.metrics.decode_errors.get_or_create(&Labels::new([("reason", "row")])).get();
    assert!(refused > 1 && life.failures() == 0, "{refused}");
    *life.asked.spoils.lock().expect("no panic") = None;
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    for text in SYMBOLS {
        assert_whole(&life, text, life.exchange.now().get());
    }
}
