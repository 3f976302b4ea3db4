//! What is true on the generated market beside its trades, at any time?

use crate::{
    model::{BookSnapshot, BookTicker, Liquidation, MarkPrice, Symbol, Ticker, UnixMillis},
    sim::{contract::Status, day, exchange::Exchange, liquidation, mark, stream},
};

impl Exchange {
    /// The whole book of `symbol` at `time`; nothing for a contract that never trades, or of a recording.
    pub fn truth_book(&self, symbol: &Symbol, time: UnixMillis) -> Option<BookSnapshot> {
        let book = self.market().book(self.find(symbol)?)?;
        Some(book.whole(book.step_at(time.get()), usize::MAX))
    }

    /// The best bid and ask of `symbol` at `time`.
    pub fn truth_book_ticker(&self, symbol: &Symbol, time: UnixMillis) -> Option<BookTicker> {
        self.book_ticker(self.find(symbol)?, time)
    }

    /// What `symbol` is valued at.
    pub fn truth_mark(&self, symbol: &Symbol, time: UnixMillis) -> Option<MarkPrice> {
        self.mark(self.find(symbol)?, time)
    }

    /// The liquidations of `symbol` with times in `[from, to)` that the venue tells.
    pub fn truth_liquidations(&self, symbol: &Symbol, from: UnixMillis, to: UnixMillis) -> Vec<Liquidation> {
        let Some(contract) = self.find(symbol) else { return Vec::new() };
        let stretch = |time: UnixMillis| time.get().div_euclid(liquidation::STRETCH_MS);
        let orders = (stretch(from)..=stretch(to)).filter_map(|at| stream::liquidation(self, contract, at));
        orders.filter(|order| (from..to).contains(&order.time)).collect()
    }

    /// The last 24 hours of `symbol` before `time`: the ids are those of its tape, the sums are estimates.
    pub fn truth_ticker(&self, symbol: &Symbol, time: UnixMillis) -> Option<Ticker> {
        self.ticker(self.find(symbol)?, time.get())
    }

    /// Whether a contract trades now.
    pub(super) fn is_trading(&self, contract: usize) -> bool {
        let now = self.now();
        let listed = self.contracts().get(contract).filter(|listed| listed.trades());
        listed.is_some_and(|listed| listed.status_at(now) == Some(Status::Trading))
    }

    pub(super) fn book_ticker(&self, contract: usize, time: UnixMillis) -> Option<BookTicker> {
        let book = self.market().book(contract)?;
        Some(stream::book_ticker(&book, book.step_at(time.get())))
    }

    pub(super) fn mark(&self, contract: usize, time: UnixMillis) -> Option<MarkPrice> {
        let listed = self.contracts().get(contract)?;
        Some(mark::mark(listed, self.market().key(contract)?, time.get()))
    }

    pub(super) fn ticker(&self, contract: usize, time: i64) -> Option<Ticker> {
        day::ticker(self.market(), contract, time)
    }
}
