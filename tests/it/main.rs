//! The one integration binary: a `mod` a suite.

mod candle;
mod config;
mod model;
mod sim;
mod tidy;
