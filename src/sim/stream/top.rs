//! What do the streams of best bids and asks deliver, of one contract and of all?

use crate::{
    model::{BookTicker, UnixMillis},
    sim::{
        book::Book,
        contract::{Line, Status, coin_margined},
        exchange::Exchange,
        json,
    },
};

/// A change of the touch reaches its stream this long after (measured: 4 ms).
const DELAY_MS: i64 = 4;
/// In so much time each contract has its turn in the stream of all (measured: 5.0 s).
const ROUND_MS: i64 = 5 * UnixMillis::SECOND;
/// Steps after which the touch is told even if it stands.
const STEPS_MAX: i64 = 256;

/// The touch of one contract.
#[derive(Debug)]
pub(in crate::sim) struct Top {
    contract: usize,
    /// The step that is told next, and when.
    next: Option<(i64, i64)>,
}

impl Top {
    /// From `now` on; nothing when the contract has no book.
    pub(super) fn open(exchange: &Exchange, contract: usize, now: i64) -> Option<Self> {
        let market = exchange.market();
        let (book, (begin, _)) = (market.book(contract)?, market.span(contract)?);
        let mut stream = Self { contract, next: None };
        stream.look_behind(exchange, &book, book.step_at((now - DELAY_MS - 1).max(begin - 1)));
        Some(stream)
    }

    pub(super) fn due(&self) -> Option<i64> {
        self.next.map(|(_, due)| due)
    }

    /// Finds the first step after `told` that changed the touch.
    fn look_behind(&mut self, exchange: &Exchange, book: &Book<'_>, told: i64) {
        let end = exchange.market().span(self.contract).map_or(0, |(_, end)| end);
        let held = book.top(told);
        let last = told + STEPS_MAX;
        let step = (told + 1..last).find(|step| book.top(*step) != held).unwrap_or(last);
        let time = book.time_of(step);
        self.next = (time < end).then_some((step, time + DELAY_MS));
    }

    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        let (Some((step, _)), Some(book)) = (self.next, exchange.market().book(self.contract)) else { return };
        let listed = (&exchange.contracts()[self.contract], Line::UsdM);
        json::book::ticker(out, listed, &ticker(&book, step), UnixMillis::new(due));
        self.look_behind(exchange, &book, step);
    }
}

/// The touches of all contracts by turns, one a frame.
#[derive(Debug)]
pub(in crate::sim) struct Tops {
    /// Whose turns they are, the coin-margined twins last.
    turns: Vec<(usize, Line)>,
    /// The next turn, counted since 1970.
    at: i64,
}

impl Tops {
    pub(super) fn open(exchange: &Exchange, now: i64) -> Option<Self> {
        let contracts = exchange.contracts();
        let twins = coin_margined(contracts).map(|contract| (contract, Line::CoinM));
        let turns: Vec<_> = (0..contracts.len()).map(|contract| (contract, Line::UsdM)).chain(twins).collect();
        let mut stream = Self { turns, at: 0 };
        stream.at = (now - 1).div_euclid(ROUND_MS) * stream.count();
        stream.look_ahead(exchange, now);
        Some(stream).filter(|_| exchange.market().key(0).is_some())
    }

    fn count(&self) -> i64 {
        i64::try_from(self.turns.len()).unwrap_or(1).max(1)
    }

    fn time_of(&self, turn: i64) -> i64 {
        turn.div_euclid(self.count()) * ROUND_MS + turn.rem_euclid(self.count()) * ROUND_MS / self.count()
    }

    pub(super) fn due(&self) -> i64 {
        self.time_of(self.at)
    }

    fn turn(&self) -> Option<(usize, Line)> {
        self.turns.get(usize::try_from(self.at.rem_euclid(self.count())).ok()?).copied()
    }

    /// Goes on to the first turn at or past `now` of a contract that trades then; a round without any is still looked at.
    fn look_ahead(&mut self, exchange: &Exchange, now: i64) {
        let is_told = |stream: &Self| {
            let time = stream.due();
            let is_live = stream.turn().is_some_and(|(contract, _)| {
                let listed = &exchange.contracts()[contract];
                listed.trades() && listed.status_at(UnixMillis::new(time)) == Some(Status::Trading)
            });
            time >= now && is_live
        };
        for _ in 0..2 * self.count() {
            if is_told(self) {
                return;
            }
            self.at += 1;
        }
    }

    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        if let Some((contract, line)) = self.turn() {
            let sent = UnixMillis::new(due);
            if let Some(ticker) = exchange.book_ticker(contract, sent) {
                json::book::ticker(out, (&exchange.contracts()[contract], line), &ticker, sent);
            }
        }
        self.at += 1;
        self.look_ahead(exchange, due);
    }
}

/// The touch after a step.
pub(in crate::sim) fn ticker(book: &Book<'_>, step: i64) -> BookTicker {
    let (bid, ask) = book.top(step);
    BookTicker { update_id: book.ids(step).1, time: UnixMillis::new(book.time_of(step)), bid, ask }
}
