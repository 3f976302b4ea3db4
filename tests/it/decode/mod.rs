//! Does every recorded frame and body say what an independent reader finds in it?

mod bodies;
mod frames;
mod oracle;

use serde_json::{Value, value::RawValue};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

/// A recording, decompressed by its name; nothing, and a word about it, when the recordings are not there.
fn recording(name: &str) -> Option<Box<dyn BufRead>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    let file = std::fs::File::open(folder.join(name)).expect(name);
    let reader: Box<dyn Read> = match name.rsplit('.').next() {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).expect(name)),
        _ => Box::new(file),
    };
    Some(Box::new(BufReader::new(reader)))
}

fn body(name: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    recording(name)?.read_to_end(&mut body).expect(name);
    Some(body)
}

/// The frames of a recording: after a receive time, in the `data` of a `recv` row, or a line each.
fn frames(name: &str) -> Option<impl Iterator<Item = String>> {
    let lines = recording(name)?.lines().map(|line| line.expect("text"));
    Some(lines.filter_map(|line| match line.as_bytes().first()? {
        b'0'..=b'9' => line.split_once(' ').map(|(_, frame)| frame.to_owned()),
        _ if !line.starts_with("{\"t\":") => Some(line),
        _ => {
            let row: Value = serde_json::from_str(&line).expect("a row");
            (row["t"] == "recv").then(|| row["data"].as_str().expect("a frame").to_owned())
        }
    }))
}

/// The elements of an array, each as it is spelt.
fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).expect("an array");
    elements.into_iter().map(RawValue::get).collect()
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/binance/", $name)).trim_end()
    };
}
use fixture;
