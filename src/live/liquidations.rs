//! Who publishes a contract's liquidations, each of which matters?

use crate::{
    clock::Clock,
    live::{
        Event, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        publisher::{Post, Publish},
        tape::pay_debt,
    },
    market::{Contract, NumberedLiquidation},
    model::{IdRange, UnixMillis},
};
use std::sync::Arc;

/// The publisher of one contract's liquidations; lives while somebody subscribes.
pub(super) type LiquidationsActor = Post<LiquidationsState>;

/// Reads what memory holds of a contract's liquidations for everybody who subscribed to them.
#[derive(Debug)]
pub(super) struct LiquidationsState {
    contract: Arc<Contract>,
    clock: Clock,
    publishing: Publishing,
    /// The number of the last one that was published.
    read_to: u64,
    lines: Vec<Line>,
}

impl LiquidationsState {
    pub(super) fn new(contract: &Arc<Contract>, clock: Clock, publishing: Publishing) -> Self {
        let read_to = contract.figures.liquidations_after(0).0.last().map_or(0, |(number, _)| *number);
        Self { contract: Arc::clone(contract), clock, publishing, read_to, lines: Vec::new() }
    }

    fn deliver(&mut self, rows: &[NumberedLiquidation]) {
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return };
        let ids = IdRange { first: *first, last: *last };
        let (mut bodies, now_ms, publishing) = (Bodies::default(), self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            let Some(body) = encoded(&mut bodies, line, publishing, rows) else { return false };
            let offer = match pay_debt(line) {
                Offer::Taken => line.offer(Event::Rows(body)),
                refused => refused,
            };
            match offer {
                Offer::Taken => {
                    line.sent_to(ids.last);
                    true
                }
                Offer::Full => line.refused(Some(ids), rows.len() as u64, now_ms, publishing),
                Offer::Gone => false,
            }
        });
    }
}

fn encoded(bodies: &mut Bodies, line: &Line, publishing: &Publishing, rows: &[NumberedLiquidation]) -> Option<Rows> {
    bodies.rows(line.subscriber.dialect, publishing, |encoder, body| {
        (encoder.liquidations)(rows, body);
        u32::try_from(rows.len()).unwrap_or(u32::MAX)
    })
}

impl Publish for LiquidationsState {
    const KIND: &'static str = "liquidations";

    fn publish(&mut self) -> bool {
        let (rows, lost) = self.contract.figures.liquidations_after(self.read_to);
        if let Some(ids) = lost {
            let now_ms = self.clock.monotonic_ms();
            self.lines.iter_mut().for_each(|line| line.owe_ids(ids, now_ms));
        }
        self.read_to = rows.last().map_or(self.read_to, |(number, _)| *number);
        self.deliver(&rows);
        false
    }

    fn pass_time(&mut self, _: UnixMillis) {}

    fn join(&mut self, subscription: Subscription) {
        self.publish();
        let (mut rows, _) = self.contract.figures.liquidations_after(0);
        rows.drain(..rows.len().saturating_sub(subscription.snapshot));
        let mut line = Line::new(subscription.subscriber, false, Some(self.read_to));
        let Some(body) = encoded(&mut Bodies::default(), &line, &self.publishing, &rows) else { return };
        if line.offer(Event::Snapshot(body)) == Offer::Taken {
            rows.last().into_iter().for_each(|(number, _)| line.sent_to(*number));
            self.lines.push(line);
        } else {
            line.subscriber.cut.now();
        }
    }

    fn pay_debts(&mut self) {
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| match pay_debt(line) {
            Offer::Taken => true,
            Offer::Full => line.refused(None, 0, now_ms, publishing),
            Offer::Gone => false,
        });
    }

    fn recover(&mut self) {
        let (now_ms, read_to) = (self.clock.monotonic_ms(), self.read_to);
        self.lines.iter_mut().for_each(|line| line.owe_ids_to(read_to, now_ms));
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }
}
