//! The one integration binary: a `mod` a suite.

mod candle;
mod config;
mod decode;
mod model;
mod sequencer;
mod sim;
mod spine;
mod tape;
mod tidy;
