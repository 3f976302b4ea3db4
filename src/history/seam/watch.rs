//! Which contracts have holes, and whose turn is it to be filled?

use crate::{
    history::{
        budget::Priority,
        rest::{Absent, FillError, Piece, Source, Want},
        seam::{
            fill::{Ended, fill},
            neighbours::around,
            sight::{Next, Sight},
        },
    },
    market::{Bell, Contract, Contracts, Healed, Rings, TapeKind},
    metrics::{Labels, Metrics},
    model::{ContractId, IdRange, UnixMillis},
    net::with_causes,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// A hole is looked at this long after it was found: disorder beyond the wait heals by itself.
const SETTLE: Duration = Duration::from_secs(1);
/// Every contract is looked at this often, for what was given up.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// A contract rests this long after its fill failed in a way that may pass, and in another.
const REST: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(10));

/// How holes are filled.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Contracts whose holes are filled at once, at least one.
    pub fills_max: usize,
}

/// Is told what became of missing ids that have no trade here: they wait for the archive, or the venue steps over them.
pub type Told = Arc<dyn Fn(ContractId, &Piece) + Send + Sync>;

/// See the module's documentation.
#[derive(Clone)]
pub struct Seam {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Rung when ids of a contract are missing; nobody else may listen to it.
    pub bell: Arc<Bell>,
    /// Where trades come from.
    pub source: Source,
    /// How holes are filled.
    pub options: Options,
    /// Who is told of ids that have no trade here.
    pub told: Told,
    /// Who is told of ids that were fetched; what finds no room is told later.
    pub healed: mpsc::Sender<Healed>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Seam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seam").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Seam {
    /// Fills holes for ever.
    pub async fn run(self) {
        let mut rings = Rings::of(Arc::clone(&self.bell));
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::new(self);
        loop {
            watch.start_fills();
            let look_at = watch.due.values().min().copied();
            tokio::select! {
                biased;
                Some((contract, ended)) = watch.fills.next() => watch.end(contract, ended),
                Some(()) = rings.next() => watch.rung(),
                () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => watch.look_at_due(),
                _ = sweep.tick() => watch.sweep(),
            }
        }
    }
}

impl Seam {
    /// Counts and logs a failure; how long the contract rests.
    fn note_failure(&self, contract: &Contract, error: &FillError) -> Duration {
        let (reason, rest) = match error {
            FillError::Refused { .. } => ("refused", REST.1),
            FillError::Exhausted { .. } => ("exhausted", REST.0),
            FillError::Cancelled { .. } => ("not_taken", REST.0),
        };
        self.metrics.gap_fill_failures.get_or_create(&Labels::new([("reason", reason)])).inc();
        tracing::warn!(symbol = %contract.symbol, retry_s = rest.as_secs(), "{}", with_causes(error));
        rest
    }
}

struct Watch {
    seam: Seam,
    /// By contract, of those that are recorded.
    sights: BTreeMap<ContractId, Sight>,
    /// When contracts are looked at.
    due: BTreeMap<ContractId, Instant>,
    /// Contracts that wait for their turn.
    waiting: BTreeMap<ContractId, Wanted>,
    fills: FuturesUnordered<BoxFuture<'static, (ContractId, Ended)>>,
}

/// What a contract waits for.
struct Wanted {
    next: Next,
    want: Want,
}

impl Wanted {
    /// Small holes before larger ones; among equals those whose trades are the oldest, which the venue forgets first.
    fn rank(&self) -> (bool, UnixMillis) {
        (self.next.priority != Priority::Repair, self.want.not_before.unwrap_or(UnixMillis::new(i64::MIN)))
    }
}

impl Watch {
    fn new(seam: Seam) -> Self {
        let (due, waiting, fills) = (BTreeMap::new(), BTreeMap::new(), FuturesUnordered::new());
        Self { seam, sights: BTreeMap::new(), due, waiting, fills }
    }

    fn rung(&mut self) {
        let (bell, at) = (Arc::clone(&self.seam.bell), Instant::now() + SETTLE);
        bell.take(|contract| {
            self.due.entry(contract).or_insert(at);
        });
    }

    fn sweep(&mut self) {
        let contracts = Arc::clone(&self.seam.contracts);
        self.sights.retain(|id, _| contracts.get(*id).is_some());
        self.waiting.retain(|id, _| contracts.get(*id).is_some());
        contracts.iter().for_each(|contract| self.look(&contract));
        let open: u64 = contracts.iter().map(|contract| contract.tape.aside().holes().count()).sum();
        self.seam.metrics.gap_open_ids.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn look_at_due(&mut self) {
        let now = Instant::now();
        let due: Vec<ContractId> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(contract, _)| *contract).collect();
        for id in due {
            self.due.remove(&id);
            if let Some(contract) = self.seam.contracts.get(id) {
                self.look(&contract);
            }
        }
    }

    /// Finds out what is to be fetched of a contract.
    fn look(&mut self, contract: &Contract) {
        if contract.kind == TapeKind::Raw {
            return self.tell_raw(contract);
        }
        let now = Instant::now();
        let sight = self.sights.entry(contract.id).or_default();
        if sight.is_filling || sight.rests_until.is_some_and(|until| until > now) {
            return;
        }
        // Without a store memory takes only what lies behind the ring's oldest trade.
        let from_id = if contract.holding.get().is_some() { 0 } else { oldest_id(contract) };
        // Copied, so that the contract's actor never waits for the choice.
        let holes = contract.tape.aside().holes().clone();
        let next = sight.next(&holes, from_id, now);
        match next {
            Some(next) => {
                let (before, after) = around(contract, next.ids);
                let (not_before, not_after) = (before.map(|trade| trade.time), after.map(|trade| trade.time));
                let want = Want { symbol: contract.symbol.clone(), ids: next.ids, not_before, not_after };
                self.waiting.insert(contract.id, Wanted { next, want });
            }
            None => {
                self.waiting.remove(&contract.id);
                self.tell_healed(contract.id);
            }
        }
    }

    /// REST has raw trades only for who has a key: their holes wait for the archive.
    fn tell_raw(&mut self, contract: &Contract) {
        let sight = self.sights.entry(contract.id).or_default();
        let holes: Vec<IdRange> = contract.tape.aside().holes().iter().collect();
        let news: Vec<IdRange> = holes.into_iter().flat_map(|hole| sight.unspoken(hole)).collect();
        for ids in news {
            self.speak(contract.id, &Piece::AwaitingArchive(ids), ids);
        }
    }

    /// Notes and tells what became of missing ids.
    fn speak(&mut self, id: ContractId, piece: &Piece, ids: IdRange) {
        let Some(sight) = self.sights.get_mut(&id) else { return };
        sight.note(piece, ids, Instant::now());
        let (state, piece) = match piece {
            Piece::Absent(absent) => ("absent", Piece::Absent(Absent { ids, at: absent.at })),
            _ => ("awaiting_archive", Piece::AwaitingArchive(ids)),
        };
        self.seam.metrics.gap_left_ids.get_or_create(&Labels::new([("state", state)])).inc_by(ids.count());
        (self.seam.told)(id, &piece);
    }

    fn tell_healed(&mut self, contract: ContractId) {
        let Some(sight) = self.sights.get_mut(&contract) else { return };
        while let Some(ids) = sight.healed.pop_first() {
            if self.seam.healed.try_send(Healed { contract, ids }).is_err() {
                return sight.healed.open(ids);
            }
        }
    }

    fn start_fills(&mut self) {
        while self.fills.len() < self.seam.options.fills_max.max(1) {
            let first = self.waiting.iter().min_by_key(|(_, wanted)| wanted.rank()).map(|(contract, _)| *contract);
            let Some((id, Wanted { next, want })) = first.and_then(|first| self.waiting.remove_entry(&first)) else {
                break;
            };
            let recorded = self.seam.contracts.get(id);
            let (Some(contract), Some(sight)) = (recorded, self.sights.get_mut(&id)) else { continue };
            sight.is_filling = true;
            let filling = fill(self.seam.source.clone(), want, next, contract);
            self.fills.push(filling.map(move |ended| (id, ended)).boxed());
        }
        self.seam.metrics.gap_fills.set(i64::try_from(self.fills.len()).unwrap_or(i64::MAX));
    }

    fn end(&mut self, id: ContractId, Ended { ids, spoken, result }: Ended) {
        let Some(contract) = self.seam.contracts.get(id) else { return };
        spoken.iter().for_each(|piece| self.speak_of_missing(&contract, piece));
        let Some(sight) = self.sights.get_mut(&id) else { return };
        sight.is_filling = false;
        sight.healed.open(ids);
        let Err(error) = result else {
            sight.rests_until = None;
            self.due.insert(id, Instant::now());
            return;
        };
        let until = Instant::now() + self.seam.note_failure(&contract, &error);
        let about_ids = error.is_about_ids();
        if about_ids {
            // What is wrong with these ids is no reason to leave the others.
            sight.rest(error.left(), until);
        }
        sight.rests_until = (!about_ids).then_some(until);
        self.due.insert(id, if about_ids { Instant::now() } else { until });
    }

    /// A page serves several holes at once; what lies between them is held.
    fn speak_of_missing(&mut self, contract: &Contract, piece: &Piece) {
        let (Some(ids), Some(sight)) = (piece.ids(), self.sights.get(&contract.id)) else { return };
        let missing: Vec<IdRange> = contract.tape.aside().holes().within(ids).collect();
        let clipped = missing.into_iter().filter_map(|hole| hole.meet(ids));
        let news: Vec<IdRange> = clipped.flat_map(|hole| sight.unspoken(hole)).collect();
        news.into_iter().for_each(|ids| self.speak(contract.id, piece, ids));
    }
}

fn oldest_id(contract: &Contract) -> u64 {
    contract.tape.held().first().map_or(u64::MAX, |trade| trade.id)
}
