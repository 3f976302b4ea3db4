//! In which order does everything start, what is rebuilt when it dies, and in which order does it stop?

mod engine;
mod filling;
mod healing;
mod keeping;
mod listings;
mod server;
mod storing;
mod supervisor;

pub use engine::{Engine, Options, Placement, Seams};
pub use filling::{Filling, FillingError};
pub use healing::Healing;
pub use keeping::Keeping;
pub use server::{Running, start, stop_signal};
