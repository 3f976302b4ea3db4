//! How do WebSocket upgrades, REST requests and the archive's share one port, or one in-memory stream?

use crate::sim::{
    answer::{Answer, Request},
    archive,
    exchange::Exchange,
    rest::respond_to,
    socket::{SocketError, serve},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// The longest request head that is read: 1,024 stream names fit.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// A kept-alive connection waits this long for its next request.
const IDLE: Duration = Duration::from_secs(60);

/// A listening exchange. Dropping it ends every connection.
#[derive(Debug)]
pub struct Server {
    local: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on `listen` for WebSocket upgrades, REST requests and the archive's alike; port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn bind(exchange: Arc<Exchange>, listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let local = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self { local, stop, accepting: tokio::spawn(accept(exchange, listener, stopped)) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Ends every connection and stops listening.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It can only have been cancelled or have panicked; either way it is over.
        (&mut self.accepting).await.unwrap_or_default();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(exchange: Arc<Exchange>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // Past the bound the stream is dropped, which refuses the client.
                Ok((stream, _)) if connections.len() < exchange.connections_max() => {
                    connections.spawn(serve_tcp(exchange.clone(), stream));
                }
                Ok(_) => exchange.count_refused(),
                Err(error) => cannot_accept(&error).await,
            }
        }
    }
}

/// Waits for descriptors to be freed, rather than spinning.
async fn cannot_accept(error: &io::Error) {
    tracing::warn!(%error, "the simulated exchange cannot accept");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn serve_tcp(exchange: Arc<Exchange>, stream: TcpStream) -> Result<(), SocketError> {
    stream.set_nodelay(true).map_err(tokio_tungstenite::tungstenite::Error::Io)?;
    serve_connection(exchange, stream).await
}

/// Serves one client over any byte stream, REST, archive and WebSocket alike, until it ends.
///
/// # Errors
///
/// When the stream fails, or the client is too slow or speaks no HTTP.
pub async fn serve_connection<S>(exchange: Arc<Exchange>, mut stream: S) -> Result<(), SocketError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut read = Vec::new();
    loop {
        let head = timeout(IDLE, read_head(&mut stream, &mut read)).await.map_err(|_| SocketError::TooSlow)?;
        let Some(end) = head.map_err(tokio_tungstenite::tungstenite::Error::Io)? else { return Ok(()) };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        if header(&head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return serve(exchange, Replayed { read, at: 0, stream }).await;
        }
        read.drain(..end);
        let keeps = !header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let is_whole = write_answer(&exchange, &head, &mut stream).await?;
        if !keeps || !is_whole {
            stream.shutdown().await.map_err(tokio_tungstenite::tungstenite::Error::Io)?;
            return Ok(());
        }
    }
}

/// Reads until a blank line; gives the head's length, or nothing when the client has gone or sends too much.
async fn read_head(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut searched: usize = 0;
    loop {
        if let Some(at) = memchr::memmem::find(&read[searched..], b"\r\n\r\n") {
            return Ok(Some(searched + at + 4));
        }
        searched = read.len().saturating_sub(3);
        if read.len() > HEAD_BYTES_MAX || stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Answers a request that is no upgrade, of whichever host.
pub async fn answer(exchange: &Arc<Exchange>, request: &Request<'_>) -> Answer {
    match archive::below_base(request.target) {
        Some(below) => archive::respond(exchange, request, below).await,
        None => respond_to(exchange, request).into(),
    }
}

/// Answers the request of `head`; says whether the answer was sent whole.
async fn write_answer<S>(exchange: &Arc<Exchange>, head: &str, stream: &mut S) -> Result<bool, SocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut words = head.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_head = method == "HEAD";
    let has_key = header(head, "x-mbx-apikey").is_some_and(|key| !key.is_empty());
    let request = Request { target, is_head, has_key, range: header(head, "range") };
    let mut answer = match is_head || method == "GET" {
        true => answer(exchange, &request).await,
        false => Answer::new(405, Vec::new(), ""),
    };
    if answer.is_withheld() {
        return wait_for_end(stream).await;
    }
    let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", answer.length));
    write(exchange, stream, text.as_bytes()).await?;
    if is_head { Ok(true) } else { write_body(exchange, &mut answer, stream).await }
}

async fn write_body<S>(exchange: &Exchange, answer: &mut Answer, stream: &mut S) -> Result<bool, SocketError>
where
    S: AsyncWrite + Unpin,
{
    // A body that is to break off says so by an error: the connection ends with it.
    while let Ok(piece) = answer.next().await {
        let Some(piece) = piece else { return Ok(true) };
        write(exchange, stream, &piece).await?;
    }
    Ok(false)
}

async fn write(exchange: &Exchange, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), SocketError> {
    let written = timeout(exchange.timers().write, stream.write_all(bytes)).await;
    Ok(written.map_err(|_| SocketError::TooSlow)?.map_err(tokio_tungstenite::tungstenite::Error::Io)?)
}

/// Says nothing for as long as the client stays.
async fn wait_for_end(stream: &mut (impl AsyncRead + Unpin)) -> Result<bool, SocketError> {
    let mut unread = [0; 512];
    while stream.read(&mut unread).await.map_err(tokio_tungstenite::tungstenite::Error::Io)? > 0 {}
    Ok(false)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        416 => "Range Not Satisfiable",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        _ => "Service Unavailable",
    }
}

/// A stream whose first bytes were read already.
struct Replayed<S> {
    read: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = &self.read[self.at..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
