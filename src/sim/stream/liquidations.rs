//! What do the streams of liquidations deliver, of one contract and of all?

use crate::{
    model::Liquidation,
    sim::{
        exchange::Exchange,
        json,
        liquidation::{DELAY_MS, STRETCH_MS, STRETCHES_MAX, of_stretch},
    },
};
use std::collections::VecDeque;

/// Liquidations by the time that they are told at.
#[derive(Debug)]
pub(in crate::sim) struct Liquidations {
    /// One contract, or all.
    of: Option<usize>,
    /// The next stretch that was not looked at.
    stretch: i64,
    waiting: VecDeque<(usize, Liquidation)>,
}

impl Liquidations {
    pub(super) fn open(exchange: &Exchange, of: Option<usize>, now: i64) -> Option<Self> {
        exchange.market().key(of.unwrap_or(0))?;
        let stretch = (now - DELAY_MS).div_euclid(STRETCH_MS);
        let mut stream = Self { of, stretch, waiting: VecDeque::new() };
        stream.look_ahead(exchange);
        while stream.due().is_some_and(|due| due < now) {
            stream.waiting.pop_front();
            stream.look_ahead(exchange);
        }
        Some(stream)
    }

    pub(super) fn due(&self) -> Option<i64> {
        self.waiting.front().map(|(_, order)| order.time.get() + DELAY_MS)
    }

    /// Looks at stretches until something waits.
    fn look_ahead(&mut self, exchange: &Exchange) {
        let last = self.stretch + STRETCHES_MAX;
        while self.waiting.is_empty() && self.stretch < last {
            let contracts = match self.of {
                Some(contract) => contract..contract + 1,
                None => 0..exchange.contracts().len(),
            };
            let stretch = self.stretch;
            let found = contracts.filter_map(|contract| Some((contract, liquidation(exchange, contract, stretch)?)));
            self.waiting.extend(found);
            self.waiting.make_contiguous().sort_by_key(|(_, order)| order.time);
            self.stretch += 1;
        }
    }

    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        if let Some((contract, order)) = self.waiting.pop_front() {
            json::state::force_order(out, &exchange.contracts()[contract], &order, due);
        }
        self.look_ahead(exchange);
    }
}

/// The liquidation of a contract's stretch, while it trades.
pub(in crate::sim) fn liquidation(exchange: &Exchange, contract: usize, stretch: i64) -> Option<Liquidation> {
    let market = exchange.market();
    let (listed, (begin, end)) = (exchange.contracts().get(contract)?, market.span(contract)?);
    let order = of_stretch(listed, market.key(contract)?, stretch)?;
    (begin..end).contains(&order.time.get()).then_some(order)
}
