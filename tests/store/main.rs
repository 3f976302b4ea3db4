//! The store's own suite, which needs no network: does it keep what it was given, through everything that happens to disks
//! and processes?

mod basics;
mod candles;
mod crash;
mod damage;
mod faults;
mod oracle;
mod planted;
mod rig;
mod seam;
mod visit;
mod workload;
