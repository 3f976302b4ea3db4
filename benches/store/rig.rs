//! Which store do the measurements stand on?

use std::{fs, io, path::Path, sync::Arc};
use tapedeck::{
    clock::Clock,
    model::{Symbol, Trade, UnixMillis},
    store::{
        self, Holding, Opened,
        files::{Disk, RealDisk},
        identity::Identity,
        plan::Merges,
        record::{Kind, Origin},
        storage::Options,
        upkeep::Upkeep,
    },
};

/// A store on the machine's disk.
pub(crate) struct Rig {
    pub(crate) opened: Opened,
    pub(crate) holding: Holding,
    clock: Clock,
}

type Failure = Box<dyn std::error::Error>;

/// An empty directory.
pub(crate) fn emptied(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(dir)
}

impl Rig {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Self, Failure> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir));
        let clock = Clock::system();
        let wanted = Identity { store: 7, venue: "bench".to_owned(), created: UnixMillis::new(0) };
        let mut opened = store::open(&disk, &wanted, options, clock)?;
        let row = opened.storage.register(&[Symbol::new("BTCUSDT")?], clock.now())?[0];
        let holding = Holding::new(&opened.library, &opened.desk, row.number, Kind::Trade);
        Ok(Self { opened, holding, clock })
    }

    /// Keeps trades and waits until they are durable.
    pub(crate) fn append(&mut self, trades: &[Trade]) {
        assert!(self.holding.keep(Origin::Stream, trades), "there is room");
        assert!(self.opened.storage.drain(self.clock.now()), "it is durable");
    }

    /// Merges everything into months.
    pub(crate) fn merge(&mut self) {
        let merges = Merges { every_ms: 0, day_after_ms: 0, month_after_ms: 0, fills: 1 };
        self.opened.storage.set_upkeep(Upkeep { merges, scrub_ms: None, ..Upkeep::default() });
        let mut month = self.clock.now();
        // Long after the month's end, by the wall clock that the planner looks at.
        for _ in 0..10_000 {
            month.monotonic_ms += 10;
            self.opened.storage.step(month);
            self.opened.sealer.step();
        }
    }

    /// Does what is due until nothing is left to seal.
    pub(crate) fn seal(&mut self) {
        for _ in 0..1_000 {
            self.opened.storage.step(self.clock.now());
            self.opened.sealer.step();
        }
    }
}
