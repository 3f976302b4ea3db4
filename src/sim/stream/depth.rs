//! What do the depth streams of a contract deliver, whole and partial?

use crate::{
    model::{BookUpdate, Level, UnixMillis},
    sim::{book::Book, depth_faults::DepthFault, exchange::Exchange, json, noise::hash},
};

/// A change of the book reaches its streams this long after it happened at the earliest.
const DELAY_MS: i64 = 3;

/// A place in one contract's book.
#[derive(Debug)]
pub(in crate::sim) struct Depth {
    contract: usize,
    /// How many levels a side are told, when not the changes are.
    levels: Option<usize>,
    /// Between two frames; nothing when each step has a frame of its own.
    period: Option<Period>,
    /// The last step that was told.
    from: i64,
    /// The step that the next frame goes to, and when it is due.
    next: Option<(i64, i64)>,
    /// The last id of an empty update that went ahead of the next frame.
    ahead: Option<u64>,
}

/// The times at which frames may come: multiples of `length`, and `phase` later.
#[derive(Clone, Copy, Debug)]
struct Period {
    length: i64,
    phase: i64,
}

impl Period {
    /// The first of its times at or past `time`.
    const fn at_or_after(self, time: i64) -> i64 {
        time + (self.phase - time).rem_euclid(self.length)
    }
}

impl Depth {
    /// What `kind`, such as `depth20@100ms`, delivers from `now` on; nothing when there is no such stream.
    pub(super) fn open(exchange: &Exchange, contract: usize, kind: &str, now: i64) -> Option<Self> {
        let (name, speed) = kind.split_once('@').map_or((kind, None), |(name, speed)| (name, Some(speed)));
        let levels = match name.strip_prefix("depth")? {
            "" => None,
            "5" => Some(5),
            "10" => Some(10),
            "20" => Some(20),
            _ => return None,
        };
        // The bare name is the stream of 250 ms; asked for by that number it is silent (measured, 2026-10-07).
        let length = match speed {
            None => 250,
            Some("100ms") => 100,
            Some("500ms") => 500,
            Some("0ms") if levels.is_none() => 0,
            Some(_) => return None,
        };
        let market = exchange.market();
        let (book, (begin, _)) = (market.book(contract)?, market.span(contract)?);
        let phase = (hash(market.key(contract)?, 0xd7) % 100).cast_signed();
        let period = (length > 0).then_some(Period { length, phase });
        let told = period.map_or(now - 1, |period| period.at_or_after(now) - period.length) - DELAY_MS;
        let from = book.step_at(told.max(begin - 1));
        let mut stream = Self { contract, levels, period, from, next: None, ahead: None };
        stream.look_ahead(exchange);
        Some(stream)
    }

    pub(super) fn due(&self) -> Option<i64> {
        self.next.map(|(_, due)| due)
    }

    fn look_ahead(&mut self, exchange: &Exchange) {
        let market = exchange.market();
        let Some((book, (_, end))) = market.book(self.contract).zip(market.span(self.contract)) else { return };
        let time = book.time_of(self.from + 1);
        self.next = (time < end).then(|| match self.period {
            None => (self.from + 1, time + DELAY_MS),
            Some(period) => {
                let due = period.at_or_after(time + DELAY_MS);
                (book.step_at((due - DELAY_MS).min(end - 1)), due)
            }
        });
    }

    /// Appends the frame that is due; nothing when it is lost on purpose.
    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        let (Some((to, _)), Some(book)) = (self.next, exchange.market().book(self.contract)) else { return };
        let listed = &exchange.contracts()[self.contract];
        let faults = exchange.faults().depth();
        let fault = if self.levels.is_none() { faults.take(&listed.symbol) } else { None };
        let mut update = BookUpdate {
            first_id: book.ids(self.from + 1).0,
            last_id: book.ids(to).1,
            previous_id: book.ids(self.from).1,
            time: UnixMillis::new(book.time_of(to)),
        };
        if let Some(told) = self.ahead.take() {
            (update.first_id, update.previous_id) = (told + 1, told);
        } else if fault == Some(DepthFault::Empty) {
            update.last_id = update.first_id;
            self.ahead = Some(update.last_id);
            return json::book::depth(out, listed, &update, (&[], &[]), due);
        }
        if fault != Some(DepthFault::Lost) {
            let (bids, asks) = self.levels_told(&book, to, fault);
            json::book::depth(out, listed, &update, (&bids, &asks), due);
        }
        self.from = to;
        self.look_ahead(exchange);
    }

    fn levels_told(&self, book: &Book<'_>, to: i64, fault: Option<DepthFault>) -> (Vec<Level>, Vec<Level>) {
        if let Some(levels) = self.levels {
            let book = book.whole(to, levels);
            return (book.bids, book.asks);
        }
        let (mut bids, mut asks) = book.changes(self.from, to);
        match fault {
            Some(DepthFault::Crossed) => bids.insert(0, book.crossing(to)),
            Some(DepthFault::UnknownLevel) => asks.push(book.unknown(to)),
            _ => {}
        }
        (bids, asks)
    }
}
