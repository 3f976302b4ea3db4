//! How do closed minutes get into the store?

use crate::{model::Candle, store::Holding};
use prometheus_client::metrics::counter::Counter;

/// Candles that wait for room at most: a day. They are derived; what is dropped can be computed again.
const WAITING_MAX: usize = 1_440;

/// Hands closed and corrected minutes in, and again what was refused.
#[derive(Debug)]
pub(super) struct MinuteKeeper {
    holding: Holding,
    waiting: Vec<Candle>,
    refused: Counter,
}

impl MinuteKeeper {
    pub(super) fn new(holding: Holding, refused: Counter) -> Self {
        Self { holding, waiting: Vec::new(), refused }
    }

    /// Keeps what a turn has closed and corrected.
    pub(super) fn keep(&mut self, closed: &[Candle], corrections: &[Candle]) {
        self.waiting.extend(closed.iter().chain(corrections));
        if self.waiting.is_empty() {
            return;
        }
        if self.holding.keep_minutes(&self.waiting) {
            self.waiting.clear();
        } else {
            self.refused.inc();
            self.waiting.drain(..self.waiting.len().saturating_sub(WAITING_MAX));
        }
    }
}
