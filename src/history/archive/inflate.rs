//! How does a zip become blocks of whole lines, hashed on the way?
//!
//! The file is read once, from its first byte to its last, so the bytes that are hashed are the ones that are inflated. What goes
//! wrong on the way is kept and the rest still hashed: a file that was damaged in transit is to be called that.

use crate::{
    exchange::binance::archive::Sha256,
    history::archive::{directory::Entry, error::Cause, limits::LINE_BYTES_MAX},
};
use aws_lc_rs::digest::{Context, SHA256};
use crossbeam::channel::{Receiver, Sender};
use flate2::{Decompress, FlushDecompress, Status};
use memchr::memrchr;
use std::io::{self, Read, Seek};

/// Bytes of CSV in a block: small enough to stay in a core's cache from one thread to the next.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 128 << 10;

/// What became of a file.
pub(super) struct Inflated {
    /// Of the whole file.
    pub(super) sha256: Sha256,
    /// Whether the entry was inflated to its end; also when nobody wanted the rest.
    pub(super) entry: Result<(), Cause>,
}

/// Why inflating ends early.
enum Halt {
    Cause(Cause),
    /// Nobody takes blocks any more.
    Gone,
}

/// Reads a file, and sends what its entry holds until nobody wants it.
pub(super) fn inflate<F: Read + Seek>(file: &mut F, mut inflater: Inflater) -> io::Result<Inflated> {
    let mut hash = Context::new(&SHA256);
    let mut chunk = vec![0; READ_BYTES];
    let (mut at, mut flow) = (0, Ok(()));
    file.rewind()?;
    loop {
        let count = match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        let bytes = &chunk[..count];
        hash.update(bytes);
        if flow.is_ok() {
            flow = inflater.take(part(bytes, at, &inflater.entry));
        }
        at += count as u64;
    }
    let entry = match flow.and_then(|()| inflater.finish()) {
        Ok(()) | Err(Halt::Gone) => Ok(()),
        Err(Halt::Cause(cause)) => Err(cause),
    };
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(Inflated { sha256, entry })
}

/// What of the bytes from `at` on belongs to the entry.
fn part<'a>(bytes: &'a [u8], at: u64, entry: &Entry) -> &'a [u8] {
    let within = |place: u64| {
        let offset = usize::try_from(place.saturating_sub(at)).unwrap_or(usize::MAX);
        offset.min(bytes.len())
    };
    &bytes[within(entry.start)..within(entry.end)]
}

/// The hash of a file that is not a zip of one entry.
pub(super) fn hash<F: Read + Seek>(file: &mut F) -> io::Result<Sha256> {
    let mut hash = Context::new(&SHA256);
    let mut chunk = vec![0; READ_BYTES];
    file.rewind()?;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => hash.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(sha256)
}

/// Makes blocks of compressed bytes.
pub(super) struct Inflater {
    entry: Entry,
    decompress: Decompress,
    /// Of the length of a block; the first `filled` bytes are text.
    block: Vec<u8>,
    filled: usize,
    /// Text so far.
    bytes: u64,
    ended: bool,
    full: Sender<Vec<u8>>,
    free: Receiver<Vec<u8>>,
}

impl Inflater {
    /// Sends blocks to `full`; they come back to be filled again through `free`.
    pub(super) fn new(entry: Entry, full: Sender<Vec<u8>>, free: Receiver<Vec<u8>>) -> Self {
        let block = vec![0; BLOCK_BYTES];
        Self { entry, decompress: Decompress::new(false), block, filled: 0, bytes: 0, ended: false, full, free }
    }

    fn take(&mut self, input: &[u8]) -> Result<(), Halt> {
        if self.entry.deflated { self.inflate(input) } else { self.copy(input) }
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<(), Halt> {
        loop {
            self.make_room()?;
            if self.ended {
                return if input.is_empty() { Ok(()) } else { Err(Halt::Cause(Cause::StreamEnd)) };
            }
            let (read, written) = (self.decompress.total_in(), self.decompress.total_out());
            let status = self.decompress.decompress(input, &mut self.block[self.filled..], FlushDecompress::None);
            let status = status.map_err(|_| Halt::Cause(Cause::Deflate))?;
            let read = length(self.decompress.total_in() - read);
            let written = length(self.decompress.total_out() - written);
            input = input.get(read..).unwrap_or_default();
            self.filled(written)?;
            self.ended = status == Status::StreamEnd;
            if read == 0 && written == 0 && !self.ended {
                return if input.is_empty() { Ok(()) } else { Err(Halt::Cause(Cause::Deflate)) };
            }
        }
    }

    fn copy(&mut self, mut input: &[u8]) -> Result<(), Halt> {
        while !input.is_empty() {
            self.make_room()?;
            let room = &mut self.block[self.filled..];
            let count = room.len().min(input.len());
            room[..count].copy_from_slice(&input[..count]);
            input = &input[count..];
            self.filled(count)?;
        }
        Ok(())
    }

    /// More text is in the block; more than declared may not be.
    fn filled(&mut self, count: usize) -> Result<(), Halt> {
        self.filled += count;
        self.bytes += count as u64;
        if self.bytes > self.entry.csv_bytes { Err(self.wrong_size()) } else { Ok(()) }
    }

    fn wrong_size(&self) -> Halt {
        Halt::Cause(Cause::Size { declared: self.entry.csv_bytes, found: self.bytes })
    }

    fn make_room(&mut self) -> Result<(), Halt> {
        if self.filled < self.block.len() { Ok(()) } else { self.send() }
    }

    /// Sends the whole lines; what is left begins the next block.
    fn send(&mut self) -> Result<(), Halt> {
        let text = &self.block[..self.filled];
        let whole = memrchr(b'\n', text).map_or(0, |at| at + 1);
        let rest = &text[whole..];
        if rest.len() > LINE_BYTES_MAX {
            return Err(Halt::Cause(Cause::LineTooLong));
        }
        let mut next = self.free.recv().map_err(|_| Halt::Gone)?;
        next.resize(BLOCK_BYTES, 0);
        next[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
        let mut full = std::mem::replace(&mut self.block, next);
        full.truncate(whole);
        self.full.send(full).map_err(|_| Halt::Gone)
    }

    /// After the last byte of the file.
    fn finish(&mut self) -> Result<(), Halt> {
        if self.entry.deflated && !self.ended {
            return Err(Halt::Cause(Cause::StreamEnd));
        }
        if self.bytes != self.entry.csv_bytes {
            return Err(self.wrong_size());
        }
        self.send()?;
        if self.filled > 0 { Err(Halt::Cause(Cause::LastLine)) } else { Ok(()) }
    }
}

/// A count within a block or a chunk.
fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
