//! What becomes of what the venue says of all contracts at once?

use crate::{
    exchange::binance::Rows,
    market::{Bells, Contract, Contracts, Series},
    metrics::{Labels, Metrics},
    model::{BookTicker, Liquidation, MarkPrice, Ticker},
    store::{
        Records,
        record::{LiquidationRow, MarkRow, Origin},
    },
};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tokio::sync::Notify;

/// Puts figures where they are read, into the store, and rings for those who publish them.
#[derive(Debug)]
pub struct Sink {
    contracts: Arc<Contracts>,
    bells: Bells,
    /// Told when the venue's listing has changed.
    listing_news: Arc<Notify>,
    /// One mark price of each stretch is stored; none when it is 0.
    mark_every_ms: i64,
    refused: Counter,
    liquidations: Counter,
}

impl Sink {
    /// A sink that stores one mark price of each `mark_every_ms`, or none when that is 0.
    pub fn new(
        contracts: Arc<Contracts>,
        bells: Bells,
        listing_news: Arc<Notify>,
        mark_every_ms: i64,
        metrics: &Metrics,
    ) -> Self {
        let refused = metrics.mailbox_full.get_or_create_owned(&Labels::new([("queue", "storage")]));
        let liquidations = metrics.liquidations.clone();
        Self { contracts, bells, listing_news, mark_every_ms, refused, liquidations }
    }

    /// Takes mark prices.
    pub(super) fn marks(&self, rows: &Rows<MarkPrice>) {
        for (symbol, mark) in rows.iter() {
            let Some(contract) = self.contracts.find_listed(symbol) else { continue };
            if !contract.figures.set_mark(*mark) {
                continue;
            }
            self.bells.ring(contract.id);
            if self.mark_every_ms > 0 && contract.figures.is_mark_due(mark.time, self.mark_every_ms) {
                self.keep(&contract, Series::Marks, |records| records.keep(Origin::Stream, &[MarkRow::from(*mark)]));
            }
        }
    }

    /// Takes statistics of 24 hours.
    pub(super) fn tickers(&self, rows: &Rows<Ticker>) {
        for (symbol, ticker) in rows.iter() {
            let Some(contract) = self.contracts.find_listed(symbol) else { continue };
            if contract.figures.set_ticker(*ticker) {
                self.bells.ring(contract.id);
            }
        }
    }

    /// Takes a best bid and ask.
    pub(super) fn top(&self, symbol: &str, top: BookTicker) {
        let Some(contract) = self.contracts.find_listed(symbol) else { return };
        contract.book.iter().for_each(|book| book.note_told_top(top));
        if contract.figures.set_top(top) {
            self.bells.ring(contract.id);
        }
    }

    /// Takes a liquidation.
    pub(super) fn liquidation(&self, symbol: &str, liquidation: Liquidation) {
        let Some(contract) = self.contracts.find_listed(symbol) else { return };
        let Some(number) = contract.figures.add_liquidation(liquidation) else { return };
        self.liquidations.inc();
        let row = LiquidationRow::numbered(number, &liquidation);
        self.keep(&contract, Series::Liquidations, |records| records.keep(Origin::Stream, &[row]));
        self.bells.ring(contract.id);
    }

    /// Takes word that the venue's listing has changed.
    pub(super) fn listing(&self) {
        self.listing_news.notify_one();
    }

    fn keep(&self, contract: &Contract, series: Series, keep: impl FnOnce(&Records) -> bool) {
        let records = contract.records.get().filter(|_| contract.kept.load().series.contains(series));
        if records.is_some_and(|records| !keep(records)) {
            self.refused.inc();
        }
    }
}
