//! How do bytes come and go? WebSocket and HTTP clients for the venue; no venue's words.
//!
//! # Seams
//!
//! [`Dial`] gives byte streams and [`Fetch`] gives HTTP answers. With [`TcpDialer`] and [`HttpClient`] the engine talks
//! over sockets; with [`MemoryDialer`] and a fetch of the simulated exchange it runs inside one process, where every
//! wait is tokio time and so passes at once under a paused clock.
//!
//! # Staying connected
//!
//! One [`WebSocket`] is one connection and never reconnects by itself. Its owner opens the next one after
//! [`Backoff::delay`], and sends requests no faster than [`Pace`] lets it.

mod backoff;
mod causes;
mod endpoint;
mod http;
mod memory;
mod pace;
mod proxy;
mod stream;
mod tcp;
pub mod tls;
mod websocket;

pub use backoff::Backoff;
pub use causes::with_causes;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use http::{Download, DownloadFuture, Fetch, FetchError, FetchFuture, FetchLimits, HttpClient, Response};
pub use memory::{MemoryDialer, MemoryListener};
pub use pace::Pace;
pub use proxy::{Protocol, Proxy};
pub use stream::{BoxStream, ByteStream, Dial, DialError, DialFuture};
pub use tcp::{DialLimits, TcpDialer};
pub use websocket::{Limits, OpenError, ReadError, WebSocket, WriteError};
