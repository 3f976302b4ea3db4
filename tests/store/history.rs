//! What do tests stand on in which days and months go by?

use crate::rig::{Rig, START, small, start, trade};
use std::sync::Arc;
use tapedeck::{
    model::{Trade, UnixMillis},
    store::{files::Disk, manifest::Level, plan::Merges, record::Origin, upkeep::Upkeep},
};

/// Ten minutes, so that 144 trades make a day and the first month ends after 1,524.
const APART_MS: i64 = 600_000;

/// A trade that is a function of its id, of one of few prices.
pub(crate) fn slow_trade(id: u64) -> Trade {
    let time = UnixMillis::new(START + i64::try_from(id).expect("small") * APART_MS);
    Trade { id, first_id: id * 2, last_id: id * 2 + 1, time, ..trade(id % 50) }
}

/// Merges as soon as a day or month is over.
pub(crate) fn eager() -> Upkeep {
    Upkeep {
        merges: Merges { every_ms: 100, day_after_ms: 0, month_after_ms: 0, fills: 3 },
        scrub_ms: None,
        ..Upkeep::default()
    }
}

/// Nothing is done to segments.
pub(crate) fn idle() -> Upkeep {
    Upkeep { merges: Merges { every_ms: i64::MAX, ..Merges::default() }, scrub_ms: None, ..Upkeep::default() }
}

pub(crate) fn open(disk: &Arc<dyn Disk>, contracts: usize, upkeep: Upkeep) -> Rig {
    let mut rig = Rig::open(disk, small(), contracts, start()).expect("opens");
    rig.opened.storage.set_upkeep(upkeep);
    rig
}

impl Rig {
    /// Keeps trades and seals them: one segment of the level of hours.
    pub(crate) fn seal(&mut self, kept: &[(usize, Origin, Vec<Trade>)]) {
        for (contract, origin, trades) in kept {
            assert!(self.holdings[*contract].keep(*origin, trades));
        }
        self.pass(11_000);
    }

    /// Seals trades of these ids, from the stream, of every contract.
    pub(crate) fn seal_ids(&mut self, ids: std::ops::Range<u64>) {
        let trades: Vec<_> = ids.map(slow_trade).collect();
        let all: Vec<_> = (0..self.holdings.len()).map(|at| (at, Origin::Stream, trades.clone())).collect();
        self.seal(&all);
    }

    /// Lets the clock stand where a trade of that id would be.
    pub(crate) fn go_to(&mut self, id: u64) {
        self.now.wall = slow_trade(id).time;
    }

    /// How many segments there are of each level.
    pub(crate) fn levels(&self) -> [usize; 4] {
        let segments = &self.opened.storage.manifest().segments;
        Level::ALL.map(|level| segments.iter().filter(|entry| entry.level == level).count())
    }

    /// Asserts that exactly the trades of these ids are served, each once.
    pub(crate) fn assert_serves(&self, contract: usize, ids: impl IntoIterator<Item = u64>, what: &str) {
        let stored = self.holdings[contract].from_id(0, usize::MAX);
        assert_eq!(stored.damaged, [], "{what}");
        assert_eq!(stored.trades, ids.into_iter().map(slow_trade).collect::<Vec<_>>(), "{what}");
    }
}
