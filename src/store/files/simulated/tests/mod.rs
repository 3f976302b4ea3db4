//! Does the simulated disk behave as it says?

mod faulty;
mod kept;
mod names;
mod power;
mod whole;

use super::{Damage, Fault, Lasting, SimulatedDisk};
use crate::store::files::{Disk, File, write_all_at};
use std::{collections::BTreeSet, io, sync::Arc};

/// A disk on which `a` is durable with these bytes, and the file.
fn with_file(bytes: &[u8]) -> (SimulatedDisk, Arc<dyn File>) {
    let disk = SimulatedDisk::new(1);
    disk.replace_file("a", bytes);
    let file = disk.open_to_write("a").unwrap();
    (disk, file)
}

/// What `look` sees after many power cuts.
fn after_cuts<T: Ord>(disk: &SimulatedDisk, look: impl Fn(&SimulatedDisk) -> T) -> BTreeSet<T> {
    let cut = |seed| {
        let fork = disk.fork();
        fork.power_cut(seed);
        look(&fork)
    };
    (0..400).map(cut).collect()
}

fn contents(disk: &SimulatedDisk) -> Vec<u8> {
    disk.contents("a").unwrap()
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
    result.err().map(|error| error.kind())
}
