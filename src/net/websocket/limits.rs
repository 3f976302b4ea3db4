//! What may a connection cost?

use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Sizes and times of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest payload of a frame; a longer one is refused by its header, before any of it is read.
    pub frame_bytes_max: usize,
    /// Longest message, all fragments together.
    pub message_bytes_max: usize,
    /// What is read at once. The buffer is zeroed before each read, so a large one costs latency: per 147-byte frame
    /// 93 ns at 4 KiB, 165 ns at 16 KiB, 830 ns at 128 KiB (measured 2026-10).
    pub read_buffer_bytes: usize,
    /// Requests and pongs that the peer does not take.
    pub write_buffer_bytes_max: usize,
    /// For TLS and the upgrade together; dialling has limits of its own.
    pub handshake_timeout: Duration,
    /// For the peer to take one request.
    pub write_timeout: Duration,
    /// Silence after which a ping is sent.
    pub idle_timeout: Duration,
    /// Silence after that ping at which the connection is given up.
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 4 << 20,
            read_buffer_bytes: 16 << 10,
            write_buffer_bytes_max: 256 << 10,
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(super) fn tungstenite(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(self.read_buffer_bytes)
            .write_buffer_size(0)
            .max_write_buffer_size(self.write_buffer_bytes_max.max(1))
            .max_message_size(Some(self.message_bytes_max))
            .max_frame_size(Some(self.frame_bytes_max))
    }
}
