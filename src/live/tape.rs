//! Who publishes a contract's trades?

use crate::{
    clock::Clock,
    live::{
        Event, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        topics::{Join, Leave, Wake},
    },
    market::{Contract, Print, Repaired, TapeReader},
    metrics::{Labels, Metrics},
    model::{IdRange, Trade},
};
use actix::prelude::*;
use prometheus_client::metrics::counter::Counter;
use std::{sync::Arc, time::Duration};

/// Trades of one publication; more wait for the next turn, so that one contract cannot hold the thread.
const TRADES_MAX: usize = 1_024;
/// How soon a session that refused is tried again when nothing new comes.
const RETRY: Duration = Duration::from_millis(50);

/// Reads one contract's tape for everybody who subscribed to its trades; lives while somebody does.
#[derive(Debug)]
pub(super) struct TapeActor {
    clock: Clock,
    publishing: Publishing,
    lapped: Counter,
    reader: TapeReader,
    lines: Vec<Line>,
    read: Vec<(Trade, bool)>,
    trades: Vec<Trade>,
    retry_set: bool,
}

impl TapeActor {
    pub(super) fn new(contract: &Arc<Contract>, clock: Clock, publishing: Publishing, metrics: &Metrics) -> Self {
        Self {
            clock,
            publishing,
            lapped: metrics.ring_lapped.get_or_create_owned(&Labels::new([("reader", "tape")])),
            reader: contract.tape.reader(),
            lines: Vec::new(),
            read: Vec::with_capacity(TRADES_MAX),
            trades: Vec::with_capacity(TRADES_MAX),
            retry_set: false,
        }
    }

    /// Publishes the next trades; whether there are more.
    fn publish_next(&mut self) -> bool {
        self.read.clear();
        let reading = self.reader.read(TRADES_MAX, &mut self.read);
        if let Some(ids) = reading.lapped {
            self.lapped.inc();
            self.owe_all(ids);
        }
        if reading.trades > 0 {
            self.trades.clear();
            self.trades.extend(self.read.iter().map(|(trade, _)| *trade));
            self.deliver(Event::Trades);
        }
        self.reader.is_behind()
    }

    /// The publisher itself missed `ids`: everybody is told, as if their own session had been slow.
    fn owe_all(&mut self, ids: IdRange) {
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| line.refused(Some(ids), 0, now_ms, publishing));
    }

    /// Hands `self.trades` to every line, each after what it is owed.
    fn deliver(&mut self, event: fn(crate::live::Rows) -> Event) {
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
    }

    fn join(&mut self, subscription: Subscription) {
        while self.publish_next() {}
        let snapshot = self.reader.before(subscription.snapshot);
        let mut line = Line::new(subscription.subscriber, false);
        let rows = Bodies::default().rows(line.subscriber.dialect, &self.publishing, |encoder, body| {
            (encoder.trades)(&snapshot, body);
            u32::try_from(snapshot.len()).unwrap_or(u32::MAX)
        });
        let Some(rows) = rows else { return };
        if line.offer(Event::Snapshot(rows)) == Offer::Taken {
            if let Some(trade) = snapshot.last() {
                line.sent_to(trade.id);
            }
            self.lines.push(line);
        } else {
            // A subscription without its snapshot would begin with an unnamed hole.
            line.subscriber.cut.now();
        }
    }

    fn set_retry(&mut self, context: &mut Context<Self>) {
        if self.retry_set || !self.lines.iter().any(Line::is_behind) {
            return;
        }
        self.retry_set = true;
        context.run_later(RETRY, |actor, context| {
            actor.retry_set = false;
            let (now_ms, publishing) = (actor.clock.monotonic_ms(), &actor.publishing);
            actor.lines.retain_mut(|line| match pay_debt(line) {
                Offer::Taken => true,
                Offer::Full => line.refused(None, 0, now_ms, publishing),
                Offer::Gone => false,
            });
            actor.set_retry(context);
        });
    }
}

/// Names the ids that the line lost, if any.
fn pay_debt(line: &mut Line) -> Offer {
    if !line.is_behind() {
        return Offer::Taken;
    }
    let offer = line.lost().map_or(Offer::Taken, |ids| line.offer(Event::Gap(ids)));
    if offer == Offer::Taken {
        line.caught_up();
    }
    offer
}

impl Actor for TapeActor {
    type Context = Context<Self>;
}

impl Handler<Wake> for TapeActor {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        if self.publish_next() {
            context.notify(Wake);
        }
        self.set_retry(context);
    }
}

impl Handler<Join> for TapeActor {
    type Result = ();

    fn handle(&mut self, join: Join, _: &mut Self::Context) {
        self.join(join.0);
    }
}

impl Handler<Leave> for TapeActor {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.lines.retain(|line| !leave.is_of(&line.subscriber));
    }
}

impl Handler<Repaired> for TapeActor {
    type Result = ();

    fn handle(&mut self, repaired: Repaired, _: &mut Self::Context) {
        // Live trades that were on the tape before the repair go out before it.
        while self.publish_next() {}
        self.trades.clear();
        self.trades.extend(repaired.prints.iter().filter_map(Print::as_trade));
        self.deliver(Event::Repair);
    }
}
