//! How is a resource fetched over HTTP, and how much may it cost?

use crate::net::Proxy;
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use rustls::ClientConfig;
use std::{error::Error, pin::Pin, sync::Arc, time::Duration};

/// What [`Fetch::get`] returns.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, FetchError>> + Send + 'a>>;

/// What [`Fetch::download`] returns.
pub type DownloadFuture<'a> = Pin<Box<dyn Future<Output = Result<Download, FetchError>> + Send + 'a>>;

/// The seam between the engine and HTTP servers, real or simulated.
pub trait Fetch: Send + Sync {
    /// The answer to a GET of `url`, whatever its status.
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a>;

    /// The same for bodies of any length, piece by piece. With `from`, the body is asked for from that byte on: whoever can
    /// give it so answers 206, whoever cannot answers 200 with all of it.
    ///
    /// By itself it is [`Fetch::get`], in one piece.
    fn download<'a>(&'a self, url: &'a str, from: u64) -> DownloadFuture<'a> {
        let _ = from;
        Box::pin(async move {
            let Response { status, headers, body } = self.get(url).await?;
            Ok(Download { status, headers, body: stream::iter([Ok(body)]).boxed() })
        })
    }
}

/// The head of an answer whose body is still to come.
pub struct Download {
    /// HTTP status.
    pub status: u16,
    /// Names and values as sent, in order.
    pub headers: Vec<(String, String)>,
    /// The body's pieces; an error is the last.
    pub body: BoxStream<'static, Result<Bytes, FetchError>>,
}

impl Download {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status; a redirect is an answer like any other.
    pub status: u16,
    /// Names and values as sent, in order.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Response {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be asked for.
    #[error("cannot ask for `{0}`")]
    Url(String),
    /// The host was not reached: name, TCP or TLS.
    #[error("cannot reach the host")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// A time limit passed, in whatever phase.
    #[error("no complete answer in time")]
    Timeout,
    /// The body, decompressed, is longer than allowed.
    #[error("the body exceeds {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The answer broke off or is no HTTP.
    #[error("the answer broke off")]
    Transfer(#[source] Box<dyn Error + Send + Sync>),
}

impl FetchError {
    /// A label for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Connect(_) => "connect",
            Self::Timeout => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Transfer(_) => "transfer",
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_builder() {
            Self::Url(error.url().map_or_else(String::new, ToString::to_string))
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect(error.without_url().into())
        } else {
            Self::Transfer(error.without_url().into())
        }
    }
}

/// How long an answer may take and how long it may be.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// From asking to the last byte.
    pub total_timeout: Duration,
    /// The same of [`Fetch::download`].
    pub download_timeout: Duration,
    /// Of the body, after decompression.
    pub body_bytes_max: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            download_timeout: Duration::from_hours(6),
            body_bytes_max: 32 << 20,
        }
    }
}

/// Fetches over HTTP/1.1, with or without TLS. Follows no redirect, obeys no proxy variable, retries nothing.
///
/// Its connections belong to the runtime that first used it: make one per runtime.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    body_bytes_max: usize,
    download_timeout: Duration,
}

impl HttpClient {
    /// A client that trusts what `tls` trusts.
    ///
    /// # Errors
    ///
    /// When the TLS library cannot be set up.
    pub fn new(tls: &Arc<ClientConfig>, limits: &FetchLimits) -> Result<Self, FetchError> {
        Self::build(Self::builder(tls, limits), limits)
    }

    /// The same, every request through `proxy`.
    ///
    /// # Errors
    ///
    /// When the TLS library cannot be set up, or the proxy's address is none.
    pub fn through(proxy: &Proxy, tls: &Arc<ClientConfig>, limits: &FetchLimits) -> Result<Self, FetchError> {
        let through = reqwest::Proxy::all(proxy.url()).map_err(|_| FetchError::Url(proxy.to_string()))?;
        Self::build(Self::builder(tls, limits).proxy(through), limits)
    }

    fn builder(tls: &Arc<ClientConfig>, limits: &FetchLimits) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(tls))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("tapedeck/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect_timeout)
            .read_timeout(limits.read_timeout)
            .timeout(limits.total_timeout)
    }

    fn build(builder: reqwest::ClientBuilder, limits: &FetchLimits) -> Result<Self, FetchError> {
        let client = builder.build().map_err(|error| FetchError::Connect(error.into()))?;
        Ok(Self { client, body_bytes_max: limits.body_bytes_max, download_timeout: limits.download_timeout })
    }

    async fn fetch(&self, url: &str) -> Result<Response, FetchError> {
        let mut answer = self.client.get(parsed(url)?).send().await?;
        let (status, headers) = head(&answer);
        Ok(Response { status, headers, body: self.body(&mut answer).await? })
    }

    async fn open(&self, url: &str, from: u64) -> Result<Download, FetchError> {
        let mut request = self.client.get(parsed(url)?).timeout(self.download_timeout);
        if from > 0 {
            request = request.header(reqwest::header::RANGE, format!("bytes={from}-"));
        }
        let answer = request.send().await?;
        let (status, headers) = head(&answer);
        let body = answer.bytes_stream().map(|piece| piece.map_err(FetchError::from)).boxed();
        Ok(Download { status, headers, body })
    }

    /// Reads until the end or the limit, so an endless body costs no more than a long one.
    async fn body(&self, answer: &mut reqwest::Response) -> Result<Bytes, FetchError> {
        let bytes_max = self.body_bytes_max;
        let too_large = FetchError::TooLarge { bytes_max };
        let declared = usize::try_from(answer.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if declared > bytes_max {
            return Err(too_large);
        }
        let mut body = BytesMut::with_capacity(declared);
        while let Some(piece) = answer.chunk().await? {
            if piece.len() > bytes_max - body.len() {
                return Err(too_large);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

fn parsed(url: &str) -> Result<reqwest::Url, FetchError> {
    reqwest::Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))
}

fn head(answer: &reqwest::Response) -> (u16, Vec<(String, String)>) {
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    (answer.status().as_u16(), answer.headers().iter().map(header).collect())
}

impl Fetch for HttpClient {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(self.fetch(url))
    }

    fn download<'a>(&'a self, url: &'a str, from: u64) -> DownloadFuture<'a> {
        Box::pin(self.open(url, from))
    }
}
