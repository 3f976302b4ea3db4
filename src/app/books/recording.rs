//! What of each order book is stored, and when?

use crate::{
    book::{State, Summary},
    market::{BookPost, Contract, Contracts, VenueClock},
    metrics::{Labels, Metrics},
    model::UnixMillis,
    store::{
        Records,
        record::{BookLevelRow, Origin, StoredBook},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How long is waited for the venue's first event, and at most until the venue's clock is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Records snapshots of synced books, at multiples of a time on the venue's clock.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What is recorded; what the store has no place for is not.
    pub contracts: Arc<Contracts>,
    /// The venue's time.
    pub venue_clock: Arc<VenueClock>,
    /// Between snapshots.
    pub every: Duration,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl Recording {
    /// Goes on for ever.
    pub async fn run(self) {
        let mut done = None;
        loop {
            let now = self.wait_after(done).await;
            self.record(now).await;
            done = Some(now);
        }
    }

    /// Waits for the first time that is due after `done`, or after now.
    async fn wait_after(&self, done: Option<UnixMillis>) -> UnixMillis {
        let every_ms = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut due: Option<UnixMillis> = None;
        loop {
            let Some(now) = self.venue_clock.now() else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            let next = UnixMillis::new(now.get().div_euclid(every_ms).saturating_add(1).saturating_mul(every_ms));
            match *due.get_or_insert(next.max(done.map_or(next, |done| done.plus(every_ms)))) {
                due if due <= now => return due,
                due => {
                    let left = Duration::from_millis(due.since(now).unsigned_abs());
                    sleep(left.min(LOOK_EVERY)).await;
                }
            }
        }
    }

    async fn record(&self, at: UnixMillis) {
        for contract in self.contracts.iter() {
            if let (Some(book), Some(records)) = (&contract.book, contract.records.get()) {
                self.record_one(&contract, (book, records), at);
                // The books of a whole market take a while.
                tokio::task::yield_now().await;
            }
        }
    }

    fn record_one(&self, contract: &Contract, (book, records): (&BookPost, &Records), at: UnixMillis) {
        let rows = match taken(contract, book, at) {
            Ok(books) => (0..).zip(&books).flat_map(|(tick, book)| book.rows(tick)).collect::<Vec<BookLevelRow>>(),
            Err(state) => return self.note_lacking(state.name()),
        };
        if rows.is_empty() {
            return;
        }
        if records.keep(Origin::Stream, &rows) {
            self.metrics.book_recorded.inc();
        } else {
            self.note_lacking("queue_full");
        }
    }

    fn note_lacking(&self, reason: &str) {
        self.metrics.book_unrecorded.get_or_create(&Labels::new([("reason", reason)])).inc();
    }
}

/// The book by each of its tick sizes, all of one state; of one that is not synced, how it stands.
fn taken(contract: &Contract, book: &BookPost, at: UnixMillis) -> Result<Vec<StoredBook>, State> {
    let tick = contract.listing.load().as_ref().map(|listing| listing.tick_size);
    let spec = book.spec();
    let (mut tick_sizes, levels) = (spec.tick_sizes(tick), spec.levels);
    // Its own tick may have changed: by a size that it does not divide, groups would be uneven.
    tick_sizes.retain(|size| tick.is_none_or(|tick| size.is_multiple_of(tick)));
    let (time, summaries) = book.read(|replica| {
        let book = replica.book().ok_or_else(|| replica.state())?;
        Ok((book.time(), Summary::at_each(book, &tick_sizes, levels)))
    })?;
    let stored = |(tick_size, summary)| StoredBook { at, time, tick_size, summary };
    Ok(tick_sizes.into_iter().zip(summaries).map(stored).collect())
}
