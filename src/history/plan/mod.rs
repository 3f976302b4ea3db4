//! Which files, and which stretch of REST, bring what a range of time lacks?
//!
//! Pure: what is held and what is published go in, a [`Plan`] comes out. A month is fetched whole when most of it is missing;
//! else its days are; what the archive does not have yet comes over REST, where that reaches.

mod days;
mod order;

#[cfg(test)]
mod tests;

pub use days::{Known, Plan, Rules, Span, periods, plan};
pub use order::{Task, in_order};
