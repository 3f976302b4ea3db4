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
use crossbeam::queue::ArrayQueue;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tokio::sync::Notify;

/// Rows that the storage queue refused, at most: of 800 contracts the mark prices of 13 minutes.
const REFUSED_MAX: usize = 65_536;

/// A row that the storage queue refused, and where it belongs.
#[derive(Debug)]
enum Refused {
    Mark(Records, MarkRow),
    Liquidation(Records, LiquidationRow),
}

impl Refused {
    /// Hands it in again. `false` when there is still no room.
    fn keep(&self) -> bool {
        match self {
            Self::Mark(records, row) => records.keep(Origin::Stream, &[*row]),
            Self::Liquidation(records, row) => records.keep(Origin::Stream, &[*row]),
        }
    }
}

/// Puts figures where they are read, into the store, and rings for those who publish them.
#[derive(Debug)]
pub struct Sink {
    contracts: Arc<Contracts>,
    bells: Bells,
    /// Told when the venue's listing has changed.
    listing_news: Arc<Notify>,
    /// One mark price of each stretch is stored; none when it is 0.
    mark_every_ms: i64,
    /// What the storage queue refused; handed in again when marks or a liquidation come.
    waiting: ArrayQueue<Refused>,
    /// Rows of the venue's that cannot be read, beside others that can.
    rows_refused: Counter,
    refused: Counter,
    lost: Counter,
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
        let (lost, liquidations) = (metrics.records_lost.clone(), metrics.liquidations.clone());
        let waiting = ArrayQueue::new(REFUSED_MAX);
        let rows_refused = metrics.decode_errors.get_or_create_owned(&Labels::new([("reason", "row")]));
        Self { contracts, bells, listing_news, mark_every_ms, waiting, rows_refused, refused, lost, liquidations }
    }

    /// Takes mark prices.
    pub(super) fn marks(&self, rows: &Rows<MarkPrice>) {
        self.rows_refused.inc_by(rows.refused());
        self.catch_up();
        rows.iter().for_each(|(symbol, mark)| self.mark(symbol, *mark));
    }

    fn mark(&self, symbol: &str, mark: MarkPrice) {
        let Some(contract) = self.contracts.find_listed(symbol) else { return };
        if !contract.figures.set_mark(mark) {
            return;
        }
        self.bells.ring(contract.id);
        if self.mark_every_ms > 0 && contract.figures.is_mark_due(mark.time, self.mark_every_ms) {
            let row = MarkRow::from(mark);
            self.keep(&contract, Series::Marks, |records| Refused::Mark(records, row));
        }
    }

    /// Takes statistics of 24 hours.
    pub(super) fn tickers(&self, rows: &Rows<Ticker>) {
        self.rows_refused.inc_by(rows.refused());
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
        self.catch_up();
        let row = LiquidationRow::numbered(number, &liquidation);
        self.keep(&contract, Series::Liquidations, |records| Refused::Liquidation(records, row));
        self.bells.ring(contract.id);
    }

    /// Takes word that the venue's listing has changed.
    pub(super) fn listing(&self) {
        self.listing_news.notify_one();
    }

    /// Stores a row of a series that is kept, or remembers it for later.
    fn keep(&self, contract: &Contract, series: Series, row: impl FnOnce(Records) -> Refused) {
        let records = contract.records.get().filter(|_| contract.kept.load().series.contains(series));
        let Some(row) = records.cloned().map(row) else { return };
        if !row.keep() {
            self.refused.inc();
            self.remember(row);
        }
    }

    /// Without room the oldest goes.
    fn remember(&self, row: Refused) {
        self.lost.inc_by(u64::from(self.waiting.force_push(row).is_some()));
    }

    /// Hands in again what was refused, as far as there is room.
    fn catch_up(&self) {
        while let Some(row) = self.waiting.pop() {
            if !row.keep() {
                return self.remember(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        market::{Bell, Spec, TapeKind},
        model::{Price, Quantity, Symbol, UnixMillis},
        store::{
            self, Opened,
            files::{Disk, SimulatedDisk},
            identity::Identity,
            record::Timed,
            storage::Options,
        },
    };

    const START: UnixMillis = UnixMillis::new(1_795_168_800_000);

    /// A sink over a store whose queue takes a few rows.
    fn scene(metrics: &Metrics) -> (Sink, Records, Opened) {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
        let wanted = Identity { store: 1, venue: "here".to_owned(), created: START };
        let options = Options { queue_bytes: 10 * 56, file_bytes: 64 << 10, ..Options::default() };
        let clock = Clock::starting_at(START);
        let mut opened = store::open(&disk, &wanted, options, clock).expect("opens");
        let symbol = Symbol::new("A").expect("a symbol");
        let number = opened.storage.register(std::slice::from_ref(&symbol), clock.now()).expect("registered")[0].number;
        let records = Records::new(&opened.library, &opened.desk, number);
        let spec: Spec = (symbol, TapeKind::Aggregate, 2).into();
        let contracts = Arc::new(Contracts::new([spec]));
        contracts.find("A").expect("there").hold_records(records.clone());
        let sink = Sink::new(contracts, Bells::new([Bell::new()]), Arc::default(), 10_000, metrics);
        (sink, records, opened)
    }

    fn held<R: Timed>(records: &Records) -> Vec<i64> {
        let found = records.between::<R>(UnixMillis::default(), UnixMillis::new(i64::MAX), usize::MAX, false);
        found.rows.iter().map(|row| row.time().since(START)).collect()
    }

    fn marks(sink: &Sink, second: i64) {
        sink.catch_up();
        sink.mark("A", MarkPrice { time: START.plus(second * 1_000), ..MarkPrice::default() });
    }

    fn liquidation(second: i64) -> Liquidation {
        Liquidation {
            time: START.plus(second * 1_000),
            price: Price::from_units(1),
            average_price: Price::from_units(1),
            quantity: Quantity::from_units(1),
            filled: Quantity::from_units(1),
            is_sell: true,
        }
    }

    #[test]
    fn what_the_storage_queue_refuses_is_stored_once_there_is_room() {
        let metrics = Metrics::default();
        let (sink, records, mut opened) = scene(&metrics);
        for second in 0..300 {
            marks(&sink, second);
            sink.liquidation("A", liquidation(second));
        }
        assert!(held::<LiquidationRow>(&records).len() < 10, "the queue is full");
        for second in 300..900 {
            opened.storage.drain(Clock::starting_at(START.plus(second * 1_000)).now());
            marks(&sink, second);
        }
        assert_eq!(held::<LiquidationRow>(&records), (0..300).map(|second| second * 1_000).collect::<Vec<_>>());
        assert_eq!(held::<MarkRow>(&records), (0..90).map(|slot| slot * 10_000).collect::<Vec<_>>());
        assert!(sink.refused.get() > 300 && metrics.records_lost.get() == 0);
    }

    #[test]
    fn what_is_too_much_to_be_remembered_is_counted() {
        let metrics = Metrics::default();
        let (sink, records, _opened) = scene(&metrics);
        let count = i64::try_from(REFUSED_MAX).expect("small") + 100;
        (0..count).for_each(|second| sink.liquidation("A", liquidation(second)));
        let lost = usize::try_from(metrics.records_lost.get()).expect("few");
        assert!(lost > 0);
        assert_eq!(held::<LiquidationRow>(&records).len() + sink.waiting.len() + lost, REFUSED_MAX + 100);
    }
}
