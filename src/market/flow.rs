//! What time is it at the venue, and how far is a stream proven to flow?

use crate::{clock::Clock, model::UnixMillis};
use std::sync::atomic::{AtomicI64, Ordering};

/// Before the first event.
const UNKNOWN: i64 = i64::MIN;

/// The venue's clock as its events tell it: the newest event time plus the monotonic time since it came.
///
/// The machine's own wall clock has no say.
#[derive(Debug)]
pub struct VenueClock {
    clock: Clock,
    newest_event: AtomicI64,
    /// Newest event time less the monotonic time at which it came.
    offset_ms: AtomicI64,
}

impl VenueClock {
    /// A clock that no event has set yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, newest_event: AtomicI64::new(UNKNOWN), offset_ms: AtomicI64::new(UNKNOWN) }
    }

    /// Takes note of an event that came just now.
    ///
    /// Several threads may call it; a reader may see one event's offset with another's, both real, so `Relaxed` serves.
    pub fn note(&self, event_time: UnixMillis) {
        if self.newest_event.fetch_max(event_time.get(), Ordering::Relaxed) < event_time.get() {
            self.offset_ms.store(event_time.get().saturating_sub(self.clock.monotonic_ms()), Ordering::Relaxed);
        }
    }

    /// The venue's time now, or nothing before the first event.
    pub fn now(&self) -> Option<UnixMillis> {
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        (offset_ms != UNKNOWN).then(|| UnixMillis::new(offset_ms.saturating_add(self.clock.monotonic_ms())))
    }
}

/// Which of the connections that may carry one stream at a time: two, and while one takes over from another, each of them
/// twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side(u8);

impl Side {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The first side of one of two connections.
    pub const fn of(second: bool) -> Self {
        Self(if second { 2 } else { 0 })
    }

    /// The side of what takes over.
    #[must_use]
    pub const fn other(self) -> Self {
        Self(self.0 ^ 1)
    }

    /// Below [`Side::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How far one connection is proven to deliver: shared by its reader and every contract whose stream it carries.
#[derive(Debug)]
pub struct Flow {
    proven_to: AtomicI64,
}

impl Default for Flow {
    fn default() -> Self {
        Self { proven_to: AtomicI64::new(UNKNOWN) }
    }
}

impl Flow {
    /// Notes that everything up to `time` has been delivered.
    pub fn advance(&self, time: UnixMillis) {
        // Release pairs with the Acquire in `proven_to`: who sees the proof sees the trades that it vouches for.
        self.proven_to.fetch_max(time.get(), Ordering::Release);
    }

    /// The time up to which everything has been delivered.
    pub fn proven_to(&self) -> UnixMillis {
        UnixMillis::new(self.proven_to.load(Ordering::Acquire))
    }
}
