//! How does what happened before, or was missed, come to be held?

pub mod archive;
