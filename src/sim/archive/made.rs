//! What is the checksum of a file, and which files need not be made anew?

use crate::sim::{
    archive::{edition::Edition, key::File, zipped::Zip},
    exchange::Exchange,
};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Files whose checksum is kept.
const KNOWN_MAX: usize = 512;
/// Bytes of a zip taken at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file that was made once.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Of the zip before any damage.
    pub(super) sha256: String,
    pub(super) length: u64,
    /// The whole zip, unless it is large.
    pub(super) zip: Option<Bytes>,
}

/// Files that were asked for lately: a cache, since each can be made again.
#[derive(Debug)]
pub(in crate::sim) struct Archive {
    known: Mutex<VecDeque<(File, Edition, Made)>>,
    bytes_max: usize,
}

impl Archive {
    /// Nothing made yet, and at most so many bytes of zips kept.
    pub(in crate::sim) fn new(bytes_max: usize) -> Self {
        Self { known: Mutex::default(), bytes_max }
    }

    /// The checksum, length and, unless they are many, bytes of `edition` of `file`.
    pub(super) async fn made(&self, exchange: &Arc<Exchange>, file: &File, edition: &Edition) -> io::Result<Made> {
        if let Some(made) = self.known(file, edition) {
            return Ok(made);
        }
        let made = make(Zip::sound(exchange, file, edition)?, self.bytes_max / 2).await?;
        self.keep(*file, edition.clone(), made.clone());
        Ok(made)
    }

    fn known(&self, file: &File, edition: &Edition) -> Option<Made> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(known, of, _)| known == file && of == edition);
        found.map(|(_, _, made)| made.clone())
    }

    fn keep(&self, file: File, edition: Edition, made: Made) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back((file, edition, made));
        while known.len() > KNOWN_MAX {
            known.pop_front();
        }
        let mut left = self.bytes_max;
        for (_, _, made) in known.iter_mut().rev() {
            let bytes = made.zip.as_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => made.zip = None,
            }
        }
    }
}

/// Makes a zip and keeps its bytes when they are at most `kept_max`.
async fn make(mut zip: Zip, kept_max: usize) -> io::Result<Made> {
    let mut digest = Context::new(&SHA256);
    let (mut length, mut bytes) = (0, BytesMut::new());
    while let Some(piece) = zip.next(PIECE_BYTES)? {
        digest.update(&piece);
        length += piece.len() as u64;
        if length <= kept_max as u64 {
            bytes.extend_from_slice(&piece);
        } else {
            bytes = BytesMut::new();
        }
        // Making a large file would keep every connection waiting.
        tokio::task::yield_now().await;
    }
    let mut sha256 = String::with_capacity(64);
    for byte in digest.finish().as_ref() {
        // Writing to a string cannot fail.
        write!(sha256, "{byte:02x}").unwrap_or_default();
    }
    Ok(Made { sha256, length, zip: (length <= kept_max as u64).then(|| bytes.freeze()) })
}
