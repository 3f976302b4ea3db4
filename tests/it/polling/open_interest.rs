//! Is the open interest that is polled, and what was open before, the exchange's?

use super::*;
use tapedeck::{market::Series, model::Volume, sim::RestFault, store::record::OpenInterestRow};

const NOW: &str = "/fapi/v1/openInterest?";
const PAST: &str = "/futures/data/openInterestHist?";
const SLOT_MS: i64 = 300_000;
const PERIOD: Duration = Duration::from_secs(30);

/// Every record held of a contract is what the exchange says of its time.
fn assert_held_are_true(life: &Life, text: &str) -> Vec<OpenInterestRow> {
    let rows = life.held::<OpenInterestRow>(text);
    for row in &rows {
        let truth = life.exchange.truth_open_interest(&symbol(text), row.time).expect("it trades");
        assert_eq!(row.quantity, Volume::from(truth), "{text} at {}", row.time);
    }
    rows
}

/// Slots of the 30 days before `now` that hold no record.
fn missing(rows: &[OpenInterestRow], now: i64) -> usize {
    let held: BTreeSet<i64> = rows.iter().map(|row| row.time.get().div_euclid(SLOT_MS)).collect();
    let first = (now - 30 * UnixMillis::DAY + SLOT_MS - 1).div_euclid(SLOT_MS);
    (first..now.div_euclid(SLOT_MS)).filter(|slot| !held.contains(slot)).count()
}

fn poll(life: &mut Life, period: Duration) {
    let (now, past) = (life.polling.clone(), life.polling.clone());
    life.tasks.spawn(now.poll_open_interest(period));
    life.tasks.spawn(past.fetch_past_open_interest(period));
}

#[tokio::test(start_paused = true)]
async fn each_contract_has_its_turn_evenly_spread_and_is_stored_told_and_true() {
    let mut life = Life::begin(&SimulatedDisk::new(1), START, all_kept);
    life.tasks.spawn(life.polling.clone().poll_open_interest(PERIOD));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let asked = life.asked(NOW);
    assert!((60..=61).contains(&asked.len()), "three in 30 s for ten minutes: {}", asked.len());
    let gaps: Vec<i64> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().all(|gap| (8_900..=11_100).contains(gap)), "{gaps:?}");
    let mut rung = BTreeSet::new();
    life.bell.take(|id| {
        rung.insert(id.get());
    });
    assert_eq!(rung.len(), SYMBOLS.len());
    for text in SYMBOLS {
        let rows = assert_held_are_true(&life, text);
        assert!((19..=21).contains(&rows.len()), "{text}: {}", rows.len());
        let newest = life.contract(text).figures.open_interest().expect("polled");
        assert_eq!(rows.last().map(|row| row.time), Some(newest.time));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_30_days_are_fetched_once_and_after_an_outage_the_outage_alone() {
    let disk = SimulatedDisk::new(2);
    let mut life = Life::begin(&disk, START, all_kept);
    poll(&mut life, Duration::from_secs(240));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let (first_end, pages) = (life.exchange.now().get(), life.asked(PAST));
    assert!(pages.len() <= SYMBOLS.len() * 20, "{} pages of 500 rows for 8,640 each", pages.len());
    for (asked_at, query) in &pages {
        let start = param(query, "startTime").expect("a start");
        assert!(start >= asked_at - 30 * UnixMillis::DAY, "beyond the venue's reach: {query}");
    }
    for text in SYMBOLS {
        let rows = assert_held_are_true(&life, text);
        assert_eq!(missing(&rows, first_end), 0, "{text}");
        assert!(rows.iter().filter(|row| row.value.units() > 0).count() >= 8_600, "the past has values");
    }
    life.end().await;
    let mut life = Life::begin(&disk, first_end, all_kept);
    poll(&mut life, Duration::from_secs(240));
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    assert_eq!(life.asked(PAST), [], "all of it is held");
    let second_end = life.exchange.now().get();
    life.end().await;
    let third = second_end + 5 * HOUR;
    let mut life = Life::begin(&disk, third, all_kept);
    poll(&mut life, Duration::from_secs(240));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let pages = life.asked(PAST);
    assert_eq!(pages.len(), SYMBOLS.len(), "one page has five hours: {pages:?}");
    for (_, query) in pages {
        let (start, end) = (param(&query, "startTime").expect("a start"), param(&query, "endTime").expect("an end"));
        assert!(start > second_end - 2 * SLOT_MS && end < third, "{query}");
    }
    for text in SYMBOLS {
        assert_eq!(missing(&assert_held_are_true(&life, text), third), 0, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_running_process_misses_is_fetched_when_it_is_over() {
    let mut life = Life::begin(&SimulatedDisk::new(3), START, all_kept);
    poll(&mut life, PERIOD);
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    let before = life.asked(PAST).len();
    life.exchange.faults().rest().next("/fapi", RestFault::Banned { millis: 2 * HOUR }, 1);
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    let banned: Vec<i64> = life.asked("/").iter().map(|(asked_at, _)| *asked_at).collect();
    let longest = banned.windows(2).map(|pair| pair[1] - pair[0]).max().expect("some");
    assert!((2 * HOUR..2 * HOUR + 60_000).contains(&longest), "nothing is asked while banned: {longest}");
    assert!(life.failures() > 0);
    assert_eq!(life.asked(PAST).len(), before + SYMBOLS.len());
    for text in SYMBOLS {
        assert_eq!(missing(&assert_held_are_true(&life, text), life.exchange.now().get()), 0, "{text}");
    }
}

/// Slots of the newest hours before `now` that hold no record.
fn missing_of(rows: &[OpenInterestRow], hours: i64, now: i64) -> Vec<i64> {
    let held: BTreeSet<i64> = rows.iter().map(|row| row.time.get().div_euclid(SLOT_MS)).collect();
    let slots = (now - hours * HOUR).div_euclid(SLOT_MS)..now.div_euclid(SLOT_MS);
    slots.filter(|slot| !held.contains(slot)).collect()
}

#[tokio::test(start_paused = true)]
async fn single_polls_that_fail_are_made_up_for_within_the_hour_by_a_call_for_each_contract_that_lacks_any() {
    let mut life = Life::begin(&SimulatedDisk::new(6), START, all_kept);
    poll(&mut life, Duration::from_secs(300));
    tokio::time::sleep(Duration::from_secs(3_300)).await;
    let before = life.asked(PAST).len();
    // Two rounds of one contract: less than what counts as away.
    let sol = life.contract("SOLUSDT");
    sol.kept.store(Arc::new(Kept { series: [Series::Marks].into_iter().collect(), ..all_kept("SOLUSDT") }));
    tokio::time::sleep(Duration::from_secs(560)).await;
    sol.kept.store(Arc::new(all_kept("SOLUSDT")));
    tokio::time::sleep(Duration::from_secs(700)).await;
    let gap = missing_of(&life.held("SOLUSDT"), 1, life.exchange.now().get());
    assert!((1..=2).contains(&gap.len()), "nobody polled: {gap:?}");
    tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
    let asked = life.asked(PAST).split_off(before);
    assert_eq!(asked.len(), 1, "of the only one that lacked something: {asked:?}");
    assert!(asked[0].1.contains("symbol=SOLUSDT"));
    for text in SYMBOLS {
        assert_eq!(missing(&assert_held_are_true(&life, text), life.exchange.now().get()), 0, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_exchange_itself_lacks_is_not_asked_for_again_and_again() {
    let mut life = Life::begin(&SimulatedDisk::new(7), START, all_kept);
    let first = START.div_euclid(SLOT_MS) - 40;
    *life.asked.lacks.lock().expect("no panic") = (first..first + 3).collect();
    poll(&mut life, PERIOD);
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    let before = life.asked(PAST).len();
    tokio::time::sleep(Duration::from_secs(20 * 3_600)).await;
    assert_eq!(life.asked(PAST).split_off(before), []);
    let gap = missing_of(&life.held("BTCUSDT"), 30, life.exchange.now().get());
    assert_eq!(gap, (first..first + 3).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_for_its_age_is_not_fetched() {
    let young = |text: &str| Kept { open_interest: Some(Duration::from_hours(48)), ..all_kept(text) };
    let mut life = Life::begin(&SimulatedDisk::new(8), START, young);
    poll(&mut life, PERIOD);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    for text in SYMBOLS {
        let rows = assert_held_are_true(&life, text);
        assert!(rows.first().is_some_and(|row| row.time.get() >= START - 48 * HOUR), "{text}");
        assert_eq!(missing_of(&rows, 48, life.exchange.now().get()), Vec::<i64>::new(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_does_not_move_the_turns_of_the_others() {
    let mut life = Life::begin(&SimulatedDisk::new(9), START, all_kept);
    life.tasks.spawn(life.polling.clone().poll_open_interest(PERIOD));
    tokio::time::sleep(Duration::from_secs(1_510)).await;
    life.exchange.faults().rest().next("/fapi/v1/openInterest", RestFault::BadGateway, 6);
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    let asked = life.asked(NOW);
    let begun = asked.first().expect("some").0;
    let late: Vec<i64> = asked.iter().map(|(at, _)| (at - begun).rem_euclid(10_000)).collect();
    assert!(life.failures() >= 6 && late.iter().rev().take(90).all(|late| *late < 1_500), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_and_garbage_in_the_middle_are_counted_and_lead_to_the_same_end() {
    let mut life = Life::begin(&SimulatedDisk::new(4), START, all_kept);
    let faults = life.exchange.faults().rest();
    for fault in [
        RestFault::TooMany { has_retry_after: true },
        RestFault::Cut,
        RestFault::Empty,
        RestFault::BadGateway,
        RestFault::RowMissing,
        RestFault::OutOfOrder,
        RestFault::Duplicate,
        RestFault::Never,
        RestFault::Overloaded,
    ] {
        faults.next("/futures/data", fault, 1);
        faults.next("/fapi/v1/openInterest", fault, 1);
    }
    poll(&mut life, PERIOD);
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    assert!(life.failures() >= 8, "{}", life.failures());
    for text in SYMBOLS {
        let rows = assert_held_are_true(&life, text);
        assert_eq!(missing(&rows, life.exchange.now().get()), 0, "{text}");
        assert!(rows.windows(2).all(|pair| pair[0].time < pair[1].time));
    }
}

#[tokio::test(start_paused = true)]
async fn a_contract_of_which_it_is_not_kept_is_not_asked_for() {
    let only_btc = |text: &str| match text {
        "BTCUSDT" => all_kept(text),
        _ => Kept { series: [Series::Marks, Series::Funding].into_iter().collect(), ..all_kept(text) },
    };
    let mut life = Life::begin(&SimulatedDisk::new(5), START, only_btc);
    poll(&mut life, PERIOD);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(life.asked("/").iter().all(|(_, query)| query.contains("symbol=BTCUSDT")));
    life.contract("SOLUSDT").kept.store(Arc::new(all_kept("SOLUSDT")));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(life.held::<OpenInterestRow>("SOLUSDT").len() > 8_600, "from now on it is");
    assert_eq!(life.held::<OpenInterestRow>("币安人生USDT"), []);
}
