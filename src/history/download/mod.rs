//! How does a file of the bulk archive get from the venue's host to this machine?
//!
//! [`Host`] asks for listings, CHECKSUMs and zips, through a pool of proxies if there is one, and asks again when that may
//! help. A zip comes to lie in [`Staging`], from where it is read and then removed; nothing that lies there is trusted.

mod host;
mod staging;
mod tries;
mod ways;

pub use host::{GetError, Host, Options, Published};
pub use staging::{Staged, Staging};
pub use ways::Ways;
