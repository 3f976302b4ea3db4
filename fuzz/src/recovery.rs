//! Is what a changed store serves always a part of what was written, and does it take new trades?
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use tapedeck::{
    clock::Clock,
    model::UnixMillis,
    store::{
        self as tape, Holding,
        files::{Disk, SimulatedDisk},
        record::{Kind, Origin},
    },
};

mod store;

static DISK: LazyLock<SimulatedDisk> = LazyLock::new(store::disk);

/// Changes files: five bytes each say which, where and what; a file may be emptied, too.
fn change(disk: &SimulatedDisk, data: &[u8]) {
    let paths = disk.paths();
    for [file, a, b, value, how] in data.as_chunks::<5>().0 {
        let path = &paths[usize::from(*file) % paths.len()];
        let Some(mut bytes) = disk.contents(path).ok().filter(|bytes| !bytes.is_empty()) else { continue };
        let at = (usize::from(*a) << 8 | usize::from(*b)) % bytes.len();
        match how % 16 {
            0 => bytes.truncate(at),
            1 => bytes.clear(),
            2 => bytes[at..].fill(*value),
            _ => bytes[at] ^= value,
        }
        disk.replace_file(path, &bytes);
    }
}

fuzz_target!(|data: &[u8]| {
    let sim = DISK.fork();
    change(&sim, data);
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let clock = Clock::starting_at(UnixMillis::new(store::START));
    let Ok(mut opened) = tape::open(&disk, &store::identity(), store::options(), clock) else { return };
    for contract in opened.library.contracts() {
        let holding = Holding::new(&opened.library, &opened.desk, contract.number, Kind::Trade);
        let served = holding.from_id(0, usize::MAX).trades;
        assert!(served.is_sorted_by(|a, b| a.id < b.id), "each once");
        served.iter().for_each(|trade| assert_eq!(*trade, store::trade(trade.id)));
        assert!(holding.keep(Origin::Stream, &[store::trade(5_000)]));
    }
    assert!(opened.storage.drain(store::now(10_000)));
});
