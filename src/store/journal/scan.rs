//! What does a journal file hold, and is what it lacks a torn tail or damage?

use crate::store::{
    files,
    journal::{
        JournalFile, View,
        file::HEADER_PAGE_BYTES,
        frame::{HEADER_BYTES, Header, header_at},
    },
};
use std::{io, ops::Range};

static ZEROS: [u8; 4096] = [0; 4096];

/// A stretch of a journal file that holds no frame that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it is.
    pub bytes: Range<u64>,
    /// Why it is so.
    pub cause: Cause,
}

/// Why a stretch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It had not been synced when the machine or the process stopped: ordinary.
    Torn,
    /// It had been synced: the disk, or somebody, changed it.
    Corrupt,
}

/// What was found in a journal file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Sequence numbers of the first and the last frame.
    pub sequences: Option<(u64, u64)>,
    /// Frames that could be read.
    pub frames: u64,
    /// Where the last of them ends.
    pub end: u64,
    /// Below it everything was synced when the last of them was written.
    pub durable_below: u64,
    /// What lies between or behind them and is no frame. A clean tail of zeros is none.
    pub unreadable: Vec<Unreadable>,
}

/// Reads every frame of a file and hands its payload and the payload's offset to `visit`.
///
/// # Errors
///
/// When the file cannot be read at all.
pub fn scan(file: &JournalFile, mut visit: impl FnMut(u64, &[u8], View<'_>)) -> io::Result<Scan> {
    let map = files::readable(file.file())?;
    let written = written(&map);
    let mut walk =
        Walk { file, bytes: &map, written, previous: file.checksum, durable_below: 0, found: Scan::default() };
    walk.found.end = HEADER_PAGE_BYTES;
    while let Some((at, header)) = walk.next_frame() {
        let payload_at = at + HEADER_BYTES as u64;
        let payload = walk.payload(at, &header).unwrap_or_default();
        if let Some(view) = View::trusted(payload) {
            visit(payload_at, payload, view);
        }
        walk.pass(at, &header);
    }
    Ok(walk.finish())
}

/// Where the zeros begin that reach to the end.
fn written(bytes: &[u8]) -> u64 {
    let pages = bytes.chunks(ZEROS.len());
    let empty = pages.rev().take_while(|page| *page == &ZEROS[..page.len()]).map(<[u8]>::len).sum::<usize>();
    let rest = &bytes[..bytes.len() - empty];
    (rest.len() - rest.iter().rev().take_while(|byte| **byte == 0).count()) as u64
}

struct Walk<'a> {
    file: &'a JournalFile,
    bytes: &'a [u8],
    /// Behind it there are only zeros.
    written: u64,
    previous: u32,
    /// The highest offset that any frame calls synced.
    durable_below: u64,
    found: Scan,
}

impl<'a> Walk<'a> {
    /// The next frame that is whole: where the last one ends, or behind something that is none.
    fn next_frame(&mut self) -> Option<(u64, Header)> {
        let end = self.found.end;
        if let Some(header) = self.whole_frame(end).filter(|header| self.continues(header)) {
            return Some((end, header));
        }
        let at = self.look_ahead(end)?;
        let header = self.whole_frame(at)?;
        if at > end {
            // Judged in `finish`, when every watermark is known.
            self.found.unreadable.push(Unreadable { bytes: end..at, cause: Cause::Torn });
        }
        Some((at, header))
    }

    fn continues(&self, header: &Header) -> bool {
        let next = self.found.sequences.map_or(header.sequence, |(_, last)| last + 1);
        header.previous == self.previous && header.sequence == next
    }

    /// The next offset at or behind `from` that holds a whole, later frame. Nothing is written behind zeros that reach to
    /// the end, so those are not searched.
    fn look_ahead(&self, from: u64) -> Option<u64> {
        let offsets = (from..self.written).step_by(64);
        let later = |header: &Header| self.found.sequences.is_none_or(|(_, last)| header.sequence > last);
        offsets.into_iter().find(|at| self.whole_frame(*at).as_ref().is_some_and(later))
    }

    /// The header at `at`, when its payload is whole, too.
    fn whole_frame(&self, at: u64) -> Option<Header> {
        let bytes = self.slice(at..at + HEADER_BYTES as u64)?;
        let header = header_at(self.file.identity, at, bytes)?;
        View::of(&header, self.payload(at, &header)?).map(|_| header)
    }

    fn payload(&self, at: u64, header: &Header) -> Option<&'a [u8]> {
        let start = at + HEADER_BYTES as u64;
        self.slice(start..start + u64::from(header.payload_bytes))
    }

    fn slice(&self, range: Range<u64>) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }

    fn pass(&mut self, at: u64, header: &Header) {
        self.previous = header.checksum;
        self.durable_below = self.durable_below.max(header.durable_below);
        let first = self.found.sequences.map_or(header.sequence, |(first, _)| first);
        self.found.sequences = Some((first, header.sequence));
        self.found.frames += 1;
        self.found.end = at + header.frame_bytes();
    }

    fn finish(mut self) -> Scan {
        let len = self.bytes.len() as u64;
        let shrunk = len < self.file.bytes;
        if shrunk || self.written > self.found.end {
            self.found.unreadable.push(Unreadable { bytes: self.found.end..self.file.bytes, cause: Cause::Torn });
        }
        for unreadable in &mut self.found.unreadable {
            if shrunk || unreadable.bytes.start < self.durable_below {
                unreadable.cause = Cause::Corrupt;
            }
        }
        self.found.durable_below = self.durable_below;
        self.found
    }
}
