//! Is each wrong file refused for what is wrong with it?

use super::{DAY, HEADER, agg_trades, csv, read_rows, sha256, trade, zipped, zipped::Parts};
use std::{convert::Infallible, io::Cursor};
use tapedeck::{
    exchange::binance::archive::AggTrades,
    history::archive::{Cause, Limits, ReadError, Wanted, read},
    model::{Trade, UnixMillis},
};

fn trades() -> Vec<Trade> {
    (1..3_000).map(trade).collect()
}

fn sound() -> Parts {
    Parts::new(&agg_trades(), csv(&trades()).as_bytes())
}

/// Why a file is refused whose sum is right.
fn refused(zip: &[u8]) -> Cause {
    match read_rows(zip, &agg_trades(), &AggTrades, Limits::default()) {
        Err(cause) => cause,
        Ok(found) => panic!("{} rows were handed over", found.staged.len()),
    }
}

fn refused_text(text: &str) -> Cause {
    refused(&zipped::deflated(&agg_trades(), text))
}

/// That a file is refused for what `expected` says.
fn check(zip: &[u8], expected: fn(&Cause) -> bool) {
    let cause = refused(zip);
    assert!(expected(&cause), "{cause:?}");
}

macro_rules! assert_refused {
    ($zip:expr, $cause:pat $(if $guard:expr)?) => {
        check($zip, |cause| matches!(cause, $cause $(if $guard)?))
    };
}

#[test]
fn parts_put_together_by_hand_are_sound() {
    let found = read_rows(&sound().bytes(), &agg_trades(), &AggTrades, Limits::default()).expect("a sound file");
    assert!(found.staged == trades());
}

#[test]
fn what_is_no_zip_of_one_entry() {
    let zip = sound().bytes();
    for bytes in [&b""[..], b"<html><body>404</body></html>", &zip[..zip.len() - 1], &[zip.as_slice(), b"\n"].concat()]
    {
        assert_refused!(bytes, Cause::NoZip);
    }
    assert_refused!(&[b"#!/bin/sh\n", zip.as_slice()].concat(), Cause::Layout);
    for cut in (0..zip.len()).step_by(97) {
        refused(&zip[..cut]);
    }
}

#[test]
fn entries_that_are_others_than_expected() {
    let name = agg_trades().entry_name();
    assert_refused!(&zipped::of_entries(&[]), Cause::Entries(0));
    assert_refused!(&zipped::of_entries(&[(&name, HEADER), ("../../evil.csv", HEADER)]), Cause::Entries(2));
    assert_refused!(&zipped::of_entries(&[("../../evil.csv", HEADER)]), Cause::EntryName { found, .. } if found == "../../evil.csv");
    assert_refused!(&zipped::of_entries(&[("BTCUSDT-aggTrades-2026-03-10.csv", HEADER)]), Cause::EntryName { .. });
    let colours = Parts { name: b"\x1b[31mred".to_vec(), ..sound() };
    assert_refused!(&colours.bytes(), Cause::EntryName { found, .. } if found == "\\u{1b}[31mred");
}

#[test]
fn parts_that_do_not_join() {
    let hidden = sound().bytes();
    assert_refused!(&Parts { gap: hidden, ..sound() }.bytes(), Cause::Layout);
    assert_refused!(&Parts { more: b"PK\x01\x02 and more".to_vec(), ..sound() }.bytes(), Cause::Layout);
    assert_refused!(&Parts { header_start: 1, ..sound() }.bytes(), Cause::Layout | Cause::Directory(_));
    assert_refused!(&Parts { compressed_bytes: 1 << 30, csv_bytes: 1 << 20, ..sound() }.bytes(), Cause::Layout);
    let locator = b"PK\x06\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0".to_vec();
    assert_refused!(&Parts { more: locator, ..sound() }.bytes(), Cause::Layout);
    // Lengths of 64 bits, in an extra field that is too short for them.
    let cut = Parts { csv_bytes: u32::MAX, extra: b"\x01\0\x04\0\xFF\xFF\xFF\xFF".to_vec(), ..sound() };
    assert_refused!(&cut.bytes(), Cause::Directory(_) | Cause::CsvTooLong { .. });
}

#[test]
fn entries_that_are_not_plain() {
    assert_refused!(&Parts { flags: 1, ..sound() }.bytes(), Cause::Flags(1));
    assert_refused!(&Parts { flags: 1 << 6, ..sound() }.bytes(), Cause::Flags(64));
    assert_refused!(&Parts { flags: 1 << 13, ..sound() }.bytes(), Cause::Flags(8_192));
    assert_refused!(&Parts { method: 12, ..sound() }.bytes(), Cause::Method(12));
    assert_refused!(&Parts { method: 99, ..sound() }.bytes(), Cause::Method(99));
    assert_refused!(&Parts { method: 0, ..sound() }.bytes(), Cause::Size { .. });
    assert_refused!(&Parts::new(&agg_trades(), b"").bytes(), Cause::Empty);
}

#[test]
fn claims_that_are_not_true() {
    let parts = sound();
    assert_refused!(&Parts { crc: parts.crc ^ 1, ..parts.clone() }.bytes(), Cause::Crc { declared, found } if declared ^ found == 1);
    let longer = Parts { csv_bytes: parts.csv_bytes + 1, ..parts.clone() };
    assert_refused!(&longer.bytes(), Cause::Size { declared, found } if *declared == found + 1);
    let shorter = Parts { csv_bytes: parts.csv_bytes - 1, ..parts.clone() };
    assert_refused!(&shorter.bytes(), Cause::Size { .. });
    let huge = Parts { csv_bytes: u32::MAX - 1, ..parts };
    assert_refused!(&huge.bytes(), Cause::CsvTooLong { .. });
}

#[test]
fn compressed_bytes_that_end_elsewhere_or_mean_nothing() {
    let parts = sound();
    let early = Parts {
        compressed_bytes: parts.compressed_bytes - 9,
        gap: parts.data[parts.data.len() - 9..].to_vec(),
        ..parts.clone()
    };
    let early = Parts { data: early.data[..early.data.len() - 9].to_vec(), ..early };
    assert_refused!(&early.bytes(), Cause::StreamEnd);
    let late = Parts {
        compressed_bytes: parts.compressed_bytes + 3,
        data: [&parts.data[..], b"\0\0\0"].concat(),
        ..parts.clone()
    };
    assert_refused!(&late.bytes(), Cause::StreamEnd);
    let mut mixed = parts;
    let middle = mixed.data.len() / 2;
    mixed.data[middle..middle + 64].fill(0xFF);
    assert_refused!(
        &mixed.bytes(),
        Cause::Deflate | Cause::Crc { .. } | Cause::Size { .. } | Cause::StreamEnd | Cause::Row { .. }
    );
}

#[test]
fn bombs() {
    let zeros = vec![b'0'; 64 << 20];
    let bomb = Parts::new(&agg_trades(), &zeros);
    assert_refused!(&bomb.bytes(), Cause::CsvTooLong { bytes, .. } if *bytes == 64 << 20);
    // One that lies is stopped at what it claims.
    let liar = Parts { csv_bytes: 1 << 16, ..bomb };
    assert_refused!(&liar.bytes(), Cause::Size { declared: 65_536, found } if *found <= 256 << 10);
    let limits = Limits { zip_bytes_max: 1_000, ..Limits::default() };
    let long = read_rows(&sound().bytes(), &agg_trades(), &AggTrades, limits);
    assert!(matches!(long, Err(Cause::ZipTooLong { bytes_max: 1_000, .. })));
    let limits = Limits { csv_bytes_max: 1_000, ..Limits::default() };
    let long = read_rows(&sound().bytes(), &agg_trades(), &AggTrades, limits);
    assert!(matches!(long, Err(Cause::CsvTooLong { bytes_max: 1_000, .. })));
}

#[test]
fn text_that_is_not_rows() {
    let text = csv(&trades());
    let check = |text: &str, expected: &str| {
        let found = refused_text(text).to_string();
        assert!(found.starts_with(expected), "{found}");
    };
    check(text.trim_end(), "its last line is cut off");
    check(&(text.clone() + "3000,1"), "its last line is cut off");
    check(&(text.clone() + "\n"), "line 3001: it has 1 columns, 7 are needed");
    check(&text.replacen("\n7,", "\n7x,", 1), "line 8: column `agg_trade_id` is not understood");
    check(&text.replacen("\n7,83", "\n7,-83", 1), "line 8: field `price` is out of range");
    check(&text.replacen("price,quantity", "quantity,price", 1), "it begins with `agg_trade_id,quantity,price,");
    check(&format!("\u{feff}{text}"), "it begins with");
    check(&text.replace('\n', "\r"), "a line is longer than 256 bytes");
    let long = format!("{text}{}\n", "9".repeat(257));
    check(&long, "a line is longer than 256 bytes");
    let noise: String =
        (0..400_000u32).map(|at| char::from(b'!' + at.wrapping_mul(2_654_435_761).to_le_bytes()[3] % 89)).collect();
    check(&noise, "a line is longer than 256 bytes");
    check(&(HEADER.to_owned() + HEADER), "line 2: column `agg_trade_id` is not understood");
}

#[test]
fn rows_of_another_time() {
    let other: Vec<_> =
        trades().iter().map(|trade| Trade { time: trade.time.plus(UnixMillis::DAY), ..*trade }).collect();
    assert!(matches!(refused_text(&csv(&other)), Cause::OtherPeriod));
    let ends = [UnixMillis::new(DAY - 1), UnixMillis::new(DAY), UnixMillis::new(DAY + UnixMillis::DAY - 1)];
    let late = UnixMillis::new(DAY + UnixMillis::DAY);
    let rows: Vec<_> =
        (1..).zip(ends.into_iter().chain([late])).map(|(id, time)| Trade { time, ..trade(id) }).collect();
    let zip = zipped::deflated(&agg_trades(), &csv(&rows));
    let found = read_rows(&zip, &agg_trades(), &AggTrades, Limits::default()).expect("a sound file");
    assert_eq!(found.staged, rows[1..3]);
    assert_eq!((found.tally.outside, found.tally.outside_first), (2, Some(rows[0])));
}

#[test]
fn damage_in_transit_is_called_that_whatever_it_looks_like() {
    let zip = sound().bytes();
    let place = agg_trades();
    let wanted = Wanted { place: &place, table: &AggTrades, sha256: sha256(&zip), limits: Limits::default() };
    let check = |bytes: &[u8]| {
        let found = read(&mut Cursor::new(bytes), &wanted, || Ok::<_, Infallible>(()), |(), _| Ok(()));
        match found {
            Err(ReadError::Refused { cause: Cause::Checksum { expected, found }, .. }) => {
                assert_eq!((expected, found), (sha256(&zip), sha256(bytes)));
            }
            other => panic!("{other:?}"),
        }
    };
    for at in (0..zip.len()).step_by(211) {
        let mut damaged = zip.clone();
        damaged[at] ^= 0x10;
        check(&damaged);
        check(&zip[..at]);
    }
    check(b"<html></html>");
}

#[test]
fn the_sum_is_the_one_that_everybody_means() {
    let place = agg_trades();
    let wanted = Wanted { place: &place, table: &AggTrades, sha256: [0; 32], limits: Limits::default() };
    let found = read(&mut Cursor::new(b"abc"), &wanted, || Ok::<_, Infallible>(()), |(), _| Ok(()));
    let text = found.expect_err("no zip").to_string();
    // FIPS 180-2, appendix B.1.
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(
        text.starts_with(&format!("BTCUSDT-aggTrades-2026-03-09.zip: its sha-256 is {sum}, its CHECKSUM says 00")),
        "{text}"
    );
}

#[test]
fn no_single_byte_changes_a_row_unseen() {
    let trades: Vec<_> = (1..40).map(trade).collect();
    let zip = Parts::new(&agg_trades(), csv(&trades).as_bytes()).bytes();
    let mut taken = 0;
    for at in 0..zip.len() {
        for bit in [0x01, 0x80] {
            let mut damaged = zip.clone();
            damaged[at] ^= bit;
            if let Ok(found) = read_rows(&damaged, &agg_trades(), &AggTrades, Limits::default()) {
                assert_eq!(found.staged, trades, "byte {at}");
                taken += 1;
            }
        }
    }
    // Versions, dates and attributes mean nothing here.
    assert!((20..200).contains(&taken), "{taken}");
}
