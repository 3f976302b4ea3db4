//! How does a thread learn, with one wake, which contracts have something new?
//!
//! A bell belongs to one consumer thread. Ringing sets the contract's bit and wakes the consumer unless a wake is
//! already on its way, so a burst of any size costs one wake and the consumer reads everything by its own cursors.

use crate::{market::CONTRACTS_MAX, model::ContractId};
use futures_util::{Stream, task::AtomicWaker};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

/// A dirty bit a contract, and one waker.
#[derive(Debug)]
pub struct Bell {
    dirty: Box<[AtomicU64]>,
    /// Words up to it have been rung; the others need no look.
    used: AtomicUsize,
    /// Whether the consumer has been called and has not answered yet.
    rung: AtomicBool,
    consumer: AtomicWaker,
}

impl Bell {
    /// A bell for every contract of the process.
    pub fn new() -> Arc<Self> {
        let dirty = (0..CONTRACTS_MAX.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (used, rung) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { dirty, used, rung, consumer: AtomicWaker::new() })
    }

    /// Says that `contract` has something new.
    pub fn ring(&self, contract: ContractId) {
        // Before the swap below, so that the `take` after it looks far enough. It rises a few times in a process.
        if self.used.load(Ordering::Relaxed) <= contract.index() / 64 {
            self.used.fetch_max(contract.index() / 64 + 1, Ordering::Relaxed);
        }
        // Release pairs with the Acquire in `take`: who sees the bit sees what was published before it.
        self.dirty[contract.index() / 64].fetch_or(1 << (contract.index() % 64), Ordering::Release);
        // AcqRel pairs with the swap in `Rings::poll_next`: either that swap sees this call, or this one sees `false`
        // and wakes; a bit set before a swap that returned `true` is seen by the `take` after it.
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.consumer.wake();
        }
    }

    /// Hands over every contract rung since the last call.
    pub fn take(&self, mut each: impl FnMut(ContractId)) {
        for (word, bits) in (0u32..).zip(&self.dirty).take(self.used.load(Ordering::Relaxed)) {
            if bits.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Acquire pairs with the Release in `ring`.
            let mut bits = bits.swap(0, Ordering::Acquire);
            while bits != 0 {
                each(ContractId::new(word * 64 + bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
    }
}

/// A bell a consumer thread; contracts are spread over them by their number. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bells(Arc<[Arc<Bell>]>);

impl Bells {
    /// One a thread, in their order.
    pub fn new(bells: impl IntoIterator<Item = Arc<Bell>>) -> Self {
        Self(bells.into_iter().collect())
    }

    /// Says to the thread of `contract` that it has something new.
    pub fn ring(&self, contract: ContractId) {
        if let Some(bell) = self.0.get(contract.index() % self.0.len().max(1)) {
            bell.ring(contract);
        }
    }
}

/// The consumer's end: an item whenever the bell was rung since the last one. Never ends.
#[derive(Debug)]
pub struct Rings(Arc<Bell>);

impl Rings {
    /// The stream of `bell`; only one may be polled, since there is one waker.
    pub fn of(bell: Arc<Bell>) -> Self {
        Self(bell)
    }
}

impl Stream for Rings {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        if self.0.rung.swap(false, Ordering::AcqRel) {
            return Poll::Ready(Some(()));
        }
        self.0.consumer.register(context.waker());
        // A ring between the swap above and the registration found no waker.
        if self.0.rung.swap(false, Ordering::AcqRel) { Poll::Ready(Some(())) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn a_burst_is_one_wake_and_names_every_contract() {
        let bell = Bell::new();
        let mut rings = Rings::of(Arc::clone(&bell));
        for id in [0, 63, 64, 129, 64] {
            bell.ring(ContractId::new(id));
        }
        rings.next().await;
        let mut taken = Vec::new();
        bell.take(|id| taken.push(id.get()));
        assert_eq!(taken, [0, 63, 64, 129]);
        let mut again = 0;
        bell.take(|_| again += 1);
        assert_eq!(again, 0);
    }

    #[test]
    fn no_ring_is_missed_between_threads() {
        const RINGS: u64 = 20_000;
        let bell = Bell::new();
        let published = Arc::new(AtomicU64::new(0));
        let writer = std::thread::spawn({
            let (bell, published) = (Arc::clone(&bell), Arc::clone(&published));
            move || {
                for value in 1..=RINGS {
                    published.store(value, Ordering::Relaxed);
                    bell.ring(ContractId::new(0));
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut rings = Rings::of(Arc::clone(&bell));
            let mut seen = 0;
            while seen < RINGS {
                rings.next().await;
                bell.take(|_| seen = published.load(Ordering::Relaxed));
            }
        });
        writer.join().expect("the writer ends");
    }
}
