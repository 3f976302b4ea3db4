//! How is a store used in a test, as a seed has it: several contracts, bursts and pauses, late trades, files that fill?

use crate::{
    oracle::Oracle,
    rig::{Draws, Rig},
};
use std::ops::Range;
use tapedeck::store::storage::{Options, SyncPolicy};

/// Options so small that little work makes the store do everything it can.
pub(crate) fn options(draws: &mut Draws) -> Options {
    let sync = match draws.below(8) {
        0 => SyncPolicy::Never,
        1 | 2 => SyncPolicy::EveryBatch,
        _ => SyncPolicy::EveryMs(draws.within(0..100)),
    };
    Options {
        file_bytes: [8 << 10, 12 << 10, 16 << 10, 32 << 10][draws.index(4)],
        roll_ms: draws.within(100..5_000),
        write_ms: draws.within(0..30),
        sync,
        queue_bytes: 64 << 10,
    }
}

/// One who uses a store.
pub(crate) struct User {
    pub(crate) rig: Rig,
    pub(crate) oracle: Oracle,
    pub(crate) draws: Draws,
    write_ms: i64,
    /// The next id of each contract.
    next: Vec<u64>,
    /// Ids that were passed over and may come late.
    holes: Vec<Vec<Range<u64>>>,
    /// When the storage took in how much.
    taken: Vec<(i64, Vec<usize>)>,
}

/// The first id of a contract: no two share any.
pub(crate) fn first_id(contract: usize) -> u64 {
    (contract as u64 + 1) << 24
}

impl User {
    pub(crate) fn new(rig: Rig, oracle: &Oracle, draws: Draws, options: &Options) -> Self {
        oracle.lock().follow(&rig);
        let contracts = rig.holdings.len();
        Self {
            rig,
            oracle: oracle.clone(),
            draws,
            write_ms: options.write_ms,
            next: (0..contracts).map(first_id).collect(),
            holes: vec![Vec::new(); contracts],
            taken: Vec::new(),
        }
    }

    /// One thing that a user does.
    pub(crate) fn act(&mut self) {
        let contract = self.draws.index(self.next.len());
        match self.draws.below(16) {
            0 => self.skip(contract),
            1 | 2 => self.fill(contract),
            3 => self.repeat(contract),
            4 => self.pass(200, 40),
            5 => self.pass(2_000, 400),
            6..=8 => self.pass(60, 20),
            9 => self.pass(0, 1),
            _ => self.go_on(contract),
        }
    }

    pub(crate) fn hand_in(&mut self, contract: usize, ids: &[u64]) -> bool {
        let taken = self.rig.keep(contract, ids.iter().copied());
        if taken {
            self.oracle.lock().handed(contract, ids);
        }
        taken
    }

    /// The next ids, some at once.
    pub(crate) fn go_on(&mut self, contract: usize) {
        let count = 1 + self.draws.below(30);
        let ids: Vec<_> = (self.next[contract]..).take(usize::try_from(count).expect("it fits")).collect();
        if self.hand_in(contract, &ids) {
            self.next[contract] += count;
        }
        if self.draws.chance(4) {
            self.pass(10, 10);
        }
    }

    fn skip(&mut self, contract: usize) {
        let count = 1 + self.draws.below(20);
        let first = self.next[contract];
        self.next[contract] += count;
        self.holes[contract].push(first..self.next[contract]);
    }

    /// Some of what was passed over, maybe with what is around it.
    fn fill(&mut self, contract: usize) {
        let Some(hole) = self.holes[contract].pop() else { return };
        let lower = hole.start.saturating_sub(self.draws.below(3)).max(first_id(contract));
        let ids: Vec<_> = (lower..hole.end).filter(|id| *id < hole.start || self.draws.chance(7)).collect();
        if !ids.is_empty() {
            self.hand_in(contract, &ids);
        }
    }

    /// Ids that may have been handed in before, in equal trades.
    fn repeat(&mut self, contract: usize) {
        let behind = self.draws.below(40);
        let first = self.next[contract].saturating_sub(behind).max(first_id(contract));
        let ids: Vec<_> = (first..self.next[contract]).take(10).collect();
        if !ids.is_empty() {
            self.hand_in(contract, &ids);
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, millis: i64, step: i64) {
        let end = self.rig.now.monotonic_ms + millis;
        loop {
            let now = self.rig.now.monotonic_ms;
            self.taken.push((now, self.oracle.lock().handed_lens()));
            self.rig.step();
            self.settle(now);
            if now >= end {
                return;
            }
            self.rig.advance(step);
        }
    }

    /// What was taken in long enough ago is written by now, unless something failed.
    fn settle(&mut self, now: i64) {
        let mut truth = self.oracle.lock();
        let due = self.taken.iter().rposition(|(at, _)| at + self.write_ms <= now);
        if let Some(due) = due {
            truth.wrote(&self.taken[due].1);
            self.taken.drain(..=due);
        }
        truth.ask();
    }
}
