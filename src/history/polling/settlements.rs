//! Which fundings should be settled by now and are not known yet?

use crate::model::{ContractId, UnixMillis};
use std::collections::HashMap;

/// The venue publishes a settled funding a little later.
const PUBLISHED_AFTER_MS: i64 = 10 * UnixMillis::SECOND;
/// A funding that has not been published for so long never will be: the contract was delisted, or its hours were changed.
const GIVEN_UP_AFTER_MS: i64 = 6 * UnixMillis::HOUR;
/// A settled funding may be dated so much before its hour.
const EARLY_MS: i64 = UnixMillis::MINUTE;

/// The next funding of each contract, until it is known.
#[derive(Debug, Default)]
pub(super) struct Settlements(HashMap<ContractId, UnixMillis>);

impl Settlements {
    /// Takes what a mark price says of the next funding. One that has passed is not forgotten for it.
    pub(super) fn see(&mut self, contract: ContractId, next: Option<UnixMillis>, now: UnixMillis) {
        let awaited = self.0.get(&contract).copied();
        let has_passed = awaited.is_some_and(|awaited| awaited <= now && now.since(awaited) < GIVEN_UP_AFTER_MS);
        if has_passed {
            return;
        }
        // A mark price that is stale speaks of one that has passed, which may be known.
        match next.filter(|next| *next > now) {
            Some(next) => self.0.insert(contract, next),
            None => self.0.remove(&contract),
        };
    }

    /// Notes that a funding of that time is known.
    pub(super) fn settle(&mut self, contract: ContractId, time: UnixMillis) {
        if self.0.get(&contract).is_some_and(|awaited| time.plus(EARLY_MS) >= *awaited) {
            self.0.remove(&contract);
        }
    }

    /// The oldest funding that should have been published.
    pub(super) fn due(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.0.values().copied().filter(|awaited| now.since(*awaited) >= PUBLISHED_AFTER_MS).min()
    }

    pub(super) fn retain(&mut self, is_kept: impl Fn(ContractId) -> bool) {
        self.0.retain(|contract, _| is_kept(*contract));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = UnixMillis::HOUR;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(ms)
    }

    #[test]
    fn a_funding_is_due_until_it_is_known_though_marks_speak_of_the_next() {
        let (mut settlements, id) = (Settlements::default(), ContractId::new(3));
        settlements.see(id, Some(at(8 * HOUR)), at(7 * HOUR));
        assert_eq!(settlements.due(at(8 * HOUR + 9_999)), None, "it is not published at once");
        settlements.see(id, Some(at(16 * HOUR)), at(8 * HOUR + 1_000));
        assert_eq!(settlements.due(at(8 * HOUR + 10_000)), Some(at(8 * HOUR)));
        settlements.settle(id, at(3));
        assert_eq!(settlements.due(at(9 * HOUR)), Some(at(8 * HOUR)), "that was an earlier one");
        settlements.settle(id, at(8 * HOUR + 2));
        assert_eq!(settlements.due(at(9 * HOUR)), None);
        settlements.see(id, Some(at(8 * HOUR)), at(9 * HOUR));
        assert_eq!(settlements.due(at(9 * HOUR)), None, "the mark price is stale");
        settlements.see(id, Some(at(16 * HOUR)), at(9 * HOUR));
        assert_eq!(settlements.due(at(17 * HOUR)), Some(at(16 * HOUR)));
    }

    #[test]
    fn an_hour_that_is_changed_before_it_comes_is_followed_and_one_that_never_comes_is_given_up() {
        let (mut settlements, id) = (Settlements::default(), ContractId::new(3));
        settlements.see(id, Some(at(8 * HOUR)), at(0));
        settlements.see(id, Some(at(4 * HOUR)), at(HOUR));
        assert_eq!(settlements.due(at(5 * HOUR)), Some(at(4 * HOUR)));
        settlements.see(id, None, at(5 * HOUR));
        assert_eq!(settlements.due(at(5 * HOUR)), Some(at(4 * HOUR)));
        settlements.see(id, None, at(10 * HOUR));
        assert_eq!(settlements.due(at(10 * HOUR)), None);
    }
}
