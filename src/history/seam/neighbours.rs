//! Which trades are held around a hole?

use crate::{
    market::Contract,
    model::{IdRange, Trade},
    store::{Holding, Stored},
};

/// The newest trade before `ids` and the oldest behind them: off the ring, among the late ones, or in the store.
pub(super) fn around(contract: &Contract, ids: IdRange) -> (Option<Trade>, Option<Trade>) {
    let ring = contract.tape.held();
    let (low, high) =
        (ring.partition_point(|trade| trade.id < ids.first), ring.partition_point(|trade| trade.id <= ids.last));
    let in_ring = (low.checked_sub(1).and_then(|at| ring.get(at)).copied(), ring.get(high).copied());
    let late = {
        let aside = contract.tape.aside();
        (aside.before(ids.first), aside.after(ids.last))
    };
    let stored = contract.holding.get().map(|holding| stored_around(holding, ids)).unwrap_or_default();
    let by_id = |trade: &Trade| trade.id;
    (
        [in_ring.0, late.0, stored.0].into_iter().flatten().max_by_key(by_id),
        [in_ring.1, late.1, stored.1].into_iter().flatten().min_by_key(by_id),
    )
}

fn stored_around(holding: &Holding, ids: IdRange) -> (Option<Trade>, Option<Trade>) {
    let one = |mut stored: Stored| stored.trades.pop();
    let before = ids.first.checked_sub(1).and_then(|id| one(holding.up_to_id(id, 1)));
    (before, ids.last.checked_add(1).and_then(|id| one(holding.from_id(id, 1))))
}
