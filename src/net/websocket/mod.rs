//! How does one WebSocket connection live and end?

mod connection;
mod error;
mod limits;

pub use connection::WebSocket;
pub use error::{OpenError, ReadError, WriteError};
pub use limits::Limits;
