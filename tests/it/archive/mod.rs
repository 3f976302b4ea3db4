//! Are files of the bulk archive read whole and in order, and is nothing of a wrong one ever handed over?

mod hostile;
mod order;
mod recorded;
mod zipped;

use std::{cell::Cell, convert::Infallible, io::Cursor};
use tapedeck::{
    exchange::binance::archive::{AggTrades, Dataset, Folder, Period, Place, Sha256, Table},
    history::archive::{Cause, Confirmed, Limits, ReadError, Wanted, read},
    model::{Price, Quantity, Symbol, Trade, UnixMillis},
};

/// The file of a dataset of BTCUSDT at a date.
fn place(dataset: Dataset, date: &str) -> Place {
    let period = Period::parse(date).expect("a date");
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    Folder::new(symbol, dataset, period.cadence()).expect("there are such files").place(period.start())
}

/// The sum, by another reader of it than the CHECKSUM's.
fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("32 bytes")
}

/// Reads a zip with its own sum, and collects the rows.
fn read_rows<T: Table>(
    zip: &[u8],
    place: &Place,
    table: &T,
    limits: Limits,
) -> Result<Confirmed<Vec<T::Row>, T::Row>, Cause> {
    let wanted = Wanted { place, table, sha256: sha256(zip), limits };
    let stage = |rows: &mut Vec<T::Row>, batch: &[T::Row]| {
        assert!(!batch.is_empty());
        rows.extend_from_slice(batch);
        Ok(())
    };
    match read(&mut Cursor::new(zip), &wanted, || Ok::<_, Infallible>(Vec::new()), stage) {
        Ok(confirmed) => Ok(confirmed),
        Err(ReadError::Refused { name, cause }) => {
            assert_eq!(name, place.zip_name());
            Err(cause)
        }
        Err(ReadError::Staging(never)) => match never {},
    }
}

/// 2026-03-09 00:00 UTC.
const DAY: i64 = 1_773_014_400_000;

fn agg_trades() -> Place {
    let place = place(Dataset::AggTrades, "2026-03-09");
    assert_eq!(place.period().start(), UnixMillis::new(DAY));
    place
}

/// A trade of that day with everything told from its id.
fn trade(id: u64) -> Trade {
    Trade {
        id,
        price: Price::from_units(8_309_170_000_000 + (id % 977).cast_signed() * 10_000_000),
        quantity: Quantity::from_units((id % 1_013 + 1).cast_signed() * 100_000),
        first_id: 2 * id,
        last_id: 2 * id + id % 3,
        time: UnixMillis::new(DAY + (id % UnixMillis::DAY.unsigned_abs()).cast_signed()),
        buyer_is_maker: id.is_multiple_of(2),
    }
}

/// Its line, with its line feed.
fn line(trade: &Trade) -> String {
    let Trade { id, price, quantity, first_id, last_id, time, buyer_is_maker } = trade;
    format!("{id},{price},{quantity},{first_id},{last_id},{time},{buyer_is_maker}\n")
}

const HEADER: &str = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n";

fn csv(trades: &[Trade]) -> String {
    HEADER.to_owned() + &trades.iter().map(line).collect::<String>()
}

#[test]
fn a_sound_file_is_handed_over_whole() {
    let trades: Vec<_> = (7..30_000).map(trade).collect();
    let text = csv(&trades);
    for text in [text.clone(), text.replace(HEADER, ""), text.replace('\n', "\r\n")] {
        for zip in [
            zipped::deflated(&agg_trades(), &text),
            zipped::stored(&agg_trades(), &text),
            zipped::large(&agg_trades(), &text),
        ] {
            let limits = Limits::default();
            let found = read_rows(&zip, &agg_trades(), &AggTrades, limits).expect("a sound file");
            assert!(found.staged == trades);
            assert_eq!((found.strips, found.csv_bytes), (0, text.len() as u64));
            assert_eq!((found.tally.rows, found.tally.hollow, found.tally.outside), (29_993, 0, 0));
            assert_eq!(found.tally.runs.iter().map(|run| (run.first, run.last)).collect::<Vec<_>>(), [(7, 29_999)]);
        }
    }
}

#[test]
fn a_header_alone_is_a_day_without_trades() {
    let zip = zipped::deflated(&agg_trades(), HEADER);
    let found = read_rows(&zip, &agg_trades(), &AggTrades, Limits::default()).expect("a sound file");
    assert_eq!((found.staged, found.tally.rows, found.tally.runs), (Vec::new(), 0, Vec::new()));
}

#[test]
fn what_is_staged_is_dropped_with_its_file() {
    /// Counts itself.
    struct Staged<'a>(&'a Cell<i32>);
    impl Drop for Staged<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let trades: Vec<_> = (7..30_000).map(trade).collect();
    let mut zip = zipped::deflated(&agg_trades(), &csv(&trades));
    let sum = sha256(&zip);
    let alive = Cell::new(0);
    let begin = || {
        alive.set(alive.get() + 1);
        Ok::<_, &str>(Staged(&alive))
    };
    let place = agg_trades();
    let wanted = Wanted { place: &place, table: &AggTrades, sha256: sum, limits: Limits::default() };
    let mut batches = 0;
    let full = read(&mut Cursor::new(&zip), &wanted, begin, |_, _| {
        batches += 1;
        if batches == 3 { Err("full") } else { Ok(()) }
    });
    assert!(matches!(full, Err(ReadError::Staging("full"))));
    assert_eq!((alive.get(), batches), (0, 3));
    let at = zip.len() - 30;
    zip[at] ^= 1;
    let damaged = read(&mut Cursor::new(&zip), &wanted, begin, |_, _| Ok(()));
    assert!(matches!(damaged, Err(ReadError::Refused { cause: Cause::Checksum { .. }, .. })));
    assert_eq!(alive.get(), 0);
    zip[at] ^= 1;
    let sound = read(&mut Cursor::new(&zip), &wanted, begin, |_, _| Ok(())).expect("a sound file");
    assert_eq!(alive.get(), 1);
    drop(sound);
    assert_eq!(alive.get(), 0);
}
