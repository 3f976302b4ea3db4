//! How do clients talk to us? The only place with clients' words: HTTP shell, native REST, native WebSocket sessions.

mod connection;
mod error;
mod followed;
mod guard;
mod health;
mod http;
mod native;
mod options;
mod params;
mod sessions;
mod shared;
mod shell;

pub use followed::Followed;
pub use http::{ServeError, serve};
pub use native::ENCODER;
pub use options::{Options, SessionOptions};
pub use params::{MomentError, moment};
pub use sessions::Sessions;
pub use shared::{Background, Readiness, Shared};
