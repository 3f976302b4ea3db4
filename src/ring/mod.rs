//! How does one writer hand fixed-size records to many readers without ever waiting for them?
//!
//! The writer overwrites the oldest slot; readers keep their own [`Cursor`] and are told exactly which positions they
//! lost. The ring knows slots of `u64` words and positions counted from 0, nothing of what the words mean.
//!
//! # Lag
//!
//! A reader that falls more than a ring's length behind finds its slots overwritten. [`Cursor::read`] then reports the
//! lost positions and goes on at the oldest slot still held; the writer never notices.
//!
//! # Closing
//!
//! There is none: a ring whose writer is gone stays readable, and [`Writer::adopt`] gives it a new one.

mod cursor;
mod slots;
mod sync;

pub use cursor::{Batch, Cursor};
pub use slots::{Lost, Ring, Writer};
