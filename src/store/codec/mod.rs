//! How do columns of integers become few bytes, and come back?
//!
//! A payload is one version byte, the count of columns, for each column a varint (its length x 4 + its coding), then the
//! columns. It carries no checksum: whoever stores it does. Any bytes can be decoded without harm, to an error or to
//! values without meaning.

mod bytes;
mod dense;
mod error;
mod frame;
mod mini;

#[expect(clippy::module_name_repetitions, reason = "it travels up to where `Error` alone would say nothing")]
pub use error::CodecError;

use bytes::{Reader, put_signed, put_varint};
use dense::DenseColumn;
use frame::{Slope, fill_line};
use mini::MiniColumn;
use std::ops::Range;

/// The most rows a payload holds.
pub const ROWS_MAX: usize = 65_536;
/// The most columns a payload holds.
pub const COLUMNS_MAX: usize = 255;
/// Rows that decode alone in the recent tier: reads are cheapest when aligned to them.
pub const MINI_ROWS: usize = mini::ROWS;

const VERSION: u8 = 1;

/// How a column's values run, which decides how they are coded. Every shape holds every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Near the value before: prices in ticks, times, ids.
    Delta,
    /// Unrelated to the value before: quantities in lots, counts.
    Plain,
    /// 0 or 1.
    Bit,
}

/// What a payload is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Fast: bit-packed, any [`MINI_ROWS`] decode alone.
    Recent,
    /// Small: entropy-coded, decoded from the start.
    Cold,
}

/// The codings of a column, as the low two bits of its directory entry have them.
const RUN: u64 = 0;
const MINI: u64 = 1;
const DENSE: u64 = 2;

/// Appends the payload of `columns`, all of 1 to [`ROWS_MAX`] rows.
///
/// # Errors
///
/// When the columns are not of equal length or are too many or too long; `out` is then as it was.
pub fn encode(tier: Tier, columns: &[(Shape, &[i64])], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    check_rows(rows)?;
    let count = u8::try_from(columns.len()).map_err(|_| CodecError::Columns)?;
    if columns.iter().any(|(_, values)| values.len() != rows) {
        return Err(CodecError::Columns);
    }
    let (mut directory, mut body) = (vec![VERSION, count], Vec::new());
    for (shape, values) in columns {
        let start = body.len();
        let coding = encode_column(tier, *shape, values, &mut body)?;
        put_varint(&mut directory, (body.len() - start) as u64 * 4 + coding);
    }
    out.append(&mut directory);
    out.append(&mut body);
    Ok(())
}

fn encode_column(tier: Tier, shape: Shape, values: &[i64], out: &mut Vec<u8>) -> Result<u64, CodecError> {
    let slope = Slope::of(values);
    if slope.excess_max == 0 {
        put_signed(out, slope.base);
        put_signed(out, slope.step);
        return Ok(RUN);
    }
    if tier == Tier::Recent || shape == Shape::Bit {
        mini::encode(shape, values, out);
        return Ok(MINI);
    }
    dense::encode(shape, values, out)?;
    Ok(DENSE)
}

fn check_rows(rows: usize) -> Result<(), CodecError> {
    if (1..=ROWS_MAX).contains(&rows) { Ok(()) } else { Err(CodecError::Rows(rows)) }
}

/// The columns of a payload, found but not decoded.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    rows: usize,
    columns: Vec<Column<'a>>,
}

#[derive(Clone, Debug)]
enum Column<'a> {
    Run { base: i64, step: i64 },
    Mini(MiniColumn<'a>),
    Dense(DenseColumn<'a>),
}

impl<'a> Columns<'a> {
    /// Finds `count` columns of `rows` rows in a payload of either tier.
    ///
    /// # Errors
    ///
    /// When the payload is damaged, of another version, or has another count of columns.
    pub fn parse(rows: usize, count: usize, payload: &'a [u8]) -> Result<Self, CodecError> {
        check_rows(rows)?;
        let mut directory = Reader(payload);
        match directory.byte()? {
            VERSION => {}
            version => return Err(CodecError::Version(version)),
        }
        if usize::from(directory.byte()?) != count {
            return Err(CodecError::Damaged("another count of columns"));
        }
        let mut body = Reader(directory.0);
        for _ in 0..count {
            body.varint()?;
        }
        let columns =
            (0..count).map(|_| Column::parse(rows, directory.varint()?, &mut body)).collect::<Result<_, _>>()?;
        if !body.0.is_empty() {
            return Err(CodecError::Damaged("too long"));
        }
        Ok(Self { rows, columns })
    }

    /// How many rows each column has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Replaces `out` by the wanted rows of a column.
    ///
    /// # Errors
    ///
    /// When there is no such column or row, or the column is damaged.
    pub fn read(&self, column: usize, rows: Range<usize>, out: &mut Vec<i64>) -> Result<(), CodecError> {
        let count = rows.end.checked_sub(rows.start).filter(|_| rows.end <= self.rows).ok_or(CodecError::OutOfRange)?;
        // What it held is overwritten, so a reused vector is not zeroed again.
        out.resize(count, 0);
        self.read_into(column, rows.start, out)
    }

    /// Fills `out` with rows `from`, `from` + 1, ... of a column. A recent payload decodes only the mini-blocks touched,
    /// straight into `out` where it covers them; a cold one decodes from the column's start, so read it in one go.
    ///
    /// # Errors
    ///
    /// When there is no such column or row, or the column is damaged.
    pub fn read_into(&self, column: usize, from: usize, out: &mut [i64]) -> Result<(), CodecError> {
        if from > self.rows || out.len() > self.rows - from {
            return Err(CodecError::OutOfRange);
        }
        match self.columns.get(column).ok_or(CodecError::OutOfRange)? {
            Column::Run { base, step } => {
                let climbed = i64::try_from(from).unwrap_or_default().wrapping_mul(*step);
                fill_line(base.wrapping_add(climbed), *step, out);
                Ok(())
            }
            Column::Mini(column) => column.read(from, out),
            Column::Dense(column) => column.read(from, out),
        }
    }
}

impl<'a> Column<'a> {
    /// Takes the column that a directory entry describes off the front of `body`.
    fn parse(rows: usize, entry: u64, body: &mut Reader<'a>) -> Result<Self, CodecError> {
        let length = usize::try_from(entry / 4).map_err(|_| CodecError::Damaged("too short"))?;
        let bytes = body.take(length)?;
        match entry % 4 {
            RUN => {
                let mut reader = Reader(bytes);
                Ok(Self::Run { base: reader.signed()?, step: reader.signed()? })
            }
            MINI => MiniColumn::parse(rows, bytes).map(Self::Mini),
            DENSE => DenseColumn::parse(rows, bytes).map(Self::Dense),
            _ => Err(CodecError::Damaged("unknown coding")),
        }
    }
}

#[cfg(test)]
mod tests;
