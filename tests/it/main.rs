//! The one integration binary: a `mod` a suite.

mod api;
mod archive;
mod backfill;
mod book;
mod candle;
mod cli;
mod config;
mod decode;
mod history;
mod klines;
mod limits;
mod listing;
mod model;
mod net;
mod polling;
mod query;
mod sequencer;
mod sim;
mod spine;
mod tape;
mod tidy;
