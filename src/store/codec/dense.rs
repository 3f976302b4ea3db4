//! How is a column made as small as it gets, to be decoded from its start?
//!
//! Layout of a column: one byte with the width of the numbers (1, 2 or 3 for 16, 32 or 64 bits) and in the fifth bit
//! whether values climb; the base and, if they climb, the step, signed; a `pco` header, chunk and page of the numbers.
//! Differences are taken here, not by `pco`, so that most columns are of 16 bits, which makes its tables half as large.

use super::{
    CodecError, Shape,
    bytes::{Reader, put_signed},
    frame::{Slope, distances, span},
};
use pco::{
    ChunkConfig, DeltaSpec, ModeSpec,
    data_types::Number,
    metadata::DeltaEncoding,
    wrapped::{FileCompressor, FileDecompressor},
};
use std::iter;

/// Rows that `pco` decodes at once.
const BATCH: usize = pco::FULL_BATCH_N;
/// Values climb from the base by the step and their excess; otherwise they are distances from the base.
const CLIMBING: u8 = 0x10;

/// Packs a column of at least one row.
pub(super) fn encode(shape: Shape, values: &[i64], out: &mut Vec<u8>) -> Result<(), CodecError> {
    if shape == Shape::Delta {
        let slope = Slope::of(values);
        let width = width(slope.excess_max);
        out.push(width | CLIMBING);
        put_signed(out, slope.base);
        put_signed(out, slope.step);
        // Differences have no common divisor worth looking for.
        return put_numbers(width, iter::once(0).chain(slope.excesses(values)), ModeSpec::Classic, out);
    }
    let (base, range) = span(values);
    let width = width(range);
    out.push(width);
    put_signed(out, base);
    put_numbers(width, distances(base, values), ModeSpec::Auto, out)
}

/// The code of the narrowest numbers that hold `range`.
fn width(range: u64) -> u8 {
    match range {
        0..=0xffff => 1,
        0x1_0000..=0xffff_ffff => 2,
        _ => 3,
    }
}

fn put_numbers(
    width: u8,
    numbers: impl Iterator<Item = u64>,
    mode: ModeSpec,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    match width {
        1 => put_pco::<u16>(numbers, mode, out),
        2 => put_pco::<u32>(numbers, mode, out),
        _ => put_pco::<u64>(numbers, mode, out),
    }
}

fn put_pco<T: Number + TryFrom<u64>>(
    numbers: impl Iterator<Item = u64>,
    mode: ModeSpec,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let numbers: Vec<T> = numbers.filter_map(|number| T::try_from(number).ok()).collect();
    let config = ChunkConfig::default().with_mode_spec(mode).with_delta_spec(DeltaSpec::NoOp);
    let file = FileCompressor::default();
    file.write_header(&mut *out)?;
    let mut chunk = file.chunk_compressor(&numbers, &config)?;
    chunk.write_meta(&mut *out)?;
    chunk.write_page(0, &mut *out)?;
    Ok(())
}

/// A packed column.
#[derive(Clone, Debug)]
pub(super) struct DenseColumn<'a> {
    rows: usize,
    width: u8,
    climbing: bool,
    base: i64,
    step: i64,
    numbers: &'a [u8],
}

impl<'a> DenseColumn<'a> {
    pub(super) fn parse(rows: usize, bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader(bytes);
        let form = reader.byte()?;
        let climbing = form & CLIMBING != 0;
        let base = reader.signed()?;
        let step = if climbing { reader.signed()? } else { 0 };
        Ok(Self { rows, width: form & !CLIMBING, climbing, base, step, numbers: reader.0 })
    }

    /// Decodes rows `from`, `from` + 1, ... to the end of `out`; all exist.
    pub(super) fn read(&self, from: usize, out: &mut [i64]) -> Result<(), CodecError> {
        match self.width {
            1 => self.read_pco::<u16>(from, out),
            2 => self.read_pco::<u32>(from, out),
            3 => self.read_pco::<u64>(from, out),
            _ => Err(CodecError::Damaged("unknown width")),
        }
    }

    fn read_pco<T: Number + Default + Into<u64>>(&self, from: usize, out: &mut [i64]) -> Result<(), CodecError> {
        let (file, rest) = FileDecompressor::new(self.numbers)?;
        check_mode(rest)?;
        let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest)?;
        if chunk.meta().delta_encoding != DeltaEncoding::NoOp {
            return Err(FOREIGN);
        }
        let mut page = chunk.page_decompressor(rest, self.rows)?;
        let mut numbers = [T::default(); BATCH];
        let (mut line, mut row, end) = (self.base.wrapping_sub(self.step), 0, from + out.len());
        while row < end {
            let count = page.read(&mut numbers)?.n_processed;
            let values = self.values(&mut line, &numbers);
            let wanted = from.max(row)..end.min(row + count);
            if !wanted.is_empty() {
                out[wanted.start - from..wanted.end - from]
                    .copy_from_slice(&values[wanted.start - row..wanted.end - row]);
            }
            if count == 0 {
                return Err(CodecError::Damaged("too few numbers"));
            }
            row += count;
        }
        Ok(())
    }

    /// A batch of values; `line` is the last value before them and after them.
    fn values<T: Copy + Into<u64>>(&self, line: &mut i64, numbers: &[T; BATCH]) -> [i64; BATCH] {
        if !self.climbing {
            return numbers.map(|number| self.base.wrapping_add(number.into().cast_signed()));
        }
        numbers.map(|excess| {
            *line = line.wrapping_add(self.step).wrapping_add(excess.into().cast_signed());
            *line
        })
    }
}

const FOREIGN: CodecError = CodecError::Damaged("a pco mode that is never written");

/// Refuses what `pco` would allocate for without having seen the numbers: a dictionary of up to 256 MiB.
fn check_mode(chunk: &[u8]) -> Result<(), CodecError> {
    /// The low four bits of a chunk's first byte: 0 is `Classic`, 1 is `IntMult`.
    const INT_MULT: u8 = 1;
    match chunk.first() {
        Some(first) if first & 0xf <= INT_MULT => Ok(()),
        _ => Err(FOREIGN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column of 16-bit numbers as `pco` packs them when told to.
    fn foreign(config: &ChunkConfig) -> Vec<u8> {
        let numbers: Vec<u16> = (0..2_000).map(|row| row % 7 * 9_000).collect();
        let mut out = vec![1, 0];
        let file = FileCompressor::default();
        file.write_header(&mut out).expect("memory");
        let mut chunk = file.chunk_compressor(&numbers, config).expect("valid");
        chunk.write_meta(&mut out).expect("memory");
        chunk.write_page(0, &mut out).expect("memory");
        out
    }

    #[test]
    fn numbers_take_the_width_of_their_range() {
        let check = |shape: Shape, greatest: i64, form: u8| {
            let mut out = Vec::new();
            encode(shape, &[0, greatest, 3], &mut out).expect("valid");
            assert_eq!(out[0], form);
        };
        check(Shape::Plain, 0xffff, 1);
        check(Shape::Plain, 0x1_0000, 2);
        check(Shape::Plain, 0x1_0000_0000, 3);
        check(Shape::Delta, 0x7000, 1 | CLIMBING);
        check(Shape::Delta, 0x1_0000, 2 | CLIMBING);
        check(Shape::Delta, i64::MAX, 3 | CLIMBING);
    }

    #[test]
    fn pco_modes_that_allocate_unseen_are_refused() {
        let read = |config: &ChunkConfig| {
            let bytes = foreign(config);
            DenseColumn::parse(2_000, &bytes).and_then(|column| column.read(0, &mut [0; 2_000]))
        };
        let config = ChunkConfig::default().with_delta_spec(DeltaSpec::NoOp);
        assert_eq!(read(&config), Ok(()));
        assert_eq!(read(&config.clone().with_mode_spec(ModeSpec::TryDict)), Err(FOREIGN));
        assert_eq!(read(&config.clone().with_delta_spec(DeltaSpec::TryLookback)), Err(FOREIGN));
        assert_eq!(read(&config.with_delta_spec(DeltaSpec::TryConsecutive(1))), Err(FOREIGN));
        // A dictionary of 2^25 entries, of which none follows.
        let claimed = DenseColumn::parse(1, &[1, 0, 4, 1, 0xf4, 0xff, 0xff, 0xff]).expect("a head");
        assert_eq!(claimed.read(0, &mut [0]), Err(FOREIGN));
    }
}
