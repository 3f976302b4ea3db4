//! Can any bytes in place of a zip, or of the CSV in it, do harm, or have rows handed over out of order?
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{convert::Infallible, io::Cursor, sync::LazyLock};
use tapedeck::{
    exchange::binance::archive::{AggTrades, Cadence, Dataset, Folder, Place},
    history::archive::{Cause, Confirmed, Limits, ReadError, Wanted, read},
    model::{Symbol, Trade, UnixMillis},
};

const LINES: &str = "\
    agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n\
    1,83091.70,0.022,1,2,1772409600000,false\n\
    2,83091.80,1.000,3,3,1772409600005,true\n";

fn place() -> Place {
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    let folder = Folder::new(symbol, Dataset::AggTrades, Cadence::Monthly).expect("there are such files");
    folder.place(UnixMillis::new(1_772_409_600_000))
}

type Found = Result<Confirmed<Vec<Trade>, Trade>, Cause>;

fn read_once(zip: &[u8], sha256: [u8; 32]) -> Found {
    let limits = Limits { sort_bytes_max: 1_024, strips_max: 8, ..Limits::default() };
    let wanted = Wanted { place: &place(), table: &AggTrades, sha256, limits };
    let stage = |rows: &mut Vec<Trade>, batch: &[Trade]| {
        rows.extend_from_slice(batch);
        Ok(())
    };
    match read(&mut Cursor::new(zip), &wanted, || Ok::<_, Infallible>(Vec::new()), stage) {
        Ok(confirmed) => Ok(confirmed),
        Err(ReadError::Refused { cause, .. }) => Err(cause),
        Err(ReadError::Staging(never)) => match never {},
    }
}

/// Reads a zip with its own sum, which the first refusal tells.
fn check(zip: &[u8]) -> Found {
    let Err(Cause::Checksum { found, .. }) = read_once(zip, [0; 32]) else { panic!("a sum of zeros was right") };
    let found = read_once(zip, found)?;
    assert!(found.staged.is_sorted_by(|one, next| one.id < next.id));
    assert_eq!(found.staged.len() as u64, found.tally.rows);
    assert_eq!(found.tally.runs.iter().map(|run| run.count()).sum::<u64>(), found.tally.rows);
    let period = place().period();
    assert!(found.staged.iter().all(|trade| period.contains(trade.time)));
    Ok(found)
}

/// A zip of a stored CSV.
fn stored(csv: &[u8], crc: u32) -> Vec<u8> {
    let name = place().entry_name();
    let length = u32::try_from(csv.len()).expect("short").to_le_bytes();
    let common = [
        &[0, 0, 0, 0, 0, 0, 0x21, 0],
        &crc.to_le_bytes()[..],
        &length,
        &length,
        &u16::try_from(name.len()).expect("short").to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    let entry = [&b"PK\x03\x04\x14\0"[..], &common, name.as_bytes(), csv].concat();
    let directory = [&b"PK\x01\x02\x14\0\x14\0"[..], &common, &[0; 14], name.as_bytes()].concat();
    let places =
        [directory.len(), entry.len()].map(|place| u32::try_from(place).expect("short").to_le_bytes()).concat();
    [&entry, &directory, &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &places, &[0, 0]].concat()
}

/// The CSV's own CRC-32, which the first refusal tells, unless the CSV is refused before.
fn sound(csv: &[u8]) -> Vec<u8> {
    let zip = stored(csv, 0);
    match check(&zip) {
        Err(Cause::Crc { found, .. }) => stored(csv, found),
        _ => zip,
    }
}

/// A zip of two rows.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let zip = sound(LINES.as_bytes());
    assert_eq!(check(&zip).expect("a sound file").tally.rows, 2);
    zip
});

fuzz_target!(|data: &[u8]| {
    let Some((way, data)) = data.split_first() else { return };
    if way % 2 == 0 {
        // Lines after two sound ones.
        drop(check(&sound(&[LINES.as_bytes(), data].concat())));
    } else {
        // Laid over a sound zip, or instead of one.
        let mut zip = SOUND.clone();
        let at = usize::from(*way) * 3 % (zip.len() + 1);
        let end = (at + data.len()).min(zip.len());
        zip[at..end].copy_from_slice(&data[..end - at]);
        drop(check(&zip));
        drop(check(data));
    }
});
