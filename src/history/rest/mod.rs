//! Which of the trades that a tape lacks does the venue's REST API still have?
//!
//! [`Source::fill`] asks for a run of ids, page by page, and tells in ascending order what became of every one of them: here
//! it is, the archive will have it, or the venue steps over it.

mod fill;
mod page;
mod walk;

#[cfg(test)]
mod tests;

pub use fill::{AttemptError, FillError, Filled, Source};
pub use page::PageError;
pub use walk::{Absent, Piece, Want};
