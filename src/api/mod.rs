//! How do clients talk to us? The only place with clients' words: HTTP shell, native REST, native WebSocket sessions.

mod connection;
mod guard;
mod http;
mod native;
mod options;
mod sessions;
mod shared;

pub use http::{ServeError, serve};
pub use native::ENCODER;
pub use options::{Options, SessionOptions};
pub use sessions::Sessions;
pub use shared::{Readiness, Shared};
