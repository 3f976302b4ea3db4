//! What do the streams of 24 hours' statistics deliver, of one contract and of all that changed?

use crate::{
    model::{Ticker, UnixMillis},
    sim::{
        contract::{Contract, Line, Status, coin_margined},
        exchange::Exchange,
        json,
    },
};

/// Between two frames of one contract.
pub(super) const ONE_MS: i64 = 2 * UnixMillis::SECOND;
/// Between two frames of all.
pub(super) const ALL_MS: i64 = UnixMillis::SECOND;

/// How much of a ticker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Shape {
    Full,
    Mini,
}

impl Shape {
    /// By the stream's name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "ticker" => Some(Self::Full),
            "miniTicker" => Some(Self::Mini),
            _ => None,
        }
    }

    fn write(self, out: &mut String, contract: (&Contract, Line), ticker: &Ticker) {
        match self {
            Self::Full => json::state::ticker(out, contract, ticker),
            Self::Mini => json::state::mini_ticker(out, contract, ticker),
        }
    }
}

/// One contract's, if it has traded.
pub(super) fn write_one(exchange: &Exchange, contract: usize, shape: Shape, sent: i64, out: &mut String) {
    if let Some(ticker) = exchange.ticker(contract, sent) {
        shape.write(out, (&exchange.contracts()[contract], Line::UsdM), &ticker);
    }
}

/// Those that traded since the last frame, with their coin-margined twins; nothing when none did.
pub(super) fn write_changed(exchange: &Exchange, shape: Shape, sent: i64, out: &mut String) {
    let contracts = exchange.contracts();
    let market = exchange.market();
    let has_changed = |contract: usize| {
        let is_trading = contracts[contract].status_at(UnixMillis::new(sent)) == Some(Status::Trading);
        let last = |time| market.last_fill_before(contract, time).map(|fill| fill.id);
        is_trading && last(sent) != last(sent - ALL_MS)
    };
    let of_line = |line| move |contract| (contract, line);
    let rows = (0..contracts.len()).map(of_line(Line::UsdM)).chain(coin_margined(contracts).map(of_line(Line::CoinM)));
    let begin = out.len();
    for (contract, line) in rows.filter(|(contract, _)| has_changed(*contract)) {
        if let Some(ticker) = exchange.ticker(contract, sent) {
            out.push(if out.len() == begin { '[' } else { ',' });
            shape.write(out, (&contracts[contract], line), &ticker);
        }
    }
    out.push_str(if out.len() == begin { "" } else { "]" });
}
