//! Can any bytes in place of a frame's archive, or of a journal file, do harm?
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use tapedeck::store::{
    files::{Disk, SimulatedDisk},
    journal::{self, JournalFile, View},
};

mod store;

/// A disk with a journal file, its name, and its bytes.
static JOURNAL: LazyLock<(SimulatedDisk, String, Vec<u8>)> = LazyLock::new(|| {
    let disk = store::disk();
    let path = disk.paths().into_iter().rfind(|path| path.starts_with(journal::DIRECTORY)).expect("a journal file");
    let bytes = disk.contents(&path).expect("it is there");
    (disk, path, bytes)
});

fuzz_target!(|data: &[u8]| {
    // As an archive whose checksum was right.
    let mut aligned: Vec<u8> = Vec::with_capacity(data.len() + 64);
    let skip = aligned.as_ptr().align_offset(64);
    aligned.resize(skip, 0);
    aligned.extend_from_slice(data);
    if let Some(view) = View::trusted(&aligned[skip..]) {
        let words: usize = view.sections().map(|section| section.words().count()).sum();
        assert!(words * 8 <= data.len());
    }
    // Laid over a journal file's frames.
    let (disk, path, bytes) = &*JOURNAL;
    let disk = disk.fork();
    let mut bytes = bytes.clone();
    let at = data.first().map_or(0, |byte| usize::from(*byte) * 61 % bytes.len());
    let end = (at + data.len()).min(bytes.len());
    bytes[at..end].copy_from_slice(&data[..end - at]);
    disk.replace_file(path, &bytes);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let name = path.rsplit('/').next().expect("a name");
    if let Ok(file) = JournalFile::open(&*disk, store::STORE, name) {
        let scan = journal::scan(&file, |_, _, view| {
            let _sections = view.sections().count();
        });
        assert!(scan.expect("it can be read").end <= bytes.len() as u64);
    }
});
