//! How does a tape get what its live streams do not bring: trades, and figures that are only told when asked for?

pub mod adopting;
pub mod archive;
pub mod budget;
pub mod coverage;
pub mod download;
pub mod jobs;
pub mod klines;
pub mod plan;
pub mod polling;
pub mod rest;
pub mod seam;
