//! What does a manifest list?

use crate::store::{
    bytes::Reader,
    inspect::{Inspection, Table, hex, utc},
    manifest::{Manifest, SegmentEntry},
    record::Kind,
};

impl Inspection {
    pub(super) fn manifest(&mut self, bytes: &[u8]) {
        let Some(mut reader) = Reader::unsealed(bytes, 64) else {
            return self.damage.push("bytes 0 to 64: the header's checksum differs, or it is short".to_owned());
        };
        if !self.say_version(&mut reader) {
            return;
        }
        let store = reader.u128();
        let (generation, next_segment) = (reader.u64(), reader.u64());
        self.say("store", hex(store)).say("generation", generation).say("next segment", next_segment);
        self.say("written", utc(crate::model::UnixMillis::new(reader.i64())));
        match Manifest::parse(bytes) {
            Some((_, manifest)) => self.tables.extend(tables(&manifest)),
            None => self.damage.push(format!("bytes 64 to {}: the list's checksum differs", bytes.len())),
        }
    }
}

fn tables(manifest: &Manifest) -> Vec<Table> {
    let contract = |row: &crate::store::record::ContractRow| {
        vec![row.number.to_string(), row.symbol().map_or_else(|| "?".to_owned(), |symbol| symbol.as_str().to_owned())]
    };
    let journal = |(shard, below): &(u32, u32)| vec![shard.to_string(), below.to_string()];
    vec![
        Table {
            title: "contracts",
            columns: vec!["number", "symbol"],
            rows: manifest.contracts.iter().map(contract).collect(),
        },
        Table {
            title: "journal files that are sealed",
            columns: vec!["shard", "below number"],
            rows: manifest.journals.iter().map(journal).collect(),
        },
        Table {
            title: "segments",
            columns: vec!["file", "bytes", "sections", "trades", "from", "to"],
            rows: manifest.segments.iter().map(segment).collect(),
        },
    ]
}

fn segment(entry: &SegmentEntry) -> Vec<String> {
    let held = || entry.footer.sections.iter().filter(|section| section.kind != Kind::Contract.number());
    let trades = held().filter(|section| section.kind == Kind::Trade.number()).map(|section| section.rows).sum::<u64>();
    let time = |time: Option<i64>| time.map_or_else(String::new, |time| utc(crate::model::UnixMillis::new(time)));
    vec![
        entry.path(),
        entry.bytes.to_string(),
        entry.footer.sections.len().to_string(),
        trades.to_string(),
        time(held().map(|section| section.first_time).min()),
        time(held().map(|section| section.last_time).max()),
    ]
}
