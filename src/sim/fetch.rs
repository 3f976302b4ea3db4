//! How does the engine fetch from the exchange inside one process, in virtual time?

use crate::{
    net::{self, DownloadFuture, Fetch, FetchError, FetchFuture, FetchLimits, Response},
    sim::{
        answer::{Answer, Request},
        exchange::Exchange,
        server::answer,
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Answers any URL as the exchange's port would, whatever its host: REST, and the archive below `/archive`. The limits
/// pass in tokio's time, so under a paused clock an answer that never comes is given up at once.
#[derive(Clone, Debug)]
pub struct ExchangeFetch {
    exchange: Arc<Exchange>,
    limits: FetchLimits,
}

/// An answer whose body is taken piece by piece.
#[derive(Debug)]
pub struct Download {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// How long the body claims to be.
    pub length: u64,
    answer: Answer,
    limits: FetchLimits,
    deadline: Instant,
}

impl ExchangeFetch {
    /// A client of `exchange`.
    pub fn new(exchange: Arc<Exchange>, limits: FetchLimits) -> Self {
        Self { exchange, limits }
    }

    /// The head of the answer to a GET of `url`; its body is still to be taken, and may be longer than
    /// [`FetchLimits::body_bytes_max`].
    ///
    /// # Errors
    ///
    /// When `url` is none, or no answer comes in time.
    pub async fn open(&self, url: &str) -> Result<Download, FetchError> {
        self.open_from(url, 0, self.limits.total_timeout).await
    }

    async fn open_from(&self, url: &str, from: u64, timeout: Duration) -> Result<Download, FetchError> {
        if let Some(outage) = self.exchange.faults().outages().meet() {
            return Err(outage.fetched(self.limits.connect_timeout).await);
        }
        let deadline = Instant::now() + timeout;
        let url = reqwest::Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))?;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let request = Request { target: &target, range: range.as_deref(), ..Request::default() };
        let answer = answer(&self.exchange, &request).await;
        if answer.is_withheld() {
            let first = Instant::now() + self.limits.read_timeout;
            tokio::time::sleep_until(first.min(deadline)).await;
            return Err(FetchError::Timeout);
        }
        let headers = answer.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut headers: Vec<_> = headers.collect();
        headers.push(("content-length".to_owned(), answer.length.to_string()));
        let (status, length) = (answer.status, answer.length);
        Ok(Download { status, headers, length, answer, limits: self.limits, deadline })
    }

    async fn whole(&self, url: &str) -> Result<Response, FetchError> {
        let mut download = self.open(url).await?;
        let bytes_max = self.limits.body_bytes_max;
        let mut body = BytesMut::new();
        if download.length > bytes_max as u64 {
            return Err(FetchError::TooLarge { bytes_max });
        }
        while let Some(piece) = download.next().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Response { status: download.status, headers: download.headers, body: body.freeze() })
    }
}

impl Download {
    /// The body's next piece; nothing after the last.
    ///
    /// # Errors
    ///
    /// When a limit of time passes, or the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let read_by = (Instant::now() + self.limits.read_timeout).min(self.deadline);
        let piece = timeout_at(read_by, self.answer.next()).await.map_err(|_| FetchError::Timeout)?;
        piece.map_err(|error| FetchError::Transfer(error.into()))
    }
}

impl Fetch for ExchangeFetch {
    fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(self.whole(url))
    }

    fn download<'a>(&'a self, url: &'a str, from: u64) -> DownloadFuture<'a> {
        Box::pin(async move {
            let download = self.open_from(url, from, self.limits.download_timeout).await?;
            let (status, headers) = (download.status, download.headers.clone());
            let body = stream::try_unfold(download, |mut download| async {
                Ok(download.next().await?.map(|piece| (piece, download)))
            });
            Ok(net::Download { status, headers, body: body.boxed() })
        })
    }
}
