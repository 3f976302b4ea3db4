//! Who publishes a contract's liquidations, each of which matters?

use crate::{
    clock::Clock,
    live::{
        Event, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        publisher::{Post, Publish},
        tape::pay_debt,
    },
    market::{Arrivals, Contract, NumberedLiquidation},
    model::{IdRange, Liquidation, UnixMillis},
    store::record::{LiquidationRow, Record as _},
};
use std::{collections::BTreeMap, sync::Arc};

/// The publisher of one contract's liquidations; lives while somebody subscribes.
pub(super) type LiquidationsActor = Post<LiquidationsState>;

/// Reads what came of a contract's liquidations for everybody who subscribed to them.
#[derive(Debug)]
pub(super) struct LiquidationsState {
    contract: Arc<Contract>,
    clock: Clock,
    publishing: Publishing,
    /// How many were read.
    read: u64,
    /// The highest number that was: what comes with a lower one is late.
    newest: u64,
    lines: Vec<Line>,
    /// What is being published.
    rows: Vec<NumberedLiquidation>,
    /// What is published after that.
    late: Vec<NumberedLiquidation>,
}

impl LiquidationsState {
    pub(super) fn new(contract: &Arc<Contract>, clock: Clock, publishing: Publishing) -> Self {
        let (arrivals, held) = contract.figures.arrivals_and_held(u64::MAX);
        let newest = held.last().map_or(0, |(number, _)| *number);
        let (lines, rows, late) = Default::default();
        Self { contract: Arc::clone(contract), clock, publishing, read: arrivals.next, newest, lines, rows, late }
    }

    /// Publishes what came, the late ones last: ascending they go out, as repairs.
    fn take(&mut self, arrivals: Arrivals) {
        let now_ms = self.clock.monotonic_ms();
        arrivals.lost.into_iter().for_each(|ids| self.lines.iter_mut().for_each(|line| line.owe_ids(ids, now_ms)));
        self.read = arrivals.next;
        for row in arrivals.rows {
            let is_late = row.0 < self.newest;
            self.newest = self.newest.max(row.0);
            if is_late { self.late.push(row) } else { self.rows.push(row) }
        }
        self.late.sort_unstable_by_key(|(number, _)| *number);
        self.deliver(Event::Rows);
        std::mem::swap(&mut self.rows, &mut self.late);
        self.deliver(Event::Repair);
    }

    /// Hands `self.rows` to every line, each after what it is owed.
    fn deliver(&mut self, event: fn(Rows) -> Event) {
        let Some(ids) = span(&self.rows) else { return };
        let (mut bodies, now_ms) = (Bodies::default(), self.clock.monotonic_ms());
        let (publishing, rows) = (&self.publishing, &self.rows);
        self.lines.retain_mut(|line| {
            let Some(body) = encoded(&mut bodies, line, publishing, rows) else { return false };
            let offer = match pay_debt(line) {
                Offer::Taken => line.offer(event(body)),
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
        self.rows.clear();
    }

    /// The newest that are stored, if those in memory are not enough.
    fn stored(&self, count: usize) -> Vec<NumberedLiquidation> {
        let (_, held) = self.contract.figures.arrivals_and_held(self.read);
        let Some(records) = self.contract.records.get().filter(|_| held.len() < count) else { return Vec::new() };
        let (from, to) = (UnixMillis::default(), UnixMillis::new(i64::MAX));
        let rows = records.between::<LiquidationRow>(from, to, count, true).rows;
        rows.iter().map(|row| (row.key(), row.liquidation())).collect()
    }
}

/// From the lowest to the highest number.
fn span(rows: &[NumberedLiquidation]) -> Option<IdRange> {
    let numbers = rows.iter().map(|(number, _)| *number);
    Some(IdRange { first: numbers.clone().min()?, last: numbers.max()? })
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
        let arrivals = self.contract.figures.arrivals(self.read);
        self.take(arrivals);
        false
    }

    fn pass_time(&mut self, _: UnixMillis) {}

    fn join(&mut self, subscription: Subscription) {
        let count = subscription.snapshot;
        // In this order: whatever is stored by now is among what came by then, and is not told again.
        let stored = self.stored(count);
        let (arrivals, held) = self.contract.figures.arrivals_and_held(self.read);
        self.take(arrivals);
        let both: BTreeMap<u64, Liquidation> = stored.into_iter().chain(held).collect();
        let mut rows: Vec<NumberedLiquidation> = both.into_iter().collect();
        rows.drain(..rows.len().saturating_sub(count));
        let mut line = Line::new(subscription.subscriber, false, Some(self.newest));
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
        // What was under way is named, though some lines have it.
        let now_ms = self.clock.monotonic_ms();
        for rows in [std::mem::take(&mut self.rows), std::mem::take(&mut self.late)] {
            span(&rows).into_iter().for_each(|ids| self.lines.iter_mut().for_each(|line| line.owe_ids(ids, now_ms)));
        }
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }
}
