//! tapedeck: records the Binance USD-M futures tape, proves that it is whole, and serves it. The modules, bottom up.

pub mod model;
pub mod ring;

pub mod clock;
pub mod metrics;

#[cfg(feature = "engine")]
pub mod net;
