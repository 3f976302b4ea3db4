//! What must a store serve, given what was handed in and what it ever called durable?

use crate::rig::{Rig, trade};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tapedeck::{
    model::{IdRange, Trade},
    store::{files::SimulatedDisk, shelf::Shelf},
};

/// What a test handed in and was promised, by contract. Shared with whoever looks at the disk's calls.
#[derive(Clone, Default)]
pub(crate) struct Oracle(Arc<Mutex<Truth>>);

#[derive(Default)]
pub(crate) struct Truth {
    tapes: Vec<Tape>,
    /// Added to each id that the store calls durable: a planted bug, otherwise 0.
    pub(crate) bias: u64,
    pub(crate) moments: Vec<Moment>,
}

#[derive(Clone, Default)]
struct Tape {
    shelf: Option<Arc<Shelf>>,
    /// Ids in the order in which they were handed in.
    handed: Vec<u64>,
    /// The place of each in `handed`.
    first: HashMap<u64, usize>,
    /// Handed in and never called durable.
    pending: Vec<u64>,
    /// Called durable, in that order.
    promised: Vec<u64>,
    /// How many of `handed` had been written when their time had come.
    written: usize,
}

/// A disk as it was, with how much was known then of every contract.
pub(crate) struct Moment {
    pub(crate) disk: SimulatedDisk,
    marks: Vec<Mark>,
}

#[derive(Clone, Copy)]
struct Mark {
    handed: usize,
    promised: usize,
    written: usize,
}

impl Oracle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another that knows as much.
    pub(crate) fn copy(&self) -> Self {
        let truth = self.lock();
        let (tapes, moments) = (truth.tapes.clone(), Vec::new());
        Self(Arc::new(Mutex::new(Truth { tapes, bias: truth.bias, moments })))
    }
}

impl Truth {
    /// From now on these shelves are asked how far they are durable.
    pub(crate) fn follow(&mut self, rig: &Rig) {
        self.tapes.resize_with(rig.holdings.len(), Tape::default);
        for (tape, holding) in self.tapes.iter_mut().zip(&rig.holdings) {
            tape.shelf = Some(Arc::clone(holding.shelf()));
        }
    }

    /// Notes ids that the store has taken.
    pub(crate) fn handed(&mut self, contract: usize, ids: &[u64]) {
        let tape = &mut self.tapes[contract];
        for id in ids {
            tape.first.entry(*id).or_insert(tape.handed.len());
            tape.handed.push(*id);
            tape.pending.push(*id);
        }
    }

    pub(crate) fn handed_lens(&self) -> Vec<usize> {
        self.tapes.iter().map(|tape| tape.handed.len()).collect()
    }

    /// Notes that so many of what was handed in must have been written by now.
    pub(crate) fn wrote(&mut self, lens: &[usize]) {
        self.tapes.iter_mut().zip(lens).for_each(|(tape, len)| tape.written = tape.written.max(*len));
    }

    /// Asks how far everything is durable: a promise that holds for ever.
    pub(crate) fn ask(&mut self) {
        for tape in &mut self.tapes {
            let through = tape.shelf.as_ref().and_then(|shelf| shelf.durable_through());
            let Some(through) = through.map(|through| through + self.bias) else { continue };
            let promised = &mut tape.promised;
            tape.pending.retain(|id| {
                let durable = *id <= through;
                if durable {
                    promised.push(*id);
                }
                !durable
            });
        }
    }

    /// The disk as it is, with what it must hold.
    pub(crate) fn moment(&mut self, disk: SimulatedDisk) -> Moment {
        self.ask();
        let mark =
            |tape: &Tape| Mark { handed: tape.handed.len(), promised: tape.promised.len(), written: tape.written };
        Moment { disk, marks: self.tapes.iter().map(mark).collect() }
    }

    /// Whether nothing is missing that was promised at `moment`, or with `all` written by then; and nothing served that was
    /// not handed in by then.
    pub(crate) fn check(&self, rig: &Rig, moment: &Moment, all: bool) -> Result<(), String> {
        for (contract, (tape, mark)) in self.tapes.iter().zip(&moment.marks).enumerate() {
            let served = served(rig, contract)?;
            let alien = served.iter().find(|id| tape.first.get(id).is_none_or(|at| *at >= mark.handed));
            if let Some(id) = alien {
                return Err(format!("contract {contract}: {id} was never handed in"));
            }
            let lacks = |id: &&u64| served.binary_search(id).is_err();
            if let Some(id) = tape.promised[..mark.promised].iter().find(lacks) {
                return Err(format!("contract {contract}: {id} was called durable and is lost"));
            }
            if let Some(id) = tape.handed[..mark.written].iter().filter(|_| all).find(lacks) {
                return Err(format!("contract {contract}: {id} was written and is lost"));
            }
        }
        Ok(())
    }

    /// Whether everything that was handed in is called durable.
    pub(crate) fn nothing_pends(&mut self) -> Result<(), String> {
        self.ask();
        match self.tapes.iter().flat_map(|tape| &tape.pending).next() {
            Some(id) => Err(format!("{id} was handed in and never became durable")),
            None => Ok(()),
        }
    }
}

/// The ids served of a contract, when all is right with them: their contents, their order, and the runs that are claimed.
pub(crate) fn served(rig: &Rig, contract: usize) -> Result<Vec<u64>, String> {
    let holding = &rig.holdings[contract];
    let stored = holding.from_id(0, usize::MAX);
    right(&stored.trades).map_err(|error| format!("contract {contract}: {error}"))?;
    if !stored.damaged.is_empty() {
        return Err(format!("contract {contract}: {:?} are damaged", stored.damaged));
    }
    let ids: Vec<_> = stored.trades.iter().map(|trade| trade.id).collect();
    let runs: Vec<_> = joined(holding.shelf().runs().into_iter().map(|(run, _)| run));
    let own = joined(ids.iter().map(|id| IdRange { first: *id, last: *id }));
    if runs != own {
        return Err(format!("contract {contract}: claims {runs:?}, serves {own:?}"));
    }
    Ok(ids)
}

/// Whether trades are what they should be, ascending, each once.
pub(crate) fn right(trades: &[Trade]) -> Result<(), String> {
    if let Some(wrong) = trades.iter().find(|found| **found != trade(found.id)) {
        return Err(format!("{wrong:?} is served, not {:?}", trade(wrong.id)));
    }
    if !trades.is_sorted_by(|a, b| a.id < b.id) {
        return Err("trades do not ascend".to_owned());
    }
    Ok(())
}

/// Runs that touch, as one.
pub(crate) fn joined(runs: impl IntoIterator<Item = IdRange>) -> Vec<IdRange> {
    let mut joined: Vec<IdRange> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.last + 1 == run.first => last.last = run.last,
            _ => joined.push(run),
        }
    }
    joined
}
