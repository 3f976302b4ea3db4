//! Our own dialect: names and shapes as `docs` describes them.

pub(in crate::api) mod announcements;
pub(in crate::api) mod book;
mod candles;
pub(in crate::api) mod coverage;
mod depth;
mod dialect;
mod encode;
mod fields;
mod figures;
pub(in crate::api) mod jobs;
mod outbox;
mod pictures;
mod protocol;
mod request_error;
pub(in crate::api) mod rest;
pub(in crate::api) mod series;
mod session;
mod step;
pub(in crate::api) mod symbols;
pub(in crate::api) mod tickers;
mod wish;

pub use dialect::ENCODER;
pub(in crate::api) use encode::Decimals;
pub(in crate::api) use session::open;
