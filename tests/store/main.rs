//! The store's own suite, which needs no network: does it keep what it was given, through everything that happens to disks
//! and processes?

mod basics;
mod candles;
mod compact;
mod coverage;
mod crash;
mod damage;
mod faults;
mod fill;
mod format;
mod history;
mod kinds;
mod oracle;
mod planted;
mod profile;
mod repair;
mod retention;
mod rig;
mod scrub;
mod seam;
mod sectors;
mod times;
mod verify;
mod visit;
mod workload;
