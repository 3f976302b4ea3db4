//! What is true on the generated market beside its trades, at any time?

use crate::{
    model::{BookSnapshot, BookTicker, Funding, Liquidation, MarkPrice, Quantity, Rate, Symbol, Ticker, UnixMillis},
    sim::{contract::Status, day, exchange::Exchange, liquidation, mark, series, stream},
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

    /// How much of `symbol` is open at `time`, in its base asset.
    pub fn truth_open_interest(&self, symbol: &Symbol, time: UnixMillis) -> Option<Quantity> {
        let contract = self.find(symbol)?;
        Some(series::open_interest(self.contracts().get(contract)?, self.market().key(contract)?, time.get()))
    }

    /// The fundings of `symbol` that are settled at times in `[from, to)`.
    pub fn truth_fundings(&self, symbol: &Symbol, from: UnixMillis, to: UnixMillis) -> Vec<Funding> {
        let Some(contract) = self.find(symbol) else { return Vec::new() };
        let Some(key) = self.market().key(contract) else { return Vec::new() };
        let first = series::next_funding(from.get() - series::FUNDING_MS);
        let dues = (0..).map(|at| first + at * series::FUNDING_MS).take_while(|due| *due < to.get());
        let funding = |due: i64| Funding {
            time: UnixMillis::new(series::funding_time(key, due)),
            rate: Rate::from_units(series::funding_rate(key, due)),
            mark: self.market().bid(contract, due),
            interval_hours: None,
            is_special: false,
        };
        dues.map(funding).filter(|funding| (from..to).contains(&funding.time)).collect()
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
