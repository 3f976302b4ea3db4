//! Do all columns come back, and does no payload do harm?

use super::*;
use proptest::{collection::vec, prelude::*, sample::Index};

const TIERS: [Tier; 2] = [Tier::Recent, Tier::Cold];
const SHAPES: [Shape; 3] = [Shape::Delta, Shape::Plain, Shape::Bit];

fn encoded(tier: Tier, columns: &[(Shape, &[i64])]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(tier, columns, &mut out).expect("valid columns");
    out
}

/// Every tier and shape gives the values back, whole and in part.
fn check(values: &[i64], part: Range<usize>) {
    for tier in TIERS {
        let payload = encoded(tier, &SHAPES.map(|shape| (shape, values)));
        let columns = Columns::parse(values.len(), SHAPES.len(), &payload).expect("valid payload");
        let mut out = Vec::new();
        for (column, shape) in SHAPES.iter().enumerate() {
            columns.read(column, 0..values.len(), &mut out).expect("valid column");
            assert!(out == values, "{tier:?} {shape:?}, {} rows", values.len());
            columns.read(column, part.clone(), &mut out).expect("valid column");
            assert!(out == values[part.clone()], "{tier:?} {shape:?}, {part:?} of {} rows", values.len());
        }
    }
}

/// Whatever the bytes say, decoding ends in an error or in values.
fn decode_all(rows: usize, count: usize, payload: &[u8]) {
    let Ok(columns) = Columns::parse(rows, count, payload) else { return };
    let mut out = Vec::new();
    for column in 0..count {
        for wanted in [0..rows, rows / 2..rows, rows - 1..rows] {
            if columns.read(column, wanted, &mut out).is_ok() {
                assert!(out.len() <= rows);
            }
        }
    }
}

/// Runs of values that are unlike each other.
fn run() -> impl Strategy<Value = Vec<i64>> {
    let extremes = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), Just(-1), any::<i64>()];
    let counts = prop_oneof![1..9usize, Just(255), Just(256), Just(257), 1..700usize];
    let count = counts.boxed();
    prop_oneof![
        (any::<i64>(), count.clone()).prop_map(|(value, count)| vec![value; count]),
        (any::<i64>(), any::<i64>(), count.clone()).prop_map(|(base, step, count)| {
            let mut out = vec![0; count];
            fill_line(base, step, &mut out);
            out
        }),
        count.clone().prop_flat_map(move |count| vec(extremes.clone(), count)),
        (any::<i64>(), 0..63u32, count).prop_flat_map(|(base, bits, count)| {
            vec((0..1i64 << bits).prop_map(move |value| base.wrapping_add(value)), count)
        }),
    ]
}

fn values() -> impl Strategy<Value = Vec<i64>> {
    vec(run(), 1..5).prop_map(|runs| runs.concat())
}

#[test]
fn counts_of_rows_at_every_edge_come_back() {
    let noise = |row: i64| row.wrapping_mul(-7_046_029_254_386_353_131) ^ (row << 7);
    for rows in [1, 2, 7, 8, 9, 255, 256, 257, 511, 512, 513, 4_096, 65_535, 65_536] {
        for value in [|row| row, |_| i64::MIN, noise, |row| row % 2, |row| row * row % 1_000, |row| (row % 3) << 40] {
            let values: Vec<_> = (0..rows).map(value).collect();
            check(&values, values.len() / 3..values.len());
        }
    }
}

#[test]
fn columns_that_climb_evenly_cost_next_to_nothing() {
    let ids: Vec<_> = (3_000_000_000..3_000_065_536).collect();
    let same = vec![1_790_812_800_000; ids.len()];
    for tier in TIERS {
        assert!(encoded(tier, &[(Shape::Delta, &ids), (Shape::Plain, &same)]).len() <= 2 + 2 + 6 + 8);
    }
}

#[test]
fn columns_that_are_no_columns_are_refused() {
    let mut out = vec![9];
    let long = vec![0; ROWS_MAX + 1];
    let many = vec![(Shape::Bit, &long[..1]); COLUMNS_MAX + 1];
    for tier in TIERS {
        assert_eq!(encode(tier, &[], &mut out), Err(CodecError::Rows(0)));
        assert_eq!(encode(tier, &[(Shape::Bit, &[])], &mut out), Err(CodecError::Rows(0)));
        assert_eq!(encode(tier, &[(Shape::Bit, &long)], &mut out), Err(CodecError::Rows(ROWS_MAX + 1)));
        assert_eq!(encode(tier, &[(Shape::Bit, &[1]), (Shape::Bit, &[])], &mut out), Err(CodecError::Columns));
        assert_eq!(encode(tier, &many, &mut out), Err(CodecError::Columns));
    }
    assert_eq!(out, [9]);
}

#[test]
fn what_is_not_there_is_not_read() {
    let payload = encoded(Tier::Recent, &[(Shape::Plain, &[1, 5, 2])]);
    let columns = Columns::parse(3, 1, &payload).expect("valid");
    let mut out = Vec::new();
    for (column, rows) in [(1, 0..1), (0, 0..4), (0, 4..4), (0, 2..usize::MAX)] {
        assert_eq!(columns.read(column, rows, &mut out), Err(CodecError::OutOfRange));
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let backwards = columns.read(0, 2..1, &mut out);
    assert_eq!(backwards, Err(CodecError::OutOfRange));
    assert_eq!(columns.read(0, 3..3, &mut out), Ok(()));
    assert!(Columns::parse(3, 2, &payload).is_err());
    assert!(Columns::parse(0, 1, &payload).is_err());
    assert_eq!(Columns::parse(3, 1, &[2]).err(), Some(CodecError::Version(2)));
    for end in 0..payload.len() {
        assert!(Columns::parse(3, 1, &payload[..end]).is_err(), "{end} bytes");
    }
}

proptest! {
    #[test]
    fn any_values_come_back(values in values(), ends: [Index; 2]) {
        let [from, to] = ends.map(|end| end.index(values.len() + 1));
        check(&values, from.min(to)..from.max(to));
    }

    #[test]
    fn any_bytes_do_no_harm(rows in 1..=ROWS_MAX, coding in 0..4u64, mut bytes in vec(any::<u8>(), 0..600)) {
        decode_all(rows, 1, &bytes);
        let mut payload = vec![VERSION, 1];
        put_varint(&mut payload, bytes.len() as u64 * 4 + coding);
        let head = payload.len();
        payload.append(&mut bytes);
        decode_all(rows, 1, &payload);
        // As a column that pco gets to see.
        if let [_, _, _, _, ..] = payload[head..] {
            payload.splice(head..head + 4, [1 + payload[head] % 3, 0, 4, 1]);
            decode_all(rows, 1, &payload);
        }
    }

    #[test]
    fn damaged_payloads_do_no_harm(
        values in values(),
        rows in prop_oneof![3 => Just(None), 1 => (1..=ROWS_MAX).prop_map(Some)],
        damage in vec((any::<Index>(), any::<u8>()), 1..6),
        head: bool,
    ) {
        for tier in TIERS {
            let mut payload = encoded(tier, &SHAPES.map(|shape| (shape, &values[..])));
            for (at, byte) in &damage {
                let end = if head { payload.len().min(64) } else { payload.len() };
                payload[at.index(end)] ^= byte;
            }
            decode_all(rows.unwrap_or(values.len()), SHAPES.len(), &payload);
            payload.truncate(damage[0].0.index(payload.len()));
            decode_all(values.len(), SHAPES.len(), &payload);
        }
    }
}
