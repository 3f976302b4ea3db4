//! How do bytes come and go? WebSocket, HTTP, TLS, waiting. Knows no venue.
//!
//! The byte stream ([`Dial`]) and the HTTP fetch ([`Fetch`]) are seams: the engine runs over real sockets, or in one
//! process over in-memory streams in virtual time.

mod backoff;
mod http;
mod pace;
mod stream;
mod tls;
mod websocket;

pub use backoff::Backoff;
pub use http::{Fetch, FetchError, Fetching, HttpClient, Response};
pub use pace::Pace;
pub use stream::{
    BoxStream, ByteStream, Dial, DialError, Dialing, Endpoint, EndpointError, MemoryDialer, MemoryListener, TcpDialer,
};
pub use tls::{TlsError, client_config, install_provider};
pub use websocket::{Limits, OpenError, ReadError, WebSocket, WriteError};
