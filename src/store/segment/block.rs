//! How do rows of one contract and kind become a block that describes itself, and come back?
//!
//! A block is a header of 128 bytes and coded columns, padded with zeros to a multiple of 64. The header binds it to its
//! store, file and offset, so a lost footer is rebuilt by walking blocks, and damage ends at a block's borders.

use crate::{
    model::UnixMillis,
    store::{
        bytes::{Fields, Reader, aligned, checksum},
        codec::{self, CodecError, Columns, Shape, Tier},
        record::{Column, Kind, Relation, Rows},
        segment::{SegmentIdentity, exact::Exact},
    },
};
use std::ops::Range;

/// The header's length.
pub(super) const HEADER_BYTES: usize = 128;
/// Rows in a block of any tier at most.
const BLOCK_ROWS_MAX: usize = 8192;

const MAGIC: u32 = u32::from_le_bytes(*b"TDBK");
const VERSION: u16 = 1;
/// Rows in a full block. A cold one is decoded whole: measured, 8,192 rows take 2.54 bytes each and 170 us.
pub const fn block_rows(tier: Tier) -> usize {
    match tier {
        Tier::Recent => 4096,
        Tier::Cold => BLOCK_ROWS_MAX,
    }
}

/// A block's coded columns are never longer: no row is wider than a few hundred bytes.
const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// What a block's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The contract's number in the store.
    pub contract: u32,
    /// What its rows are.
    pub kind: Kind,
    /// How they are coded.
    pub tier: Tier,
    /// How many there are.
    pub rows: u32,
    /// Length of the coded columns.
    pub payload_bytes: u32,
    /// First and last key.
    pub keys: (u64, u64),
    /// Earliest and latest time.
    pub times: (UnixMillis, UnixMillis),
    /// Checksum of the coded columns.
    pub payload_checksum: u32,
}

impl BlockHeader {
    /// The whole block's length on disk.
    pub const fn block_bytes(&self) -> u64 {
        aligned(HEADER_BYTES as u64 + self.payload_bytes as u64)
    }
}

/// Appends the block of `rows`, 1 to [`block_rows`] of them in ascending order of their keys, which will stand at `offset`.
///
/// # Errors
///
/// When the columns cannot be coded.
pub(super) fn encode(
    segment: SegmentIdentity,
    offset: u64,
    contract: u32,
    tier: Tier,
    rows: &Rows,
    out: &mut Vec<u8>,
) -> Result<BlockHeader, CodecError> {
    let payload = payload_of(tier, rows)?;
    let times = rows.times().min().zip(rows.times().max()).unwrap_or_default();
    let header = BlockHeader {
        contract,
        kind: rows.kind(),
        tier,
        rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        keys: rows.keys().next().zip(rows.keys().next_back()).unwrap_or_default(),
        times,
        payload_checksum: checksum(&payload),
    };
    out.extend(header_bytes(segment, offset, &header));
    out.extend(payload);
    out.resize(out.len().next_multiple_of(64), 0);
    Ok(header)
}

fn header_bytes(segment: SegmentIdentity, offset: u64, header: &BlockHeader) -> Vec<u8> {
    let mut fields = Fields::with_capacity(HEADER_BYTES);
    fields.u32(MAGIC).u16(VERSION).u16(0);
    fields.u128(segment.store).u64(segment.number).u64(offset);
    fields.u32(header.contract).u16(header.kind.number()).u16(tier_number(header.tier));
    fields.u32(header.rows).u32(header.payload_bytes);
    fields.u64(header.keys.0).u64(header.keys.1).i64(header.times.0.get()).i64(header.times.1.get());
    fields.u32(header.payload_checksum);
    fields.sealed(HEADER_BYTES)
}

/// Reads the header that stands at `offset` of `segment`, when it is one and meant for that place.
pub(super) fn header_at(segment: SegmentIdentity, offset: u64, bytes: &[u8]) -> Option<BlockHeader> {
    bytes.starts_with(&MAGIC.to_le_bytes()).then_some(())?;
    let mut reader = Reader::unsealed(bytes, HEADER_BYTES)?;
    let known = (reader.u32(), reader.u16(), reader.u16()) == (MAGIC, VERSION, 0);
    let here = (reader.u128(), reader.u64(), reader.u64()) == (segment.store, segment.number, offset);
    let (contract, kind, tier) = (reader.u32(), Kind::from_number(reader.u16())?, tier_of(reader.u16())?);
    let header = BlockHeader {
        contract,
        kind,
        tier,
        rows: reader.u32(),
        payload_bytes: reader.u32(),
        keys: (reader.u64(), reader.u64()),
        times: (UnixMillis::new(reader.i64()), UnixMillis::new(reader.i64())),
        payload_checksum: reader.u32(),
    };
    let bounded =
        (1..=BLOCK_ROWS_MAX).contains(&(header.rows as usize)) && header.payload_bytes as usize <= PAYLOAD_BYTES_MAX;
    (known && here && bounded).then_some(header)
}

const fn tier_number(tier: Tier) -> u16 {
    match tier {
        Tier::Recent => 0,
        Tier::Cold => 1,
    }
}

const fn tier_of(number: u16) -> Option<Tier> {
    match number {
        0 => Some(Tier::Recent),
        1 => Some(Tier::Cold),
        _ => None,
    }
}

/// The step of every stepped column, then the coded columns.
fn payload_of(tier: Tier, rows: &Rows) -> Result<Vec<u8>, CodecError> {
    let columns = rows.kind().schema().columns;
    let table: Vec<Vec<i64>> = (0..columns.len()).map(|at| column_values(rows, at)).collect();
    let mut fields = Fields::default();
    let residues = columns.iter().zip(&table).map(|(column, values)| {
        let step = step_of(column, values);
        step.into_iter().for_each(|step| {
            fields.i64(step);
        });
        residues(column, values, step, &table)
    });
    let residues: Vec<Vec<i64>> = residues.collect();
    let mut payload = fields.into_vec();
    let shaped: Vec<(Shape, &[i64])> =
        columns.iter().map(|column| column.shape).zip(residues.iter().map(Vec::as_slice)).collect();
    codec::encode(tier, &shaped, &mut payload)?;
    Ok(payload)
}

fn column_values(rows: &Rows, at: usize) -> Vec<i64> {
    rows.iter().map(|row| row[at].cast_signed()).collect()
}

/// The largest step of which every value is a multiple; none for a column that is not stepped.
fn step_of(column: &Column, values: &[i64]) -> Option<i64> {
    if column.relation != Relation::Stepped {
        return None;
    }
    let (mut step, mut exact) = (0_u64, None);
    for value in values.iter().map(|value| value.unsigned_abs()) {
        // Hardly any value changes the step, so it is not divided to see that.
        if exact.is_some_and(|exact: Exact| exact.divides(value)) {
            continue;
        }
        step = gcd(step, value);
        if step == 1 {
            break;
        }
        exact = (step > 0).then(|| Exact::by(step));
    }
    Some(i64::try_from(step).unwrap_or(1).max(1))
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What is left of a column's values for the codec.
fn residues(column: &Column, values: &[i64], step: Option<i64>, table: &[Vec<i64>]) -> Vec<i64> {
    match column.relation {
        Relation::Alone => values.to_vec(),
        Relation::Stepped => {
            let exact = Exact::by(step.unwrap_or(1).unsigned_abs());
            values.iter().map(|value| exact.divide(*value)).collect()
        }
        Relation::Over(other) => {
            values.iter().zip(&table[other]).map(|(value, base)| value.wrapping_sub(*base)).collect()
        }
        Relation::Follows(other) => {
            // The first row of a block follows nothing: a block is read alone.
            let before = std::iter::once(-1).chain(table[other].iter().copied());
            values.iter().zip(before).map(|(value, last)| value.wrapping_sub(last).wrapping_sub(1)).collect()
        }
    }
}

/// A block's columns, ready to be decoded.
#[derive(Debug)]
pub struct Block<'a> {
    header: BlockHeader,
    steps: Vec<i64>,
    columns: Columns<'a>,
}

impl<'a> Block<'a> {
    /// The block of a header and its payload; whether that is what was written is for the caller to have checked.
    ///
    /// # Errors
    ///
    /// When it is not coded as its header says.
    pub(super) fn of(header: BlockHeader, payload: &'a [u8]) -> Result<Self, CodecError> {
        let columns = header.kind.schema().columns;
        let stepped = columns.iter().filter(|column| column.relation == Relation::Stepped).count();
        let mut reader = Reader::new(payload);
        let steps = (0..stepped).map(|_| reader.i64()).collect();
        let rest = payload.get(stepped * 8..).unwrap_or_default();
        Ok(Self { header, steps, columns: Columns::parse(header.rows as usize, columns.len(), rest)? })
    }

    /// What its header says.
    pub fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// The values of one column in the wanted rows, in the unit of the record's words.
    ///
    /// # Errors
    ///
    /// When the column is damaged.
    pub fn column(&self, at: usize, wanted: Range<usize>, out: &mut Vec<i64>) -> Result<(), CodecError> {
        out.clear();
        let columns = self.header.kind.schema().columns;
        match columns[at].relation {
            Relation::Alone => self.columns.read(at, wanted, out),
            Relation::Stepped => {
                self.columns.read(at, wanted, out)?;
                let step = self.step(at);
                out.iter_mut().for_each(|value| *value = value.wrapping_mul(step));
                Ok(())
            }
            Relation::Over(other) => {
                let mut base = Vec::new();
                self.column(other, wanted.clone(), &mut base)?;
                self.columns.read(at, wanted, out)?;
                out.iter_mut().zip(base).for_each(|(value, base)| *value = value.wrapping_add(base));
                Ok(())
            }
            Relation::Follows(_) => self.following(at, wanted, out),
        }
    }

    /// Fills `out` with what is left of a column from row `from` on: multiples of its step, or distances.
    ///
    /// # Errors
    ///
    /// When the column is damaged.
    pub fn residues(&self, at: usize, from: usize, out: &mut [i64]) -> Result<(), CodecError> {
        self.columns.read_into(at, from, out)
    }

    /// The step of a stepped column: its tick or lot.
    pub fn step(&self, at: usize) -> i64 {
        let columns = self.header.kind.schema().columns;
        let before = columns[..at].iter().filter(|column| column.relation == Relation::Stepped).count();
        self.steps.get(before).copied().unwrap_or(1)
    }

    /// A column that follows another is known only from the block's start on.
    fn following(&self, at: usize, wanted: Range<usize>, out: &mut Vec<i64>) -> Result<(), CodecError> {
        let columns = self.header.kind.schema().columns;
        let Relation::Follows(other) = columns[at].relation else { return Ok(()) };
        let spans_over = columns[other].relation == Relation::Over(at);
        self.columns.read(at, 0..wanted.end, out)?;
        let mut spans = Vec::new();
        if spans_over {
            self.columns.read(other, 0..wanted.end, &mut spans)?;
        } else {
            self.column(other, 0..wanted.end, &mut spans)?;
        }
        let mut last = -1_i64;
        for (value, span) in out.iter_mut().zip(spans) {
            *value = value.wrapping_add(last).wrapping_add(1);
            last = if spans_over { value.wrapping_add(span) } else { span };
        }
        out.drain(..wanted.start);
        Ok(())
    }

    /// The rows in `wanted`, whole.
    ///
    /// # Errors
    ///
    /// When a column is damaged.
    pub fn rows(&self, wanted: Range<usize>) -> Result<Rows, CodecError> {
        let kind = self.header.kind;
        let mut table = vec![Vec::new(); kind.width()];
        for (at, values) in table.iter_mut().enumerate() {
            self.column(at, wanted.clone(), values)?;
        }
        let mut rows = Rows::with_capacity(kind, wanted.len());
        for at in 0..wanted.len() {
            rows.extend_from_words(table.iter().map(|values| values.get(at).map_or(0, |value| value.cast_unsigned())));
        }
        Ok(rows)
    }
}
