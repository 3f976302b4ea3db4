//! What do tests of the store stand on?

use std::sync::Arc;
use tapedeck::{
    clock::{Clock, Now},
    model::{Price, Quantity, Symbol, Trade, UnixMillis},
    store::{
        self, Holding, Opened,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::{Kind, Origin},
        storage::{Options, SyncPolicy},
    },
};

pub(crate) const START: i64 = 1_795_168_800_000;

/// A trade that is a function of its id.
pub(crate) fn trade(id: u64) -> Trade {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Trade {
        id,
        price: Price::from_units(6_000_000_000_000 + i64::try_from(mixed % 1_000).expect("it fits") * 10_000_000),
        quantity: Quantity::from_units(100_000 * (1 + i64::try_from(mixed % 977).expect("it fits"))),
        first_id: id * 2,
        last_id: id * 2 + 1,
        time: UnixMillis::new(START + i64::try_from(id).expect("it fits") * 7),
        buyer_is_maker: mixed.is_multiple_of(2),
    }
}

/// Files so short that a test fills several.
pub(crate) fn small() -> Options {
    Options { file_bytes: 32 << 10, roll_ms: 10_000, write_ms: 10, sync: SyncPolicy::EveryMs(50), queue_bytes: 1 << 20 }
}

pub(crate) fn identity() -> Identity {
    Identity { store: 0x7ade, venue: "the test".to_owned(), created: UnixMillis::new(START) }
}

/// A store on a disk, driven by hand.
pub(crate) struct Rig {
    pub(crate) opened: Opened,
    pub(crate) holdings: Vec<Holding>,
    pub(crate) now: Now,
}

impl Rig {
    /// Opens the store with contracts of the symbols A0, A1, ...
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        options: Options,
        contracts: usize,
        now: Now,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let clock = Clock::starting_at(now.wall);
        let mut opened = store::open(disk, &identity(), options, clock)?;
        let symbols: Vec<_> = (0..contracts).map(|at| Symbol::new(&format!("A{at}")).expect("a symbol")).collect();
        let rows = opened.storage.register(&symbols, now)?;
        let holdings =
            rows.iter().map(|row| Holding::new(&opened.library, &opened.desk, row.number, Kind::Trade)).collect();
        Ok(Self { opened, holdings, now })
    }

    /// Registers further contracts.
    pub(crate) fn add(&mut self, symbols: &[&str]) -> std::io::Result<()> {
        let symbols: Vec<_> = symbols.iter().map(|text| Symbol::new(text).expect("a symbol")).collect();
        let (library, desk) = (&self.opened.library, &self.opened.desk);
        let rows = self.opened.storage.register(&symbols, self.now)?;
        self.holdings.extend(rows.iter().map(|row| Holding::new(library, desk, row.number, Kind::Trade)));
        Ok(())
    }

    /// Lets time pass in steps, with everything that is due.
    pub(crate) fn pass(&mut self, millis: i64) {
        let end = self.now.monotonic_ms + millis;
        while self.now.monotonic_ms < end {
            self.advance(10);
            self.step();
        }
    }

    pub(crate) fn advance(&mut self, millis: i64) {
        self.now.monotonic_ms += millis;
        self.now.wall = self.now.wall.plus(millis);
    }

    /// Everything that is due now.
    pub(crate) fn step(&mut self) {
        self.opened.storage.step(self.now);
        self.opened.sealer.step();
    }

    pub(crate) fn keep(&self, contract: usize, ids: impl IntoIterator<Item = u64>) -> bool {
        let trades: Vec<_> = ids.into_iter().map(trade).collect();
        self.holdings[contract].keep(Origin::Stream, &trades)
    }

    pub(crate) fn ids(&self, contract: usize) -> Vec<u64> {
        self.holdings[contract].from_id(0, usize::MAX).trades.iter().map(|trade| trade.id).collect()
    }
}

pub(crate) fn start() -> Now {
    Now { wall: UnixMillis::new(START), monotonic_ms: 0 }
}

pub(crate) fn disk(seed: u64) -> (SimulatedDisk, Arc<dyn Disk>) {
    let disk = SimulatedDisk::new(seed);
    (disk.clone(), Arc::new(disk))
}

/// A test's chance, which a seed replays (splitmix64: S. Vigna, public domain).
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it fits")
    }

    pub(crate) fn within(&mut self, range: std::ops::Range<i64>) -> i64 {
        range.start + i64::try_from(self.below(range.start.abs_diff(range.end))).expect("it fits")
    }

    /// Yes, in so many of eight cases.
    pub(crate) fn chance(&mut self, eighths: u64) -> bool {
        self.below(8) < eighths
    }
}
