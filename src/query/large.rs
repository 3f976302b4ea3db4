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
        let mut page = trades(tape, holding, &range);
        let over = page.trades.iter().enumerate().filter(|(_, trade)| is_large(trade));
        if let Some(cut) = over.map(|(at, _)| at).nth(query.limit - found.trades.len()) {
            // What lies behind the last large trade is the next page's: so are its holes.
            page = trades(tape, holding, &TradeRange { limit: cut, ..range });
        }
        found.complete &= page.complete;
        found.next_id = page.next_id;
        found.holes.extend(page.holes);
        found.trades.extend(page.trades.into_iter().filter(is_large));
        let Some(next) = found.next_id.filter(|_| found.trades.len() < query.limit) else { break };
        range = TradeRange { from_id: Some(next), start: None, ..range };
    }
    found
}

/// The first trade that is held from the beginning of a day on, and whether it is proven to be the day's first.
pub fn first_of_day(tape: &Tape, holding: Option<&Holding>, day: UnixMillis) -> Option<(Trade, bool)> {
    // Most contracts that have not traded since need not be looked at further; the store holds nothing newer than the ring.
    if tape.newest(1).first().is_some_and(|newest| newest.time < day) {
        return None;
    }
    let page = trades(tape, holding, &TradeRange { start: Some(day), limit: 1, ..TradeRange::default() });
    page.trades.first().map(|trade| (*trade, page.complete))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IdRange, Price, Quantity};
    use std::sync::Arc;

    #[test]
    fn holes_behind_the_last_large_trade_are_the_next_pages() {
        let tape = Arc::new(Tape::new(16));
        let mut writer = tape.writer().expect("the first");
        let hole = IdRange { first: 4, last: 5 };
        for id in [1, 2, 3, 6, 7] {
            let quantity = Quantity::from_units(if id % 3 == 0 { 100_000_000 } else { 1 });
            let (price, time) = (Price::from_units(100_000_000), UnixMillis::new(1_000));
            if id == 6 {
                writer.open_holes(&[hole]);
            }
            writer
                .push(&Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false }, id != 6);
        }
        let one = Price::from_units(100_000_000).times(Quantity::from_units(100_000_000));
        let page = |from_id| {
            let range = TradeRange { from_id: Some(from_id), limit: 1, ..TradeRange::default() };
            let page = large_trades(&tape, None, &range, one);
            (page.trades.iter().map(|trade| trade.id).collect::<Vec<_>>(), page.complete, page.holes, page.next_id)
        };
        assert_eq!(page(1), (vec![3], true, vec![], Some(4)));
        assert_eq!(page(4), (vec![6], false, vec![hole], None));
    }
}
