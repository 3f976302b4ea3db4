//! tapedeck: records the Binance USD-M futures tape, proves that it is whole, and serves it. The modules, bottom up.

pub mod model;
pub mod ring;

pub mod clock;
pub mod metrics;

pub mod book;
pub mod candle;

#[cfg(feature = "engine")]
pub mod net;
pub mod store;

#[cfg(feature = "engine")]
pub mod exchange;
#[cfg(feature = "engine")]
pub mod market;

#[cfg(feature = "engine")]
pub mod query;

#[cfg(feature = "engine")]
pub mod feed;
#[cfg(feature = "engine")]
pub mod history;
#[cfg(feature = "engine")]
pub mod live;

#[cfg(feature = "engine")]
pub mod api;

#[cfg(feature = "engine")]
pub mod config;

#[cfg(feature = "engine")]
pub mod app;
#[cfg(feature = "engine")]
pub mod sim;

#[cfg(feature = "engine")]
pub mod cli;
