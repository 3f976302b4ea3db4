//! Are candles what their definition says, folded at once, live, out of order, with holes, and repaired?

mod folds;
mod follow;
mod live;
mod market;
mod minutes;
mod repair;
