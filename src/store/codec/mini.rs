//! How is a column packed so that any 256 of its rows decode alone?
//!
//! Layout of a column: one byte with the bytes of a base (low half) and of a step (high half); the bits a row of the last
//! mini-block; the least base and the least step, signed; for each mini-block two bytes, its form (top two bits) and where
//! its rows start, in units of 32 bytes, then its base and step as distances from the least; the packed rows.
//! A full mini-block of `w` bits a row takes `w` units, so where the next one starts says how wide it is. The last one
//! leaves out the units that hold no rows.

use super::{
    CodecError, Shape,
    bytes::{Reader, bit_count, byte_count, low, put_low, put_signed},
    frame::{Slope, add_base, climb, distances, fill_line, low_half, span},
};
use bitpacking::{BitPacker, BitPacker8x};

/// Rows in a mini-block.
pub(super) const ROWS: usize = BitPacker8x::BLOCK_LEN;
/// Bytes in which packed rows grow: one register of the packer.
const UNIT: usize = 32;
/// Values that the packer puts side by side in a unit.
const LANES: usize = 8;
/// The widest a packed row may be, in bits.
const BITS_MAX: u32 = 32;
/// Bits of an entry's first two bytes that say where the rows start.
const START_BITS: u32 = 14;

/// Values are distances from the base.
const FLAT: u16 = 0;
/// Values climb from the base by the step and their excess.
const CLIMBING: u16 = 1;
/// Values stand as they are.
const RAW: u16 = 2;

/// How a mini-block is coded, and where its rows start.
struct Entry {
    form: u16,
    start: u16,
    base: i64,
    step: i64,
}

/// Packs a column of at least one row.
pub(super) fn encode(shape: Shape, values: &[i64], out: &mut Vec<u8>) {
    let (mut entries, mut data, mut bits) = (Vec::new(), Vec::new(), 0);
    for rows in values.chunks(ROWS) {
        let start = u16::try_from(data.len() / UNIT).unwrap_or(u16::MAX);
        let entry;
        (entry, bits) = encode_mini(shape, rows, start, &mut data);
        entries.push(entry);
    }
    put_head(&entries, bits, out);
    out.extend_from_slice(&data);
}

/// Packs the rows of a mini-block in its narrowest form; says which, and the bits a row.
fn encode_mini(shape: Shape, rows: &[i64], start: u16, data: &mut Vec<u8>) -> (Entry, u8) {
    let (base, range) = span(rows);
    let narrowest = bit_count(range).min(BITS_MAX + 1);
    if shape == Shape::Delta {
        let slope = Slope::of(rows);
        if bit_count(slope.excess_max) < narrowest {
            let bits = pack(slope.excesses(rows), 1, rows.len(), data);
            return (Entry { form: CLIMBING, start, base: slope.base, step: slope.step }, bits);
        }
    }
    if narrowest > BITS_MAX {
        put_raw(rows, data);
        return (Entry { form: RAW, start, base: 0, step: 0 }, 0);
    }
    let bits = pack(distances(base, rows), 0, rows.len(), data);
    (Entry { form: FLAT, start, base, step: 0 }, bits)
}

/// Appends the units that hold `rows` offsets, zeros before the one at `first`; returns the bits a row.
fn pack(offsets: impl Iterator<Item = u64>, first: usize, rows: usize, data: &mut Vec<u8>) -> u8 {
    let (packer, mut values, mut packed) = (BitPacker8x::new(), [0; ROWS], [0; ROWS * 4]);
    values[first..].iter_mut().zip(offsets).for_each(|(value, offset)| *value = low_half(offset));
    let bits = packer.num_bits(&values);
    packer.compress(&values, &mut packed, bits);
    let units = (rows.div_ceil(LANES) * usize::from(bits)).div_ceil(UNIT);
    data.extend_from_slice(&packed[..units * UNIT]);
    bits
}

fn put_raw(rows: &[i64], data: &mut Vec<u8>) {
    rows.iter().for_each(|row| data.extend_from_slice(&row.to_le_bytes()));
    data.resize(data.len().next_multiple_of(UNIT), 0);
}

fn put_head(entries: &[Entry], last_bits: u8, out: &mut Vec<u8>) {
    // A raw entry has no base, and only a climbing one a step: they must not widen the others' distances.
    let bases = || entries.iter().filter(|entry| entry.form != RAW).map(|entry| entry.base);
    let steps = || entries.iter().filter(|entry| entry.form == CLIMBING).map(|entry| entry.step);
    let (base, base_bytes) = least(bases);
    let (step, step_bytes) = least(steps);
    out.push(u8::try_from(base_bytes | step_bytes << 4).unwrap_or_default());
    out.push(last_bits);
    put_signed(out, base);
    put_signed(out, step);
    for entry in entries {
        out.extend_from_slice(&(entry.form << START_BITS | entry.start).to_le_bytes());
        put_low(out, entry.base.wrapping_sub(base).cast_unsigned(), base_bytes);
        put_low(out, entry.step.wrapping_sub(step).cast_unsigned(), step_bytes);
    }
}

/// The least value, and the bytes that hold every distance from it.
fn least<I: Iterator<Item = i64>>(values: impl Fn() -> I) -> (i64, usize) {
    let base = values().min().unwrap_or_default();
    let range = values().max().unwrap_or_default().abs_diff(base);
    (base, byte_count(range))
}

/// A packed column.
#[derive(Clone, Debug)]
pub(super) struct MiniColumn<'a> {
    base_bytes: usize,
    step_bytes: usize,
    last_bits: usize,
    base: i64,
    step: i64,
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> MiniColumn<'a> {
    pub(super) fn parse(rows: usize, bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader(bytes);
        let counts = usize::from(reader.byte()?);
        let (base_bytes, step_bytes) = (counts & 0xf, counts >> 4);
        let last_bits = usize::from(reader.byte()?);
        let (base, step) = (reader.signed()?, reader.signed()?);
        if base_bytes.max(step_bytes) > 8 || last_bits > 32 {
            return Err(CodecError::Damaged("impossible widths"));
        }
        let entries = reader.take(rows.div_ceil(ROWS) * (2 + base_bytes + step_bytes))?;
        Ok(Self { base_bytes, step_bytes, last_bits, base, step, entries, data: reader.0 })
    }

    /// Decodes rows `from`, `from` + 1, ... to the end of `out`; all exist.
    pub(super) fn read(&self, mut from: usize, mut out: &mut [i64]) -> Result<(), CodecError> {
        while !out.is_empty() {
            let skipped = from % ROWS;
            let (part, rest) = out.split_at_mut((ROWS - skipped).min(out.len()));
            if let Ok(whole) = <&mut [i64; ROWS]>::try_from(&mut *part) {
                self.read_mini(from / ROWS, whole)?;
            } else {
                let mut whole = [0; ROWS];
                self.read_mini(from / ROWS, &mut whole)?;
                part.copy_from_slice(&whole[skipped..skipped + part.len()]);
            }
            from += part.len();
            out = rest;
        }
        Ok(())
    }

    /// Decodes one mini-block; past the column's last row come values without meaning.
    fn read_mini(&self, index: usize, out: &mut [i64; ROWS]) -> Result<(), CodecError> {
        let entry = self.entry(index).ok_or(CodecError::OutOfRange)?;
        let next = self.entry(index + 1);
        let (start, end) = (usize::from(entry.start), next.as_ref().map(|next| usize::from(next.start)));
        let rows = self.data.get(start * UNIT..end.map_or(self.data.len(), |end| end * UNIT));
        let rows = rows.ok_or(CodecError::Damaged("rows out of place"))?;
        let bits = end.map_or(self.last_bits, |end| end - start);
        let mut offsets = [0; ROWS];
        if entry.form != RAW {
            unpack(rows, bits, &mut offsets)?;
        }
        match entry.form {
            FLAT => add_base(entry.base, &offsets, out),
            CLIMBING if bits == 0 => fill_line(entry.base, entry.step, out),
            CLIMBING => climb(entry.base, entry.step, &offsets, out),
            RAW => copy_raw(rows, out),
            _ => return Err(CodecError::Damaged("unknown form")),
        }
        Ok(())
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        let size = 2 + self.base_bytes + self.step_bytes;
        let entry = self.entries.get(index * size..(index + 1) * size)?;
        let (place, distances) = entry.split_first_chunk::<2>()?;
        let (base, step) = distances.split_at(self.base_bytes);
        let place = u16::from_le_bytes(*place);
        Some(Entry {
            form: place >> START_BITS,
            start: place & ((1 << START_BITS) - 1),
            base: self.base.wrapping_add(low(base).cast_signed()),
            step: self.step.wrapping_add(low(step).cast_signed()),
        })
    }
}

/// Unpacks the units of a mini-block, as far as there are any, onto zeros.
#[inline]
fn unpack(units: &[u8], bits: usize, offsets: &mut [u32; ROWS]) -> Result<(), CodecError> {
    let width = u8::try_from(bits).ok().filter(|&width| u32::from(width) <= BITS_MAX).ok_or(TOO_WIDE)?;
    match units.get(..bits * UNIT) {
        _ if bits == 0 => {}
        Some(units) => _ = BitPacker8x::new().decompress(units, offsets, width),
        None => unpack_short(units, width, offsets),
    }
    Ok(())
}

/// Unpacks a mini-block whose last units were left out.
#[cold]
fn unpack_short(units: &[u8], width: u8, offsets: &mut [u32; ROWS]) {
    let mut padded = [0; ROWS * 4];
    padded.iter_mut().zip(units).for_each(|(padded, byte)| *padded = *byte);
    BitPacker8x::new().decompress(&padded, offsets, width);
}

const TOO_WIDE: CodecError = CodecError::Damaged("rows too wide");

fn copy_raw(bytes: &[u8], out: &mut [i64; ROWS]) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = i64::from_le_bytes(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(shape: Shape, values: &[i64]) -> usize {
        let mut out = Vec::new();
        encode(shape, values, &mut out);
        let column = MiniColumn::parse(values.len(), &out).expect("valid");
        let mut back = vec![0; values.len()];
        column.read(0, &mut back).expect("valid");
        assert_eq!(back, values);
        out.len()
    }

    #[test]
    fn rows_take_the_bits_of_their_range() {
        let check = |shape: Shape, value: fn(i64) -> i64, rows: i64, expected: usize| {
            let values: Vec<_> = (0..rows).map(value).collect();
            assert_eq!(size(shape, &values), expected);
        };
        // A head of 4 bytes, an entry of 2, no rows.
        check(Shape::Plain, |_| 7, 256, 6);
        check(Shape::Delta, |_| 7, 1, 6);
        check(Shape::Bit, |row| row % 2, 256, 6 + 32);
        check(Shape::Plain, |row| row, 256, 6 + 256);
        check(Shape::Delta, |row| 2 * row, 256, 6);
        check(Shape::Delta, |row| 3 * row + row % 2, 256, 6 + 64);
        // 44 rows of 3 bits are 6 rows of 8 lanes, 18 bits a lane: one unit.
        check(Shape::Plain, |row| row % 8, 44, 6 + 32);
        // The second mini-block of one row costs an entry.
        check(Shape::Plain, |row| row % 8, 257, 8 + 96);
        check(Shape::Plain, |row| if row == 0 { i64::MIN } else { i64::MAX }, 256, 6 + 2_048);
        check(Shape::Plain, |row| if row == 0 { i64::MIN } else { i64::MAX }, 5, 6 + 64);
    }

    #[test]
    fn the_narrower_form_is_taken() {
        let mut zigzag: Vec<_> = (0..512).map(|row| 1_000_000 + row % 2 * 3).collect();
        assert_eq!(size(Shape::Delta, &zigzag), size(Shape::Plain, &zigzag));
        zigzag.iter_mut().enumerate().for_each(|(row, value)| *value += 100 * i64::try_from(row).expect("small"));
        assert!(size(Shape::Delta, &zigzag) < size(Shape::Plain, &zigzag));
    }
}
