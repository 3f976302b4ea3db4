//! Our own dialect: names and shapes as `docs` describes them.

pub(in crate::api) mod book;
mod candles;
pub(in crate::api) mod coverage;
mod depth;
mod encode;
pub(in crate::api) mod jobs;
mod outbox;
mod protocol;
pub(in crate::api) mod rest;
mod session;
pub(in crate::api) mod symbols;

pub(in crate::api) use encode::Decimals;
pub use encode::ENCODER;
pub(in crate::api) use session::open;
