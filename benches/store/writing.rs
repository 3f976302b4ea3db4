//! What does it cost to make trades durable, and to start again?

use crate::{
    measure::{shown, tell, timed},
    rig::{Rig, emptied},
};
use std::{path::Path, time::Duration};
use tapedeck::{
    model::Trade,
    store::{
        files::{Disk, RealDisk, write_all_at},
        storage::{Options, SyncPolicy},
    },
};

const BATCH: usize = 50_000;
/// Batches of one measurement.
const BATCHES: usize = 40;
/// Bytes of a trade in the floor's writes: what the peers' floor writes, too.
const FLOOR_BYTES: usize = 40;

type Failure = Box<dyn std::error::Error>;

fn options() -> Options {
    Options { sync: SyncPolicy::EveryBatch, ..Options::default() }
}

/// Batches of 50,000, each durable before the next, in turn with a file that is only appended to and synced.
pub(crate) fn append(dir: &Path, trades: &[Trade]) -> Result<(), Failure> {
    emptied(dir)?;
    let mut rig = Rig::open(dir, options())?;
    rig.append(&trades[..BATCH.min(trades.len())]);
    let disk = RealDisk::new(dir);
    let floor = disk.create("floor")?;
    floor.allocate(((BATCHES + 1) * BATCH * FLOOR_BYTES) as u64)?;
    floor.sync()?;
    let block = vec![7; BATCH * FLOOR_BYTES];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (at, batch) in trades[BATCH.min(trades.len())..].chunks_exact(BATCH).take(BATCHES).enumerate() {
        ours.push(timed(|| rig.append(batch)));
        theirs.push(timed(|| {
            write_all_at(&*floor, &block, (at * block.len()) as u64).and_then(|()| floor.sync()).expect("room");
        }));
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (ours, theirs) = (middle(&mut ours), middle(&mut theirs));
    let rate = |time: Duration| BATCH as f64 / time.as_secs_f64() / 1e3;
    let figure =
        format!("{:.0} k rows/s, {:.0} % of append + fdatasync", rate(ours), 100.0 * rate(ours) / rate(theirs));
    tell("2", "durable append, batches of 50,000", &figure, ">= 40 % of append + fdatasync");
    Ok(())
}

/// A start over a gibibyte of journal that was never sealed.
pub(crate) fn restart(dir: &Path, trades: &[Trade]) -> Result<(), Failure> {
    emptied(dir)?;
    let mut rig = Rig::open(dir, options())?;
    let mut written = 0;
    'full: loop {
        // The same trades again and again: what a start reads does not depend on their ids.
        for batch in trades.chunks(BATCH) {
            rig.append(batch);
            written += batch.len() * 56;
            if written >= 1 << 30 {
                break 'full;
            }
        }
    }
    drop(rig);
    let mut rows = 0;
    let time = timed(|| {
        let rig = Rig::open(dir, options()).expect("it opens");
        rows = rig.opened.library.shelves().len();
    });
    assert!(rows > 0);
    tell("10", "start over 1 GiB of journal", &shown(time), "<= 2 s to live");
    Ok(())
}
