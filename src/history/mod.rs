//! How does a tape get the trades that its live stream did not bring?

pub mod adopting;
pub mod archive;
pub mod budget;
pub mod coverage;
pub mod download;
pub mod jobs;
pub mod klines;
pub mod plan;
pub mod rest;
pub mod seam;
