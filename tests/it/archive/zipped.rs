//! How is a CSV zipped, soundly by a library or field by field by hand?

use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::{Cursor, Write as _};
use tapedeck::exchange::binance::archive::Place;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn written(entries: &[(&str, &str)], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        writer.start_file(*name, options).expect("an entry");
        writer.write_all(text.as_bytes()).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

pub(super) fn deflated(place: &Place, csv: &str) -> Vec<u8> {
    written(&[(&place.entry_name(), csv)], SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

pub(super) fn stored(place: &Place, csv: &str) -> Vec<u8> {
    written(&[(&place.entry_name(), csv)], SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
}

/// As files beyond 4 GiB are written: with lengths of 64 bits.
pub(super) fn large(place: &Place, csv: &str) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    written(&[(&place.entry_name(), csv)], options.large_file(true))
}

pub(super) fn of_entries(entries: &[(&str, &str)]) -> Vec<u8> {
    written(entries, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

/// A zip of one entry whose every claim can be false.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) data: Vec<u8>,
    pub(super) compressed_bytes: u32,
    pub(super) csv_bytes: u32,
    /// Between the data and the directory.
    pub(super) gap: Vec<u8>,
    /// Of the directory's header.
    pub(super) extra: Vec<u8>,
    /// Behind the header, counted as part of the directory.
    pub(super) more: Vec<u8>,
    pub(super) entries: u16,
    pub(super) header_start: u32,
}

impl Parts {
    /// A sound one.
    pub(super) fn new(place: &Place, csv: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(csv).expect("memory");
        let data = encoder.finish().expect("memory");
        let mut crc = Crc::new();
        crc.update(csv);
        Self {
            name: place.entry_name().into_bytes(),
            flags: 0,
            method: 8,
            crc: crc.sum(),
            compressed_bytes: u32::try_from(data.len()).expect("small"),
            csv_bytes: u32::try_from(csv.len()).expect("small"),
            data,
            gap: Vec::new(),
            extra: Vec::new(),
            more: Vec::new(),
            entries: 1,
            header_start: 0,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04\x14\x00".to_vec();
        out.extend(self.common());
        out.extend(0u16.to_le_bytes());
        out.extend(&self.name);
        out.extend(&self.data);
        out.extend(&self.gap);
        let directory = out.len();
        out.extend(b"PK\x01\x02\x14\x00\x14\x00");
        out.extend(self.common());
        out.extend(length16(&self.extra));
        out.extend([0; 10]);
        out.extend(self.header_start.to_le_bytes());
        out.extend(&self.name);
        out.extend(&self.extra);
        out.extend(&self.more);
        let bytes = out.len() - directory;
        out.extend(b"PK\x05\x06\x00\x00\x00\x00");
        out.extend([self.entries.to_le_bytes(), self.entries.to_le_bytes()].concat());
        out.extend([bytes, directory].map(|length| u32::try_from(length).expect("small").to_le_bytes()).concat());
        out.extend([0; 2]);
        out
    }

    /// What both headers say, up to the name's length.
    fn common(&self) -> Vec<u8> {
        let mut out = [self.flags.to_le_bytes(), self.method.to_le_bytes()].concat();
        out.extend([0, 0, 0x21, 0]); // 1980-01-01
        out.extend([self.crc, self.compressed_bytes, self.csv_bytes].map(u32::to_le_bytes).concat());
        out.extend(length16(&self.name));
        out
    }
}

fn length16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("short").to_le_bytes()
}
