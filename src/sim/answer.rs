//! How does an answer leave the exchange: at once, slowly, cut short, or never?

use crate::sim::archive::Zip;
use bytes::Bytes;
use std::{io, time::Duration};

/// Between two pieces of a slow body.
const SLOW_STEP: Duration = Duration::from_millis(100);

/// What is asked of the exchange's HTTP side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Path and query.
    pub target: &'a str,
    /// Whether only the head is wanted.
    pub is_head: bool,
    /// Whether an `X-MBX-APIKEY` came along; any will do.
    pub has_key: bool,
    /// The value of `Range`.
    pub range: Option<&'a str>,
}

/// An answer under way.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers in lower case; `content-length` is not among them.
    pub headers: Vec<(&'static str, String)>,
    /// How long the body claims to be.
    pub length: u64,
    body: Body,
    delivery: Delivery,
    /// Bytes of the source that come before the body's first.
    skipped: u64,
    sent: u64,
}

/// How a body is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Whole and at once.
    #[default]
    Whole,
    /// The connection ends after this many bytes of it.
    Cut(u64),
    /// At this many bytes a second.
    Slow(u64),
    /// Not even a head comes, and the connection stays.
    Never,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Body {
    Held(Bytes),
    /// Made as it is sent.
    Made(Box<Zip>),
}

impl Answer {
    pub(super) fn new(status: u16, headers: Vec<(&'static str, String)>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len() as u64;
        let delivery = Delivery::Whole;
        Self { status, headers, length, body: Body::Held(body), delivery, skipped: 0, sent: 0 }
    }

    /// The same with `length` bytes of `body`.
    pub(super) fn with_body(self, length: u64, body: Body) -> Self {
        Self { length, body, ..self }
    }

    /// The bytes from `first` to `last` alone, both within the body.
    pub(super) fn part(mut self, first: u64, last: u64) -> Self {
        self.headers.push(("content-range", format!("bytes {first}-{last}/{}", self.length)));
        Self { status: 206, length: last + 1 - first, skipped: first, ..self }
    }

    pub(super) fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// Whether nothing will ever come.
    pub fn is_withheld(&self) -> bool {
        self.delivery == Delivery::Never
    }

    /// The body's next piece, when it is due; nothing after the last one.
    ///
    /// # Errors
    ///
    /// When the connection is to end here, before the body does.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.skipped > 0 {
            let most = usize::try_from(self.skipped).unwrap_or(usize::MAX);
            let Some(piece) = self.body.next(most)? else { return Ok(None) };
            self.skipped -= piece.len() as u64;
            tokio::task::yield_now().await;
        }
        if self.sent == self.length {
            return Ok(None);
        }
        let most = match self.delivery {
            Delivery::Whole => u64::MAX,
            Delivery::Cut(after) if self.sent < after => after - self.sent,
            Delivery::Cut(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Delivery::Slow(bytes_per_second) => {
                tokio::time::sleep(SLOW_STEP).await;
                (bytes_per_second / 10).max(1)
            }
            Delivery::Never => std::future::pending().await,
        };
        let most = usize::try_from(most.min(self.length - self.sent)).unwrap_or(usize::MAX);
        let piece = self.body.next(most)?.filter(|piece| !piece.is_empty());
        self.sent += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        // Making a large file would keep every other connection waiting.
        tokio::task::yield_now().await;
        Ok(piece)
    }
}

impl Body {
    /// At most `most` of the bytes that remain.
    fn next(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        match self {
            Self::Held(rest) if rest.is_empty() => Ok(None),
            Self::Held(rest) => Ok(Some(rest.split_to(rest.len().min(most)))),
            Self::Made(zip) => zip.next(most),
        }
    }
}
