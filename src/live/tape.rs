//! Who publishes a contract's trades?

use crate::{
    clock::Clock,
    live::{
        Event, Replay, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        publisher::{Post, Publish},
        replay::ADDED_MAX,
    },
    market::{Contract, Repairs, TapeReader},
    metrics::{Labels, Metrics},
    model::{IdRange, QuoteVolume, Trade, UnixMillis},
};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;

/// Trades of one publication; more wait for the next turn, so that one contract cannot hold the thread.
const TRADES_MAX: usize = 1_024;

/// The publisher of one contract's trades; lives while somebody subscribes.
pub(super) type TapeActor = Post<TapeState>;

/// Reads one contract's tape for everybody who subscribed to its trades.
#[derive(Debug)]
pub(super) struct TapeState {
    contract: Arc<Contract>,
    clock: Clock,
    publishing: Publishing,
    lapped: Counter,
    reader: TapeReader,
    lines: Vec<Line>,
    read: Vec<(Trade, bool)>,
    /// What is being published.
    trades: Vec<Trade>,
    /// What is published after that.
    repairs: Repairs,
    /// How many ids the lines were told are missing.
    missing_told: u64,
    /// Only trades of at least so much are told of.
    notional_min: Option<QuoteVolume>,
}

impl TapeState {
    /// Of all trades, or of those of at least `notional_min`.
    pub(super) fn new(
        contract: &Arc<Contract>,
        notional_min: Option<QuoteVolume>,
        clock: Clock,
        publishing: Publishing,
        metrics: &Metrics,
    ) -> Self {
        Self {
            notional_min,
            clock,
            publishing,
            lapped: metrics.ring_lapped.get_or_create_owned(&Labels::new([("reader", "tape")])),
            contract: Arc::clone(contract),
            reader: contract.tape.reader(),
            lines: Vec::new(),
            read: Vec::new(),
            trades: Vec::new(),
            repairs: Repairs::default(),
            missing_told: 0,
        }
    }

    /// Publishes the next trades in order.
    fn publish_next(&mut self) {
        self.read.clear();
        let reading = self.reader.read(TRADES_MAX, &mut self.read);
        if let Some(ids) = reading.lapped {
            // This publisher missed them: everybody is told.
            self.lapped.inc();
            self.owe_all(ids);
        }
        self.trades.clear();
        self.trades.extend(self.read.iter().map(|(trade, _)| *trade));
        let notional_min = self.notional_min;
        self.trades.retain(|trade| is_large(trade, notional_min));
        self.deliver(Event::Rows);
    }

    /// Publishes everything there is.
    fn publish_all(&mut self) {
        while self.publish() {}
    }

    fn publish_repairs(&mut self) {
        if let Some(ids) = self.repairs.lost.take() {
            self.lapped.inc();
            self.owe_all(ids);
        }
        std::mem::swap(&mut self.trades, &mut self.repairs.trades);
        let notional_min = self.notional_min;
        self.trades.retain(|trade| is_large(trade, notional_min));
        self.deliver(Event::Repair);
    }

    /// Tells every line how many ids are missing, when that has changed. Who could not be told is at the next debts.
    fn tell_missing(&mut self) {
        let missing = self.contract.tape.missing();
        if missing != self.missing_told {
            self.missing_told = missing;
            self.lines.iter_mut().for_each(|line| line.tell_missing(missing));
        }
    }

    fn owe_all(&mut self, ids: IdRange) {
        let now_ms = self.clock.monotonic_ms();
        self.lines.iter_mut().for_each(|line| line.owe_ids(ids, now_ms));
    }

    /// Hands `self.trades` to every line, each after what it is owed.
    fn deliver(&mut self, event: fn(Rows) -> Event) {
        let (Some(first), Some(last)) = (self.trades.first(), self.trades.last()) else { return };
        let ids = IdRange { first: first.id, last: last.id };
        let mut bodies = Bodies::default();
        let (now_ms, publishing, trades) = (self.clock.monotonic_ms(), &self.publishing, &self.trades);
        self.lines.retain_mut(|line| {
            let rows = bodies.rows(line.subscriber.dialect, publishing, |encoder, body| {
                (encoder.trades)(trades, body);
                u32::try_from(trades.len()).unwrap_or(u32::MAX)
            });
            let Some(rows) = rows else { return false };
            let offer = match pay_debt(line) {
                Offer::Taken => line.offer(event(rows)),
                refused => refused,
            };
            match offer {
                Offer::Taken => {
                    line.sent_to(ids.last);
                    true
                }
                Offer::Full => line.refused(Some(ids), trades.len() as u64, now_ms, publishing),
                Offer::Gone => false,
            }
        });
        self.trades.clear();
    }
}

impl TapeState {
    /// Begins a line where a replay has come to, with what was added since. `false` when memory does not have all of that, or
    /// it is much, or there is no room for it: then nothing has begun.
    pub(super) fn resume(&mut self, subscription: Subscription, replay: Replay) -> bool {
        self.publish_all();
        let Some((trades, repairs)) = self.added_since(&replay) else { return false };
        let mut line = Line::new(subscription.subscriber, false, self.reader.last_id().max(Some(replay.through())));
        line.sent_to(replay.through());
        let rows = |trades: &[Trade]| {
            Bodies::default().rows(line.subscriber.dialect, &self.publishing, |encoder, body| {
                (encoder.trades)(trades, body);
                u32::try_from(trades.len()).unwrap_or(u32::MAX)
            })
        };
        let (Some(added), Some(repaired)) = (rows(&trades), rows(&repairs)) else { return false };
        if !added.is_empty() && line.offer(Event::Rows(added)) != Offer::Taken {
            return false;
        }
        trades.last().into_iter().for_each(|trade| line.sent_to(trade.id));
        if let (Some(first), Some(last)) = (repairs.first(), repairs.last())
            && line.offer(Event::Repair(repaired)) != Offer::Taken
        {
            line.owe_ids(IdRange { first: first.id, last: last.id }, self.clock.monotonic_ms());
        }
        self.lines.push(line);
        true
    }

    /// Trades behind a replay that were published, and late ones before that it has not seen. Nothing when memory does not
    /// have all of them, or they are many.
    fn added_since(&self, replay: &Replay) -> Option<(Vec<Trade>, Vec<Trade>)> {
        let late = self.reader.holes()?.since(replay.late());
        let mut trades = self.reader.before(ADDED_MAX + 1);
        let reaches_back = trades.first().is_none_or(|trade| trade.id <= replay.through());
        let is_whole = self.contract.tape.aside().whole_from() <= replay.through() + 1;
        if late.lost.is_some() || !reaches_back || !is_whole {
            return None;
        }
        trades.retain(|trade| trade.id > replay.through());
        Some((trades, late.trades.into_iter().filter(|trade| replay.repairs(trade.id)).collect()))
    }

    /// The newest trades that were published, at most `count`: off the ring, and before that off the disk.
    fn snapshot(&self, count: usize) -> Vec<Trade> {
        if self.notional_min.is_some() {
            return self.large_snapshot(count);
        }
        let mut trades = self.reader.before(count);
        // Before it the store holds late trades that memory does not.
        let whole_from = self.contract.tape.aside().whole_from();
        trades.drain(..trades.partition_point(|trade| trade.id < whole_from));
        let missing = count.saturating_sub(trades.len());
        let first = trades.first().map(|trade| trade.id);
        let end = first.or_else(|| self.reader.last_id().map(|id| id + 1)).or_else(|| self.contract.tape.start());
        if let (Some(holding), Some(end), 1..) = (self.contract.holding.get(), end, missing) {
            trades.splice(0..0, holding.up_to_id(end.saturating_sub(1), missing).trades);
        }
        trades
    }
}

impl TapeState {
    /// The same of large trades, as far back as memory holds trades.
    fn large_snapshot(&self, count: usize) -> Vec<Trade> {
        let mut trades = self.reader.before(usize::MAX);
        trades.retain(|trade| is_large(trade, self.notional_min));
        trades.drain(..trades.len().saturating_sub(count));
        trades
    }
}

fn is_large(trade: &Trade, notional_min: Option<QuoteVolume>) -> bool {
    notional_min.is_none_or(|min| trade.price.times(trade.quantity) >= min)
}

impl Publish for TapeState {
    const KIND: &'static str = "tape";

    fn publish(&mut self) -> bool {
        // Taken first, published last: live trades that were on the tape before a repair go out before it.
        let repairs = self.reader.repairs();
        let any = repairs.is_some();
        self.repairs = repairs.unwrap_or_default();
        self.publish_next();
        if any {
            while self.reader.is_behind() {
                self.publish_next();
            }
            self.publish_repairs();
        }
        self.tell_missing();
        self.reader.is_behind()
    }

    fn pass_time(&mut self, _: UnixMillis) {}

    fn join(&mut self, subscription: Subscription) {
        self.publish_all();
        let snapshot = self.snapshot(subscription.snapshot);
        let mut line = Line::new(subscription.subscriber, false, self.reader.last_id());
        let rows = Bodies::default().rows(line.subscriber.dialect, &self.publishing, |encoder, body| {
            (encoder.trades)(&snapshot, body);
            u32::try_from(snapshot.len()).unwrap_or(u32::MAX)
        });
        let Some(rows) = rows else { return };
        if line.offer(Event::Snapshot(rows)) == Offer::Taken {
            if let Some(trade) = snapshot.last() {
                line.sent_to(trade.id);
            }
            line.tell_missing(self.contract.tape.missing());
            self.lines.push(line);
        } else {
            // A subscription without its snapshot would begin with an unnamed hole.
            line.subscriber.cut.now();
        }
    }

    fn pay_debts(&mut self) {
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        let missing = self.contract.tape.missing();
        self.lines.retain_mut(|line| match pay_debt(line) {
            Offer::Taken => {
                line.tell_missing(missing);
                true
            }
            Offer::Full => line.refused(None, 0, now_ms, publishing),
            Offer::Gone => false,
        });
    }

    fn recover(&mut self) {
        let now_ms = self.clock.monotonic_ms();
        let read_to = self.reader.last_id().unwrap_or(0);
        self.lines.iter_mut().for_each(|line| line.owe_ids_to(read_to, now_ms));
        // Repairs, whose ids lie below what is settled, may have been under way: named, though some lines have them.
        let (trades, repairs) = (std::mem::take(&mut self.trades), std::mem::take(&mut self.repairs));
        for trades in [trades, repairs.trades] {
            if let (Some(first), Some(last)) = (trades.first(), trades.last()) {
                self.owe_all(IdRange { first: first.id, last: last.id });
            }
        }
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }
}

/// Names the ids that the line lost, if any.
pub(super) fn pay_debt(line: &mut Line) -> Offer {
    while let Some(ids) = line.lost() {
        match line.offer(Event::Gap(ids)) {
            Offer::Taken => line.named(),
            refused => return refused,
        }
    }
    if line.is_behind() {
        line.caught_up();
    }
    Offer::Taken
}
