//! What does REST show of order books?

use crate::{
    model::{BookTicker, UnixMillis},
    sim::{
        depth_faults::SnapshotFault,
        exchange::Exchange,
        json,
        noise::hash,
        rest::{Asked, Refusal, not_trading},
    },
};

/// How old an old snapshot is.
const OLD_MS: i64 = UnixMillis::MINUTE;
/// How far ahead of the stream a snapshot may be on purpose.
const AHEAD_MS: i64 = 5 * UnixMillis::SECOND;
/// Of so many snapshots one names an id between two updates of its book: ids are shared by all contracts.
const BETWEEN: u64 = 8;

/// What `depth` may be asked for, and its weight (measured, 2026-10-07).
pub(super) const LIMITS: [(i64, u32); 7] = [(5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1_000, 20)];

/// `/fapi/v1/depth`
pub(super) fn depth(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, query) = (asked.exchange, &asked.query);
    let contract = query.contract(exchange)?;
    let limit = query.number("limit")?.unwrap_or(500);
    if !LIMITS.iter().any(|(allowed, _)| *allowed == limit) {
        return Err(Refusal { status: 400, code: -4021, msg: format!("{limit} is not valid depth limit").into() });
    }
    let listed = &exchange.contracts()[contract];
    let now = exchange.now().get();
    let fault = exchange.faults().depth().take_snapshot(&listed.symbol);
    let shown = match fault {
        Some(SnapshotFault::Old) => now - OLD_MS,
        Some(SnapshotFault::Ahead) => now + AHEAD_MS,
        _ => now,
    };
    let market = exchange.market();
    let (book, (begin, end)) = market.book(contract).zip(market.span(contract)).ok_or_else(not_trading)?;
    if !(begin..end).contains(&shown) {
        return Err(not_trading());
    }
    let step = book.step_at(shown);
    let mut snapshot = book.whole(step, usize::try_from(limit).unwrap_or(0));
    if hash(snapshot.last_id, 0).is_multiple_of(BETWEEN) {
        snapshot.last_id += (book.ids(step + 1).0 - snapshot.last_id) / 2;
    }
    if fault == Some(SnapshotFault::OneSided) {
        snapshot.bids.clear();
    }
    let mut out = String::with_capacity(64 + 28 * (snapshot.bids.len() + snapshot.asks.len()));
    json::book::snapshot(&mut out, listed, &snapshot, UnixMillis::new(shown));
    Ok(out)
}

/// `/fapi/v1/ticker/bookTicker`: of one contract, or of all that trade.
pub(super) fn tickers(asked: &Asked<'_>) -> Result<String, Refusal> {
    let exchange = asked.exchange;
    let touch = |contract| touch(exchange, contract);
    let write = |out: &mut String, (contract, ticker): &(usize, BookTicker)| {
        json::book::ticker_row(out, &exchange.contracts()[*contract], ticker);
    };
    asked.one_or_all(touch, write)
}

fn touch(exchange: &Exchange, contract: usize) -> Option<BookTicker> {
    exchange.is_trading(contract).then(|| exchange.book_ticker(contract, exchange.now()))?
}
