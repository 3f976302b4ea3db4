//! Our own dialect: names and shapes as `docs` describes them.

mod encode;
mod outbox;
mod protocol;
mod session;

pub use encode::ENCODER;
pub(in crate::api) use session::open;
