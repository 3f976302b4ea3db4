//! How is a frame refused before it is in memory?
//!
//! actix's WebSocket codec checks a frame's size only once all of it has been buffered: a header that claims 2^40 bytes
//! costs as much memory as the client cares to send (measured, actix-http 3.20: 300 MiB sent, 295 MiB resident).

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The longest frame header: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// Passes an upload on, and fails it as soon as a frame's header declares more than is allowed.
#[derive(Debug)]
pub(in crate::api) struct Guard<P> {
    payload: P,
    frame_bytes_max: u64,
    walk: Walk,
    /// Set when a frame is refused, since the codec passes errors on without their kind.
    refused: Rc<Cell<bool>>,
}

/// Where in the frames the upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// Inside a header, so many bytes of which are there.
    Header([u8; HEADER_BYTES_MAX], usize),
    /// So many bytes before the next header.
    Body(u64),
}

impl<P> Guard<P> {
    /// A guard in front of `payload` that sets `refused` when it refuses a frame.
    pub(in crate::api) fn new(payload: P, frame_bytes_max: u64, refused: Rc<Cell<bool>>) -> Self {
        Self { payload, frame_bytes_max, walk: Walk::Header([0; HEADER_BYTES_MAX], 0), refused }
    }

    fn check(&mut self, mut bytes: &[u8]) -> Result<(), PayloadError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.walk {
                Walk::Body(left) => {
                    let step = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= step as u64;
                    bytes = &bytes[step..];
                    if *left == 0 {
                        self.walk = Walk::Header([0; HEADER_BYTES_MAX], 0);
                    }
                }
                Walk::Header(header, have) => {
                    header[*have] = byte;
                    *have += 1;
                    bytes = rest;
                    match declared(&header[..*have]) {
                        Some(length) if length > self.frame_bytes_max => {
                            self.refused.set(true);
                            return Err(PayloadError::Overflow);
                        }
                        Some(0) => self.walk = Walk::Header([0; HEADER_BYTES_MAX], 0),
                        Some(length) => self.walk = Walk::Body(length),
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The payload length that a header declares, once it is whole (RFC 6455 section 5.2).
fn declared(header: &[u8]) -> Option<u64> {
    let (_, &second) = (header.first()?, header.get(1)?);
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    if header.len() < 2 + extended + mask {
        return None;
    }
    let short = u64::from(second & 0x7f);
    let long = header[2..2 + extended].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
    Some(if extended == 0 { short } else { long })
}

impl<P: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<P> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let checked = |guard: &mut Self, bytes: Bytes| guard.check(&bytes).map(|()| bytes);
        Pin::new(&mut self.payload).poll_next(context).map(|item| item.map(|bytes| checked(&mut self, bytes?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, stream};

    /// The header of a masked text frame, its length in network order.
    fn header(length: u64) -> Vec<u8> {
        let network: Vec<u8> = length.to_le_bytes().into_iter().rev().collect();
        let mut header = vec![0x81];
        match length {
            0..126 => header.push(0x80 | network[7]),
            126..65_536 => {
                header.push(0x80 | 126);
                header.extend(&network[6..]);
            }
            _ => {
                header.push(0x80 | 127);
                header.extend(network);
            }
        }
        header.extend([1, 2, 3, 4]);
        header
    }

    /// Passes `bytes` in chunks of `chunk`; how many bytes come through, and whether it ends in an error.
    fn pass(bytes: &[u8], chunk: usize) -> (usize, bool) {
        let chunks: Vec<_> = bytes.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let items: Vec<Result<Bytes, PayloadError>> =
            Guard::new(stream::iter(chunks), 65_536, Rc::default()).collect().now_or_never().expect("ready");
        (items.iter().flatten().map(Bytes::len).sum(), items.iter().any(Result::is_err))
    }

    #[test]
    fn honest_frames_pass_however_they_are_cut() {
        let mut upload = Vec::new();
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 0, 3] {
            upload.extend(header(length));
            upload.extend(vec![0xff; usize::try_from(length).expect("short")]);
        }
        for chunk in [1, 2, 3, 7, 1_000, 1 << 20] {
            assert_eq!(pass(&upload, chunk), (upload.len(), false), "chunks of {chunk}");
        }
    }

    #[test]
    fn a_frame_that_declares_too_much_fails_with_its_header() {
        for length in [65_537, 1 << 40, u64::MAX] {
            let mut upload = header(5);
            upload.extend(b"hello");
            upload.extend(header(length));
            assert_eq!(pass(&upload, 1), (upload.len() - 1, true), "{length}");
            assert_eq!(pass(&upload, upload.len()), (0, true), "{length}");
        }
    }
}
