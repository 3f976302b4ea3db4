//! How are WebSocket frames read and written, without a library whose cost would be measured too? RFC 6455, as far as needed.

use std::{
    io::{self, Read},
    net::TcpStream,
};

/// Opcode of a whole text message.
pub(crate) const TEXT: u8 = 1;
/// Opcode of the end.
pub(crate) const CLOSE: u8 = 8;

/// Bytes as they come, cut into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Frames {
    /// Holds `room` bytes before it grows.
    pub(crate) fn new(room: usize) -> Self {
        Self { bytes: vec![0; room], begin: 0, end: 0 }
    }

    /// Where to read to: a quarter of the room at least.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let room = self.bytes.len();
        if self.begin == self.end || room - self.end < room / 4 {
            self.bytes.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if room - self.end < room / 4 {
            self.bytes.resize(2 * room, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Notes that so many bytes were read there.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Opcode and payload of the next whole frame.
    pub(crate) fn next(&mut self) -> Option<(u8, &[u8])> {
        let bytes = &self.bytes[self.begin..self.end];
        let (start, end) = bounds(bytes)?;
        self.begin += end;
        Some((bytes[0] & 0x0F, &bytes[start..end]))
    }
}

/// Where the payload of the frame at the front begins and ends, when all of it is there.
pub(crate) fn bounds(bytes: &[u8]) -> Option<(usize, usize)> {
    let short = *bytes.get(1)?;
    let mask = if short & 0x80 == 0 { 0 } else { 4 };
    let number = |range: std::ops::Range<usize>| {
        bytes.get(range).map(|digits| digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit)))
    };
    let (start, length) = match short & 0x7F {
        126 => (4 + mask, number(2..4)?),
        127 => (10 + mask, number(2..10)?),
        length => (2 + mask, usize::from(length)),
    };
    (bytes.len() >= start + length).then_some((start, start + length))
}

/// Appends a text message; what a client says is masked, here with a key that changes nothing.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &[u8], from_client: bool) {
    let mask = if from_client { 0x80 } else { 0 };
    let length = u16::try_from(text.len()).expect("the benches say nothing longer than 65,535 bytes");
    out.push(0x80 | TEXT);
    match u8::try_from(length) {
        Ok(length @ ..=125) => out.push(mask | length),
        _ => {
            out.push(mask | 126);
            out.extend_from_slice(&[length >> 8, length & 0xFF].map(|byte| u8::try_from(byte).expect("one byte")));
        }
    }
    if from_client {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(text);
}

/// An HTTP head with the empty line that ends it, and what came after.
pub(crate) fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended inside an HTTP head"));
        }
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
    }
}
