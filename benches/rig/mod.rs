//! What do the live benches share? A mock exchange, trades that know when they were sent, clients, and processes under test.
//!
//! Exchange and clients are threads of the bench, so that one clock times both ends; only what is measured is another process.

pub(crate) mod client;
pub(crate) mod exchange;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod text;
pub(crate) mod trades;
pub(crate) mod wire;

use std::{sync::LazyLock, time::Instant};

/// Time since the bench first asked.
pub(crate) fn now_ns() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
