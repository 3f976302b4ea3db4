//! In which order does everything start, what is rebuilt when it dies, and in which order does it stop?

mod books;
mod engine;
mod filling;
mod healing;
mod keeping;
mod options;
mod registry;
mod server;
mod storing;
mod supervisor;
mod watching;

pub use books::{BookWatch, Recording, Snapshots};
pub use engine::{Engine, Options, Placement, Remedy, Seams};
pub use filling::{Filling, FillingError};
pub use healing::Healing;
pub use keeping::Keeping;
pub use registry::{Registry, Source as ListingSource, Wanted};
pub use server::{Running, start, stop_signal};
pub use watching::Watching;
