//! The one integration binary: a `mod` a suite.

mod config;
mod model;
mod sim;
mod tidy;
