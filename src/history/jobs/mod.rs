//! How is a long stretch of the past fetched, so that neither a crash nor a cancel costs what was done?
//!
//! A [`Job`] says what is wanted and how far it is. What is done stands in the store itself: rows that are held, and files
//! that are remembered by their sums. So a job that goes on after a crash, or one that wants more than an earlier one, plans
//! anew and fetches only what is missing.

mod board;
mod cabinet;
mod check;
mod file;
mod held;
mod job;
mod minutes;
mod part;
mod pass;
mod recheck;
mod runner;
mod series;
mod small;
mod sweep;
mod tail;
mod urgent;

pub use board::{Jobs, SubmitError};
pub use check::{Contract, WantError, check};
pub(in crate::history) use file::origin;
pub use job::{Job, Part, State, Want};
pub use recheck::Recheck;
pub(in crate::history) use runner::RECENT_MS;
pub use runner::{Arrival, Options, Runner};
pub use series::Series;
pub use sweep::Sweep;
