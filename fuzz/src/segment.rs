//! Can a segment with changed bytes do harm, or show a row that was never written?
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use tapedeck::{
    model::Trade,
    store::{
        files::{Disk, SimulatedDisk},
        manifest,
        record::Kind,
        segment::{Segment, SegmentIdentity},
    },
};

mod store;

static SEGMENT: LazyLock<(SimulatedDisk, String, Vec<u8>)> = LazyLock::new(|| {
    let disk = store::disk();
    let path = disk.paths().into_iter().find(|path| path.ends_with(".tds")).expect("a segment");
    let bytes = disk.contents(&path).expect("it is there");
    (disk, path, bytes)
});

/// Changes: four bytes each say where and what; the last may cut the file.
fn change(bytes: &mut Vec<u8>, data: &[u8]) {
    let (edits, rest) = data.as_chunks::<4>();
    for [a, b, c, value] in edits {
        let at = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let at = at % bytes.len();
        bytes[at] ^= value;
    }
    if let [a, b] = rest {
        bytes.truncate(usize::from(*a) << 8 | usize::from(*b));
    }
}

fuzz_target!(|data: &[u8]| {
    let (disk, path, bytes) = &*SEGMENT;
    let (disk, mut bytes) = (disk.fork(), bytes.clone());
    change(&mut bytes, data);
    disk.replace_file(path, &bytes);
    let name = path.rsplit('/').next().expect("a name");
    let identity = SegmentIdentity { store: store::STORE, number: manifest::number_of(name).expect("a number") };
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let Ok(segment) = Segment::open(&*disk, identity, path) else { return };
    segment.check().expect("it can be read");
    for section in segment.footer().sections.iter().filter(|section| section.kind == Kind::Trade.number()) {
        for at in 0..section.blocks as usize {
            let rows = segment.rows(section, at).into_iter();
            let trades: Vec<Trade> = rows.flat_map(|rows| rows.records().collect::<Vec<_>>()).collect();
            trades.iter().for_each(|shown| assert_eq!(*shown, store::trade(shown.id)));
        }
    }
});
