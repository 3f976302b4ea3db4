//! Which updates wait until a snapshot joins them?

use crate::model::{BookUpdate, Level};

#[derive(Clone, Copy, Debug)]
struct Entry {
    update: BookUpdate,
    bids: usize,
    asks: usize,
}

/// A chain of updates, oldest first, with their levels in one buffer that is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    entries: Vec<Entry>,
    /// Of each entry its bids, then its asks.
    levels: Vec<Level>,
}

impl Waiting {
    pub(super) fn push(&mut self, update: &BookUpdate, bids: &[Level], asks: &[Level]) {
        self.entries.push(Entry { update: *update, bids: bids.len(), asks: asks.len() });
        self.levels.extend_from_slice(bids);
        self.levels.extend_from_slice(asks);
    }

    pub(super) fn first(&self) -> Option<&BookUpdate> {
        self.entries.first().map(|entry| &entry.update)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.levels.clear();
    }

    /// Drops the older half when there are more than `updates_max`, or more than `levels_max` levels in them; how many that were.
    pub(super) fn cut(&mut self, updates_max: usize, levels_max: usize) -> usize {
        if self.entries.len() <= updates_max && self.levels.len() <= levels_max {
            return 0;
        }
        let count = self.entries.len().div_ceil(2);
        self.drop_oldest(count);
        count
    }

    /// Drops updates that end before `id`.
    pub(super) fn drop_before(&mut self, id: u64) {
        self.drop_oldest(self.entries.partition_point(|entry| entry.update.last_id < id));
    }

    fn drop_oldest(&mut self, count: usize) {
        let levels: usize = self.entries.drain(..count).map(|entry| entry.bids + entry.asks).sum();
        self.levels.drain(..levels);
    }

    /// Each update with its bids and asks, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&BookUpdate, &[Level], &[Level])> {
        let mut rest = &self.levels[..];
        self.entries.iter().map(move |entry| {
            let (own, others) = rest.split_at(entry.bids + entry.asks);
            rest = others;
            let (bids, asks) = own.split_at(entry.bids);
            (&entry.update, bids, asks)
        })
    }
}
