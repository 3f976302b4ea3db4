//! What does the server allow?

use crate::api::Followed;
use std::{net::SocketAddr, time::Duration};

/// Limits and times of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address and port.
    pub listen: SocketAddr,
    /// HTTP threads.
    pub workers: usize,
    /// Open connections.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_ip_max: usize,
    /// For the head of a request. Below 1 s it may cut honest requests: actix reads a clock that ticks twice a second.
    pub header_timeout: Duration,
    /// For the body of a request.
    pub body_timeout: Duration,
    /// The longest body.
    pub body_bytes_max: usize,
    /// Origins besides the server's own that may open a WebSocket; `*` is every one.
    pub allowed_origins: Vec<String>,
    /// How far back the venue's live sources reach for aggregate trades.
    pub reach_ms: i64,
    /// Which figures come at all.
    pub followed: Followed,
    /// What WebSocket sessions may do.
    pub session: SessionOptions,
}

/// Limits and times of a WebSocket session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// How long updates are gathered before a write; zero writes at once. A connection may ask for another.
    pub flush: Duration,
    /// Messages that wait for one session.
    pub queue_messages_max: usize,
    /// Bytes of rows that wait for one session.
    pub queue_bytes_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_max: usize,
    /// Requests of one session in a second.
    pub requests_per_second_max: u32,
    /// The longest message that is taken.
    pub message_bytes_max: usize,
    /// Silence after which an idle session gets a heartbeat.
    pub heartbeat: Duration,
    /// Between pings; two unanswered end the session.
    pub ping: Duration,
}
