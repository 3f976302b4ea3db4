//! The one integration binary: a `mod` a suite.

mod config;
mod sim;
mod tidy;
