//! How do trades come to rest on a disk, survive it, and how are they found again?

pub mod files;
