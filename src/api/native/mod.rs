//! Our own dialect: names and shapes as `docs` describes them.

mod encode;

pub use encode::ENCODER;
