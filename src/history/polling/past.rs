//! What was open while nobody polled, as far as the venue remembers?
//!
//! Time is cut into slots of five minutes, each of which is to hold a record. The venue's own history has one at the beginning
//! of each, so that none of its records has the time of one that was polled in another slot.
//!
//! A long absence of the polls is seen at once, single polls that failed by an hourly look at what is held.

use super::{PollError, Polling, RETRY};
use crate::{
    exchange::binance::{Call, OPEN_INTEREST_REACH_MS, OPEN_INTEREST_ROWS_MAX, rest},
    history::budget::Priority,
    market::{Contract, Series},
    model::{ContractId, UnixMillis},
    store::{Records, record::OpenInterestRow},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a slot is, and the venue's word for it.
const SLOT_MS: i64 = 5 * UnixMillis::MINUTE;
const PERIOD: &str = "5m";
/// How often it is looked for contracts that came, or whose polls were away.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Polls that lie further apart than their period and this were away.
const SLACK_MS: i64 = 2 * SLOT_MS;
/// The held records are read in stretches of this length.
const STRETCH_MS: i64 = UnixMillis::DAY;
/// The slots of the last days, as many as one call brings, are looked through so often.
const RECENT_EVERY: Duration = Duration::from_hours(1);
const RECENT_SLOTS: i64 = OPEN_INTEREST_ROWS_MAX as i64;
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
        // What is known at first may be of an earlier process: all is looked through in any case.
        let is_new = !self.0.contains_key(&contract.id);
        let before = self.0.insert(contract.id, newest.filter(|_| !is_new));
        match (before, newest) {
            (None, _) => true,
            (Some(Some(before)), Some(newest)) => newest.since(before) > gap_ms,
            _ => false,
        }
    }
}

/// How often recent slots were asked for that ended long enough before for the venue to have them: what it does not have is
/// not asked for for ever.
#[derive(Debug, Default)]
struct Asks(HashMap<ContractId, BTreeMap<i64, u32>>);

impl Asks {
    /// Those of `slots` that may come yet.
    fn hopeful(&self, contract: ContractId, mut slots: BTreeSet<i64>) -> BTreeSet<i64> {
        let asks = |slot: &i64| self.0.get(&contract).and_then(|own| own.get(slot)).copied();
        slots.retain(|slot| asks(slot).unwrap_or(0) < PASSES);
        slots
    }

    /// Notes that the venue has answered for `slots`.
    fn note(&mut self, contract: ContractId, slots: &BTreeSet<i64>, now: UnixMillis) {
        let own = self.0.entry(contract).or_default();
        for slot in slots.range(recent(now)) {
            *own.entry(*slot).or_default() += 1;
        }
        *own = own.split_off(&recent(now).start);
    }
}

/// The slots of the last days of which the venue should have a record by now.
fn recent(now: UnixMillis) -> Range<i64> {
    let end = slot_of(now.plus(-SLACK_MS));
    end - RECENT_SLOTS..end
}

/// What is to be looked through next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chore {
    /// All that the venue remembers of a contract.
    All(ContractId),
    /// The last days of it.
    Recent(ContractId),
}

/// What is known so far.
#[derive(Debug)]
struct Progress {
    sight: Sight,
    asks: Asks,
    waiting: VecDeque<Chore>,
    recent_due: Instant,
}

impl Progress {
    fn new() -> Self {
        let (sight, asks, waiting) = (Sight::default(), Asks::default(), VecDeque::new());
        Self { sight, asks, waiting, recent_due: Instant::now() + RECENT_EVERY }
    }

    /// Takes note of contracts that are new or whose polls were away, and once an hour of all others but those whose polls are
    /// away now: of these all is looked through when they are back.
    fn look(&mut self, followed: impl Iterator<Item = Arc<Contract>>, gap_ms: i64, now: UnixMillis) {
        let is_due = self.recent_due <= Instant::now();
        if is_due {
            self.recent_due = Instant::now() + RECENT_EVERY;
        }
        let is_polled =
            |contract: &Contract| contract.figures.open_interest().is_some_and(|open| now.since(open.time) <= gap_ms);
        for contract in followed {
            let chore = if self.sight.see(&contract, gap_ms) {
                Chore::All(contract.id)
            } else if is_due && is_polled(&contract) {
                Chore::Recent(contract.id)
            } else {
                continue;
            };
            if !self.waiting.contains(&chore) {
                self.waiting.push_back(chore);
            }
        }
    }

    fn retain(&mut self, is_there: impl Fn(ContractId) -> bool) {
        self.sight.0.retain(|id, _| is_there(*id));
        self.asks.0.retain(|id, _| is_there(*id));
    }
}

impl Polling {
    /// Fetches what the store lacks of the last 30 days, of each contract when it is first seen, and after its polls were away
    /// for more than their `period`; and once an hour what it lacks of the last days; for ever.
    pub async fn fetch_past_open_interest(self, period: Duration) {
        let gap_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).saturating_add(SLACK_MS);
        let (mut progress, mut backoff) = (Progress::new(), self.backoff());
        loop {
            progress.look(self.following(Series::OpenInterest), gap_ms, self.now());
            progress.retain(|id| self.contracts.get(id).is_some());
            let Some(chore) = progress.waiting.pop_front() else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            match self.look_through(chore, &mut progress.asks).await {
                Ok(()) => backoff = self.backoff(),
                Err(error) => {
                    self.note(FIGURE, &error);
                    if !error.is_refusal() {
                        // The last days have their turn again in an hour.
                        progress.waiting.extend(Some(chore).filter(|chore| matches!(chore, Chore::All(_))));
                        sleep(RETRY.0 + backoff.delay()).await;
                    }
                }
            }
        }
    }

    async fn look_through(&self, chore: Chore, asks: &mut Asks) -> Result<(), PollError> {
        let (Chore::All(id) | Chore::Recent(id)) = chore;
        let Some(contract) = self.contracts.get(id) else { return Ok(()) };
        let Some(records) = contract.records.get() else { return Ok(()) };
        match chore {
            Chore::All(_) => self.fill(&contract, records, asks).await,
            Chore::Recent(_) => self.mend(&contract, records, asks).await,
        }
    }

    /// Fetches what the store lacks of one contract, the oldest first.
    async fn fill(&self, contract: &Contract, records: &Records, asks: &mut Asks) -> Result<(), PollError> {
        for _ in 0..PASSES {
            let now = self.now();
            let from = wanted_from(contract, now);
            let mut missing = missing_slots(records.clone(), slots_within(from, now)).await;
            if missing.is_empty() {
                break;
            }
            while let Some(first) = missing.first().copied() {
                let rest = missing.split_off(&(first + i64::from(OPEN_INTEREST_ROWS_MAX)));
                self.fetch(contract, records, &missing).await?;
                asks.note(contract.id, &missing, now);
                missing = rest;
            }
        }
        Ok(())
    }

    /// Fetches by one call what the store lacks of the last days, unless it was asked for in vain.
    async fn mend(&self, contract: &Contract, records: &Records, asks: &mut Asks) -> Result<(), PollError> {
        let now = self.now();
        let wanted = slots_within(wanted_from(contract, now), now);
        let slots = recent(now).start.max(wanted.start)..recent(now).end;
        let missing = asks.hopeful(contract.id, missing_slots(records.clone(), slots).await);
        self.fetch(contract, records, &missing).await?;
        asks.note(contract.id, &missing, now);
        Ok(())
    }

    /// Asks once for slots that lie within one page, if there are any, and stores what fits them.
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

/// From when on records of a contract are wanted: the venue has them, and they are not given up for their age.
fn wanted_from(contract: &Contract, now: UnixMillis) -> UnixMillis {
    let onboard = contract.listing.load().as_ref().map(|listing| listing.onboard_time);
    let kept = contract.kept.load().open_interest.and_then(|kept| i64::try_from(kept.as_millis()).ok());
    let reach_ms = kept.unwrap_or(i64::MAX).min(OPEN_INTEREST_REACH_MS);
    now.plus(-reach_ms).max(onboard.unwrap_or_default())
}

/// The slots that lie in `[from, to)` whole.
fn slots_within(from: UnixMillis, to: UnixMillis) -> Range<i64> {
    (from.get() + SLOT_MS - 1).div_euclid(SLOT_MS)..slot_of(to)
}

/// The slots that hold no record. Read off the disk, so beside the runtime's threads.
async fn missing_slots(records: Records, slots: Range<i64>) -> BTreeSet<i64> {
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
