//! What was open while nobody polled, as far as the venue remembers?
//!
//! Time is cut into slots of five minutes, each of which is to hold a record. The venue's own history has one at the beginning
//! of each, so that none of its records has the time of one that was polled in another slot.

use super::{PollError, Polling, RETRY};
use crate::{
    exchange::binance::{Call, OPEN_INTEREST_REACH_MS, OPEN_INTEREST_ROWS_MAX, rest},
    history::budget::Priority,
    market::{Contract, Series},
    model::{ContractId, UnixMillis},
    store::{Records, record::OpenInterestRow},
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::sleep;

/// How long a slot is, and the venue's word for it.
const SLOT_MS: i64 = 5 * UnixMillis::MINUTE;
const PERIOD: &str = "5m";
/// How often it is looked for contracts that came, or whose polls were away.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Polls that lie further apart than their period and this were away.
const SLACK_MS: i64 = 2 * SLOT_MS;
/// The held records are read in stretches of this length.
const STRETCH_MS: i64 = UnixMillis::DAY;
/// What the venue did not give is asked for so often.
const PASSES: u32 = 2;
/// What is polled, in logs and figures.
const FIGURE: &str = "open_interest_history";

/// When each contract's newest figure was, as far as it was looked at.
#[derive(Debug, Default)]
struct Sight(HashMap<ContractId, Option<UnixMillis>>);

impl Sight {
    /// Whether the contract is new, or its figures skip more than `gap_ms`.
    fn see(&mut self, contract: &Contract, gap_ms: i64) -> bool {
        let newest = contract.figures.open_interest().map(|open| open.time);
        let before = self.0.insert(contract.id, newest);
        match (before, newest) {
            (None, _) => true,
            (Some(Some(before)), Some(newest)) => newest.since(before) > gap_ms,
            _ => false,
        }
    }
}

impl Polling {
    /// Fetches what the store lacks of the last 30 days, of each contract when it is first seen, and after its polls were away
    /// for more than their `period`; for ever.
    pub async fn fetch_past_open_interest(self, period: Duration) {
        let gap_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).saturating_add(SLACK_MS);
        let (mut sight, mut backoff) = (Sight::default(), self.backoff());
        let mut waiting: VecDeque<ContractId> = VecDeque::new();
        loop {
            let seen = self.following(Series::OpenInterest).filter(|contract| sight.see(contract, gap_ms));
            let fresh: Vec<_> = seen.map(|contract| contract.id).filter(|id| !waiting.contains(id)).collect();
            waiting.extend(fresh);
            sight.0.retain(|id, _| self.contracts.get(*id).is_some());
            let Some(contract) = waiting.pop_front() else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            let Some(contract) = self.contracts.get(contract) else { continue };
            match self.fill(&contract).await {
                Ok(()) => backoff = self.backoff(),
                Err(error) => {
                    self.note(FIGURE, &error);
                    if !error.is_refusal() {
                        waiting.push_back(contract.id);
                        sleep(RETRY.0 + backoff.delay()).await;
                    }
                }
            }
        }
    }

    /// Fetches what the store lacks of one contract, the oldest first.
    async fn fill(&self, contract: &Contract) -> Result<(), PollError> {
        let Some(records) = contract.records.get() else { return Ok(()) };
        let onboard = contract.listing.load().as_ref().map(|listing| listing.onboard_time);
        for _ in 0..PASSES {
            let now = self.now();
            let from = now.plus(-OPEN_INTEREST_REACH_MS).max(onboard.unwrap_or_default());
            let mut missing = missing_slots(records.clone(), (from, now)).await;
            if missing.is_empty() {
                break;
            }
            while let Some(first) = missing.first().copied() {
                let rest = missing.split_off(&(first + i64::from(OPEN_INTEREST_ROWS_MAX)));
                self.fetch(contract, records, &missing).await?;
                missing = rest;
            }
        }
        Ok(())
    }

    /// Asks once for slots that lie within one page, and stores what fits them.
    async fn fetch(&self, contract: &Contract, records: &Records, slots: &BTreeSet<i64>) -> Result<(), PollError> {
        let Some((first, last)) = slots.first().zip(slots.last()) else { return Ok(()) };
        let (symbol, time) = (&contract.symbol, |slot: &i64| UnixMillis::new(slot * SLOT_MS));
        let call = Call::open_interest_history(symbol, PERIOD, time(first), time(last));
        let past = self.ask(&call, Priority::Bulk, |body| rest::open_interest_history(symbol, body)).await?;
        let wanted = past.into_iter().filter(|open| slots.contains(&slot_of(open.time)));
        let mut rows: Vec<OpenInterestRow> = wanted.map(OpenInterestRow::from).collect();
        rows.sort_by_key(|row| row.time);
        rows.dedup_by_key(|row| slot_of(row.time));
        self.keep(records, &rows)
    }
}

/// The slots that lie in `[from, to)` whole and hold no record. Read off the disk, so beside the runtime's threads.
async fn missing_slots(records: Records, (from, to): (UnixMillis, UnixMillis)) -> BTreeSet<i64> {
    let slots = (from.get() + SLOT_MS - 1).div_euclid(SLOT_MS)..slot_of(to);
    let read = tokio::task::spawn_blocking(move || {
        let mut missing: BTreeSet<i64> = slots.clone().collect();
        let mut from = slots.start * SLOT_MS;
        while from < slots.end * SLOT_MS {
            let (start, end) = (UnixMillis::new(from), UnixMillis::new(from + STRETCH_MS));
            let held = records.between::<OpenInterestRow>(start, end, usize::MAX, false);
            held.rows.iter().for_each(|row| {
                missing.remove(&slot_of(row.time));
            });
            from += STRETCH_MS;
        }
        missing
    });
    // It cannot be cancelled, and what panics there is the store's; then nothing is asked for.
    read.await.unwrap_or_default()
}

const fn slot_of(time: UnixMillis) -> i64 {
    time.get().div_euclid(SLOT_MS)
}
