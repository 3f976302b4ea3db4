//! How do raw trades become aggregates? Binance's rule, as a stream.

use crate::{
    model::{Quantity, Trade, UnixMillis},
    sim::block::{Execution, Fill, MERGE_MS},
};

/// An aggregate that nothing closes earlier is published this long after its first fill (measured on the venue: E - T
/// is about 150 ms).
pub(super) const PUBLISH_MS: i64 = 150;
/// A trade at another price or side publishes the aggregate before it this long after itself (measured: about 5 ms).
pub(super) const CLOSE_MS: i64 = 5;

/// An aggregate and when it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The aggregate.
    pub trade: Trade,
    /// When the venue sends it.
    pub at: UnixMillis,
}

/// Merges raw trades: same price, same taker side, within 100 ms of the first fill (Binance USD-M docs, "Aggregate
/// Trade Streams"). The aggregate's time is its first fill's.
#[derive(Clone, Debug)]
pub struct Aggregator {
    next_id: u64,
    open: Option<Trade>,
}

impl Aggregator {
    /// An aggregator whose first aggregate gets `next_id`.
    pub fn starting_at(next_id: u64) -> Self {
        Self { next_id, open: None }
    }

    /// Takes the next raw trade in id order; gives the aggregate that it closed. Burnt ids change nothing.
    pub fn push(&mut self, fill: &Fill) -> Option<Published> {
        if fill.execution == Execution::Burnt {
            return None;
        }
        match &mut self.open {
            Some(open) if joins(open, fill) => {
                open.quantity = Quantity::from_units(open.quantity.units() + fill.quantity.units());
                open.last_id = fill.id;
                None
            }
            _ => {
                let closed = self.open.replace(Trade {
                    id: self.next_id,
                    price: fill.price,
                    quantity: fill.quantity,
                    first_id: fill.id,
                    last_id: fill.id,
                    time: fill.time,
                    buyer_is_maker: fill.buyer_is_maker,
                });
                self.next_id += 1;
                closed.map(|trade| Published { trade, at: published_at(&trade, Some(fill.time)) })
            }
        }
    }

    /// Closes the open aggregate for want of further trades.
    pub fn finish(&mut self) -> Option<Published> {
        self.open.take().map(|trade| Published { trade, at: published_at(&trade, None) })
    }
}

fn joins(open: &Trade, fill: &Fill) -> bool {
    open.price == fill.price && open.buyer_is_maker == fill.buyer_is_maker && fill.time.since(open.time) <= MERGE_MS
}

/// When `trade` is published, given the time of the first trade that is not part of it.
pub(super) fn published_at(trade: &Trade, next: Option<UnixMillis>) -> UnixMillis {
    let unforced = trade.time.plus(PUBLISH_MS);
    next.map_or(unforced, |next| unforced.min(next.plus(CLOSE_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Price;

    fn fill(id: u64, time: i64, price: i64, buyer_is_maker: bool) -> Fill {
        Fill {
            id,
            time: UnixMillis::new(time),
            price: Price::from_units(price),
            quantity: Quantity::from_units(10),
            buyer_is_maker,
            execution: Execution::Market,
        }
    }

    #[test]
    fn price_side_and_a_tenth_of_a_second_divide_aggregates() {
        let mut aggregator = Aggregator::starting_at(7);
        let mut ids = Vec::new();
        let fills = [
            fill(1, 0, 5, true),
            fill(2, 100, 5, true),
            Fill { execution: Execution::Burnt, price: Price::from_units(0), ..fill(3, 100, 0, true) },
            fill(4, 101, 5, true),
            fill(5, 101, 5, false),
            fill(6, 101, 6, false),
        ];
        for fill in fills {
            ids.extend(aggregator.push(&fill));
        }
        ids.extend(aggregator.finish());
        let spans: Vec<_> = ids.iter().map(|p| (p.trade.id, p.trade.first_id, p.trade.last_id, p.at.get())).collect();
        assert_eq!(spans, [(7, 1, 2, 106), (8, 4, 4, 106), (9, 5, 5, 106), (10, 6, 6, 251)]);
        assert_eq!(ids[0].trade.quantity, Quantity::from_units(20));
    }
}
