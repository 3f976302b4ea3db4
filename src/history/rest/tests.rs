//! Is every id told of, once and rightly, whatever the venue answers?

use super::*;
use crate::{
    clock::Clock,
    exchange::binance::AGG_TRADES_REACH_MS,
    history::budget::{self, Budget, Priority},
    metrics::Metrics,
    model::{IdRange, Price, Quantity, Symbol, Trade, UnixMillis},
    net::{Fetch, FetchError, FetchFuture, Response},
};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// 2026-11-20 10:00:30 UTC.
const START: i64 = 1_795_168_830_000;

/// What the venue does wrong with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Status(u16, &'static str),
    Timeout,
    Unreachable,
    BrokenOff,
    /// The body is cut in the middle.
    Cut,
    Empty,
    /// The page before the one asked for.
    Stale,
    Reversed,
    /// Its first row twice.
    Twice,
    /// Without its first row.
    Headless,
    /// Without its third row.
    Holed,
    /// Rows that name another symbol.
    Alien,
    /// Times that lie before the ones known.
    Old,
    Free,
    /// Half of the rows.
    Short,
    /// More rows than asked for.
    Long,
}

/// A venue with some trades, of which those below `reach` are too old.
struct Venue {
    trades: Vec<Trade>,
    reach: u64,
    faults: Mutex<VecDeque<Fault>>,
    asked: Mutex<Vec<(u64, usize)>>,
}

impl Fetch for Venue {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let number = |name: &str| -> u64 {
                let (_, value) = url.split_once(name).expect("given");
                value.split('&').next().expect("a value").parse().expect("a number")
            };
            let (from, rows) = (number("fromId="), usize::try_from(number("limit=")).expect("few"));
            self.asked.lock().unwrap().push((from, rows));
            let fault = self.faults.lock().unwrap().pop_front();
            self.answer(from, rows, fault.as_ref())
        })
    }
}

impl Venue {
    fn answer(&self, from: u64, rows: usize, fault: Option<&Fault>) -> Result<Response, FetchError> {
        let io = || std::io::Error::other("planted").into();
        match fault {
            Some(Fault::Timeout) => return Err(FetchError::Timeout),
            Some(Fault::Unreachable) => return Err(FetchError::Connect(io())),
            Some(Fault::BrokenOff) => return Err(FetchError::Transfer(io())),
            Some(Fault::Status(status, body)) => return Ok(response(*status, (*body).to_owned())),
            _ if from < self.reach => {
                let body = r#"{"code":-4166,"msg":"Search window is restricted to recent 2 days only."}"#;
                return Ok(response(400, body.to_owned()));
            }
            _ => {}
        }
        let from = if fault == Some(&Fault::Stale) { from.saturating_sub(1_000) } else { from };
        let rows = if fault == Some(&Fault::Long) { rows + 1 } else { rows };
        let mut page: Vec<Trade> = self.trades.iter().filter(|trade| trade.id >= from).take(rows).copied().collect();
        let mut symbol = None;
        match fault {
            Some(Fault::Empty) => page.clear(),
            Some(Fault::Reversed) => page.reverse(),
            Some(Fault::Twice) if !page.is_empty() => page.insert(0, page[0]),
            Some(Fault::Headless) if page.len() > 1 => drop(page.remove(0)),
            Some(Fault::Holed) if page.len() > 3 => drop(page.remove(2)),
            Some(Fault::Alien) => symbol = Some("ETHUSDT"),
            Some(Fault::Old) => page.iter_mut().for_each(|trade| trade.time = UnixMillis::new(1)),
            Some(Fault::Free) => page.iter_mut().for_each(|trade| trade.price = Price::from_units(0)),
            Some(Fault::Short) => page.truncate(page.len().div_ceil(2)),
            _ => {}
        }
        let mut body = body(&page, symbol);
        if fault == Some(&Fault::Cut) {
            body.truncate(body.len() / 2);
        }
        Ok(response(200, body))
    }
}

fn response(status: u16, body: String) -> Response {
    Response { status, headers: vec![("x-mbx-used-weight-1m".to_owned(), "1".to_owned())], body: body.into() }
}

fn body(page: &[Trade], symbol: Option<&str>) -> String {
    let named = symbol.map_or_else(String::new, |symbol| format!(r#""s":"{symbol}","#));
    let row = |trade: &Trade| {
        let Trade { id, price, quantity, first_id, last_id, time, buyer_is_maker } = trade;
        format!(
            r#"{{{named}"a":{id},"p":"{price}","q":"{quantity}","nq":"0","f":{first_id},"l":{last_id},"T":{time},"m":{buyer_is_maker}}}"#
        )
    };
    format!("[{}]", page.iter().map(row).collect::<Vec<_>>().join(","))
}

/// Trade `id` as this venue has it: about ten a second.
fn trade(id: u64) -> Trade {
    let step = i64::try_from(id).expect("small");
    Trade {
        id,
        price: Price::from_units(6_500_000_000_000 + step % 700 * 10_000_000),
        quantity: Quantity::from_units(1 + step % 99 * 100_000),
        first_id: 3 * id,
        last_id: 3 * id + id % 3,
        time: UnixMillis::new(START - 3_600_000 + step * 100 / 7),
        buyer_is_maker: id % 5 < 2,
    }
}

fn venue(ids: impl Iterator<Item = u64>, reach: u64, faults: Vec<Fault>) -> Arc<Venue> {
    let trades = ids.map(trade).collect();
    Arc::new(Venue { trades, reach, faults: Mutex::new(faults.into()), asked: Mutex::default() })
}

fn want(first: u64, last: u64) -> Want {
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    let time = |id: u64| Some(trade(id).time);
    let ids = IdRange::new(first, last).expect("some");
    Want { symbol, ids, not_before: time(first - 1), not_after: time(last + 1) }
}

fn source(venue: &Arc<Venue>) -> Source {
    let clock = Clock::starting_at(UnixMillis::new(START));
    let budget = Budget::new(budget::Options::default(), clock, Arc::new(Metrics::default()));
    Source { fetch: venue.clone(), budget, rest_url: "http://venue".to_owned(), seed: 7 }
}

async fn fill(venue: &Arc<Venue>, want: &Want) -> (Vec<Piece>, Result<Filled, FillError>) {
    let (sender, mut receiver) = mpsc::channel(4);
    let source = source(venue);
    let filling = async {
        let filled = source.fill(want, Priority::Repair, &sender).await;
        drop(sender);
        filled
    };
    let reading = async {
        let mut pieces = Vec::new();
        while let Some(piece) = receiver.recv().await {
            pieces.push(piece);
        }
        pieces
    };
    let (filled, pieces) = tokio::join!(filling, reading);
    (pieces, filled)
}

/// The ids of each kind of piece; checks that pieces leave nothing between them.
fn told(pieces: &[Piece], first: u64) -> (Vec<Trade>, Vec<IdRange>, Vec<IdRange>, u64) {
    let (mut trades, mut awaiting, mut absent, mut next) = (Vec::new(), Vec::new(), Vec::new(), first);
    for piece in pieces {
        let ids = piece.ids().expect("not empty");
        assert_eq!(ids.first, next, "pieces join: {ids:?}");
        next = ids.last + 1;
        match piece {
            Piece::Trades(rows) => trades.extend_from_slice(rows),
            Piece::AwaitingArchive(ids) => awaiting.push(*ids),
            Piece::Absent(Absent { ids, .. }) => absent.push(*ids),
        }
    }
    (trades, awaiting, absent, next)
}

fn range(first: u64, last: u64) -> IdRange {
    IdRange::new(first, last).expect("some")
}

#[tokio::test(start_paused = true)]
async fn a_run_is_fetched_page_by_page_by_id_alone() {
    let venue = venue(1..=9_000, 1, vec![]);
    let (pieces, filled) = fill(&venue, &want(500, 2_999)).await;
    let (trades, awaiting, absent, next) = told(&pieces, 500);
    assert_eq!(trades, (500..=2_999).map(trade).collect::<Vec<_>>());
    assert_eq!((awaiting.len(), absent.len(), next), (0, 0, 3_000));
    assert_eq!(filled.expect("whole"), Filled { trades: 2_500, awaiting: 0, absent: 0 });
    assert_eq!(
        *venue.asked.lock().unwrap(),
        [(500, 1_000), (1_500, 1_000), (2_500, 500)],
        "no row beyond is asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_any_kind_is_asked_again_and_never_told() {
    let faults = [
        Fault::Status(429, r#"{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}"#),
        Fault::Status(418, r#"{"code":-1003,"msg":"Way too many requests; IP banned until 1795169000000."}"#),
        Fault::Status(403, "<html><body>403 Forbidden</body></html>"),
        Fault::Status(408, ""),
        Fault::Status(500, "oops"),
        Fault::Status(503, r#"{"code":-1008,"msg":"Server is currently overloaded."}"#),
        Fault::Status(400, r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#),
        Fault::Status(302, ""),
        Fault::Status(200, r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        Fault::Timeout,
        Fault::Unreachable,
        Fault::BrokenOff,
        Fault::Cut,
        Fault::Empty,
        Fault::Stale,
        Fault::Reversed,
        Fault::Twice,
        Fault::Headless,
        Fault::Holed,
        Fault::Alien,
        Fault::Old,
        Fault::Free,
        Fault::Short,
        Fault::Long,
    ];
    for fault in faults {
        let venue = venue(1..=9_000, 1, vec![fault.clone()]);
        let (pieces, filled) = fill(&venue, &want(2_000, 4_500)).await;
        let (trades, awaiting, absent, next) = told(&pieces, 2_000);
        assert!(trades == (2_000..=4_500).map(trade).collect::<Vec<_>>(), "{fault:?}");
        assert_eq!((awaiting.len(), absent.len(), next), (0, 0, 4_501), "{fault:?}");
        assert!(filled.is_ok() && venue.asked.lock().unwrap().len() == 4, "{fault:?}: one page more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_stays_ends_the_run_with_what_is_left() {
    let mut faults = vec![Fault::Short];
    faults.extend(vec![Fault::Cut; 100]);
    let venue = venue(1..=9_000, 1, faults);
    let begun = Instant::now();
    let (pieces, filled) = fill(&venue, &want(2_000, 4_500)).await;
    let error = filled.expect_err("given up");
    assert_eq!((told(&pieces, 2_000).3, error.left()), (2_500, range(2_500, 4_500)));
    assert!(matches!(error, FillError::Exhausted { source: AttemptError::Decode(_), .. }), "{error}");
    assert_eq!(venue.asked.lock().unwrap().len(), 9);
    assert!(begun.elapsed() < Duration::from_mins(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_ends_the_run_at_once() {
    for (status, body, words) in [
        (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#, "Invalid symbol. (-1121)"),
        (451, r#"{"msg":"Service unavailable from a restricted location."}"#, "restricted location"),
        (404, "<html></html>", "no words"),
    ] {
        let venue = venue(1..=9_000, 1, vec![Fault::Short, Fault::Status(status, body)]);
        let (_, filled) = fill(&venue, &want(2_000, 4_500)).await;
        let error = filled.expect_err("refused");
        assert_eq!(error.left(), range(2_500, 4_500));
        assert!(matches!(&error, FillError::Refused { status: said, .. } if *said == status), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(venue.asked.lock().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_the_venue_steps_over_twice_are_absent() {
    let held = |id: &u64| ![2_000, 2_001, 2_700, 3_999].contains(id) && !(3_100..=3_400).contains(id);
    let venue = venue((1..=9_000).filter(held), 1, vec![]);
    let (pieces, filled) = fill(&venue, &want(2_000, 3_999)).await;
    let (trades, _, absent, next) = told(&pieces, 2_000);
    assert_eq!(absent, [range(2_000, 2_001), range(2_700, 2_700), range(3_100, 3_400), range(3_999, 3_999)]);
    assert!(trades == (2_000..=3_999).filter(held).map(trade).collect::<Vec<_>>());
    assert_eq!((next, filled.expect("whole").absent), (4_000, 305));
    let times = pieces.iter().filter_map(|piece| match piece {
        Piece::Absent(absent) => Some(absent.at),
        _ => None,
    });
    assert!(times.into_iter().all(|at| (START..START + 60_000).contains(&at.get())));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_waits_for_the_archive_and_the_rest_is_fetched() {
    for (first, last, reach) in [(2_000, 60_000, 41_234), (2_000, 2_100, 2_050), (5, 5, 6), (2_000, 60_000, 60_000)] {
        let venue = venue(1..=90_000, reach, vec![]);
        let (pieces, filled) = fill(&venue, &want(first, last)).await;
        let (trades, awaiting, absent, next) = told(&pieces, first);
        assert_eq!((awaiting.len(), absent.len(), next), (1, 0, last + 1), "{reach}");
        let doubt = ((last - first) / 64).clamp(1, 1_000);
        assert!((reach - 1..=reach + doubt).contains(&awaiting[0].last), "{reach}: {awaiting:?}");
        assert!(trades == (awaiting[0].last + 1..=last).map(trade).collect::<Vec<_>>());
        let pages = (last - awaiting[0].last).div_ceil(1_000);
        let asked = venue.asked.lock().unwrap().len() as u64;
        assert!(asked <= pages + 9, "{reach}: {asked} for {pages}");
        assert!(filled.is_ok());
    }
    let venue = venue(1..=90_000, 90_000, vec![]);
    let (pieces, _) = fill(&venue, &want(2_000, 60_000)).await;
    assert_eq!(pieces, [Piece::AwaitingArchive(range(2_000, 60_000))]);
    assert_eq!(venue.asked.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_be_too_old_is_not_asked_for() {
    let venue = venue(1..=9_000, 1, vec![]);
    let mut want = want(2_000, 3_000);
    want.not_before = None;
    want.not_after = Some(UnixMillis::new(START - AGG_TRADES_REACH_MS - 1));
    let (pieces, filled) = fill(&venue, &want).await;
    assert_eq!(pieces, [Piece::AwaitingArchive(range(2_000, 3_000))]);
    assert_eq!((filled.expect("told").awaiting, venue.asked.lock().unwrap().len()), (1_001, 0));
}

#[tokio::test(start_paused = true)]
async fn trades_younger_than_the_one_held_behind_them_are_another_contracts() {
    let venue = venue(1..=9_000, 1, vec![]);
    let mut want = want(2_000, 3_000);
    want.not_after = Some(trade(2_500).time);
    let (pieces, filled) = fill(&venue, &want).await;
    assert!(pieces.is_empty());
    let error = filled.expect_err("not believed");
    assert!(
        matches!(error, FillError::Exhausted { source: AttemptError::Page(PageError::Time { .. }), .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_who_listens_ends_the_run_and_frees_the_budget() {
    let venue = venue(1..=90_000, 1, vec![Fault::Short]);
    let source = source(&venue);
    let (sender, mut receiver) = mpsc::channel(1);
    let task = tokio::spawn({
        let source = source.clone();
        async move { source.fill(&want(2_000, 60_000), Priority::Bulk, &sender).await }
    });
    let first = receiver.recv().await.expect("a piece");
    drop(receiver);
    let error = task.await.expect("no panic").expect_err("cancelled");
    let told_to = first.ids().expect("some").last;
    assert!(matches!(&error, FillError::Cancelled { left } if left.first > told_to && left.last == 60_000), "{error}");
    let dropped = tokio::time::timeout(Duration::from_millis(40), async {
        let (sender, _receiver) = mpsc::channel(1);
        source.fill(&want(2_000, 60_000), Priority::Bulk, &sender).await
    });
    assert!(dropped.await.is_err());
    tokio::time::sleep(Duration::from_mins(2)).await;
    let snapshot = source.budget.snapshot();
    assert_eq!((snapshot.used, snapshot.waiting), (0, [0; 4]), "nothing is out, nobody waits");
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        6 => Just(None),
        1 => prop::sample::select(vec![
            Fault::Status(429, ""), Fault::Status(403, "<html>"), Fault::Status(500, ""), Fault::Status(503, "{}"),
            Fault::Timeout, Fault::Unreachable, Fault::BrokenOff, Fault::Cut, Fault::Empty, Fault::Stale, Fault::Reversed,
            Fault::Twice, Fault::Alien, Fault::Old, Fault::Free, Fault::Short, Fault::Short, Fault::Long,
        ]).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_id_is_told_of_once_and_rightly(
        first in 2_000_u64..4_000,
        count in 1_u64..6_000,
        holes in proptest::collection::vec((1_990_u64..10_000, 1_u64..40), 0..6),
        reach in 1_u64..9_000,
        faults in proptest::collection::vec(fault(), 0..40),
        partial in proptest::option::of((0_usize..40, prop::sample::select(vec![Fault::Headless, Fault::Holed]))),
    ) {
        let last = first + count - 1;
        let held = |id: &u64| !holes.iter().any(|(from, count)| (*from..from + count).contains(id)) || *id > last;
        // A fault that never shows twice in a row is not believed; so at most one page lacks rows.
        let mut faults: Vec<Fault> = faults.into_iter().map(|fault| fault.unwrap_or(Fault::Short)).collect();
        if let Some((place, fault)) = partial {
            faults.insert(place.min(faults.len()), fault);
        }
        let venue = venue((1..=30_000).filter(held), reach, faults);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let (pieces, filled) = runtime.block_on(fill(&venue, &want(first, last)));
        let (trades, awaiting, absent, next) = told(&pieces, first);
        match filled {
            Ok(_) => prop_assert_eq!(next, last + 1),
            Err(error) => prop_assert!(matches!(error, FillError::Exhausted { .. }) && error.left() == range(next, last), "{}", error),
        }
        let doubt = (count / 64).clamp(1, 1_000);
        for ids in &awaiting {
            prop_assert!(ids.last < reach + doubt, "{ids:?} of {reach}");
        }
        for ids in &absent {
            prop_assert!((ids.first..=ids.last).all(|id| !held(&id)), "{ids:?}");
        }
        prop_assert!(trades.iter().all(|row| held(&row.id) && *row == trade(row.id)));
    }
}
