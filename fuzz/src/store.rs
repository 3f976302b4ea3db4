//! Which store do the targets start from?

use std::sync::Arc;
use tapedeck::{
    clock::{Clock, Now},
    model::{Price, Quantity, Symbol, Trade, UnixMillis},
    store::{
        self, Holding,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::{Kind, Origin},
        storage::{Options, SyncPolicy},
    },
};

pub const START: i64 = 1_795_168_800_000;
pub const STORE: u128 = 0x7ade;

/// A trade that is a function of its id.
pub fn trade(id: u64) -> Trade {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let small = |limit: u64| i64::try_from(mixed % limit).unwrap_or_default();
    Trade {
        id,
        price: Price::from_units(6_000_000_000_000 + small(1_000) * 10_000_000),
        quantity: Quantity::from_units(100_000 * (1 + small(977))),
        first_id: id * 2,
        last_id: id * 2 + 1,
        time: UnixMillis::new(START + i64::try_from(id).unwrap_or_default() * 7),
        buyer_is_maker: mixed % 2 == 0,
    }
}

pub fn identity() -> Identity {
    Identity { store: STORE, venue: "fuzz".to_owned(), created: UnixMillis::new(START) }
}

pub fn options() -> Options {
    Options {
        file_bytes: 16 << 10,
        roll_ms: 2_000,
        write_ms: 10,
        sync: SyncPolicy::EveryMs(50),
        queue_bytes: 1 << 20,
        ..Options::default()
    }
}

pub fn now(ms: i64) -> Now {
    Now { wall: UnixMillis::new(START + ms), monotonic_ms: ms }
}

/// A disk with a store of two contracts: segments, a journal file with frames, a manifest.
pub fn disk() -> SimulatedDisk {
    let sim = SimulatedDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut opened =
        store::open(&disk, &identity(), options(), Clock::starting_at(UnixMillis::new(START))).expect("opens");
    let symbols = ["A", "B"].map(|text| Symbol::new(text).expect("a symbol"));
    let rows = opened.storage.register(&symbols, now(0)).expect("registered");
    let holdings = rows.iter().map(|row| Holding::new(&opened.library, &opened.desk, row.number, Kind::Trade));
    let holdings: Vec<_> = holdings.collect();
    for step in 0..60_i64 {
        let first = u64::try_from(step).unwrap_or_default() * 20 + 1;
        let trades: Vec<_> = (first..first + 20).map(trade).collect();
        holdings.iter().for_each(|holding| assert!(holding.keep(Origin::Stream, &trades)));
        for part in 0..10 {
            opened.storage.step(now(step * 100 + part * 10));
            opened.sealer.step();
        }
    }
    drop(opened);
    sim.kill();
    sim
}
