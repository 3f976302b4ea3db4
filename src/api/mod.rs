//! How do clients talk to us? The only place with clients' words: HTTP shell, native REST, native WebSocket sessions.

mod native;
mod options;
mod sessions;
mod shared;

pub use native::ENCODER;
pub use options::Options;
pub use sessions::Sessions;
pub use shared::{Readiness, Shared};
