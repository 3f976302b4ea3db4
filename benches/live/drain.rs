//! Who reads for the subscribers that are not timed? One thread that does as little as it can.

use crate::rig::client::Client;
use futures_util::future::join_all;
use std::{cell::RefCell, io::ErrorKind, thread::JoinHandle};
use tokio::net::TcpStream;

/// What is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Reads every client until its connection ends; the result is each one's bytes.
pub(crate) fn drain(clients: Vec<Client>) -> JoinHandle<anyhow::Result<Vec<u64>>> {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let scratch = RefCell::new(vec![0; CHUNK_BYTES]);
            let mut streams = Vec::with_capacity(clients.len());
            for client in clients {
                client.stream.set_nonblocking(true)?;
                streams.push(TcpStream::from_std(client.stream)?);
            }
            Ok(join_all(streams.iter().map(|stream| bytes_of(stream, &scratch))).await)
        })
    })
}

async fn bytes_of(stream: &TcpStream, scratch: &RefCell<Vec<u8>>) -> u64 {
    let mut bytes = 0;
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut scratch.borrow_mut()) {
            Ok(0) => break,
            Ok(count) => bytes += count as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    bytes
}
