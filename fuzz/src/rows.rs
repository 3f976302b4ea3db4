//! Can any text in place of the archive's lines, sums or listings do harm, or be read in two ways?
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fmt::Debug;
use tapedeck::{
    exchange::binance::archive::{
        AggTrades, FundingRates, Klines, OpenInterests, Period, RawTrades, Table, checksum, is_header, listing,
    },
    model::Symbol,
};

/// Every line of a text, by both ways if there are two.
fn read<T: Table<Row: Debug>>(table: &T, text: &[u8]) {
    for line in text.split(|&byte| byte == b'\n') {
        let header = is_header(line, T::COLUMNS);
        let slow = table.row(line);
        assert!(!header || slow.is_err());
        let whole = [line, b"\n1,2,3\n"].concat();
        if let Some((row, length)) = table.next(&whole) {
            assert_eq!((Ok(Some(row)), length), (slow, line.len() + 1));
        }
        assert!(table.next(line).is_none());
    }
}

fuzz_target!(|data: &[u8]| {
    read(&AggTrades, data);
    read(&RawTrades, data);
    read(&Klines, data);
    read(&FundingRates, data);
    read(&OpenInterests(Symbol::new("BTCUSDT").expect("a symbol")), data);
    drop(checksum(data, "BTCUSDT-aggTrades-2026-03-09.zip"));
    if let Ok(listing) = listing(data) {
        assert!(listing.files.iter().map(|file| file.key.len()).sum::<usize>() <= data.len());
    }
    if let Some(period) = std::str::from_utf8(data).ok().and_then(Period::parse) {
        assert_eq!(period.to_string().as_bytes(), data);
        assert!(period.start() < period.end() && period.end() < period.published_from());
    }
});
