//! How does a tape get the trades that its live stream did not bring?

pub mod archive;
pub mod budget;
pub mod klines;
pub mod rest;
