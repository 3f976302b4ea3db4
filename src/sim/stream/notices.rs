//! What does the stream of listings and delistings deliver?

use crate::{
    model::UnixMillis,
    sim::{contract::Contract, exchange::Exchange, json},
};
use std::collections::VecDeque;

/// A notice comes so long after the change.
const DELAY_MS: i64 = 5;

/// Contracts by the time that their state changes at.
#[derive(Debug)]
pub(in crate::sim) struct Notices(VecDeque<(i64, usize)>);

impl Notices {
    pub(super) fn open(exchange: &Exchange, now: i64) -> Self {
        let contracts = exchange.contracts().iter().enumerate();
        let changes = contracts.flat_map(|(index, contract)| changes(contract).map(move |time| (time, index)));
        let mut ahead: Vec<_> = changes.filter(|(time, _)| time + DELAY_MS >= now).collect();
        ahead.sort_unstable();
        Self(ahead.into())
    }

    pub(super) fn due(&self) -> Option<i64> {
        self.0.front().map(|(time, _)| time + DELAY_MS)
    }

    pub(super) fn write(&mut self, exchange: &Exchange, due: i64, out: &mut String) {
        let Some((time, contract)) = self.0.pop_front() else { return };
        let listed = &exchange.contracts()[contract];
        if let Some(status) = listed.status_at(UnixMillis::new(time)) {
            json::state::contract_info(out, listed, status, due);
        }
    }
}

/// When a contract's state changes.
fn changes(contract: &Contract) -> impl Iterator<Item = i64> + use<> {
    [contract.onboard, contract.delivery].map(UnixMillis::get).into_iter()
}
