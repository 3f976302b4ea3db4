//! Does `tapedeck verify --against-klines` say what there is, and its exit code the same?

use super::simulated::{DAY, filled, symbol};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Cursor, Write as _},
    process::Command,
};
use tapedeck::{
    candle::fold,
    model::{Candle, Price, Quantity, Timeframe, Trade, UnixMillis, Volume},
};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

/// Three trades in each of six minutes; the last minute is not over.
fn trades() -> Vec<Trade> {
    let trade = |id: u64| Trade {
        id,
        price: Price::from_units(1_000_000 + (id % 5).cast_signed() * 100),
        quantity: Quantity::from_units((id % 7 + 1).cast_signed() * 100_000_000),
        first_id: id,
        last_id: id,
        time: UnixMillis::new(DAY + (id.cast_signed() - 1) * 20_000 + 5_000),
        buyer_is_maker: id.is_multiple_of(2),
    };
    (1..=18).map(trade).collect()
}

fn minutes() -> Vec<Candle> {
    fold(Timeframe::MINUTE, &trades())
}

fn csv(minutes: &[Candle]) -> String {
    let line = |minute: &Candle| {
        let Candle { open_time, open, high, low, close, volume, quote_volume, trades, .. } = minute;
        let (taker, taker_quote) = (minute.taker_buy_volume, minute.taker_buy_quote_volume);
        let last = minute.close_time.get() - 1;
        format!(
            "{open_time},{open},{high},{low},{close},{volume},{last},{quote_volume},{trades},{taker},{taker_quote},0\n"
        )
    };
    minutes.iter().map(line).collect()
}

const NAME: &str = "1000SHIBUSDT-1m-2026-11-19";

/// A store, and a directory for klines in it.
fn setting() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("store")).expect("made");
    fs::create_dir(folder.path().join("klines")).expect("made");
    filled(&folder.path().join("store"), &trades(), true);
    folder
}

fn zip(folder: &TempDir, text: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(format!("{NAME}.csv"), SimpleFileOptions::default()).expect("an entry");
    writer.write_all(text.as_bytes()).expect("memory");
    let bytes = writer.finish().expect("memory").into_inner();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let sum: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let klines = folder.path().join("klines");
    fs::write(klines.join(format!("{NAME}.zip")), &bytes).expect("written");
    fs::write(klines.join(format!("{NAME}.zip.CHECKSUM")), format!("{sum}  {NAME}.zip\n")).expect("written");
    bytes
}

/// Exit code, standard output and standard error.
fn told(folder: &TempDir, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
    command.args(["verify", "--data-dir", "store"]).args(more).env_clear().current_dir(folder.path());
    let output = command.output().expect("started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn has(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in\n{text}"));
}

fn told_json(folder: &TempDir) -> (Option<i32>, Value) {
    let (code, out, _) = told(folder, &["--json", "--against-klines", "klines"]);
    (code, serde_json::from_str(&out).expect("JSON"))
}

#[test]
fn minutes_that_agree_are_exit_0() {
    let folder = setting();
    zip(&folder, &csv(&minutes()));
    let (code, out, err) = told(&folder, &["--against-klines", "klines"]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    has(&out, &["records the simulator", symbol().as_str(), "6 minutes compared: every difference is explained"]);
    assert!(!out.contains("no CHECKSUM"), "{out}");
    let (code, json) = told_json(&folder);
    let symbol = &json["symbols"][0];
    assert_eq!(
        (code, &json["verdict"], &symbol["equal"], &symbol["in_holes"]),
        (Some(0), &json!("agrees"), &json!(5), &json!(1)),
        "{json}"
    );
    assert_eq!(symbol["files"][0]["checksum"], json!(true));
    // The bare CSV says the same; of both, the zip is taken.
    fs::write(folder.path().join("klines").join(format!("{NAME}.csv")), csv(&minutes())).expect("written");
    let (_, both) = told_json(&folder);
    assert_eq!(both["symbols"], json["symbols"]);
    let alone = format!("klines/{NAME}.csv");
    let (code, out, _) = told(&folder, &["--against-klines", &alone, "--symbol", "BTCUSDT,1000SHIBUSDT"]);
    assert_eq!(code, Some(0));
    has(&out, &["no CHECKSUM beside it"]);
}

#[test]
fn a_difference_is_exit_2_and_named() {
    let folder = setting();
    let mut bent = minutes();
    bent[2].volume = Volume::from_units(bent[2].volume.units() + 100_000_000);
    zip(&folder, &csv(&bent));
    let (code, out, _) = told(&folder, &["--against-klines", "klines"]);
    assert_eq!(code, Some(2));
    has(&out, &["unexplained", "2026-11-19 00:02", "volume", "DIFFERS: 1 of 6 minutes unexplained"]);
    let (code, json) = told_json(&folder);
    let found = &json["symbols"][0]["differences"][0];
    assert_eq!((code, &json["verdict"]), (Some(2), &json!("differs")));
    assert_eq!(found["open_time"], json!(bent[2].open_time.get()));
    assert_eq!(found["official"]["volume"], json!(bent[2].volume.to_string()));
    assert_eq!(found["ours"]["close"], json!(bent[2].close.to_string()));
}

#[test]
fn an_invented_minute_is_reported_and_no_fault_of_ours() {
    let folder = setting();
    let text = csv(&minutes());
    let price = minutes()[3].close;
    let mut lines: Vec<String> = text.lines().map(|line| line.to_owned() + "\n").collect();
    let open = minutes()[3].open_time;
    lines[3] = format!("{open},{price},{price},{price},{price},0,{},0,0,0,0,0\n", open.get() + 59_999);
    zip(&folder, &lines.concat());
    let (code, out, _) = told(&folder, &["--against-klines", "klines"]);
    assert_eq!(code, Some(0), "{out}");
    has(&out, &["invented", "2026-11-19 00:03", "2026-11-19 00:04"]);
    assert_eq!(told_json(&folder).1["symbols"][0]["inventions"][0]["trades"], json!(3));
}

#[test]
fn a_damaged_file_is_exit_2() {
    let folder = setting();
    let mut bytes = zip(&folder, &csv(&minutes()));
    bytes[80] ^= 1;
    fs::write(folder.path().join("klines").join(format!("{NAME}.zip")), &bytes).expect("written");
    let (code, out, _) = told(&folder, &["--against-klines", "klines"]);
    assert_eq!(code, Some(2));
    has(&out, &["REFUSED", "CHECKSUM", "DAMAGED"]);
    fs::write(folder.path().join("klines").join(format!("{NAME}.zip.CHECKSUM")), "<html>").expect("written");
    let (code, json) = told_json(&folder);
    assert_eq!((code, &json["verdict"]), (Some(2), &json!("damaged")));
}

#[test]
fn what_cannot_be_compared_is_exit_1_and_says_what_to_do() {
    let folder = setting();
    let klines = folder.path().join("klines");
    let refused = |args: &[&str], part: &str| {
        let (code, out, err) = told(&folder, args);
        assert_eq!((code, &*out), (Some(1), ""), "{err}");
        has(&err, &[part]);
    };
    refused(&["--against-klines", "klines"], "klines holds no official minutes");
    refused(&["--against-klines", "nowhere.zip"], "nowhere.zip cannot be read");
    fs::write(klines.join("minutes.csv"), csv(&minutes())).expect("written");
    refused(&["--against-klines", "klines/minutes.csv"], "SYMBOL-1m-YYYY-MM.zip");
    fs::write(klines.join("BTCUSDT-1m-2026-11-19.csv"), csv(&minutes())).expect("written");
    refused(&["--against-klines", "klines"], "records none of the symbols");
    refused(&["--against-klines", "klines", "--symbol", "ETHUSDT"], "--symbol");
    let (code, ..) = told(&folder, &["--symbol", "ETHUSDT"]);
    assert_eq!(code, Some(2), "a flag that means nothing alone");
}
