//! What is a liquidation?

use crate::model::{Price, Quantity, UnixMillis};

/// An order by which the venue closed somebody's position. It publishes a sample of them: silence means none, sums are too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// When, by the venue.
    pub time: UnixMillis,
    /// The order's price.
    pub price: Price,
    /// The mean price of its fills.
    pub average_price: Price,
    /// The order's quantity.
    pub quantity: Quantity,
    /// What was filled of it.
    pub filled: Quantity,
    /// Whether it sold, that is, a long position was closed.
    pub is_sell: bool,
}
