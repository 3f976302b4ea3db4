//! How does the live path learn of trades that were back-filled in bulk, of ids that are proven absent, and of trades that the
//! store has lost?

use crate::{
    history::jobs::{Arrival, RECENT_MS, Series},
    market::{Contract, Contracts, Healed, Lost, Stored, TapeKind},
    model::IdRange,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

/// Between offers to an actor that is being rebuilt.
const OFFER_AGAIN: Duration = Duration::from_millis(100);
/// How often it is looked whether the store has lost something.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Tells each contract's actor which of its holes are none any more, and has their minutes folded anew; and which ids it has
/// lost.
#[derive(Clone, Debug)]
pub struct Adopting {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Who folds minutes anew.
    pub healed: mpsc::Sender<Healed>,
}

impl Adopting {
    /// Hands on every arrival, for ever. One that another was handing on when it ended is lost: `anew`, all that the store holds
    /// is told first.
    pub async fn run(self, arrivals: &mut mpsc::Receiver<Arrival>, anew: bool) {
        for contract in self.contracts.iter().filter(|_| anew) {
            let series = series_of(&contract);
            let ids = IdRange { first: 0, last: u64::MAX };
            self.hand_on(&Arrival { symbol: contract.symbol.clone(), series, ids }).await;
        }
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut losses = 0;
        loop {
            tokio::select! {
                Some(arrival) = arrivals.recv() => self.hand_on(&arrival).await,
                _ = looks.tick() => self.look_for_losses(&mut losses).await,
            }
        }
    }

    /// Tells of what was lost, if there is news since `seen`.
    async fn look_for_losses(&self, seen: &mut u64) {
        let any = self.contracts.iter().find_map(|contract| contract.holding.get().cloned());
        let losses = any.map_or(0, |holding| holding.library().losses());
        if losses == std::mem::replace(seen, losses) {
            return;
        }
        for contract in self.contracts.iter() {
            let lost = Lost(lost(&contract).into());
            while !lost.0.is_empty() && !contract.actor.lost(lost.clone()).await && !contract.is_retired() {
                sleep(OFFER_AGAIN).await;
            }
        }
    }

    async fn hand_on(&self, arrival: &Arrival) {
        let contract =
            self.contracts.find(arrival.symbol.as_str()).filter(|contract| series_of(contract) == arrival.series);
        let Some(contract) = contract else { return };
        let (mut runs, absent) = (filled(&contract, arrival.ids), absent_parts(&contract, arrival.ids));
        runs.extend(&absent);
        runs.sort_unstable();
        let Some((first, last)) = runs.first().zip(runs.last()) else { return };
        let ids = IdRange { first: first.first, last: last.last };
        let stored = Stored(runs.into());
        while !contract.actor.stored(stored.clone()).await {
            if contract.is_retired() {
                return;
            }
            sleep(OFFER_AGAIN).await;
        }
        // The minutes around ids that turn out absent are complete now, however old they are.
        for ids in in_memory(&contract, ids).into_iter().chain(absent) {
            // Nobody folds any more only while everything ends.
            self.healed.send(Healed { contract: contract.id, ids }).await.unwrap_or_default();
        }
    }
}

fn series_of(contract: &Contract) -> Series {
    match contract.kind {
        TapeKind::Aggregate => Series::Trades,
        TapeKind::Raw => Series::RawTrades,
    }
}

/// Ids that a contract's store has lost and its tape does not call missing. Of a raw tape it is not known which ids were burnt.
fn lost(contract: &Contract) -> Vec<IdRange> {
    let Some(holding) = contract.holding.get().filter(|_| contract.kind == TapeKind::Aggregate) else {
        return Vec::new();
    };
    let lost: Vec<IdRange> = holding.shelf().lost().into_iter().flat_map(|ids| holding.open_parts(ids)).collect();
    let aside = contract.tape.aside();
    lost.into_iter().flat_map(|ids| aside.holes().outside(ids)).collect()
}

/// The parts of a tape's holes among `ids` that are proven absent, ascending.
fn absent_parts(contract: &Contract, ids: IdRange) -> Vec<IdRange> {
    let holes: Vec<IdRange> = contract.tape.aside().holes().within(ids).collect();
    let holding = contract.holding.get();
    holding.map(|holding| holes.into_iter().flat_map(|hole| holding.absent_parts(hole)).collect()).unwrap_or_default()
}

/// The parts of a tape's holes among `ids` that the store holds now, ascending.
fn filled(contract: &Contract, ids: IdRange) -> Vec<IdRange> {
    let holes: Vec<IdRange> = contract.tape.aside().holes().within(ids).collect();
    let Some(holding) = contract.holding.get().filter(|_| !holes.is_empty()) else { return Vec::new() };
    let (mut filled, runs) = (Vec::new(), holding.shelf().runs());
    for hole in holes {
        let from = runs.partition_point(|(run, _)| run.last < hole.first);
        let inside = runs[from..].iter().take_while(|(run, _)| run.first <= hole.last);
        filled.extend(inside.filter_map(|(run, _)| run.meet(hole)));
    }
    filled
}

/// Those of `ids` whose minutes may be in memory; older ones, on the disk, followed the trades already.
fn in_memory(contract: &Contract, ids: IdRange) -> Option<IdRange> {
    let newest = contract.tape.newest(1).pop()?;
    let first = contract.holding.get()?.first_id_at(newest.time.plus(-RECENT_MS))?;
    IdRange::new(ids.first.max(first), ids.last)
}
