//! Is the book what a plain map of every level says?

mod figures;
mod follow;
mod steps;
mod venue;

use crate::model::{Level, Price, Quantity};

/// A level in whole units.
fn level(price: i64, quantity: i64) -> Level {
    Level { price: Price::from_units(price), quantity: Quantity::from_units(quantity) }
}

fn levels(levels: &[(i64, i64)]) -> Vec<Level> {
    levels.iter().map(|(price, quantity)| level(*price, *quantity)).collect()
}
