//! The store's own suite, which needs no network: does it keep what it was given, through everything that happens to disks
//! and processes?

mod basics;
mod format;
mod repair;
mod rig;
mod verify;
