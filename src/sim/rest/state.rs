//! What does REST show of a contract's value and of its last 24 hours?

use crate::{
    model::{MarkPrice, Ticker},
    sim::{
        json,
        rest::{Asked, Refusal},
    },
};

/// `/fapi/v1/premiumIndex`: of one contract, or of all that are listed.
pub(super) fn premium_index(asked: &Asked<'_>) -> Result<String, Refusal> {
    let (exchange, now) = (asked.exchange, asked.exchange.now());
    let mark = |contract: usize| {
        exchange.contracts()[contract].status_at(now)?;
        exchange.mark(contract, now)
    };
    let write = |out: &mut String, (contract, mark): &(usize, MarkPrice)| {
        json::state::premium_row(out, &exchange.contracts()[*contract], mark);
    };
    asked.one_or_all(mark, write)
}

/// `/fapi/v1/ticker/24hr`: of one contract, or of all that trade.
pub(super) fn tickers(asked: &Asked<'_>) -> Result<String, Refusal> {
    let exchange = asked.exchange;
    let day = |contract| exchange.is_trading(contract).then(|| exchange.ticker(contract, exchange.now().get()))?;
    let write = |out: &mut String, (contract, ticker): &(usize, Ticker)| {
        json::state::ticker_row(out, &exchange.contracts()[*contract], ticker);
    };
    asked.one_or_all(day, write)
}
