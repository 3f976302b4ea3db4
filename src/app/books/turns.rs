//! Whose snapshot is asked for next, and how long does a contract rest in between?

use crate::model::ContractId;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How long a contract rests after its snapshot was asked for, and at most when that is again and again in vain.
const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// Contracts that wait for a snapshot, or had one lately.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<ContractId, Turn>);

#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Since when it waits, if it does.
    since: Option<Instant>,
    /// How long it rests; 0 for one that was not asked for lately.
    rest: Duration,
    /// Until when.
    rests_until: Instant,
}

impl Turn {
    fn due(&self) -> Option<Instant> {
        self.since.map(|since| since.max(self.rests_until))
    }

    /// Whether the last request is so long ago that it had nothing to do with the next.
    fn is_over(&self, now: Instant) -> bool {
        now >= self.rests_until + self.rest
    }
}

impl Turns {
    /// Has a contract wait, if it does not yet.
    pub(super) fn want(&mut self, id: ContractId, now: Instant) {
        let new = Turn { since: None, rest: Duration::ZERO, rests_until: now };
        let turn = self.0.entry(id).or_insert(new);
        if turn.since.is_none() && turn.is_over(now) {
            *turn = new;
        }
        turn.since.get_or_insert(now);
    }

    /// The contract that has been due for the longest time.
    pub(super) fn next(&self, now: Instant) -> Option<ContractId> {
        let due = self.0.iter().filter_map(|(id, turn)| Some((turn.due()?, *id)));
        due.min().filter(|(due, _)| *due <= now).map(|(_, id)| id)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(Turn::due).min()
    }

    /// Its snapshot was asked for: it waits no more, and rests, twice as long as before.
    pub(super) fn asked(&mut self, id: ContractId, now: Instant) {
        if let Some(turn) = self.0.get_mut(&id) {
            turn.since = None;
            turn.rest = (2 * turn.rest).clamp(REST.0, REST.1);
            turn.rests_until = now + turn.rest;
        }
    }

    /// It waits no more.
    pub(super) fn settle(&mut self, id: ContractId) {
        if let Some(turn) = self.0.get_mut(&id) {
            turn.since = None;
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.values().filter(|turn| turn.since.is_some()).count()
    }

    /// Forgets those that do not wait and whose rest is long over.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.0.retain(|_, turn| turn.since.is_some() || !turn.is_over(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ContractId = ContractId::new(7);
    const B: ContractId = ContractId::new(3);

    #[test]
    fn who_has_waited_longest_comes_first_and_nobody_waits_twice() {
        let (mut turns, begin) = (Turns::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        turns.want(A, at(0));
        turns.want(B, at(1));
        turns.want(A, at(2));
        assert_eq!((turns.waiting(), turns.next(at(2))), (2, Some(A)));
        turns.asked(A, at(3));
        assert_eq!((turns.waiting(), turns.next(at(3))), (1, Some(B)));
        turns.settle(B);
        assert_eq!((turns.next(at(3)), turns.next_due()), (None, None));
    }

    #[test]
    fn requests_in_vain_come_ever_later_and_one_much_later_is_the_first_again() {
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..8 {
            turns.want(A, now);
            let due = turns.next_due().expect("it waits");
            waits.push(due.duration_since(now).as_secs());
            now = due;
            turns.asked(A, now);
        }
        assert_eq!(waits, [0, 2, 4, 8, 16, 32, 60, 60]);
        turns.tidy(now);
        turns.want(A, now + Duration::from_secs(61));
        assert_eq!(turns.next_due(), Some(now + Duration::from_secs(61)), "it has rested");
        turns.asked(A, now + Duration::from_secs(61));
        turns.want(A, now + Duration::from_secs(61 + 240));
        turns.asked(A, now + Duration::from_secs(61 + 240));
        turns.want(A, now + Duration::from_secs(61 + 240));
        assert_eq!(turns.next_due(), Some(now + Duration::from_secs(61 + 240 + 2)));
        turns.settle(A);
        turns.tidy(now + Duration::from_hours(1));
        assert!(turns.0.is_empty());
    }
}
