//! Which trades of a range are large ones?

use crate::{
    market::Tape,
    model::{QuoteVolume, Trade, UnixMillis},
    query::{TradePage, TradeRange, trades},
    store::Holding,
};

/// Trades that one question may look at: what is left comes with the next page.
const TRADES_MAX: usize = 200_000;
/// Trades that are looked at at once.
const CHUNK: usize = 20_000;

/// Reads trades that are worth at least `notional_min`. A page goes on where the trades that were looked at end, with or without
/// a large one among them; of the newest, at most 200,000 are looked at, and there is no next page.
pub fn large_trades(
    tape: &Tape,
    holding: Option<&Holding>,
    query: &TradeRange,
    notional_min: QuoteVolume,
) -> TradePage {
    let is_large = |trade: &Trade| trade.price.times(trade.quantity) >= notional_min;
    if query.from_id.is_none() && query.start.is_none() {
        let mut page = trades(tape, holding, &TradeRange { limit: TRADES_MAX, ..*query });
        page.trades.retain(is_large);
        page.trades.drain(..page.trades.len().saturating_sub(query.limit));
        return page;
    }
    let mut found = TradePage { complete: true, ..TradePage::default() };
    let mut range = TradeRange { limit: CHUNK, ..*query };
    for _ in 0..TRADES_MAX / CHUNK {
        let page = trades(tape, holding, &range);
        found.complete &= page.complete;
        found.next_id = page.next_id;
        found.holes.extend(page.holes);
        found.trades.extend(page.trades.into_iter().filter(is_large));
        if let Some(over) = found.trades.get(query.limit) {
            let next = over.id;
            found.next_id = Some(next);
            found.trades.truncate(query.limit);
            found.holes.retain(|hole| hole.first < next);
        }
        let Some(next) = found.next_id.filter(|_| found.trades.len() < query.limit) else { break };
        range = TradeRange { from_id: Some(next), start: None, ..range };
    }
    found
}

/// The first trade that is held from the beginning of a day on, and whether it is proven to be the day's first.
pub fn first_of_day(tape: &Tape, holding: Option<&Holding>, day: UnixMillis) -> Option<(Trade, bool)> {
    let page = trades(tape, holding, &TradeRange { start: Some(day), limit: 1, ..TradeRange::default() });
    page.trades.first().map(|trade| (*trade, page.complete))
}
