//! What time is it? The only source of "now"; a test can set it.

use crate::model::UnixMillis;
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[cfg(not(feature = "engine"))]
use std::time::Instant;
#[cfg(feature = "engine")]
use tokio::time::Instant;

/// Time as one look at the clocks shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time, for names and reports.
    pub wall: UnixMillis,
    /// Monotonic milliseconds, for waits.
    pub monotonic_ms: i64,
}

/// A wall clock and a monotonic one. Cheap to copy.
///
/// The monotonic side is tokio's `Instant`, so under a paused runtime both stand still until every task waits.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    /// The machine's.
    System,
    /// So much at the start, then as the monotonic clock goes.
    From(UnixMillis),
    /// The same, and so many milliseconds more.
    Set(UnixMillis, &'static AtomicI64),
}

/// The hand that sets a clock of [`Clock::settable`], and all its copies, while they run.
#[derive(Clone, Copy, Debug)]
pub struct Hand(&'static AtomicI64);

impl Hand {
    /// Sets the wall clock forward by so many milliseconds, or back; the monotonic one goes on.
    pub fn step(&self, millis: i64) {
        // A figure that guards nothing: `Relaxed` serves.
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self { started: Instant::now(), wall: Wall::System }
    }

    /// A wall clock that shows `wall` now and goes with the monotonic one.
    pub fn starting_at(wall: UnixMillis) -> Self {
        Self { started: Instant::now(), wall: Wall::From(wall) }
    }

    /// [`Clock::starting_at`], and the hand that steps its wall time. Costs a few bytes for as long as the process lives:
    /// for tests.
    pub fn settable(wall: UnixMillis) -> (Self, Hand) {
        let ahead_ms: &'static AtomicI64 = Box::leak(Box::default());
        (Self { started: Instant::now(), wall: Wall::Set(wall, ahead_ms) }, Hand(ahead_ms))
    }

    /// Wall time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn wall(&self) -> UnixMillis {
        match self.wall {
            Wall::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixMillis::new(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Wall::From(base) => base.plus(self.monotonic_ms()),
            Wall::Set(base, ahead_ms) => base.plus(self.monotonic_ms()).plus(ahead_ms.load(Ordering::Relaxed)),
        }
    }

    /// Both.
    pub fn now(&self) -> Now {
        Now { wall: self.wall(), monotonic_ms: self.monotonic_ms() }
    }

    /// Time since this clock was made; never goes back.
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// [`Clock::monotonic`] in whole milliseconds.
    pub fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX)
    }
}
