//! The one integration binary: a `mod` a suite.

mod config;
mod decode;
mod sim;
mod tidy;
