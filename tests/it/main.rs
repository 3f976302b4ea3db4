//! The one integration binary: a `mod` a suite.

mod net;
