//! Can any bytes in place of coded columns do harm?
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapedeck::store::codec::Columns;

fuzz_target!(|data: &[u8]| {
    let [low, high, count, payload @ ..] = data else { return };
    let rows = usize::from(u16::from_le_bytes([*low, *high])) + 1;
    let Ok(columns) = Columns::parse(rows, usize::from(*count), payload) else { return };
    let mut out = Vec::new();
    for column in 0..usize::from(*count) {
        if columns.read(column, 0..rows, &mut out).is_ok() {
            assert_eq!(out.len(), rows);
        }
    }
});
