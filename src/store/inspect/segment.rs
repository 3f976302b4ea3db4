//! Which sections and blocks does a segment hold?

use crate::{
    model::UnixMillis,
    store::{
        bytes::Reader,
        files::{Disk, read_exact_at},
        inspect::{Inspection, Table, hex, utc},
        record::{ContractRow, Kind},
        segment::{BlockIndex, Replaced, SectionIndex, Segment, SegmentError, SegmentIdentity},
        verify::check_segment,
    },
};
use std::{collections::BTreeMap, io};

const HEADER_BYTES: usize = 128;

impl Inspection {
    pub(super) fn segment(&mut self, disk: &dyn Disk, path: &str, blocks: bool) -> io::Result<()> {
        let identity = match self.segment_header(disk, path)? {
            Some(identity) => Some(identity),
            None => identity_of_blocks(disk, path)?,
        };
        let Some(identity) = identity else { return Ok(()) };
        let segment = match Segment::open_unmapped(disk, identity, path) {
            Ok(segment) => segment,
            Err(SegmentError::Io(error)) => return Err(error),
            Err(error) => {
                self.damage.push(error.to_string());
                return Ok(());
            }
        };
        self.say("bytes", segment.bytes()).say("made of", made_of(&segment));
        self.tables.push(sections(&segment));
        if blocks {
            self.tables.push(all_blocks(&segment));
        }
        self.damage.extend(check_segment(&segment, None).findings.iter().map(|finding| finding.problem.to_string()));
        Ok(())
    }

    fn segment_header(&mut self, disk: &dyn Disk, path: &str) -> io::Result<Option<SegmentIdentity>> {
        let mut record = [0; HEADER_BYTES];
        let read = read_exact_at(&*disk.open(path)?, &mut record, 0);
        let Some(mut reader) = read.ok().and_then(|()| Reader::unsealed(&record, HEADER_BYTES)) else {
            self.damage.push("bytes 0 to 128: the header's checksum differs, or it is short".to_owned());
            return Ok(None);
        };
        let known = self.say_version(&mut reader);
        let (may_ignore, readers_may_ignore, needed, _) = (reader.u32(), reader.u32(), reader.u32(), reader.u32());
        self.say(
            "features",
            format!("{may_ignore:#x} optional, {readers_may_ignore:#x} to write, {needed:#x} to read"),
        );
        if !known {
            return Ok(None);
        }
        let identity = SegmentIdentity { store: reader.u128(), number: reader.u64() };
        self.say("store", hex(identity.store)).say("number", identity.number);
        self.say("created", utc(UnixMillis::new(reader.i64())));
        Ok(Some(identity))
    }
}

/// Which segment it is, as its first block that is whole says.
fn identity_of_blocks(disk: &dyn Disk, path: &str) -> io::Result<Option<SegmentIdentity>> {
    let file = disk.open(path)?;
    let bytes = file.map(0..file.len()?)?;
    let whole =
        |at: &usize| bytes[*at..].starts_with(b"TDBK") && Reader::unsealed(&bytes[*at..], HEADER_BYTES).is_some();
    Ok((0..bytes.len()).step_by(64).find(whole).map(|at| {
        let mut reader = Reader::new(&bytes[at + 8..]);
        SegmentIdentity { store: reader.u128(), number: reader.u64() }
    }))
}

fn made_of(segment: &Segment) -> String {
    let name = |replaced: &Replaced| match replaced.shard {
        u32::MAX => format!("segment {}", replaced.number),
        shard => format!("journal {shard}-{}", replaced.number),
    };
    segment.footer().replaces.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn sections(segment: &Segment) -> Table {
    let names = names(segment);
    let row = |section: &SectionIndex| {
        let bytes = segment.blocks(section).iter().map(|block| u64::from(block.bytes)).sum::<u64>();
        let mut cells = whose(section, &names);
        cells.extend([section.rows, section.first_key, section.last_key].map(|number| number.to_string()));
        let time = |time: i64| if time == 0 { String::new() } else { utc(UnixMillis::new(time)) };
        cells.extend([section.first_time, section.last_time].map(time));
        cells.extend([u64::from(section.runs), u64::from(section.blocks), bytes].map(|number| number.to_string()));
        cells
    };
    Table {
        title: "sections",
        columns: vec![
            "contract", "symbol", "rows of", "rows", "first", "last", "from", "to", "runs", "blocks", "bytes",
        ],
        rows: segment.footer().sections.iter().map(row).collect(),
    }
}

fn all_blocks(segment: &Segment) -> Table {
    let names = names(segment);
    let row = |section: &SectionIndex, block: &BlockIndex| {
        let mut cells = vec![block.offset.to_string(), block.bytes.to_string()];
        cells.extend(whose(section, &names));
        cells.extend([u64::from(block.rows), block.first_key, block.last_key].map(|number| number.to_string()));
        cells
    };
    let rows = segment.footer().sections.iter();
    let rows = rows.flat_map(|section| segment.blocks(section).iter().map(move |block| (section, block)));
    Table {
        title: "blocks",
        columns: vec!["offset", "bytes", "contract", "symbol", "rows of", "rows", "first", "last"],
        rows: rows.map(|(section, block)| row(section, block)).collect(),
    }
}

fn whose(section: &SectionIndex, names: &BTreeMap<u32, String>) -> Vec<String> {
    let kind = Kind::from_number(section.kind);
    let symbol = names.get(&section.contract).filter(|_| kind != Some(Kind::Contract)).cloned();
    let what = kind.map_or_else(|| format!("kind {}", section.kind), |kind| kind.schema().name.to_owned());
    let what = if section.role == 0 { what } else { format!("{what}, conflicts") };
    vec![section.contract.to_string(), symbol.unwrap_or_default(), what]
}

/// Every file says the contracts' names anew.
fn names(segment: &Segment) -> BTreeMap<u32, String> {
    let Some(section) = segment.section(0, Kind::Contract) else { return BTreeMap::new() };
    let rows = (0..section.blocks as usize).filter_map(|at| segment.rows(section, at).ok());
    let contracts = rows.flat_map(|rows| rows.records::<ContractRow>().collect::<Vec<_>>());
    contracts.filter_map(|row| Some((row.number, row.symbol()?.as_str().to_owned()))).collect()
}
