//! How does an order book that is to be built get its snapshot?
//!
//! One after the other, since each costs a good part of what may be asked of the venue in a minute. Nothing of a queue is lost:
//! each book says itself whether it still wants a snapshot when its turn has come, and rings again with its next update if it got
//! none.

use crate::{
    app::books::turns::Turns,
    exchange::binance::{Call, DecodeError, rest},
    history::{
        budget::{CallError, Priority},
        rest::Source,
    },
    market::{Bell, BookNews, BookPost, Contract, Contracts, Rings},
    metrics::{Labels, Metrics},
    model::{BookSnapshot, BookTicker, ContractId, Level, Quantity},
    net::with_causes,
};
use futures_util::StreamExt as _;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Every book is looked at this often, for rings that were lost.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Asks for the snapshots of books that want one.
#[derive(Clone)]
pub struct Snapshots {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Rung when a book wants a snapshot; nobody else may listen to it.
    pub bell: Arc<Bell>,
    /// Where snapshots come from.
    pub source: Source,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error("a snapshot cannot be fetched")]
    Call(#[from] CallError),
    #[error("the venue answers HTTP {0} instead of a snapshot")]
    Status(u16),
    #[error("a snapshot cannot be read")]
    Decode(#[from] DecodeError),
    #[error("a snapshot has a side without orders, and the venue does not say so elsewhere")]
    OneSided,
}

impl SnapshotError {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Call(_) => "unreachable",
            Self::Status(_) => "refused",
            Self::Decode(_) => "not_understood",
            Self::OneSided => "one_sided",
        }
    }
}

impl Snapshots {
    /// Goes on for ever.
    pub async fn run(self) {
        let (mut rings, mut turns) = (Rings::of(Arc::clone(&self.bell)), Turns::default());
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.bell.take(|id| turns.want(id, Instant::now()));
            self.tell_waiting(&turns);
            if let Some(id) = turns.next(Instant::now()) {
                self.serve(id, &mut turns).await;
                continue;
            }
            let due = turns.next_due();
            tokio::select! {
                Some(()) = rings.next() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                _ = looks.tick() => self.look(&mut turns),
            }
        }
    }

    fn look(&self, turns: &mut Turns) {
        turns.tidy(Instant::now());
        let wanting = self.contracts.iter().filter(|contract| contract.book.as_ref().is_some_and(wants));
        wanting.for_each(|contract| turns.want(contract.id, Instant::now()));
    }

    fn tell_waiting(&self, turns: &Turns) {
        self.metrics.book_snapshot_queue.set(i64::try_from(turns.waiting()).unwrap_or(i64::MAX));
    }

    async fn serve(&self, id: ContractId, turns: &mut Turns) {
        let Some(contract) = self.contracts.get(id) else { return turns.settle(id) };
        let is_wanted = |book: &&BookPost| wants(book) && !contract.is_over();
        let Some(book) = contract.book.as_ref().filter(is_wanted) else { return turns.settle(id) };
        let asked = self.ask(&contract).await;
        turns.asked(id, Instant::now());
        match asked {
            Ok(snapshot) => {
                self.metrics.book_snapshots.inc();
                book.tell(BookNews::Snapshot(snapshot)).await;
            }
            Err(error) => self.note_failure(&contract, &error),
        }
    }

    async fn ask(&self, contract: &Contract) -> Result<BookSnapshot, SnapshotError> {
        let levels = contract.book.as_ref().map_or(0, |book| book.spec().replica.snapshot_levels);
        let call = Call::depth(&contract.symbol, u16::try_from(levels).unwrap_or(u16::MAX));
        let Source { fetch, budget, rest_url, .. } = &self.source;
        let response = budget.get(&**fetch, rest_url, &call, Priority::Seam).await?;
        if response.status != 200 {
            return Err(SnapshotError::Status(response.status));
        }
        let snapshot = rest::depth(&response.body)?;
        let told = contract.book.as_ref().and_then(BookPost::told_top);
        if is_believed(&snapshot, told.as_deref()) { Ok(snapshot) } else { Err(SnapshotError::OneSided) }
    }

    fn note_failure(&self, contract: &Contract, error: &SnapshotError) {
        self.metrics.book_snapshot_failures.get_or_create(&Labels::new([("reason", error.reason())])).inc();
        tracing::warn!(symbol = %contract.symbol, "{}", with_causes(error));
    }
}

/// Whether a side without orders is the venue's: such a side would count as known to its end, so a second word is wanted.
fn is_believed(snapshot: &BookSnapshot, told: Option<&BookTicker>) -> bool {
    let agrees = |levels: &[Level], best: fn(&BookTicker) -> Level| {
        !levels.is_empty() || told.is_some_and(|told| best(told).quantity == Quantity::default())
    };
    agrees(&snapshot.bids, |told| told.bid) && agrees(&snapshot.asks, |told| told.ask)
}

/// Whether a snapshot would join: before the stream has begun it would be too old.
fn wants(book: &BookPost) -> bool {
    book.read(|replica| replica.needs_snapshot() && replica.has_heard())
}
