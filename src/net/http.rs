//! How is a document fetched over HTTP, and what protects us from the answer?

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Time for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time without a byte.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for all of it.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names, lower case, and values that are text.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Bytes,
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The host cannot be reached, or fails meanwhile.
    #[error("{url}: cannot be fetched")]
    Failed {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than is taken.
    #[error("{url}: the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit, after decompression.
        bytes_max: usize,
    },
}

/// A fetch under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Response, FetchError>> + Send + 'a>>;

/// Fetches documents.
pub trait Fetch: Send + Sync {
    /// Gets `url`.
    fn get<'a>(&'a self, url: &'a str) -> Fetching<'a>;
}

/// Fetches over the network: no redirects, bounded in time and size. It belongs to the runtime that first uses it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    body_bytes_max: usize,
}

impl HttpClient {
    /// A client that trusts as `tls` says.
    ///
    /// # Errors
    ///
    /// When the client cannot be built, which the environment decides (proxies).
    pub fn new(tls: &Arc<ClientConfig>, body_bytes_max: usize) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(tls))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .user_agent(concat!("tapedeck/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, body_bytes_max })
    }

    async fn fetch(&self, url: &str) -> Result<Response, FetchError> {
        let failed =
            |source: reqwest::Error| FetchError::Failed { url: url.to_owned(), source: Box::new(source.without_url()) };
        let mut answer = self.client.get(url).send().await.map_err(failed)?;
        let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = answer.headers().iter().filter_map(text).collect();
        let status = answer.status().as_u16();
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.body_bytes_max {
                return Err(FetchError::TooLarge { url: url.to_owned(), bytes_max: self.body_bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.freeze() })
    }
}

impl Fetch for HttpClient {
    fn get<'a>(&'a self, url: &'a str) -> Fetching<'a> {
        Box::pin(self.fetch(url))
    }
}
