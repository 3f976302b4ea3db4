//! How does a bench connect and subscribe, before it begins to measure?

use super::wire::{CLOSE, Frames, TEXT, push_text, read_head};
use anyhow::{Context as _, bail, ensure};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// The longest wait for anything before measuring begins.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room to read to; the kernel gives memory only for what is used of it.
const ROOM_BYTES: usize = 256 << 10;

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// What has come and was not looked at yet.
    pub(crate) frames: Frames,
}

/// Connects to a server that may not listen yet.
pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if begun.elapsed() > PATIENCE => {
                return Err(error).with_context(|| format!("nothing listens on {address}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

impl Client {
    /// Asks for the upgrade.
    pub(crate) fn open(mut stream: TcpStream, path: &str) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let address = stream.peer_addr()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )?;
        let (head, rest) = read_head(&mut stream).with_context(|| format!("no answer to GET {path} from {address}"))?;
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 101"), "{address} refused the upgrade of {path}: {status}");
        let mut frames = Frames::new(ROOM_BYTES.max(4 * rest.len()));
        frames.space()[..rest.len()].copy_from_slice(&rest);
        frames.filled(rest.len());
        Ok(Self { stream, frames })
    }

    /// A tapedeck session with one subscription, acknowledged: `wish` is the message without `op` and `id`.
    pub(crate) fn subscribe(stream: TcpStream, wish: &str) -> anyhow::Result<Self> {
        let mut client = Self::open(stream, "/api/v1/ws?flush_ms=0")?;
        let mut message = Vec::new();
        push_text(&mut message, format!("{{\"op\":\"subscribe\",\"id\":1,{wish}}}").as_bytes(), true);
        client.stream.write_all(&message)?;
        loop {
            let text = client.text()?;
            if text.contains("\"type\":\"ack\"") {
                return Ok(client);
            }
            ensure!(text.contains("\"type\":\"hello\""), "tapedeck does not take {wish}: {text}");
        }
    }

    /// The next text message.
    fn text(&mut self) -> anyhow::Result<String> {
        loop {
            match self.frames.next() {
                Some((TEXT, payload)) => return Ok(String::from_utf8(payload.to_vec())?),
                Some((CLOSE, _)) => bail!("the session was closed before it was subscribed"),
                Some(_) => {}
                None => {
                    let count = self.stream.read(self.frames.space()).context("no answer to a subscription")?;
                    ensure!(count > 0, "the connection ended before the session was subscribed");
                    self.frames.filled(count);
                }
            }
        }
    }
}
