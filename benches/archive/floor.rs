//! What does the machine allow? The same work with next to nothing checked.

use crossbeam::channel::{Receiver, Sender, bounded};
use flate2::{Crc, Decompress, FlushDecompress};
use std::{hint::black_box, io::Cursor, thread};
use tapedeck::exchange::binance::archive::{AggTrades, Table as _};
use zip::ZipArchive;

/// As the reader has them.
const BLOCK_BYTES: usize = 256 << 10;

/// The compressed bytes of a zip's first entry.
pub(crate) fn compressed(zip: &[u8]) -> &[u8] {
    let place = |zip| {
        let mut archive = ZipArchive::new(Cursor::new(zip)).ok()?;
        let entry = archive.by_index_raw(0).ok()?;
        let start = usize::try_from(entry.data_start()?).ok()?;
        Some((start, usize::try_from(entry.compressed_size()).ok()?))
    };
    let (start, length) = place(zip).expect("a zip of our own");
    &zip[start..start + length]
}

/// Inflates block by block; `each` gets a block and gives one back.
fn inflate(deflated: &[u8], mut each: impl FnMut(Vec<u8>, usize) -> (Vec<u8>, usize)) {
    let mut inflater = Decompress::new(false);
    let (mut block, mut filled) = (vec![0; BLOCK_BYTES], 0);
    loop {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let at = usize::try_from(read).unwrap_or(usize::MAX);
        let status = inflater.decompress(&deflated[at..], &mut block[filled..], FlushDecompress::None);
        let status = status.expect("a zip of our own");
        filled += usize::try_from(inflater.total_out() - written).unwrap_or(0);
        let ended = status == flate2::Status::StreamEnd;
        if filled == block.len() || ended {
            (block, filled) = each(block, filled);
        }
        if ended {
            return;
        }
    }
}

/// Bytes inflated.
pub(crate) fn inflated(deflated: &[u8]) -> u64 {
    let mut bytes = 0;
    inflate(deflated, |block, filled| {
        bytes += filled as u64;
        (black_box(block), 0)
    });
    bytes
}

/// Line feeds found after inflating.
pub(crate) fn lines(deflated: &[u8]) -> u64 {
    let mut lines = 0;
    inflate(deflated, |block, filled| {
        lines += memchr::memchr_iter(b'\n', &block[..filled]).count() as u64;
        (block, 0)
    });
    lines
}

/// Rows of a CSV in memory by the reader's own fast way, header apart.
pub(crate) fn parsed(csv: &[u8]) -> u64 {
    let start = memchr::memchr(b'\n', csv).map_or(0, |at| at + 1);
    let (mut rest, mut rows) = (&csv[start..], 0);
    while let Some((row, length)) = AggTrades.next(rest) {
        black_box(row);
        rest = &rest[length..];
        rows += 1;
    }
    rows
}

/// Rows parsed on one thread while another inflates.
pub(crate) fn beside(deflated: &[u8]) -> u64 {
    let (full, blocks) = bounded::<(Vec<u8>, usize)>(4);
    let (spare, free) = bounded::<Vec<u8>>(4);
    thread::scope(|scope| {
        scope.spawn(move || inflate(deflated, |block, filled| pass_on(&full, &free, block, filled)));
        let (mut crc, mut rows, mut columns) = (Crc::new(), 0, Columns::default());
        for (block, length) in blocks {
            crc.update(&block[..length]);
            rows += columns.read(&block[..length]);
            drop(spare.try_send(block));
        }
        black_box((crc.sum(), columns));
        rows
    })
}

/// Sends whole lines; what is left begins the next block.
fn pass_on(
    full: &Sender<(Vec<u8>, usize)>,
    free: &Receiver<Vec<u8>>,
    block: Vec<u8>,
    filled: usize,
) -> (Vec<u8>, usize) {
    let whole = memchr::memrchr(b'\n', &block[..filled]).map_or(0, |at| at + 1);
    let mut next = free.try_recv().unwrap_or_else(|_| vec![0; BLOCK_BYTES]);
    next[..filled - whole].copy_from_slice(&block[whole..filled]);
    full.send((block, whole)).expect("somebody reads");
    (next, filled - whole)
}

/// The columns of the rows of one block.
#[derive(Default)]
struct Columns([Vec<u64>; 7]);

impl Columns {
    /// Reads lines of seven cells whose form is not looked at, by a plain loop; rows, the header apart.
    fn read(&mut self, text: &[u8]) -> u64 {
        self.0.iter_mut().for_each(Vec::clear);
        let (mut value, mut column) = (0u64, 0);
        for &byte in text {
            match byte {
                b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
                b',' | b'\n' => {
                    self.0[column].push(value);
                    value = 0;
                    column = if byte == b'\n' { 0 } else { column + 1 };
                }
                b't' => value = 1,
                _ => {}
            }
        }
        self.0[6].len() as u64 - u64::from(text.starts_with(b"agg"))
    }
}
