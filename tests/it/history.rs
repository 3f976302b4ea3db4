//! Is what is fetched over REST exactly what the simulated exchange published, at its own price?

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use tapedeck::{
    clock::Clock,
    history::{
        budget::{Budget, Options, Priority},
        rest::{FillError, Filled, Piece, Source, Want},
    },
    metrics::Metrics,
    model::{IdRange, Price, Symbol, Trade, UnixMillis},
    net::{Fetch, FetchFuture, Response},
    sim::{Contract, Exchange, Pace, respond},
};
use tokio::sync::mpsc;

/// 2026-11-20 10:00:30 UTC.
const START: i64 = 1_795_168_830_000;

/// The exchange's REST API without a network between.
struct Rest {
    exchange: Arc<Exchange>,
    refused: AtomicU32,
}

impl Fetch for Rest {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            let answer = respond(&self.exchange, url.strip_prefix("http://sim").expect("its host"));
            self.refused.fetch_add(u32::from(matches!(answer.status, 418 | 429)), Ordering::Relaxed);
            let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(Response { status: answer.status, headers, body: answer.body.into() })
        })
    }
}

fn setting() -> (Arc<Exchange>, Arc<Rest>, Source) {
    let mut busy = Contract::perpetual("BUSYUSDT", Price::from_units(300_000_000), (4, 1), 60_000).expect("a symbol");
    busy.pace = Pace::Lively;
    let mut options = tapedeck::sim::Options::default();
    options.contracts.push(busy);
    let clock = Clock::starting_at(UnixMillis::new(START));
    let exchange = Exchange::open(&options, clock).expect("no recording, no error");
    let rest = Arc::new(Rest { exchange: Arc::clone(&exchange), refused: AtomicU32::new(0) });
    let budget = Budget::new(Options::default(), clock, Arc::new(Metrics::default()));
    let source = Source { fetch: rest.clone(), budget, rest_url: "http://sim".to_owned(), seed: 3 };
    (exchange, rest, source)
}

async fn fill(source: &Source, want: &Want, priority: Priority) -> (Vec<Piece>, Result<Filled, FillError>) {
    let (sender, mut receiver) = mpsc::channel(2);
    let filling = async {
        let filled = source.fill(want, priority, &sender).await;
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

fn want(symbol: &str, truth: &[Trade]) -> Want {
    let (first, last) = (truth.first().expect("some"), truth.last().expect("some"));
    Want {
        symbol: Symbol::new(symbol).expect("a symbol"),
        ids: IdRange::new(first.id, last.id).expect("some"),
        not_before: Some(first.time),
        not_after: Some(last.time),
    }
}

fn trades(pieces: &[Piece]) -> Vec<Trade> {
    let rows = pieces.iter().filter_map(|piece| match piece {
        Piece::Trades(rows) => Some(rows.as_slice()),
        _ => None,
    });
    rows.flatten().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn runs_of_several_contracts_are_the_tape_and_no_request_is_refused() {
    let (exchange, rest, source) = setting();
    let from = UnixMillis::new(START - 25 * UnixMillis::MINUTE);
    let truth = |name: &str| {
        exchange.truth(&Symbol::new(name).expect("a symbol"), from, UnixMillis::new(START - UnixMillis::MINUTE))
    };
    let (busy, btc, odd) = (truth("BUSYUSDT"), truth("BTCUSDT"), truth("币安人生USDT"));
    let (wants, begun) = ([want("BUSYUSDT", &busy), want("BTCUSDT", &btc), want("币安人生USDT", &odd)], exchange.now());
    let (first, second, third) = tokio::join!(
        fill(&source, &wants[0], Priority::Bulk),
        fill(&source, &wants[1], Priority::Repair),
        fill(&source, &wants[2], Priority::Seam),
    );
    for ((pieces, filled), truth) in [first, second, third].iter().zip([&busy, &btc, &odd]) {
        assert!(trades(pieces) == *truth, "{} trades", truth.len());
        assert_eq!(filled.as_ref().expect("whole").trades, truth.len() as u64);
    }
    assert_eq!(rest.refused.load(Ordering::Relaxed), 0);
    let pages = source.budget.snapshot().counts.granted.iter().sum::<u64>();
    assert!(pages > 150, "more than a minute's budget: {pages}");
    let minutes = u64::try_from(exchange.now().since(begun)).expect("later").div_ceil(60_000);
    assert!(minutes <= pages / 76 + 2, "{pages} pages in {minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn what_the_exchange_no_longer_gives_waits_for_the_archive() {
    let (exchange, rest, source) = setting();
    let edge = START - 48 * UnixMillis::HOUR;
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    let (from, to) = (edge - 20 * UnixMillis::MINUTE, edge + 20 * UnixMillis::MINUTE);
    let truth = exchange.truth(&symbol, UnixMillis::new(from), UnixMillis::new(to));
    let (pieces, filled) = fill(&source, &want("BTCUSDT", &truth), Priority::Repair).await;
    let Piece::AwaitingArchive(old) = pieces[0] else { panic!("{:?}", pieces[0]) };
    let split = truth.iter().position(|trade| trade.id > old.last).expect("some are young enough");
    assert!(trades(&pieces) == truth[split..]);
    let reach = truth.iter().position(|trade| trade.time.get() >= edge).expect("some");
    // The edge moves while it is looked for: by a minute at the most, and a sixty-fourth of the run is left in doubt.
    assert!(split >= reach && split <= reach + truth.len() / 64 + truth.len() / 40, "{split} of {reach}");
    assert_eq!(filled.expect("told").awaiting, old.count());
    assert_eq!(rest.refused.load(Ordering::Relaxed), 0);
}
